#include "proto/json_shrink.h"

#include <stdlib.h>
#include <string.h>

enum { NONE = UINT32_MAX };

struct node {
	size_t from, to; /* of a scalar, its token; of a container nothing */
	struct span key; /* with quotes; empty: an element, or the document */
	uint32_t parent, depth;
	enum json_token type;
	bool gone;
};

struct shrink {
	struct span doc;
	struct node *nodes; /* in the order of the document, a container before what is in it */
	uint32_t count, room;
	char *gone;      /* of strings, a mark for each byte of the document */
	size_t *parts;   /* what is being left out of one container or string */
	struct buf text; /* the document as it is now */
	json_shrink_test *test;
	void *arg;
	bool changed;
};

/* --- reading --- */

static int add(struct shrink *s, struct node n)
{
	if (s->count == JSON_SHRINK_NODES_MAX)
		return ERR_LIMIT;
	if (s->count == s->room) {
		uint32_t room = s->room ? 2 * s->room : 64;
		struct node *more = realloc(s->nodes, room * sizeof *more);

		if (!more)
			return ERR_NOMEM;
		s->nodes = more;
		s->room = room;
	}
	s->nodes[s->count++] = n;
	return 0;
}

static int read_document(struct shrink *s)
{
	struct node n = {.parent = NONE};
	struct json_reader in;
	enum json_token token;
	int err;

	json_reader_init(&in, s->doc, JSON_NONFINITE);
	while ((err = json_next(&in, &token)) == 0 && token != JSON_END) {
		if (token == JSON_KEY) {
			n.key = in.text;
			continue;
		}
		if (token == JSON_OBJECT_END || token == JSON_ARRAY_END) {
			n.parent = s->nodes[n.parent].parent;
			n.depth--;
			continue;
		}
		n.type = token;
		n.from = (size_t)in.scanner.start;
		n.to = (size_t)in.scanner.end;
		err = add(s, n);
		if (err)
			return err;
		if (token == JSON_OBJECT || token == JSON_ARRAY) {
			n.parent = s->count - 1;
			n.depth++;
		}
		n.key = SPAN("");
	}
	return err == ERR_LIMIT ? ERR_PROTO : err;
}

/* --- writing --- */

/* A character of a string as it is written: an escape, a pair of surrogates, a sequence of UTF-8. */
static size_t unit(const char *at, const char *end)
{
	size_t left = (size_t)(end - at), n = 1;

	if (*at == '\\' && left >= 6 && at[1] == 'u') {
		bool high = (at[2] == 'd' || at[2] == 'D') && at[3] && strchr("89abAB", at[3]);

		return high && left >= 12 && at[6] == '\\' && at[7] == 'u' ? 12 : 6;
	}
	if (*at == '\\')
		return left < 2 ? left : 2;
	while (n < left && ((unsigned char)at[n] & 0xc0) == 0x80)
		n++;
	return n;
}

static void put_string(struct shrink *s, const struct node *n)
{
	for (size_t at = n->from, end; at < n->to; at = end) {
		bool gone = s->gone[at];

		for (end = at + 1; end < n->to && s->gone[end] == gone;)
			end++;
		if (!gone)
			buf_put(&s->text, s->doc.data + at, end - at);
	}
}

static void close_to(struct shrink *s, uint32_t open, uint32_t parent)
{
	for (; open != parent; open = s->nodes[open].parent)
		buf_puts(&s->text, s->nodes[open].type == JSON_OBJECT ? "}" : "]");
}

/* The document without what is gone. */
static void put(struct shrink *s)
{
	uint32_t open = NONE; /* the innermost container that is */
	bool first = true;

	buf_reset(&s->text);
	for (uint32_t i = 0; i < s->count; i++) {
		const struct node *n = &s->nodes[i];

		if (n->gone) {
			while (i + 1 < s->count && s->nodes[i + 1].depth > n->depth)
				i++;
			continue;
		}
		if (open != n->parent) {
			close_to(s, open, n->parent);
			first = false;
		}
		open = n->parent;
		buf_puts(&s->text, first ? "" : ",");
		buf_span_put(&s->text, n->key);
		buf_puts(&s->text, n->key.len ? ":" : "");
		first = n->type == JSON_OBJECT || n->type == JSON_ARRAY;
		if (n->type == JSON_STRING)
			put_string(s, n);
		else
			buf_put(&s->text, s->doc.data + n->from, n->to - n->from);
		if (first)
			open = i;
	}
	close_to(s, open, NONE);
}

static int ask(struct shrink *s)
{
	put(s);
	return s->text.err ? s->text.err : s->test(s->arg, buf_span(&s->text));
}

/* --- leaving out --- */

static void mark(struct shrink *s, const struct node *whole, size_t from, size_t to, bool gone)
{
	for (size_t i = from; i < to; i++) {
		size_t part = s->parts[i];

		if (whole->type == JSON_STRING)
			memset(s->gone + part, gone, unit(s->doc.data + part, s->doc.data + whole->to - 1));
		else
			s->nodes[part].gone = gone;
	}
}

/* One pass over the first *count parts, `chunk` of them at a time. */
static int pass(struct shrink *s, const struct node *whole, size_t *count, size_t chunk, bool *left_out)
{
	size_t at = 0;
	int rc;

	*left_out = false;
	while (at < *count) {
		size_t end = *count - at < chunk ? *count : at + chunk;

		mark(s, whole, at, end, true);
		rc = ask(s);
		if (rc == 1) {
			memmove(s->parts + at, s->parts + end, (*count - end) * sizeof *s->parts);
			*count -= end - at;
			*left_out = true;
			continue;
		}
		mark(s, whole, at, end, false);
		if (rc < 0)
			return rc;
		at = end;
	}
	return 0;
}

static int reduce(struct shrink *s, const struct node *whole, size_t count)
{
	size_t chunk = count;
	bool left_out;
	int err;

	while (count) {
		err = pass(s, whole, &count, chunk, &left_out);
		s->changed |= left_out;
		if (err)
			return err;
		if (chunk == 1 && !left_out)
			return 0;
		chunk = chunk > 1 ? (chunk + 1) / 2 : 1;
	}
	return 0;
}

static bool is_there(const struct shrink *s, uint32_t node)
{
	while (node != NONE && !s->nodes[node].gone)
		node = s->nodes[node].parent;
	return node == NONE;
}

static size_t members_of(struct shrink *s, uint32_t node)
{
	size_t count = 0;

	for (uint32_t i = node + 1; i < s->count && s->nodes[i].depth > s->nodes[node].depth; i++)
		if (s->nodes[i].parent == node && !s->nodes[i].gone)
			s->parts[count++] = i;
	return count;
}

static size_t characters_of(struct shrink *s, const struct node *n)
{
	const char *end = s->doc.data + n->to - 1;
	size_t count = 0;

	for (const char *at = s->doc.data + n->from + 1; at < end; at += unit(at, end))
		if (!s->gone[at - s->doc.data])
			s->parts[count++] = (size_t)(at - s->doc.data);
	return count;
}

static int containers_round(struct shrink *s)
{
	int err = 0;

	for (uint32_t depth = 0; depth <= JSON_DEPTH_MAX; depth++)
		for (uint32_t i = 0; i < s->count && !err; i++) {
			const struct node *n = &s->nodes[i];

			if (n->depth == depth && (n->type == JSON_OBJECT || n->type == JSON_ARRAY) &&
			    is_there(s, i))
				err = reduce(s, n, members_of(s, i));
		}
	return err;
}

static int strings_round(struct shrink *s)
{
	int err = 0;

	for (uint32_t i = 0; i < s->count && !err; i++)
		if (s->nodes[i].type == JSON_STRING && is_there(s, i))
			err = reduce(s, &s->nodes[i], characters_of(s, &s->nodes[i]));
	return err;
}

static int shrink(struct shrink *s)
{
	int rc = read_document(s);

	if (rc)
		return rc;
	s->gone = calloc(s->doc.len + 1, 1);
	s->parts = calloc(s->doc.len + 1, sizeof *s->parts);
	if (!s->gone || !s->parts)
		return ERR_NOMEM;
	rc = ask(s);
	if (rc != 1)
		return rc ? rc : ERR_AGAIN;
	do {
		s->changed = false;
		rc = containers_round(s);
		if (!rc)
			rc = strings_round(s);
	} while (!rc && s->changed);
	put(s);
	return s->text.err ? s->text.err : rc;
}

int json_shrink(struct span document, json_shrink_test *test, void *arg, struct buf *out)
{
	struct shrink s = {.doc = document, .test = test, .arg = arg};
	int rc;

	buf_init(&s.text, document.len + 1);
	rc = shrink(&s);
	buf_reset(out);
	if (s.gone && s.parts)
		buf_span_put(out, buf_span(&s.text));
	free(s.nodes);
	free(s.gone);
	free(s.parts);
	buf_fini(&s.text);
	return rc;
}
