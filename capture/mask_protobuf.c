/*
 * mask_protobuf.c - messages of which nothing is known, under detectors alone: every field of bytes is a
 * message, a text or neither, and what is found in texts is masked; lengths follow.
 *
 * Bytes that read as a message are taken for one unless, as a text, they still hold something to be found:
 * then they are the text. So are those of raw tensors: elements, each with 4 bytes of length before it. What
 * is none of these, pictures say, passes when nothing is found in its bytes, and so do numbers; with a find
 * in it, or too deep to be read, the message is refused.
 */
#include "capture/found.h"
#include "capture/mask_inside.h"
#include "proto/base/utf8.h"
#include "proto/protobuf.h"

enum { DEPTH_MAX = 16 };

static int walk_message(struct mask_work *w, struct span message, unsigned depth);

static void back_to(struct mask_work *w, const struct mask_work *before, size_t len)
{
	*w = *before;
	if (!w->out->err)
		w->out->tail = w->out->head + len;
}

static bool holds(const struct mask_work *w, struct span text)
{
	struct buf scrap;
	bool whole, found;

	buf_init(&scrap, w->out->limit_bytes);
	found = mask_text(mask_rules_finder(w->rules), w->key, LOOK_ALL, SPAN("content"), text, &scrap,
	                  &whole) > 0 ||
	        scrap.err;
	buf_fini(&scrap);
	return found;
}

/* As a text, does what was put since `len` still hold something? */
static bool still_holds(const struct mask_work *w, size_t len)
{
	struct span put = {w->out->base ? w->out->base + w->out->head + len : "", buf_len(w->out) - len};

	return utf8_valid(put.data, put.len) && holds(w, put);
}

enum { LENGTH_BYTES = 4 };

/* The next element of a raw tensor; false: there is none. */
static bool next_element(struct span *left, struct span *out)
{
	const unsigned char *p = (const unsigned char *)left->data;
	size_t len;

	if (left->len < LENGTH_BYTES)
		return false;
	len = (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
	if (len > left->len - LENGTH_BYTES)
		return false;
	*out = (struct span){left->data + LENGTH_BYTES, len};
	*left = (struct span){out->data + len, left->len - LENGTH_BYTES - len};
	return true;
}

static bool are_elements(struct span bytes)
{
	struct span one;

	while (next_element(&bytes, &one))
		;
	return !bytes.len;
}

static int put_plain(struct mask_work *w, struct span bytes)
{
	if (utf8_valid(bytes.data, bytes.len))
		return mask_either(w, SPAN("content"), bytes);
	if (holds(w, bytes))
		return ERR_UNSUPPORTED;
	buf_span_put(w->out, bytes);
	return 0;
}

static int put_elements(struct mask_work *w, struct span bytes)
{
	struct span one;
	int err = 0;

	while (!err && next_element(&bytes, &one)) {
		char length[LENGTH_BYTES] = {0};
		size_t start = buf_len(w->out), len;

		buf_put(w->out, length, sizeof length);
		err = put_plain(w, one);
		if (err || w->out->err)
			return err ? err : w->out->err;
		len = buf_len(w->out) - start - LENGTH_BYTES;
		for (unsigned i = 0; i < LENGTH_BYTES; i++)
			w->out->base[w->out->head + start + i] = (char)(len >> 8 * i);
	}
	return err;
}

int mask_guess(struct mask_work *w, struct span bytes, unsigned depth)
{
	const struct mask_work before = *w;
	size_t len = buf_len(w->out);
	struct found_mark notes;
	int err;

	if (!bytes.len)
		return 0;
	mask_notes_keep(w->key, &notes);
	err = depth < DEPTH_MAX ? walk_message(w, bytes, depth + 1) : ERR_UNSUPPORTED;
	if (err && err != ERR_PROTO)
		return err;
	if (!err && !still_holds(w, len)) {
		if (w->count == before.count) {
			back_to(w, &before, len);
			buf_span_put(w->out, bytes);
		}
		return 0;
	}
	back_to(w, &before, len);
	mask_notes_back(w->key, &notes);
	return are_elements(bytes) ? put_elements(w, bytes) : put_plain(w, bytes);
}

static int put_bytes(struct mask_work *w, uint32_t number, struct span bytes, unsigned depth)
{
	size_t start = protobuf_open(w->out, number, bytes.len);
	int err = mask_guess(w, bytes, depth);

	protobuf_close(w->out, start, bytes.len);
	return err;
}

static int walk_message(struct mask_work *w, struct span message, unsigned depth)
{
	struct protobuf_field f;
	int rc, err = 0;

	while (!err && (rc = protobuf_next(&message, &f)) != 0) {
		if (rc < 0)
			return ERR_PROTO;
		if (f.wire == PROTOBUF_BYTES)
			err = put_bytes(w, f.number, f.bytes, depth);
		else
			buf_span_put(w->out, f.whole);
		if (w->out->err)
			return w->out->err;
	}
	return err;
}

int mask_protobuf(const struct mask_rules *rules, struct mask_key *key, struct span encoding,
                  const struct grpc_message *message, struct buf *out, uint32_t *count_out,
                  bool *input_masked_out)
{
	struct mask_work w = {.rules = rules, .key = key, .out = out};
	size_t start = buf_len(out);
	char prefix[GRPC_PREFIX_BYTES] = {0};
	struct buf plain;
	int err = 0;

	buf_init(&plain, out->limit_bytes);
	if (message->compressed)
		err = grpc_inflate(message->bytes, encoding, &plain);
	buf_put(out, prefix, sizeof prefix);
	if (!err)
		err = walk_message(&w, message->compressed ? buf_span(&plain) : message->bytes, 0);
	if (!err)
		err = mask_result(key, out);
	if (!err)
		err = grpc_prefix(buf_len(out) - start - sizeof prefix, prefix);
	if (!err)
		memcpy(out->base + out->head + start, prefix, sizeof prefix);
	buf_fini(&plain);
	*count_out = w.count;
	*input_masked_out = w.input_masked;
	return err;
}
