#include "capture/mask.h"

#include <stdlib.h>

#include "capture/fold.h"
#include "capture/head.h"
#include "capture/mask_inside.h"
#include "capture/mask_watch.h"
#include "proto/base/utf8.h"
#include "proto/base64.h"
#include "proto/url.h"

/* Cut `s` at the first `c`: what is before it; `*rest_out` what is behind it (data NULL: no such byte). */
static struct span cut(struct span s, char c, struct span *rest_out)
{
	const char *hit = s.len ? memchr(s.data, c, s.len) : NULL;

	*rest_out = (struct span){NULL, 0};
	if (!hit)
		return s;
	*rest_out = (struct span){hit + 1, s.len - (size_t)(hit - s.data) - 1};
	return (struct span){s.data, (size_t)(hit - s.data)};
}

#define NAME(text)                                                                                           \
	{                                                                                                    \
		text, sizeof(text) - 1                                                                       \
	}

bool mask_is_credential(struct span name)
{
	static const struct span names[] = {
	        NAME("authorization"),
	        NAME("proxy-authorization"),
	        NAME("cookie"),
	        NAME("set-cookie"),
	        NAME("x-api-key"),
	        NAME("api-key"),
	        NAME("x-auth-token"),
	        NAME("x-access-token"),
	        NAME("x-goog-api-key"),
	        NAME("x-amz-security-token"),
	        NAME("ocp-apim-subscription-key"),
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (name.len == names[i].len && span_eq_nocase(name, names[i]))
			return true;
	return false;
}

bool mask_is_framing(struct span name)
{
	static const struct span names[] = {
	        NAME("connection"), NAME("keep-alive"),     NAME("proxy-connection"),
	        NAME("upgrade"),    NAME("content-length"),
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (span_eq_nocase(name, names[i]))
			return true;
	return false;
}

/* What says how the message is read, and whose values are ours or the protocol's. */
static bool is_plain(struct span name)
{
	static const struct span names[] = {
	        NAME("accept"),
	        NAME("accept-encoding"),
	        NAME("connection"),
	        NAME("content-encoding"),
	        NAME("content-length"),
	        NAME("content-type"),
	        NAME("date"),
	        NAME("grpc-encoding"),
	        NAME("grpc-status"),
	        NAME("host"),
	        NAME("last-modified"),
	        NAME("te"),
	        NAME("traceparent"),
	        NAME("trailer"),
	        NAME("transfer-encoding"),
	        NAME("inference-header-content-length"),
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (span_eq_nocase(name, names[i]))
			return true;
	return false;
}

/* The first rule for that name, of heads in any case. */
static const struct plan_mask_field *rule_for(const struct plan_mask *policy, enum mask_place place,
                                              struct span name)
{
	for (uint32_t i = 0; i < policy->field_count; i++) {
		const struct plan_mask_field *field = &policy->fields[i];
		struct span where = span_of(field->where);

		if (field->place == place &&
		    (place == MASK_HEADER ? span_eq_nocase(name, where) : span_eq(name, where)))
			return field;
	}
	return NULL;
}

static bool has_place(const struct plan_mask *policy, enum mask_place place)
{
	for (uint32_t i = 0; i < policy->field_count; i++)
		if (policy->fields[i].place == place)
			return true;
	return false;
}

/* What stands for a value that a rule names. */
static void put_ruled(const struct plan_mask_field *rule, struct mask_key *key, struct span value,
                      struct buf *out, uint32_t *count)
{
	bool bare = false;

	if (rule->with == MASK_KEEP) {
		buf_span_put(out, value);
		return;
	}
	++*count;
	mask_field(rule, key, (struct span){NULL, 0}, value, &bare, out);
}

/* A text as it is, or with what was found in it masked. */
static void put_text(const struct mask_finder *finder, struct mask_key *key, struct span name,
                     struct span text, struct buf *out, uint32_t *count)
{
	bool whole = false;
	uint32_t finds = finder ? mask_text_deep(finder, key, LOOK_FOUND, name, text, out, &whole) : 0;

	*count += finds;
	if (whole)
		buf_puts(out, "[redacted]");
	else if (!finds)
		buf_span_put(out, text);
}

/* Digests and signatures of what a body was: of what it becomes they say nothing. */
static bool is_digest(struct span name)
{
	static const struct span names[] = {
	        NAME("content-md5"), NAME("digest"),    NAME("content-digest"),
	        NAME("repr-digest"), NAME("signature"), NAME("signature-input"),
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (span_eq_nocase(name, names[i]))
			return true;
	return false;
}

/* An escaped text as it is, or masked and escaped anew; one that nobody can decode goes. */
static void put_escaped(const struct mask_finder *finder, struct mask_key *key, struct span name,
                        struct span text, bool form, struct buf *out, uint32_t *count)
{
	struct buf plain, found;
	uint32_t before = *count;

	buf_init(&plain, text.len + 1);
	buf_init(&found, out->limit_bytes);
	if (!finder) {
		buf_span_put(out, text);
	} else if (url_decode(text, form, &plain) || plain.err) {
		url_encode(SPAN("[redacted]"), "", out);
		++*count;
	} else {
		put_text(finder, key, name, buf_span(&plain), &found, count);
		if (*count == before)
			buf_span_put(out, text);
		else
			url_encode(buf_span(&found), form ? "" : ":@!$&'()*+,;=", out);
	}
	out->err = out->err ? out->err : found.err;
	buf_fini(&plain);
	buf_fini(&found);
}

/* Binary metadata of gRPC is base64: a text in it is searched, anything else nobody can judge. False: it
 * goes.
 */
static bool put_binary(const struct mask_finder *finder, struct mask_key *key, struct span name,
                       struct span value, struct buf *out, uint32_t *count)
{
	struct base64_form form = {0};
	struct buf plain, found;
	bool text;

	buf_init(&plain, value.len + 1);
	buf_init(&found, out->limit_bytes);
	text = !base64_decode(value, &form, &plain) && !plain.err &&
	       utf8_valid(buf_span(&plain).data, buf_len(&plain)) &&
	       !memchr(buf_span(&plain).data, 0, buf_len(&plain));
	if (text) {
		put_text(finder, key, name, buf_span(&plain), &found, count);
		base64_encode(buf_span(&found), form, out);
		out->err = out->err ? out->err : found.err;
	}
	*count += !text;
	buf_fini(&plain);
	buf_fini(&found);
	return text;
}

static bool is_binary(struct span name)
{
	return name.len > 4 && span_eq_nocase((struct span){name.data + name.len - 4, 4}, SPAN("-bin"));
}

/* An attribute of a set cookie that says nothing of who it is for. Cookies folded into one line (RFC 6265 3)
 * do not pass as one: "=" and "," are in no value but a date. */
static bool is_attribute(struct span pair)
{
	static const struct span names[] = {
	        NAME("path"),     NAME("domain"), NAME("max-age"),  NAME("expires"),
	        NAME("samesite"), NAME("secure"), NAME("httponly"), NAME("partitioned"),
	};
	struct span value, comma, name = cut(pair, '=', &value);
	bool date = span_eq_nocase(name, SPAN("expires"));

	if (value.len && memchr(value.data, '=', value.len))
		return false;
	cut(value, ',', &comma);
	if (comma.data && (!date || (comma.len && memchr(comma.data, ',', comma.len))))
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (span_eq_nocase(name, names[i]))
			return true;
	return false;
}

/* Old readers take a comma for the end of a cookie: behind it may be one that no rule names. */
static bool stays(const struct plan_mask_field *rule, struct span content)
{
	return rule && rule->with != MASK_DROP && content.data &&
	       (rule->with != MASK_KEEP || !content.len || !memchr(content.data, ',', content.len));
}

/* Cookies that rules name stay, masked; the others go, and so do attributes that nobody knows. *put_out:
 * there are some. */
static void put_cookies(const struct plan_mask *policy, struct mask_key *key, struct span value, bool set,
                        struct buf *out, uint32_t *count, bool *put_out)
{
	for (*put_out = false; value.data;) {
		struct span pair = cut(value, ';', &value), content, name;
		const struct plan_mask_field *rule;

		while (pair.len && pair.data[0] == ' ')
			pair = (struct span){pair.data + 1, pair.len - 1};
		name = cut(pair, '=', &content);
		if (set && *put_out) {
			bool known = is_attribute(pair);

			*count += !known;
			buf_puts(out, known ? "; " : "");
			buf_span_put(out, known ? pair : SPAN(""));
			continue;
		}
		rule = rule_for(policy, MASK_COOKIE, name);
		if (!stays(rule, content)) {
			++*count;
			if (set)
				return;
			continue;
		}
		buf_puts(out, *put_out ? "; " : "");
		buf_span_put(out, name);
		buf_puts(out, "=");
		put_ruled(rule, key, content, out, count);
		*put_out = true;
	}
}

/* The value of a field that stays; false: it goes after all. */
static bool put_value(const struct plan_mask *policy, const struct plan_mask_field *rule,
                      const struct mask_finder *finder, struct mask_key *key, struct span name,
                      struct span value, struct buf *out, uint32_t *count)
{
	bool set = span_eq_nocase(name, SPAN("set-cookie")), put;

	if (set || span_eq_nocase(name, SPAN("cookie"))) {
		put_cookies(policy, key, value, set, out, count, &put);
		return put;
	}
	if (rule)
		put_ruled(rule, key, value, out, count);
	else if (is_binary(name))
		return put_binary(finder, key, name, value, out, count);
	else if (span_eq_nocase(name, SPAN("grpc-message")))
		put_escaped(finder, key, name, value, false, out, count);
	else
		put_text(finder, key, name, value, out, count);
	return true;
}

/* Cookies are credentials unless rules name some of them. */
static bool is_dropped(const struct plan_mask *policy, const struct plan_mask_field *rule, struct span name)
{
	bool cookies = span_eq_nocase(name, SPAN("cookie")) || span_eq_nocase(name, SPAN("set-cookie"));

	if (rule && rule->with == MASK_DROP)
		return true;
	if (cookies)
		return !has_place(policy, MASK_COOKIE);
	return mask_is_credential(name) || (mask_wants_body(policy) && is_digest(name));
}

/* A line but the first: as it is, masked, or not at all. */
static void put_field(const struct plan_mask *policy, const struct mask_finder *finder, struct mask_key *key,
                      struct span line, struct buf *out, uint32_t *count)
{
	struct span value, name = cut(line, ':', &value);
	const struct plan_mask_field *rule = rule_for(policy, MASK_HEADER, name);
	size_t before = buf_len(out);

	mask_watch_at(key, "header", name);
	if (is_dropped(policy, rule, name)) {
		++*count;
		mask_watch_rule(key, rule, MASK_DROP, value);
		return;
	}
	if (before)
		buf_puts(out, "\n");
	if (!rule && policy->allow && !is_plain(name))
		rule = &mask_unlisted;
	if (!rule && !mask_is_credential(name) && (!finder || is_plain(name))) {
		buf_span_put(out, line);
		return;
	}
	while (value.len && value.data[0] == ' ')
		value = (struct span){value.data + 1, value.len - 1};
	buf_span_put(out, name);
	buf_puts(out, ": ");
	if (!put_value(policy, rule, finder, key, name, value, out, count) && !out->err) {
		out->tail = out->head + before;
	}
}

static bool is_segment(const struct plan_mask_field *f, unsigned number, struct span before)
{
	bool by_number = f->where[strspn(f->where, "0123456789")] == '\0';

	return f->place == MASK_SEGMENT && (by_number ? (unsigned long)number == strtoul(f->where, NULL, 10)
	                                              : span_eq(before, span_of(f->where)));
}

/* A segment that a rule names, by its number or by the one before; false: none does. */
static bool put_segment(const struct plan_mask *policy, struct mask_key *key, unsigned number,
                        struct span before, struct span segment, struct buf *out, uint32_t *count)
{
	for (uint32_t i = 0; i < policy->field_count; i++) {
		const struct plan_mask_field *f = &policy->fields[i];
		struct buf plain, masked;

		if (!is_segment(f, number, before))
			continue;
		buf_init(&plain, segment.len + 1);
		buf_init(&masked, out->limit_bytes);
		if (url_decode(segment, false, &plain))
			buf_puts(&masked, "[redacted]");
		else
			put_ruled(f, key, buf_span(&plain), &masked, count);
		url_encode(buf_span(&masked), ":@!$&'()*+,;=", out);
		out->err = out->err ? out->err : masked.err;
		buf_fini(&plain);
		buf_fini(&masked);
		return true;
	}
	return false;
}

/* Segment by segment: the one before is what a value is called, as in /users/4711. */
static void put_path(const struct plan_mask *policy, const struct mask_finder *finder, struct mask_key *key,
                     struct span path, struct buf *out, uint32_t *count)
{
	struct span name = SPAN("path");

	for (unsigned number = 0; path.data; number++) {
		struct span segment = cut(path, '/', &path);

		mask_watch_at(key, "path", SPAN(""));
		if (!segment.len || !put_segment(policy, key, number, name, segment, out, count))
			put_escaped(finder, key, name, segment, false, out, count);
		buf_puts(out, path.data ? "/" : "");
		name = segment;
	}
}

/* The value of a parameter: a token of what came if no rule says otherwise. */
static void put_parameter(const struct plan_mask_field *rule, struct mask_key *key, struct span value,
                          struct buf *out, uint32_t *count)
{
	static const struct plan_mask_field usual = {.with = MASK_TOKEN, .where = "query"};
	struct buf plain, masked;

	buf_init(&plain, value.len + 1);
	buf_init(&masked, out->limit_bytes);
	if (rule && rule->with == MASK_KEEP) {
		buf_span_put(out, value);
	} else if (!rule || url_decode(value, true, &plain)) {
		put_ruled(&usual, key, value, out, count);
	} else {
		put_ruled(rule, key, buf_span(&plain), &masked, count);
		url_encode(buf_span(&masked), "", out);
	}
	out->err = out->err ? out->err : masked.err;
	buf_fini(&plain);
	buf_fini(&masked);
}

/* A piece without "=" is a name. */
static void put_pair(const struct plan_mask *policy, const struct mask_finder *finder, struct mask_key *key,
                     struct span pair, struct buf *out, uint32_t *count)
{
	struct span value, name = cut(pair, '=', &value);
	const struct plan_mask_field *rule;
	struct buf plain;

	buf_init(&plain, name.len + 1);
	rule = url_decode(name, true, &plain) ? NULL : rule_for(policy, MASK_QUERY, buf_span(&plain));
	mask_watch_at(key, "query", mask_holds(finder, buf_span(&plain)) ? SPAN("") : buf_span(&plain));
	if (rule && rule->with == MASK_DROP) {
		++*count;
		mask_watch_rule(key, rule, MASK_DROP, value);
	} else {
		put_escaped(finder, key, SPAN("query"), name, true, out, count);
		buf_puts(out, value.data ? "=" : "");
		if (value.len)
			put_parameter(rule, key, value, out, count);
	}
	buf_fini(&plain);
}

/* A pair that is dropped takes the separator before it along. */
static void put_query(const struct plan_mask *policy, const struct mask_finder *finder, struct mask_key *key,
                      struct span query, struct buf *out, uint32_t *count)
{
	bool first = true;

	while (query.data) {
		struct span pair = cut(query, '&', &query);
		size_t before = buf_len(out), put;

		buf_puts(out, first ? "" : "&");
		put = buf_len(out);
		put_pair(policy, finder, key, pair, out, count);
		if (pair.len && buf_len(out) == put && !out->err)
			out->tail -= put - before;
		else
			first = false;
	}
}

static void put_first_line(const struct plan_mask *policy, const struct mask_finder *finder,
                           struct mask_key *key, struct span line, struct buf *out, uint32_t *count)
{
	struct span query, target = cut(line, '?', &query), path, method = cut(target, ' ', &path);

	if ((finder || has_place(policy, MASK_SEGMENT)) && path.data && !head_status(line)) {
		buf_span_put(out, method);
		buf_puts(out, " ");
		put_path(policy, finder, key, path, out, count);
	} else {
		buf_span_put(out, target);
	}
	if (query.data) {
		buf_puts(out, "?");
		put_query(policy, finder, key, query, out, count);
	}
}

/* Only a field's first word holds a colon: methods and statuses have none. */
static bool is_field(struct span line)
{
	struct span rest, word = cut(line, ' ', &rest);

	return word.len && memchr(word.data, ':', word.len);
}

static bool is_first_line(struct span line)
{
	return head_method(line).len || head_status(line);
}

/* As a route sees it, and as every origin does: segments are where rules for them look. */
static bool is_normal(struct span target)
{
	struct span path;
	struct buf room;
	unsigned flags;
	bool normal;

	buf_init(&room, target.len + 1);
	normal = buf_room(&room, target.len + 1) &&
	         !url_normalise(target, room.base, target.len, &path, &flags) &&
	         !(flags & (URL_DISAGREE | URL_ESCAPED_SLASH)) && !memchr(path.data, '\\', path.len);
	buf_fini(&room);
	return normal;
}

int mask_head(const struct plan_mask *policy, const struct mask_finder *finder, struct mask_key *key,
              struct span head, struct buf *out, uint32_t *count_out)
{
	struct span line, rest = head;

	*count_out = 0;
	while (rest.len) {
		line = cut(rest, '\n', &rest);
		if (is_field(line))
			put_field(policy, finder, key, line, out, count_out);
		else if (line.data == head.data && is_first_line(line) &&
		         (head_status(line) || !has_place(policy, MASK_SEGMENT) ||
		          is_normal(head_target(line))))
			put_first_line(policy, finder, key, line, out, count_out);
		else
			return ERR_PROTO;
	}
	return mask_result(key, out);
}

bool mask_finds(const struct plan_mask *policy)
{
	return policy->detect.find.classes.bits[0] || policy->detect.find.classes.bits[1] ||
	       policy->detect.free_text || policy->detect.pattern_count;
}

bool mask_wants_body(const struct plan_mask *policy)
{
	return has_place(policy, MASK_PATH) || has_place(policy, MASK_FORM) || policy->allow ||
	       mask_finds(policy);
}

/* A body with inference-header-content-length is JSON with binary tensors behind it, whatever its type. */
bool mask_cannot(const struct plan_mask *policy, struct span head)
{
	bool coded = false, tail = false;
	struct span name, value;
	size_t at = 0;

	while (head_next(head, &at, &name, &value)) {
		if (span_eq_nocase(name, SPAN("content-encoding")))
			coded |= value.len && !span_eq_nocase(value, SPAN("identity"));
		tail |= span_eq_nocase(name, SPAN("inference-header-content-length"));
	}
	return ((coded && mask_by_message(head)) || tail) && mask_wants_body(policy);
}
