/* Whole and byte by byte, the scanner must see the same tokens; what it accepts can be decoded. */
#include <stdint.h>
#include <stdlib.h>

#include "proto/json.h"

struct trace {
	uint64_t hash;
	int err;
};

static void mix(struct trace *t, uint64_t value)
{
	t->hash = (t->hash ^ value) * 0x100000001b3u;
}

static bool note(struct trace *t, const struct json_scanner *s, enum json_token token)
{
	if (token == JSON_MORE || token == JSON_END)
		return false;
	if (s->start >= s->end || s->end > s->offset)
		abort();
	mix(t, token);
	mix(t, s->start);
	mix(t, s->end);
	mix(t, s->escaped);
	return true;
}

static struct trace scan(struct span doc, size_t piece_len, unsigned options)
{
	struct trace t = {0xcbf29ce484222325u, 0};
	struct json_scanner s;
	enum json_token token;
	struct span piece;
	long n = 0;

	json_init(&s, options);
	for (size_t at = 0; n >= 0 && at < doc.len; at += piece.len) {
		piece = (struct span){doc.data + at, doc.len - at < piece_len ? doc.len - at : piece_len};
		size_t used = 0;
		do {
			n = json_feed(&s, (struct span){piece.data + used, piece.len - used}, &token);
			if (n >= 0)
				used += (size_t)n;
		} while (n >= 0 && note(&t, &s, token));
		if (n >= 0 && used != piece.len)
			abort();
	}
	do {
		t.err = json_finish(&s, &token);
	} while (!t.err && note(&t, &s, token));
	return t;
}

static void decode(struct span doc, unsigned options)
{
	struct json_reader r;
	enum json_token token;
	struct buf out;
	double value;
	int err;

	buf_init(&out, doc.len * 2 + 16);
	json_reader_init(&r, doc, options);
	for (;;) {
		err = json_next(&r, &token);
		if (err || token == JSON_END)
			break;
		buf_reset(&out);
		if (token == JSON_KEY || token == JSON_STRING) {
			json_unescape(r.text, &out);
			if (out.err || !json_string_eq(r.text, buf_span(&out)))
				abort();
		}
		if (token == JSON_NUMBER && json_double(r.text, &value))
			abort();
	}
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span doc = {(const char *)data, len};
	struct trace whole, bytes;

	for (unsigned options = 0; options <= JSON_NONFINITE; options++) {
		whole = scan(doc, len, options);
		bytes = scan(doc, 1, options);
		if (whole.err != bytes.err || whole.hash != bytes.hash)
			abort();
		decode(doc, options);
	}
	return 0;
}
