#include "capture/recogniser.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "capture/detect/hits.h"
#include "proto/base/clock.h"
#include "proto/base/utf8.h"
#include "proto/json.h"

enum { LOOK_MS = 20, SCORE = 90, READ_BYTES = 16 << 10, NAME_BYTES = 64 };

struct recogniser {
	struct recogniser_keeper keeper;
	struct recogniser_peer peer;
	uint64_t deadline_ns, until_ns; /* until 0: of this body nothing was asked yet */
	uint64_t id, lost;              /* lost: the start that serves no more */
	bool within, failed;
	struct buf question, heard;
};

int recogniser_new(const struct recogniser_keeper *keeper, uint32_t deadline_ms, struct recogniser **out)
{
	struct recogniser *r = calloc(1, sizeof *r);

	*out = r;
	if (!r)
		return ERR_NOMEM;
	r->keeper = *keeper;
	r->deadline_ns = deadline_ms * UINT64_C(1000000);
	r->id = clock_mono_ns() / 1000 * 2 +
	        1; /* odd; what an earlier process of this role asked has other ids */
	buf_init(&r->question, 6 * RECOGNISER_TEXT_MAX + 64);
	buf_init(&r->heard, RECOGNISER_LINE_MAX);
	return 0;
}

void recogniser_free(struct recogniser **r)
{
	if (!*r)
		return;
	buf_fini(&(*r)->question);
	buf_fini(&(*r)->heard);
	free(*r);
	*r = NULL;
}

/* --- what is said --- */

unsigned recogniser_class(struct span name)
{
	static const struct {
		const char *name;
		uint8_t class;
	} usual[] = {{"per", DETECT_PERSON},
	             {"loc", DETECT_PLACE},
	             {"location", DETECT_PLACE},
	             {"gpe", DETECT_PLACE},
	             {"address", DETECT_PLACE},
	             {"org", DETECT_ORGANISATION},
	             {"organization", DETECT_ORGANISATION},
	             {"email_address", DETECT_EMAIL},
	             {"phone_number", DETECT_PHONE},
	             {"credit_card", DETECT_PAN}};

	for (unsigned i = 1; i < DETECT_CLASSES; i++)
		if (span_eq_nocase(name, span_of(detect_class_name(i))))
			return i;
	for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
		if (span_eq_nocase(name, span_of(usual[i].name)))
			return usual[i].class;
	return DETECT_ENTITY;
}

void recogniser_question(uint64_t id, struct span text, struct buf *out)
{
	struct buf clean;

	buf_init(&clean, text.len + 1);
	for (size_t i = 0, n; i < text.len; i += n ? n : 1) {
		n = utf8_len((const unsigned char *)text.data + i, text.len - i);
		buf_put(&clean, n ? text.data + i : "?", n ? n : 1);
	}
	buf_printf(out, "{\"id\":%llu,\"text\":", (unsigned long long)id);
	buf_json_string(out, buf_span(&clean));
	buf_puts(out, "}\n");
	out->err = out->err ? out->err : clean.err;
	buf_fini(&clean);
}

/* Where each character begins, and the end. */
static const uint32_t *starts_of(struct span text, struct buf *table, size_t *count_out)
{
	for (size_t i = 0, n; i < text.len; i += n ? n : 1) {
		uint32_t at = (uint32_t)i;

		n = utf8_len((const unsigned char *)text.data + i, text.len - i);
		buf_put(table, &at, sizeof at);
	}
	buf_put(table, &(uint32_t){(uint32_t)text.len}, sizeof(uint32_t));
	*count_out = buf_len(table) / sizeof(uint32_t) - 1;
	return (const uint32_t *)(const void *)buf_span(table).data;
}

/* A whole number; false: it is none, or too large. */
static bool number_of(struct span text, uint64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9' || *out > UINT64_MAX / 10 - 1)
			return false;
		*out = *out * 10 + (uint64_t)(text.data[i] - '0');
	}
	return text.len > 0;
}

struct reading {
	struct json_reader json;
	const uint32_t *starts;
	size_t count, spans;
	struct buf *hits;
	uint64_t id;
	bool has_id, has_spans, outside; /* outside: spans that are none of this text */
};

static int read_number(struct reading *r, uint64_t *out)
{
	enum json_token token;
	int err = json_next(&r->json, &token);

	return err ? err : token == JSON_NUMBER && number_of(r->json.text, out) ? 0 : ERR_PROTO;
}

/* [start, end, "CLASS"], behind its bracket. */
static int read_span(struct reading *r)
{
	struct detect_hit hit = {.score = SCORE};
	enum json_token token;
	struct buf name;
	int err = read_number(r, &hit.start);

	if (!err)
		err = read_number(r, &hit.end);
	if (!err)
		err = json_next(&r->json, &token);
	if (err || token != JSON_STRING || r->spans++ == RECOGNISER_SPANS_MAX)
		return err ? err : ERR_PROTO;
	buf_init(&name, NAME_BYTES);
	json_unescape(r->json.text, &name);
	hit.class = (uint8_t)recogniser_class(name.err ? SPAN("") : buf_span(&name));
	buf_fini(&name);
	if (hit.start < hit.end && hit.end <= r->count) {
		hit.start = r->starts[hit.start];
		hit.end = r->starts[hit.end];
		buf_put(r->hits, &hit, sizeof hit);
	} else {
		r->outside = true;
	}
	err = json_next(&r->json, &token);
	return err ? err : token == JSON_ARRAY_END ? 0 : ERR_PROTO;
}

static int read_spans(struct reading *r)
{
	enum json_token token;
	int err = json_next(&r->json, &token);

	if (err || token != JSON_ARRAY || r->has_spans)
		return err ? err : ERR_PROTO;
	r->has_spans = true;
	while (!(err = json_next(&r->json, &token)) && token == JSON_ARRAY && !(err = read_span(r)))
		;
	return err ? err : token == JSON_ARRAY_END ? 0 : ERR_PROTO;
}

static int read_member(struct reading *r)
{
	enum json_token token;
	int err;

	if (json_string_eq(r->json.text, SPAN("spans")))
		return read_spans(r);
	if (json_string_eq(r->json.text, SPAN("id"))) {
		err = r->has_id ? ERR_PROTO : read_number(r, &r->id);
		r->has_id = true;
		return err;
	}
	err = json_next(&r->json, &token);
	return err ? err : json_skip(&r->json, token);
}

static int read_answer(struct reading *r)
{
	enum json_token token;
	int err = json_next(&r->json, &token);

	if (err || token != JSON_OBJECT)
		return err ? err : ERR_PROTO;
	while (!(err = json_next(&r->json, &token)) && token == JSON_KEY && !(err = read_member(r)))
		;
	if (!err && token == JSON_OBJECT_END)
		err = json_next(&r->json, &token);
	return err ? err : token == JSON_END && r->has_id && r->has_spans ? 0 : ERR_PROTO;
}

int recogniser_answer(struct span line, uint64_t id, struct span text, struct buf *hits)
{
	struct reading r = {.hits = hits};
	struct buf table;
	size_t before = buf_len(hits);
	int err;

	buf_init(&table, (text.len + 1) * sizeof(uint32_t));
	r.starts = starts_of(text, &table, &r.count);
	json_reader_init(&r.json, line, 0);
	err = table.err ? table.err : read_answer(&r);
	err = err == ERR_LIMIT ? ERR_PROTO : err;
	if (!err)
		err = r.id != id ? ERR_AGAIN : r.outside ? ERR_PROTO : 0;
	if (err)
		hits->tail = hits->head + before;
	buf_fini(&table);
	return err ? err : hits->err;
}

/* --- how it is asked --- */

void recogniser_begin(struct recogniser *r)
{
	r->within = true;
	r->failed = false;
	r->until_ns = 0;
}

bool recogniser_end(struct recogniser *r)
{
	r->within = false;
	return !r->failed;
}

/* The one that was asked still serves. */
static bool serves(struct recogniser *r)
{
	uint64_t before = r->peer.serving;

	r->keeper.look(r->keeper.arg, &r->peer);
	return r->peer.serving && r->peer.serving == before;
}

/* Until it can be written to or read from, or a while has passed. ERR_AGAIN: the deadline has passed. */
static int await(struct recogniser *r, short events)
{
	struct pollfd fds[] = {{.fd = r->peer.from, .events = POLLIN},
	                       {.fd = events & POLLOUT ? r->peer.to : -1, .events = POLLOUT}};
	uint64_t now = clock_mono_ns(), left_ms;

	if (now >= r->until_ns)
		return ERR_AGAIN;
	left_ms = (r->until_ns - now) / 1000000 + 1;
	poll(fds, 2, left_ms < LOOK_MS ? (int)left_ms : LOOK_MS);
	return serves(r) ? 0 : ERR_CLOSED;
}

/* What has come; a line that is longer than all that fits breaks off. */
static int hear(struct recogniser *r)
{
	size_t left = RECOGNISER_LINE_MAX - buf_len(&r->heard), want = left < READ_BYTES ? left : READ_BYTES;
	char *room = want ? buf_room(&r->heard, want) : NULL;
	ssize_t n = room ? read(r->peer.from, room, want) : 0;

	if (n > 0)
		buf_grown(&r->heard, (size_t)n);
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)) ? 0 : ERR_CLOSED;
}

static int put_question(struct recogniser *r, struct span text)
{
	int err = 0;

	buf_reset(&r->question);
	recogniser_question(r->id += 2, text, &r->question);
	while (!err && !r->question.err && buf_len(&r->question)) {
		struct span left = buf_span(&r->question);
		ssize_t n = write(r->peer.to, left.data, left.len);

		if (n > 0)
			buf_consume(&r->question, (size_t)n);
		else
			err = errno == EAGAIN || errno == EINTR ? await(r, POLLOUT) : ERR_CLOSED;
		if (!err && n <= 0)
			err = hear(r); /* it may say much before it listens */
	}
	return err ? err : r->question.err;
}

/* A line that is a late answer to something else is passed over. */
static int take_answer(struct recogniser *r, struct span text, struct buf *hits)
{
	int err = 0;

	for (;;) {
		struct span all = buf_span(&r->heard);
		const char *end = memchr(all.data, '\n', all.len);

		if (!end) {
			err = await(r, 0);
			if (!err)
				err = hear(r);
			if (err)
				return err;
			continue;
		}
		err = end == all.data ? ERR_AGAIN
		                      : recogniser_answer((struct span){all.data, (size_t)(end - all.data)},
		                                          r->id, text, hits);
		buf_consume(&r->heard, (size_t)(end - all.data) + 1);
		if (err != ERR_AGAIN)
			return err;
	}
}

static int ask(struct recogniser *r, struct span text, struct buf *hits)
{
	uint64_t before = r->peer.serving;
	int err;

	if (text.len > RECOGNISER_TEXT_MAX)
		return ERR_LIMIT;
	r->keeper.look(r->keeper.arg, &r->peer);
	if (!r->peer.serving || r->peer.serving == r->lost)
		return ERR_CLOSED;
	if (r->peer.serving != before)
		buf_reset(&r->heard); /* of one that was before */
	if (!r->until_ns)
		r->until_ns = clock_mono_ns() + r->deadline_ns;
	err = put_question(r, text);
	if (!err)
		err = take_answer(r, text, hits);
	if (err) {
		r->lost = r->peer.serving;
		r->keeper.give_up(r->keeper.arg);
	}
	return err;
}

int recogniser_ask(struct recogniser *r, struct span text, struct buf *hits)
{
	if (!r->failed && (!r->within || ask(r, text, hits)))
		r->failed = true;
	return r->failed ? ERR_CLOSED : 0;
}
