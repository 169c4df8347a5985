#include "capture/mask_body.h"

#include <ctype.h>

#include "capture/found.h"
#include "capture/head.h"
#include "capture/mask_inside.h"
#include "capture/mask_watch.h"
#include "proto/base/utf8.h"
#include "proto/coding.h"

static bool is_type(struct span value, const char *type)
{
	struct span want = span_of(type);

	return value.len >= want.len && span_eq_nocase((struct span){value.data, want.len}, want) &&
	       (value.len == want.len || strchr("; \t", value.data[want.len]));
}

struct span mask_parameter(struct span value, struct span name)
{
	for (size_t i = 0; i + name.len < value.len; i++) {
		struct span rest = {value.data + i + name.len + 1, value.len - i - name.len - 1};
		size_t len = 0;
		bool quoted = rest.len && rest.data[0] == '"';

		if (!i || !strchr("; \t", value.data[i - 1]) || value.data[i + name.len] != '=' ||
		    !span_eq_nocase((struct span){value.data + i, name.len}, name))
			continue;
		rest = (struct span){rest.data + quoted, rest.len - quoted};
		while (len < rest.len && !strchr(quoted ? "\"" : "; \t", rest.data[len]))
			len++;
		return (struct span){rest.data, len};
	}
	return (struct span){NULL, 0};
}

static int form_of(struct span type, struct mask_body *b)
{
	static const struct {
		const char *type;
		enum mask_form form;
	} rows[] = {
	        {"application/x-ndjson", MASK_LINES},
	        {"application/ndjson", MASK_LINES},
	        {"application/jsonl", MASK_LINES},
	        {"application/x-jsonlines", MASK_LINES},
	        {"application/jsonlines", MASK_LINES},
	        {"application/stream+json", MASK_LINES},
	        {"text/event-stream", MASK_EVENTS},
	        {"application/x-www-form-urlencoded", MASK_PAIRS},
	        {"multipart/form-data", MASK_PARTS},
	        {"text/plain", MASK_PLAIN},
	        {"text/markdown", MASK_PLAIN},
	        {"text/csv", MASK_PLAIN},
	        {"text/html", MASK_PLAIN},
	        {"text/xml", MASK_PLAIN},
	        {"application/xml", MASK_PLAIN},
	};
	struct span boundary;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (is_type(type, rows[i].type))
			b->form = (uint8_t)rows[i].form;
	if (b->form != MASK_PARTS)
		return 0;
	boundary = mask_parameter(type, SPAN("boundary"));
	if (!boundary.len || boundary.len > MASK_BOUNDARY_MAX)
		return ERR_UNSUPPORTED;
	memcpy(b->boundary, boundary.data, boundary.len);
	b->boundary_len = (uint8_t)boundary.len;
	return 0;
}

int mask_body_of(struct span head, struct mask_body *b)
{
	struct span name, value, type = {"", 0};
	unsigned types = 0;
	size_t at = 0;

	*b = (struct mask_body){.form = MASK_JSON};
	while (head_next(head, &at, &name, &value)) {
		if (span_eq_nocase(name, SPAN("content-type"))) {
			type = value;
			types++;
		} else if (span_eq_nocase(name, SPAN("content-encoding")) && value.len &&
		           !span_eq_nocase(value, SPAN("identity"))) {
			if (!coding_known(value) || b->coding[0])
				return ERR_UNSUPPORTED;
			memcpy(b->coding, value.data, value.len);
		}
	}
	return types > 1 ? 0 : form_of(type, b); /* of two that differ none is believed */
}

/* Behind blanks. */
static bool begins_with(struct span text, char c)
{
	size_t i = 0;

	while (i < text.len && (text.data[i] == ' ' || (text.data[i] >= '\t' && text.data[i] <= '\r')))
		i++;
	return i < text.len && text.data[i] == c;
}

bool mask_looks_json(struct span text)
{
	return begins_with(text, '{') || begins_with(text, '[');
}

const struct plan_mask_field mask_unlisted = {.with = MASK_REDACT, .model_input = true};

void mask_field(const struct plan_mask_field *rule, struct mask_key *key, struct span subject,
                struct span value, bool *bare, struct buf *out)
{
	struct mask_deed deed = {.with = rule->with,
	                         .by = &rule->by,
	                         .class = rule->by.class,
	                         .domain = span_of(rule->where),
	                         .subject = {subject.len ? subject.data : NULL, subject.len},
	                         .bare = *bare};

	mask_watch_rule(key, rule, rule->with, value);
	mask_operate(&deed, key, value, out);
	*bare = deed.bare;
}

void mask_ruled(struct mask_work *w, const struct plan_mask_field *rule, struct span value)
{
	bool bare = false;

	if (rule->with == MASK_KEEP) {
		buf_span_put(w->out, value);
		return;
	}
	w->count++;
	mask_field(rule, w->key, (struct span){NULL, 0}, value, &bare, w->out);
}

int mask_plain(struct mask_work *w, struct span name, struct span text)
{
	const struct mask_finder *finder = mask_rules_finder(w->rules);
	bool whole;
	uint32_t finds;

	if (mask_rules_allow(w->rules) && (!name.data || name.len)) {
		w->input_masked = true;
		mask_ruled(w, &mask_unlisted, text);
		return 0;
	}
	if (!utf8_valid(text.data, text.len) || (!finder && !mask_rules_allow(w->rules)))
		return ERR_PROTO;
	if (!finder) {
		buf_span_put(w->out, text);
		return 0;
	}
	finds = mask_text_deep(finder, w->key, w->joined ? LOOK_FOUND : LOOK_ALL, name, text, w->out, &whole);
	if (whole)
		buf_puts(w->out, "[redacted]");
	else if (!finds)
		buf_span_put(w->out, text);
	w->count += finds;
	w->input_masked |= finds > 0;
	return 0;
}

int mask_either(struct mask_work *w, struct span name, struct span text)
{
	struct mask_work before = *w;
	size_t len = buf_len(w->out), mark = mask_watch_mark(w->key);
	struct found_mark notes;
	int err;

	mask_notes_keep(w->key, &notes);
	err = mask_looks_json(text) ? mask_json_within(w, name, text) : ERR_PROTO;
	if (err != ERR_PROTO)
		return err;
	*w = before;
	mask_watch_back(w->key, mark);
	mask_notes_back(w->key, &notes);
	mask_watch_at(w->key, "text", name);
	w->out->tail = w->out->head + len;
	if (mask_rules_finder(w->rules) || mask_rules_allow(w->rules))
		return mask_plain(w, name, text);
	if (!utf8_valid(text.data, text.len))
		return ERR_PROTO;
	buf_span_put(w->out, text);
	return 0;
}

static int mask_form(const struct mask_body *b, struct mask_work *w, struct span body)
{
	switch (b->form) {
	case MASK_LINES:
		return mask_lines(w, body);
	case MASK_EVENTS:
		return mask_events(w, body);
	case MASK_PAIRS:
		return mask_looks_json(body) ? mask_json_within(w, (struct span){NULL, 0}, body)
		                             : mask_pairs(w, body);
	case MASK_PARTS:
		return mask_parts(w, (struct span){b->boundary, b->boundary_len}, body);
	case MASK_PLAIN:
		if (begins_with(body, '{') || (!mask_rules_finder(w->rules) && !mask_rules_allow(w->rules)))
			return mask_json_within(w, (struct span){NULL, 0}, body);
		return mask_either(w, (struct span){NULL, 0}, body);
	default:
		return mask_json_within(w, (struct span){NULL, 0}, body);
	}
}

/* Decoded, masked, and coded as before: as much as came fits into the records that it came in. */
static int mask_coded(const struct mask_body *b, struct mask_work *w, struct span body)
{
	struct span coding = span_of(b->coding);
	struct mask_work inner = *w;
	struct buf plain, masked;
	int err;

	buf_init(&plain, b->limit_bytes);
	buf_init(&masked, w->out->limit_bytes);
	inner.out = &masked;
	inner.due = NULL;
	err = coding_decode(coding, body, &plain);
	if (!err)
		err = mask_form(b, &inner, buf_span(&plain));
	if (!err)
		err = mask_result(w->key, &masked);
	if (!err)
		err = coding_encode(coding, buf_span(&masked), w->out);
	w->count = inner.count;
	w->input_masked = inner.input_masked;
	buf_fini(&plain);
	buf_fini(&masked);
	return err;
}

int mask_body(const struct mask_body *b, const struct mask_rules *rules, struct mask_key *key,
              struct span body, void (*due)(void *arg, size_t brought, size_t masked), void *arg,
              struct buf *out, uint32_t *count_out, bool *input_masked_out)
{
	struct mask_work w = {.rules = rules, .key = key, .out = out, .due = due, .arg = arg};
	int err;

	mask_watch_at(key, "text", SPAN(""));
	err = b->coding[0] ? mask_coded(b, &w, body) : mask_form(b, &w, body);

	*count_out = w.count;
	*input_masked_out = w.input_masked;
	return err ? err : mask_result(key, out);
}
