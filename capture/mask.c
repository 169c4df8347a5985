#include "capture/mask.h"

#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "capture/fold.h"
#include "proto/json.h"

enum { TOKEN_LEN = 24, PATH_STEPS_MAX = 31 };

struct mask_key {
	EVP_MAC *mac;
	EVP_MAC_CTX *keyed; /* never fed: copied for each token */
	bool failed;        /* a token could not be made: nothing may leave any more */
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

static bool digest(struct mask_key *key, struct span field_class, struct span value, uint8_t out[32])
{
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(key->keyed);
	static const uint8_t zero;
	size_t len;
	bool ok;

	ok = ctx && EVP_MAC_update(ctx, (const uint8_t *)field_class.data, field_class.len) &&
	     EVP_MAC_update(ctx, &zero, 1) && EVP_MAC_update(ctx, (const uint8_t *)value.data, value.len) &&
	     EVP_MAC_final(ctx, out, &len, 32) && len == 32;
	EVP_MAC_CTX_free(ctx);
	return ok;
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

static int result(const struct mask_key *key, const struct buf *out)
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

static bool always_dropped(struct span name)
{
	static const char *const names[] = {"authorization", "proxy-authorization", "cookie", "set-cookie",
	                                    "x-api-key"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (span_eq_nocase(name, span_of(names[i])))
			return true;
	return false;
}

static const struct plan_mask_field *header_rule(const struct plan_mask *policy, struct span name)
{
	for (uint32_t i = 0; i < policy->field_count; i++) {
		const struct plan_mask_field *field = &policy->fields[i];
		if (field->header && span_eq_nocase(name, span_of(field->where)))
			return field;
	}
	return NULL;
}

static bool drops(const struct plan_mask *policy, struct span line)
{
	struct span value, name = cut(line, ':', &value);
	const struct plan_mask_field *rule = header_rule(policy, name);

	return always_dropped(name) || (rule && rule->with == MASK_DROP);
}

static void put_field(const struct plan_mask *policy, struct mask_key *key, struct span line, struct buf *out,
                      uint32_t *count)
{
	struct span value, name = cut(line, ':', &value);
	const struct plan_mask_field *rule = header_rule(policy, name);

	if (!rule) {
		buf_span_put(out, line);
		return;
	}
	while (value.len && value.data[0] == ' ')
		value = (struct span){value.data + 1, value.len - 1};
	buf_span_put(out, name);
	buf_puts(out, ": ");
	if (rule->with == MASK_TOKEN)
		put_token(key, span_of(rule->where), value, out);
	else
		buf_puts(out, "[redacted]");
	++*count;
}

/* A piece without "=" is a name: kept. */
static void put_query(struct mask_key *key, struct span query, struct buf *out, uint32_t *count)
{
	struct span pair, name, value;

	while (query.data) {
		pair = cut(query, '&', &query);
		name = cut(pair, '=', &value);
		buf_span_put(out, name);
		if (value.data)
			buf_puts(out, "=");
		if (value.len) {
			put_token(key, SPAN("query"), value, out);
			++*count;
		}
		if (query.data)
			buf_puts(out, "&");
	}
}

static void put_first_line(struct mask_key *key, struct span line, struct buf *out, uint32_t *count)
{
	struct span query, path = cut(line, '?', &query);

	buf_span_put(out, path);
	if (query.data) {
		buf_puts(out, "?");
		put_query(key, query, out, count);
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

int mask_head(const struct plan_mask *policy, struct mask_key *key, struct span head, struct buf *out,
              uint32_t *count_out)
{
	struct span line, rest = head;
	const char *separator = "";

	*count_out = 0;
	while (rest.len) {
		line = cut(rest, '\n', &rest);
		if (is_field(line) && drops(policy, line)) {
			++*count_out;
			continue;
		}
		buf_puts(out, separator);
		separator = "\n";
		if (is_field(line))
			put_field(policy, key, line, out, count_out);
		else if (line.data == head.data && is_first_line(line))
			put_first_line(key, line, out, count_out);
		else
			return ERR_PROTO;
	}
	return result(key, out);
}

static bool has_paths(const struct plan_mask *policy)
{
	for (uint32_t i = 0; i < policy->field_count; i++)
		if (!policy->fields[i].header)
			return true;
	return false;
}

bool mask_wants_body(const struct plan_mask *policy)
{
	return has_paths(policy);
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
	return (coded || tail) && has_paths(policy);
}

enum step_kind { STEP_MEMBER, STEP_DEEP, STEP_INDEX, STEP_EACH };

struct path_step {
	enum step_kind kind;
	struct span name;
	uint64_t index;
};

/* Bit i of a state: steps before i are matched by the keys and indices above, step i is next. */
struct path {
	const struct plan_mask_field *field;
	unsigned count;
	struct path_step steps[PATH_STEPS_MAX];
};

struct frame {
	bool object;
	bool kept, dropped; /* members */
	uint64_t index;     /* of the next element */
	uint32_t states[MASK_FIELDS_MAX];
};

struct rewrite {
	struct mask_key *key;
	struct json_reader reader;
	struct buf *out;
	struct buf plain; /* a decoded string */
	uint64_t copied;  /* source bytes before it are in `out` or gone */
	uint32_t count;
	bool input_masked;
	const struct plan_mask_field *hit; /* the rule for the value that comes next */
	uint32_t next[MASK_FIELDS_MAX];    /* states of that value */
	unsigned path_count;
	struct path paths[MASK_FIELDS_MAX];
	struct frame frames[JSON_DEPTH_MAX];
};

static bool parse_bracket(struct span *text, struct path_step *step)
{
	struct span inside = cut((struct span){text->data + 1, text->len - 1}, ']', text);

	if (!text->data || !inside.len || inside.len > 9)
		return false;
	step->kind = STEP_INDEX;
	if (span_eq(inside, SPAN("*"))) {
		step->kind = STEP_EACH;
		return true;
	}
	for (size_t i = 0; i < inside.len; i++) {
		if (inside.data[i] < '0' || inside.data[i] > '9')
			return false;
		step->index = step->index * 10 + (uint64_t)(inside.data[i] - '0');
	}
	return true;
}

static bool parse_member(struct span *text, struct path_step *step)
{
	size_t dots = span_starts(*text, SPAN("..")) ? 2 : 1, end = dots;

	while (end < text->len && text->data[end] != '.' && text->data[end] != '[')
		end++;
	step->kind = dots == 2 ? STEP_DEEP : STEP_MEMBER;
	step->name = (struct span){text->data + dots, end - dots};
	*text = (struct span){text->data + end, text->len - end};
	return step->name.len > 0;
}

/* *at_out: where the step begins that was read last. */
static int parse_path(struct path *path, const struct plan_mask_field *field, size_t *at_out)
{
	struct span text = span_of(field->where);
	struct path_step *step;
	bool ok = span_starts(text, SPAN("$"));

	path->field = field;
	*at_out = 0;
	if (ok)
		text = (struct span){text.data + 1, text.len - 1};
	while (ok && text.len) {
		*at_out = (size_t)(text.data - field->where);
		if (path->count == PATH_STEPS_MAX)
			return ERR_LIMIT;
		step = &path->steps[path->count++];
		ok = text.data[0] == '['   ? parse_bracket(&text, step)
		     : text.data[0] == '.' ? parse_member(&text, step)
		                           : false;
	}
	return ok ? 0 : ERR_CONFIG;
}

int mask_path_check(const char *path, size_t *at_out)
{
	struct plan_mask_field field = {0};
	struct path parsed = {0};
	size_t len = strlen(path);

	*at_out = 0;
	if (len >= sizeof(field.where))
		return ERR_LIMIT;
	memcpy(field.where, path, len);
	return parse_path(&parsed, &field, at_out);
}

static bool step_matches(const struct path_step *step, const struct frame *in, struct span key_token)
{
	switch (step->kind) {
	case STEP_MEMBER:
	case STEP_DEEP:
		return in->object && json_string_eq(key_token, step->name);
	case STEP_INDEX:
		return !in->object && step->index == in->index;
	case STEP_EACH:
		return !in->object;
	}
	return false;
}

/* A rule ends here: the first one decides what is done, any one may say that the model reads it. */
static void settle_hit(struct rewrite *w)
{
	w->hit = NULL;
	for (unsigned i = 0; i < w->path_count; i++) {
		const struct path *path = &w->paths[i];
		if (!(w->next[i] >> path->count & 1))
			continue;
		if (!w->hit)
			w->hit = path->field;
		w->input_masked |= path->field->model_input;
	}
}

static void enter_child(struct rewrite *w, const struct frame *in, struct span key_token)
{
	for (unsigned i = 0; i < w->path_count; i++) {
		const struct path *path = &w->paths[i];
		w->next[i] = 0;
		for (unsigned bit = 0; bit < path->count; bit++) {
			if (!(in->states[i] >> bit & 1))
				continue;
			if (path->steps[bit].kind == STEP_DEEP)
				w->next[i] |= 1u << bit;
			if (step_matches(&path->steps[bit], in, key_token))
				w->next[i] |= 1u << (bit + 1);
		}
	}
	settle_hit(w);
}

static void copy_to(struct rewrite *w, uint64_t end)
{
	buf_put(w->out, w->reader.doc.data + w->copied, end - w->copied);
	w->copied = end;
}

static struct span plain_value(struct rewrite *w, enum json_token first, struct span text)
{
	if (first != JSON_STRING)
		return text;
	buf_reset(&w->plain);
	json_unescape(text, &w->plain);
	return buf_span(&w->plain);
}

static int mask_value(struct rewrite *w, enum json_token first)
{
	uint64_t start = w->reader.scanner.start;
	const struct plan_mask_field *rule = w->hit;
	struct span text;
	int err = json_skip(&w->reader, first);

	if (err)
		return err;
	copy_to(w, start);
	w->copied = w->reader.scanner.end;
	w->count++;
	text = (struct span){w->reader.doc.data + start, w->copied - start};
	if (rule->with == MASK_TOKEN) {
		buf_puts(w->out, "\"");
		put_token(w->key, span_of(rule->where), plain_value(w, first, text), w->out);
		buf_puts(w->out, "\"");
	} else {
		buf_puts(w->out, rule->with == MASK_DROP ? "null" : "\"[redacted]\"");
	}
	if (w->plain.err) /* as if there had been no room for what it becomes */
		w->out->err = w->plain.err;
	return w->plain.err;
}

/* The comma before a member goes with it; when all before it went, the one behind. */
static int drop_member(struct rewrite *w, struct frame *in, uint64_t before)
{
	enum json_token first;
	int err;

	copy_to(w, before);
	err = json_next(&w->reader, &first);
	if (!err)
		err = json_skip(&w->reader, first);
	w->copied = w->reader.scanner.end;
	w->count++;
	in->dropped = true;
	return err;
}

/* `before`: the end of the token before the key. */
static int on_key(struct rewrite *w, uint64_t before)
{
	struct frame *in = &w->frames[w->reader.scanner.depth - 1];

	enter_child(w, in, w->reader.text);
	if (w->hit && w->hit->with == MASK_DROP)
		return drop_member(w, in, before);
	if (in->dropped && !in->kept)
		w->copied = w->reader.scanner.start;
	in->kept = true;
	return 0;
}

static int on_value(struct rewrite *w, enum json_token token)
{
	bool opens = token == JSON_OBJECT || token == JSON_ARRAY;
	int parents = w->reader.scanner.depth - opens;
	struct frame *frame = parents ? &w->frames[parents - 1] : NULL;

	if (frame && !frame->object) {
		enter_child(w, frame, (struct span){NULL, 0});
		frame->index++;
	}
	if (w->hit)
		return mask_value(w, token);
	if (opens) {
		frame = &w->frames[parents];
		frame->object = token == JSON_OBJECT;
		frame->kept = frame->dropped = false;
		frame->index = 0;
		memcpy(frame->states, w->next, w->path_count * sizeof(*w->next));
	}
	return 0;
}

static int rewrite_all(struct rewrite *w)
{
	enum json_token token = JSON_MORE;
	uint64_t before;
	int err = 0;

	while (!err) {
		before = w->reader.scanner.end;
		err = json_next(&w->reader, &token);
		if (err || token == JSON_END)
			break;
		if (token == JSON_KEY)
			err = on_key(w, before);
		else if (token != JSON_OBJECT_END && token != JSON_ARRAY_END)
			err = on_value(w, token);
	}
	if (!err)
		copy_to(w, w->reader.doc.len);
	return err;
}

static int compile(struct rewrite *w, const struct plan_mask *policy)
{
	size_t at;
	int err = 0;

	for (uint32_t i = 0; !err && i < policy->field_count; i++) {
		if (policy->fields[i].header)
			continue;
		w->next[w->path_count] = 1;
		err = parse_path(&w->paths[w->path_count++], &policy->fields[i], &at);
	}
	settle_hit(w);
	return err;
}

int mask_json(const struct plan_mask *policy, struct mask_key *key, struct span body, struct buf *out,
              uint32_t *count_out, bool *input_masked_out)
{
	struct rewrite *w = calloc(1, sizeof(*w));
	int err;

	*count_out = 0;
	*input_masked_out = false;
	if (!w)
		return ERR_NOMEM;
	w->key = key;
	w->out = out;
	buf_init(&w->plain, body.len < out->limit_bytes ? body.len : out->limit_bytes);
	json_reader_init(&w->reader, body, JSON_NONFINITE);
	err = compile(w, policy);
	if (!err)
		err = rewrite_all(w);
	if (!err)
		err = result(key, out);
	*count_out = w->count;
	*input_masked_out = w->input_masked;
	buf_fini(&w->plain);
	free(w);
	return err;
}
