#include "capture/mask.h"

#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "capture/fold.h"
#include "capture/head.h"
#include "capture/mask_text.h"
#include "capture/mask_watch.h"
#include "proto/url.h"

enum { TOKEN_LEN = 24 };

struct mask_key {
	EVP_MAC *mac;
	EVP_MAC_CTX *keyed;       /* begun anew for each token, with the same key */
	bool failed;              /* a token could not be made: nothing may leave any more */
	struct mask_watch *watch; /* NULL: nobody */
};

int mask_key_new(const uint8_t key[32], struct mask_key **key_out)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
	        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
	        OSSL_PARAM_construct_end(),
	};
	struct mask_key *k = calloc(1, sizeof(*k));

	*key_out = NULL;
	if (!k)
		return ERR_NOMEM;
	k->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	if (k->mac)
		k->keyed = EVP_MAC_CTX_new(k->mac);
	if (!k->keyed || !EVP_MAC_init(k->keyed, key, 32, params)) {
		mask_key_free(&k);
		return ERR_NOMEM;
	}
	*key_out = k;
	return 0;
}

void mask_key_free(struct mask_key **key)
{
	if (!*key)
		return;
	EVP_MAC_CTX_free((*key)->keyed);
	EVP_MAC_free((*key)->mac);
	free(*key);
	*key = NULL;
}

void mask_key_watch(struct mask_key *key, struct mask_watch *watch)
{
	key->watch = watch;
}

struct mask_watch *mask_key_watched(const struct mask_key *key)
{
	return key->watch;
}

static bool digest(struct mask_key *key, struct span field_class, struct span value, uint8_t out[32])
{
	EVP_MAC_CTX *ctx = key->keyed;
	static const uint8_t zero;
	size_t len;

	return EVP_MAC_init(ctx, NULL, 0, NULL) &&
	       EVP_MAC_update(ctx, (const uint8_t *)field_class.data, field_class.len) &&
	       EVP_MAC_update(ctx, &zero, 1) && EVP_MAC_update(ctx, (const uint8_t *)value.data, value.len) &&
	       EVP_MAC_final(ctx, out, &len, 32) && len == 32;
}

void mask_token(struct mask_key *key, struct span field_class, struct span value, char out[25])
{
	static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567";
	uint8_t hash[32] = {0};
	unsigned bits = 0, have = 0;
	size_t at = 0;

	if (!digest(key, field_class, value, hash)) {
		key->failed = true;
		memset(hash, 0, sizeof(hash));
	}
	memcpy(out, "tok_", 4);
	for (size_t i = 4; i < TOKEN_LEN; i++) {
		if (have < 5) {
			bits = bits << 8 | hash[at++];
			have += 8;
		}
		have -= 5;
		out[i] = base32[bits >> have & 31];
	}
	out[TOKEN_LEN] = '\0';
}

int mask_result(const struct mask_key *key, const struct buf *out)
{
	if (key->failed)
		return ERR_NOMEM;
	return out->err;
}

static void put_token(struct mask_key *key, struct span field_class, struct span value, struct buf *out)
{
	char token[TOKEN_LEN + 1];

	mask_token(key, field_class, value, token);
	buf_put(out, token, TOKEN_LEN);
}

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

static const struct plan_mask_field *header_rule(const struct plan_mask *policy, struct span name)
{
	for (uint32_t i = 0; i < policy->field_count; i++) {
		const struct plan_mask_field *field = &policy->fields[i];
		if (field->place == MASK_HEADER && span_eq_nocase(name, span_of(field->where)))
			return field;
	}
	return NULL;
}

/* A text as it is, or with what was found in it masked. */
static void put_text(const struct mask_finder *finder, struct mask_key *key, struct span name,
                     struct span text, struct buf *out, uint32_t *count)
{
	bool whole = false;
	uint32_t finds = finder ? mask_text(finder, key, name, text, out, &whole) : 0;

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

/* A line but the first: as it is, masked, or not at all. */
static void put_field(const struct plan_mask *policy, const struct mask_finder *finder, struct mask_key *key,
                      struct span line, struct buf *out, uint32_t *count)
{
	struct span value, name = cut(line, ':', &value);
	const struct plan_mask_field *rule = header_rule(policy, name);
	bool dropped = mask_is_credential(name) || (rule && rule->with == MASK_DROP) ||
	               (mask_wants_body(policy) && is_digest(name));

	*count += rule || dropped;
	mask_watch_at(key, "header", name);
	if (rule || dropped)
		mask_watch_rule(key, rule, dropped ? MASK_DROP : rule->with, value);
	if (dropped)
		return;
	if (buf_len(out))
		buf_puts(out, "\n");
	if (!rule && (!finder || is_plain(name))) {
		buf_span_put(out, line);
		return;
	}
	while (value.len && value.data[0] == ' ')
		value = (struct span){value.data + 1, value.len - 1};
	buf_span_put(out, name);
	buf_puts(out, ": ");
	if (!rule)
		put_text(finder, key, name, value, out, count);
	else if (rule->with == MASK_TOKEN)
		put_token(key, span_of(rule->where), value, out);
	else
		buf_puts(out, "[redacted]");
}

/* The rule for a query parameter of that decoded name. */
static const struct plan_mask_field *query_rule(const struct plan_mask *policy, struct span name)
{
	for (uint32_t i = 0; i < policy->field_count; i++)
		if (policy->fields[i].place == MASK_QUERY && span_eq(span_of(policy->fields[i].where), name))
			return &policy->fields[i];
	return NULL;
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

/* Segment by segment: the one before is what a value is called, as in /users/4711. */
static void put_path(const struct mask_finder *finder, struct mask_key *key, struct span path,
                     struct buf *out, uint32_t *count)
{
	struct span name = SPAN("path");

	while (path.data) {
		struct span segment = cut(path, '/', &path);

		mask_watch_at(key, "path", SPAN(""));
		put_escaped(finder, key, name, segment, false, out, count);
		buf_puts(out, path.data ? "/" : "");
		name = segment;
	}
}

/* Every value becomes a token if no rule says otherwise; a piece without "=" is a name. */
static void put_pair(const struct plan_mask *policy, const struct mask_finder *finder, struct mask_key *key,
                     struct span pair, struct buf *out, uint32_t *count)
{
	struct span value, name = cut(pair, '=', &value);
	const struct plan_mask_field *rule;
	struct buf plain, text;

	buf_init(&plain, name.len + 1);
	buf_init(&text, value.len + 1);
	rule = url_decode(name, true, &plain) ? NULL : query_rule(policy, buf_span(&plain));
	if (rule && url_decode(value, true, &text))
		rule = NULL; /* its token is of what came */
	mask_watch_at(key, "query", mask_holds(finder, buf_span(&plain)) ? SPAN("") : buf_span(&plain));
	if (rule || value.len)
		mask_watch_rule(key, rule, rule ? rule->with : MASK_TOKEN, value);
	if (rule && rule->with == MASK_DROP) {
		++*count;
	} else {
		put_escaped(finder, key, SPAN("query"), name, true, out, count);
		buf_puts(out, value.data ? "=" : "");
		*count += value.len > 0;
		if (value.len && rule && rule->with == MASK_REDACT)
			url_encode(SPAN("[redacted]"), "", out);
		else if (value.len && rule)
			put_token(key, span_of(rule->where), buf_span(&text), out);
		else if (value.len)
			put_token(key, SPAN("query"), value, out);
	}
	buf_fini(&plain);
	buf_fini(&text);
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

	if (finder && path.data && !head_status(line)) {
		buf_span_put(out, method);
		buf_puts(out, " ");
		put_path(finder, key, path, out, count);
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

int mask_head(const struct plan_mask *policy, const struct mask_finder *finder, struct mask_key *key,
              struct span head, struct buf *out, uint32_t *count_out)
{
	struct span line, rest = head;

	*count_out = 0;
	while (rest.len) {
		line = cut(rest, '\n', &rest);
		if (is_field(line))
			put_field(policy, finder, key, line, out, count_out);
		else if (line.data == head.data && is_first_line(line))
			put_first_line(policy, finder, key, line, out, count_out);
		else
			return ERR_PROTO;
	}
	return mask_result(key, out);
}

static bool has_paths(const struct plan_mask *policy)
{
	for (uint32_t i = 0; i < policy->field_count; i++)
		if (policy->fields[i].place == MASK_PATH || policy->fields[i].place == MASK_FORM)
			return true;
	return false;
}

bool mask_finds(const struct plan_mask *policy)
{
	return policy->detect.find.classes.bits[0] || policy->detect.find.classes.bits[1] ||
	       policy->detect.drop_prose;
}

bool mask_wants_body(const struct plan_mask *policy)
{
	return has_paths(policy) || mask_finds(policy);
}

bool mask_by_message(struct span head)
{
	return grpc_is(head_field(head, SPAN("content-type")));
}

/* An answer says nothing of its call; its copy ends with its request's. */
static bool unknown_call(struct span head)
{
	struct span service, method, suffix = SPAN("GRPCInferenceService");

	if (!mask_by_message(head) || head_status(head))
		return false;
	return !grpc_call(head_target(head), &service, &method) || service.len < suffix.len ||
	       !span_eq((struct span){service.data + service.len - suffix.len, suffix.len}, suffix) ||
	       (!span_eq(method, SPAN("ModelInfer")) && !span_eq(method, SPAN("ModelStreamInfer")));
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
	if (mask_finds(policy) && mask_by_message(head))
		return true;
	return ((coded && mask_by_message(head)) || tail || unknown_call(head)) && mask_wants_body(policy);
}
