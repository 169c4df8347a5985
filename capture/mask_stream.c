/*
 * mask_stream.c - bodies that are many documents: lines of JSON, and events whose data are JSON.
 *
 * A stream is masked when it is whole, since what an event says may be said to an end by a later one; each
 * event is done in its own record all the same. Of an event the data are masked; its type, its id and a time
 * to come back stay, unless something is found in them; comments leave empty, and fields that no reader of
 * events knows do not leave.
 */
#include "capture/mask_join.h"
#include "proto/json.h"
#include "proto/sse.h"

struct stream {
	struct mask_work *work;
	size_t before; /* a byte order mark */
	struct span body;
	struct buf docs; /* struct mask_doc */
	struct buf data; /* of events with more lines of it than one: they are joined by LF */
};

static const struct span done = {"[DONE]", 6};

static bool is_json(struct span text)
{
	struct json_reader r;
	enum json_token token = JSON_MORE;
	int err = 0;

	json_reader_init(&r, text, JSON_NONFINITE);
	while (!err && token != JSON_END)
		err = json_next(&r, &token);
	return !err;
}

static void add_doc(struct stream *s, struct span text, size_t end)
{
	struct mask_doc doc = {.text = text, .end = end};

	doc.plain =
	        text.len && !(mask_looks_json(text) && memchr(text.data, '{', text.len)) && !is_json(text);
	buf_put(&s->docs, &doc, sizeof doc);
}

/* All lines of one event: its data, as a span of the body when they are one line. */
static struct span event_data(struct stream *s, struct span event)
{
	struct span data = {NULL, 0};
	struct sse_line line;
	size_t start = buf_len(&s->data);
	unsigned lines = 0;

	while (sse_line(&event, &line)) {
		if (!span_eq(line.name, SPAN("data")))
			continue;
		if (lines == 1)
			buf_span_put(&s->data, data);
		if (lines) {
			buf_puts(&s->data, "\n");
			buf_span_put(&s->data, line.value);
		}
		data = lines++ ? (struct span){s->data.base + start, buf_len(&s->data) - start} : line.value;
	}
	return data;
}

/* Up to and with the empty line that ends it. */
static struct span cut_event(struct span *left)
{
	struct span event = {left->data, 0};
	struct sse_line line;

	while (sse_line(left, &line) && line.text.len)
		;
	event.len = (size_t)(left->data - event.data);
	return event;
}

static void read_events(struct stream *s)
{
	struct span left = s->body;

	if (!buf_room(&s->data, s->body.len + 1)) /* it stays where it is */
		return;
	while (left.len) {
		struct span event = cut_event(&left);

		add_doc(s, event_data(s, event), (size_t)(left.data - s->body.data));
	}
}

static void read_lines(struct stream *s)
{
	for (size_t at = 0; at < s->body.len;) {
		const char *from = s->body.data + at, *end = memchr(from, '\n', s->body.len - at);
		size_t len = end ? (size_t)(end - from) : s->body.len - at;
		struct span line = {from, len};

		while (line.len && (line.data[line.len - 1] == '\r' || line.data[line.len - 1] == ' '))
			line.len--;
		at += len + (end != NULL);
		if (!line.len)
			line.data = NULL;
		add_doc(s, line, at);
	}
}

/* What a document becomes; of texts nobody looks into, only the word at the end of a stream is known. */
static int mask_doc(struct mask_work *w, const struct mask_doc *d, struct span text)
{
	int err;

	if (!text.len || span_eq(text, done)) {
		buf_span_put(w->out, text);
		return 0;
	}
	w->joined = true;
	err = d->plain ? mask_plain(w, SPAN("content"), text)
	               : mask_json_within(w, (struct span){NULL, 0}, text);
	w->joined = false;
	return err;
}

static bool is_digits(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
	return true;
}

static int put_other(struct mask_work *w, const struct sse_line *line)
{
	bool known = span_eq(line->name, SPAN("event")) || span_eq(line->name, SPAN("id"));
	int err = 0;

	if (!line->name.len && line->text.len) {
		buf_puts(w->out, ":");
	} else if (span_eq(line->name, SPAN("retry")) && is_digits(line->value)) {
		buf_span_put(w->out, line->text);
	} else if (known) {
		buf_put(w->out, line->text.data, (size_t)(line->value.data - line->text.data));
		err = mask_rules_finder(w->rules) || mask_rules_allow(w->rules)
		              ? mask_plain(w, line->name, line->value)
		              : 0;
		if (!mask_rules_finder(w->rules) && !mask_rules_allow(w->rules))
			buf_span_put(w->out, line->value);
	} else if (line->text.len) {
		return 0;
	}
	buf_span_put(w->out, line->end);
	return err;
}

/* Masked data over as many lines as they have. */
static void put_data(struct mask_work *w, const struct sse_line *first, struct span data)
{
	for (bool more = true; more;) {
		const char *end = data.len ? memchr(data.data, '\n', data.len) : NULL;
		size_t len = end ? (size_t)(end - data.data) : data.len;

		buf_puts(w->out, first->blank ? "data: " : "data:");
		buf_put(w->out, data.data, len);
		more = end != NULL;
		if (more) {
			buf_puts(w->out, "\n");
			data = (struct span){data.data + len + 1, data.len - len - 1};
		}
	}
}

static int put_event(struct mask_work *w, const struct mask_doc *d, struct span event, struct span text)
{
	struct mask_work inner = *w;
	struct buf data;
	struct sse_line line;
	bool put = false;
	int err = 0;

	buf_init(&data, w->out->limit_bytes);
	inner.out = &data;
	if (d->text.data)
		err = mask_doc(&inner, d, text);
	w->count = inner.count;
	w->input_masked = inner.input_masked;
	while (!err && sse_line(&event, &line)) {
		if (!span_eq(line.name, SPAN("data"))) {
			err = put_other(w, &line);
		} else if (!put) {
			put_data(w, &line, buf_span(&data));
			buf_span_put(w->out, line.end);
			put = true;
		}
	}
	w->out->err = w->out->err ? w->out->err : data.err;
	buf_fini(&data);
	return err;
}

static int put_line(struct mask_work *w, const struct mask_doc *d, struct span raw, struct span text)
{
	int err;

	if (!d->text.data) {
		buf_span_put(w->out, raw);
		return 0;
	}
	err = d->plain ? ERR_PROTO : mask_doc(w, d, text);
	buf_put(w->out, raw.data + d->text.len, raw.len - d->text.len);
	return err;
}

static int put_all(struct stream *s, struct mask_join *j, bool events)
{
	struct mask_work *w = s->work;
	struct buf edited;
	size_t at = 0;
	int err = 0;

	buf_init(&edited, w->out->limit_bytes);
	for (size_t i = 0; !err && i < j->doc_count; i++) {
		const struct mask_doc *d = &j->docs[i];
		struct span raw = {s->body.data + at, d->end - at}, text = mask_join_text(j, i, &edited);

		err = edited.err ? edited.err
		      : events   ? put_event(w, d, raw, text)
		                 : put_line(w, d, raw, text);
		at = d->end;
		if (!err)
			mask_work_due(w, s->before + at);
	}
	buf_fini(&edited);
	return err;
}

static int mask_stream(struct mask_work *w, struct span body, bool events)
{
	struct stream s = {.work = w, .body = body};
	struct mask_join j;
	int err;

	if (events && span_starts(body, SSE_MARK)) {
		s.before = SSE_MARK.len;
		s.body = (struct span){body.data + s.before, body.len - s.before};
		buf_span_put(w->out, SSE_MARK);
	}
	buf_init(&s.docs, w->out->limit_bytes);
	buf_init(&s.data, body.len + 1);
	if (events)
		read_events(&s);
	else
		read_lines(&s);
	err = s.docs.err ? s.docs.err : s.data.err;
	if (!err) {
		err = mask_join(&j, w, (struct mask_doc *)(void *)buf_span(&s.docs).data,
		                buf_len(&s.docs) / sizeof(struct mask_doc), w->out->limit_bytes);
		if (!err)
			err = put_all(&s, &j, events);
		mask_join_fini(&j);
	}
	buf_fini(&s.docs);
	buf_fini(&s.data);
	return err;
}

int mask_lines(struct mask_work *w, struct span body)
{
	return mask_stream(w, body, false);
}

int mask_events(struct mask_work *w, struct span body)
{
	return mask_stream(w, body, true);
}
