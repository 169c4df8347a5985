#include "replay/jsondiff_inside.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double EXACT_INTEGERS = 9007199254740992.0; /* 2^53 */

bool tolerance_equal(struct tolerance t, double live, double candidate)
{
	if (isnan(live) || isnan(candidate))
		return isnan(live) && isnan(candidate);
	if (isinf(live) || isinf(candidate))
		return live == candidate;
	return fabs(candidate - live) <= t.abs + t.rel * fabs(live);
}

int jsondiff_string_eq(struct span a, struct span b)
{
	struct buf one, two;
	int result;

	if (span_eq(a, b))
		return 1;
	if ((!a.len || !memchr(a.data, '\\', a.len)) && (!b.len || !memchr(b.data, '\\', b.len)))
		return 0;
	buf_init(&one, a.len);
	buf_init(&two, b.len);
	json_unescape(a, &one);
	json_unescape(b, &two);
	result = one.err ? one.err : two.err ? two.err : span_eq(buf_span(&one), buf_span(&two));
	buf_fini(&one);
	buf_fini(&two);
	return result;
}

/* Does the pattern's first piece ("[3]", "[*]" or ".name") name this step? *rest_out: what follows it. */
static bool piece_matches(const char *pattern, const struct path_step *step, const char **rest_out)
{
	char *end;
	size_t n;

	if (strncmp(pattern, "[*]", 3) == 0) {
		*rest_out = pattern + 3;
		return !step->key.data;
	}
	if (*pattern == '[') {
		if (pattern[1] < '0' || pattern[1] > '9' || step->key.data)
			return false;
		if (strtoull(pattern + 1, &end, 10) != step->index || *end != ']')
			return false;
		*rest_out = end + 1;
		return true;
	}
	if (*pattern != '.')
		return false;
	n = strcspn(pattern + 1, ".[");
	*rest_out = pattern + 1 + n;
	return step->key.data && span_eq(step->key, (struct span){pattern + 1, n});
}

/* As with the stars of a glob only the last ".." is ever tried again, so the work is at most pieces times
 * steps: the pattern may come from a hostile capture. */
static bool path_matches(const char *pattern, const struct path_step *steps, size_t count)
{
	const char *again = NULL, *rest;
	size_t at = 0, again_at = 0;

	while (at < count || *pattern) {
		if (pattern[0] == '.' && pattern[1] == '.') {
			again = ++pattern;
			again_at = at;
		} else if (at < count && piece_matches(pattern, &steps[at], &rest)) {
			pattern = rest;
			at++;
		} else if (again && again_at < count) {
			pattern = again;
			at = ++again_at;
		} else {
			return false;
		}
	}
	return true;
}

/* Most patterns end otherwise than most paths. */
static bool may_end(const char *pattern, const struct path_step *last)
{
	size_t len = strlen(pattern);

	if (!last->key.data)
		return pattern[len - 1] == ']';
	return len > last->key.len && pattern[len - last->key.len - 1] == '.' &&
	       memcmp(pattern + len - last->key.len, last->key.data, last->key.len) == 0;
}

bool jsondiff_path_is(const char *pattern, const struct path_step *steps, size_t count)
{
	if (count && pattern[0] && !may_end(pattern, &steps[count - 1]))
		return false;
	return pattern[0] == '$' && path_matches(pattern + 1, steps, count);
}

bool jsondiff_ignored(struct ignore_paths ignore, const struct path_step *steps, size_t count)
{
	for (size_t i = 0; i < ignore.count; i++)
		if (jsondiff_path_is(ignore.paths[i], steps, count))
			return true;
	return false;
}

bool jsondiff_is_ignored(const struct jsondiff_walk *w)
{
	return jsondiff_ignored(w->rules->ignore, w->steps, w->depth);
}

struct tolerance jsondiff_tolerance(const struct jsondiff_walk *w)
{
	for (size_t i = w->rules->tolerance_count; i-- > 0;)
		if (jsondiff_path_is(w->rules->tolerances[i].path, w->steps, w->depth))
			return w->rules->tolerances[i].within;
	return w->rules->tolerance;
}

const struct path_array *jsondiff_array_rule(const struct jsondiff_walk *w)
{
	for (size_t i = w->rules->array_count; i-- > 0;)
		if (jsondiff_path_is(w->rules->arrays[i].path, w->steps, w->depth))
			return &w->rules->arrays[i];
	return NULL;
}

int jsondiff_key_order(struct span a, struct span b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int order = n ? memcmp(a.data, b.data, n) : 0;

	if (order || a.len == b.len)
		return order;
	return a.len < b.len ? -1 : 1;
}

static void path_write(const struct jsondiff_walk *w, bool any_index, char *out, size_t size)
{
	size_t at = (size_t)snprintf(out, size, "$");

	for (size_t i = 0; i < w->depth && at < size; i++) {
		const struct path_step *s = &w->steps[i];

		if (s->key.data)
			at += (size_t)snprintf(out + at, size - at, ".%.*s",
			                       (int)(s->key.len < 64 ? s->key.len : 64), s->key.data);
		else if (any_index)
			at += (size_t)snprintf(out + at, size - at, "[*]");
		else
			at += (size_t)snprintf(out + at, size - at, "[%zu]", s->index);
	}
	for (; *out; out++)
		if (*out < ' ' || *out > '~')
			*out = '?';
}

static void note_path(struct jsondiff_walk *w)
{
	struct jsondiff_paths *p = &w->out->paths;

	if (p->count == JSONDIFF_PATHS_MAX)
		return;
	path_write(w, true, p->at[p->count], sizeof p->at[0]);
	for (uint32_t i = 0; i < p->count; i++)
		if (!strcmp(p->at[i], p->at[p->count]))
			return;
	p->count++;
}

void jsondiff_report(struct jsondiff_walk *w, uint32_t *counter, const char *what)
{
	char path[JSONDIFF_WHERE_MAX - 32];

	w->silent++;
	if (w->quiet)
		return;
	(*counter)++;
	note_path(w);
	if (w->out->where[0])
		return;
	path_write(w, false, path, sizeof(path));
	snprintf(w->out->where, sizeof(w->out->where), "%s: %s", path, what);
}

static bool is_integer(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] != '-' && (text.data[i] < '0' || text.data[i] > '9'))
			return false;
	return true;
}

/* Integers a double cannot hold are told apart by their text. */
int jsondiff_number_eq(struct tolerance t, struct span live, struct span candidate)
{
	double a, b;
	bool equal;
	int err;

	if (span_eq(live, candidate))
		return 1;
	err = json_double(live, &a);
	if (!err)
		err = json_double(candidate, &b);
	if (err)
		return err;
	equal = tolerance_equal(t, a, b);
	if (equal && a == b && fabs(a) >= EXACT_INTEGERS && t.abs == 0 && t.rel == 0)
		equal = !is_integer(live) || !is_integer(candidate);
	return equal;
}

bool jsondiff_same_type(enum json_token a, enum json_token b)
{
	bool boolean = (a == JSON_TRUE || a == JSON_FALSE) && (b == JSON_TRUE || b == JSON_FALSE);

	return a == b || boolean;
}

enum { TOLD = 1, OUT_OF_STEP = 2 };

struct pair {
	struct jsondiff_walk *walk;
	struct json_reader live, candidate;
	uint64_t same; /* before that offset of live the candidate has the same bytes */
	struct json_trail trail;
	struct path_step named[JSON_DEPTH_MAX + 1]; /* of the difference that `where` tells */
	uint64_t seen[JSON_DEPTH_MAX];              /* the trail that walk->steps were made from */
	size_t seen_depth, ignored;                 /* levels of it; its first so many are ignored; 0: none */
};

static size_t common_bytes(struct span a, struct span b)
{
	size_t len = a.len < b.len ? a.len : b.len, n = 0;

	while (len - n >= 32 && memcmp(a.data + n, b.data + n, 32) == 0)
		n += 32;
	while (n < len && a.data[n] == b.data[n])
		n++;
	return n;
}

static struct span ahead(const struct json_reader *r)
{
	return (struct span){r->doc.data + r->scanner.offset, r->doc.len - r->scanner.offset};
}

/* Where the bytes are the same one reading is enough. */
static void walk_same(struct pair *p)
{
	struct json_scanner *a = &p->live.scanner, *b = &p->candidate.scanner;
	uint64_t offset;

	if (a->offset >= p->same)
		p->same = a->offset + common_bytes(ahead(&p->live), ahead(&p->candidate));
	offset = b->offset + json_walk(&p->live, p->same, &p->trail);
	if (offset == b->offset)
		return;
	*b = *a;
	b->offset = offset;
}

/* walk->steps of where the pair is; OUT_OF_STEP: a key has escapes. What did not move is kept. */
static int place(struct pair *p, size_t *kept_out)
{
	const struct json_scanner *s = &p->live.scanner;
	size_t depth = (size_t)s->depth, i = 0;

	while (i < depth && i < p->seen_depth && p->seen[i] == p->trail.at[i])
		i++;
	*kept_out = i;
	for (p->seen_depth = i; i < depth; i++) {
		struct path_step *step = &p->walk->steps[i];
		const char *key = p->live.doc.data + p->trail.at[i] + 1;

		*step = (struct path_step){{NULL, 0}, p->trail.at[i] - 1};
		if (json_in_object(s, (int)i)) {
			const char *end = key;

			while (*end != '"' && *end != '\\')
				end++;
			if (*end == '\\')
				return OUT_OF_STEP;
			step->key = (struct span){key, (size_t)(end - key)};
		}
		p->seen[i] = p->trail.at[i];
		p->seen_depth = i + 1;
	}
	p->walk->depth = depth;
	return 0;
}

static bool is_ignored(struct pair *p, size_t kept)
{
	if (p->ignored && p->ignored <= kept)
		return true;
	for (p->ignored = kept + 1; p->ignored <= p->walk->depth; p->ignored++)
		if (jsondiff_ignored(p->walk->rules->ignore, p->walk->steps, p->ignored))
			return true;
	p->ignored = 0;
	return false;
}

/* Members are named in the order of their keys, equal keys and elements in that of the document. */
static bool is_before(const struct path_step *a, const struct path_step *b)
{
	while (a->key.data ? a->key.data == b->key.data : a->index == b->index) {
		a++;
		b++;
	}
	return a->key.data ? jsondiff_key_order(a->key, b->key) < 0 : a->index < b->index;
}

/* Is the difference here to be told, and by name? TOLD, 0 or OUT_OF_STEP. */
static int settle(struct pair *p)
{
	struct jsondiff *out = p->walk->out;
	size_t kept;

	if (place(p, &kept))
		return OUT_OF_STEP;
	if (is_ignored(p, kept))
		return 0;
	if (out->where[0] && !is_before(p->walk->steps, p->named))
		return TOLD;
	memcpy(p->named, p->walk->steps, p->walk->depth * sizeof(*p->named));
	out->where[0] = '\0';
	return TOLD;
}

static bool is_value(enum json_token token)
{
	return token != JSON_KEY && token != JSON_OBJECT_END && token != JSON_ARRAY_END && token != JSON_END;
}

/* 1: alike, 0 or an error; where a path has a tolerance of its own, OUT_OF_STEP too. */
static int numbers_alike(struct pair *p)
{
	size_t kept;

	if (!p->walk->rules->tolerance_count || span_eq(p->live.text, p->candidate.text))
		return jsondiff_number_eq(p->walk->rules->tolerance, p->live.text, p->candidate.text);
	if (place(p, &kept))
		return OUT_OF_STEP;
	p->seen_depth = p->ignored = 0; /* settle() looks again at what is ignored here */
	return jsondiff_number_eq(jsondiff_tolerance(p->walk), p->live.text, p->candidate.text);
}

/* 1: alike so far, 0, OUT_OF_STEP or an error. */
static int is_alike(struct pair *p, enum json_token type)
{
	if (type == JSON_OBJECT || type == JSON_ARRAY)
		return 1;
	if (type == JSON_NUMBER)
		return numbers_alike(p);
	return jsondiff_string_eq(p->live.text, p->candidate.text);
}

static int on_values(struct pair *p, enum json_token live, enum json_token candidate)
{
	struct jsondiff *out = p->walk->out;
	bool same = jsondiff_same_type(live, candidate);
	int result = same ? is_alike(p, live) : 0;

	if (result)
		return result == 1 ? 0 : result;
	if (!same && (json_skip(&p->live, live) || json_skip(&p->candidate, candidate)))
		return OUT_OF_STEP;
	result = settle(p);
	if (result == TOLD && same)
		jsondiff_report(p->walk, &out->value, "value differs");
	else if (result == TOLD)
		jsondiff_report(p->walk, &out->type, "type differs");
	return result == OUT_OF_STEP ? OUT_OF_STEP : 0;
}

/* One token of each. 0, an error or OUT_OF_STEP. */
static int step(struct pair *p, enum json_token *token_out)
{
	enum json_token other;

	if (json_next(&p->live, token_out) || json_next(&p->candidate, &other))
		return OUT_OF_STEP;
	json_trail_note(&p->trail, &p->live.scanner, *token_out);
	if (is_value(*token_out) && is_value(other))
		return on_values(p, *token_out, other);
	return *token_out == other && span_eq(p->live.text, p->candidate.text) ? 0 : OUT_OF_STEP;
}

/* Both documents token by token, with no memory of what was read. OUT_OF_STEP: other members or another
 * order, or one is not JSON. */
static int in_step(struct jsondiff_walk *w, struct span live, struct span candidate)
{
	struct pair p;
	enum json_token token = JSON_MORE;
	int err = 0;

	p.walk = w;
	p.same = p.seen_depth = p.ignored = 0;
	json_reader_init(&p.live, live, JSON_NONFINITE);
	json_reader_init(&p.candidate, candidate, JSON_NONFINITE);
	while (!err && token != JSON_END) {
		walk_same(&p);
		err = step(&p, &token);
	}
	return err;
}

/* Elements of an array may only have changed places: two of them differ then. */
static bool may_be_order(const struct jsondiff *out)
{
	return out->value + out->type > 1;
}

int jsondiff_by(struct span live, struct span candidate, const struct jsondiff_rules *rules,
                size_t work_bytes, struct jsondiff *out)
{
	struct jsondiff_walk w = {.rules = rules, .out = out};
	size_t most = work_bytes / 2 < JSONDIFF_NODES_MAX ? work_bytes / 2 : JSONDIFF_NODES_MAX;
	int err = OUT_OF_STEP;

	*out = (struct jsondiff){0};
	/* what two strings take to be decoded stays within the documents' lengths */
	if (live.len <= most && candidate.len <= most && !rules->array_count)
		err = in_step(&w, live, candidate);
	if (err != OUT_OF_STEP && (err || !may_be_order(out)))
		return err;
	*out = (struct jsondiff){0};
	w.depth = 0;
	return jsondiff_tree(&w, live, candidate, work_bytes);
}

int jsondiff(struct span live, struct span candidate, struct tolerance tolerance, struct ignore_paths ignore,
             size_t work_bytes, struct jsondiff *out)
{
	struct jsondiff_rules rules = {.tolerance = tolerance, .ignore = ignore};

	return jsondiff_by(live, candidate, &rules, work_bytes, out);
}
