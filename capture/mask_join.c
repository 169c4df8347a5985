#include "capture/mask_join.h"

#include <stdlib.h>

#include "proto/json.h"

struct place {
	uint64_t path, choice;
	size_t start;
};

struct look {
	struct mask_join *join;
	size_t doc, first; /* its first edit */
	struct json_reader reader;
	struct place places[JSON_DEPTH_MAX + 1];
	struct span name;
};

static uint64_t mix(uint64_t hash, struct span bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		hash = (hash ^ (unsigned char)bytes.data[i]) * 0x100000001b3u; /* FNV-1a */
	return (hash ^ bytes.len) * 0x9e3779b97f4a7c15u;
}

bool mask_join_streams(struct span key)
{
	static const char *const names[] = {"content",    "text",       "arguments", "partial_json",
	                                    "response",   "thinking",   "reasoning", "reasoning_content",
	                                    "refusal",    "delta",      "output",    "generated_text",
	                                    "transcript", "text_output"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (json_string_eq(key, span_of(names[i])))
			return true;
	return false;
}

static struct mask_edit *edits_of(const struct mask_join *j, size_t *count_out)
{
	*count_out = buf_len(&j->edits) / sizeof(struct mask_edit);
	return (struct mask_edit *)(void *)buf_span(&j->edits).data;
}

/* The choice that all under this object belongs to, whether it came before or comes after. */
static void number_choice(struct look *l, struct place *in)
{
	struct span name = {l->name.data + 1, l->name.len - 2};
	uint64_t choice = mix(mix(in->path, name), l->reader.text);
	size_t count;
	struct mask_edit *edits = edits_of(l->join, &count);

	if (name.len < 5 || memcmp(name.data + name.len - 5, "index", 5) != 0)
		return;
	in->choice += choice;
	for (size_t i = l->first; i < count; i++)
		if (edits[i].start > in->start)
			edits[i].key += choice;
}

static void note_piece(struct look *l, const struct place *in)
{
	struct mask_edit e = {.start = l->reader.scanner.start, .end = l->reader.scanner.end, .doc = l->doc};

	e.key = mix(in->path, l->name) + in->choice;
	buf_put(&l->join->edits, &e, sizeof e);
}

static void note(struct look *l, enum json_token token)
{
	int depth = l->reader.scanner.depth;
	struct place *in = &l->places[depth];

	if (token == JSON_OBJECT || token == JSON_ARRAY) {
		*in = l->places[depth - 1];
		in->path = mix(in->path, l->name);
		in->start = l->reader.scanner.start;
		l->name = SPAN("[]");
	} else if (token == JSON_OBJECT_END || token == JSON_ARRAY_END) {
		l->name = SPAN("[]");
	} else if (token == JSON_KEY) {
		l->name = l->reader.text;
	} else if (token == JSON_NUMBER && depth && l->name.data[0] == '"') {
		number_choice(l, in);
	} else if (token == JSON_STRING && depth && l->name.data[0] == '"' && mask_join_streams(l->name) &&
	           l->reader.text.len > 2) {
		note_piece(l, in);
	}
}

/* A document that is no JSON is one piece, or none when it should have been JSON. */
static void look_into(struct mask_join *j, size_t doc)
{
	struct mask_doc *d = &j->docs[doc];
	struct look l = {.join = j, .doc = doc, .first = buf_len(&j->edits) / sizeof(struct mask_edit)};
	struct mask_edit all = {.end = d->text.len, .doc = doc};
	enum json_token token = JSON_MORE;

	if (d->plain) {
		buf_put(&j->edits, &all, d->text.len ? sizeof all : 0);
		return;
	}
	l.name = SPAN("[]");
	json_reader_init(&l.reader, d->text, JSON_NONFINITE);
	while (token != JSON_END && !json_next(&l.reader, &token))
		note(&l, token);
}

static int by_key(const void *left, const void *right)
{
	const struct mask_edit *a = left, *b = right;

	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	if (a->doc != b->doc)
		return a->doc < b->doc ? -1 : 1;
	return a->start < b->start ? -1 : a->start > b->start;
}

static int by_place(const void *left, const void *right)
{
	const struct mask_edit *a = left, *b = right;

	if (a->doc != b->doc)
		return a->doc < b->doc ? -1 : 1;
	return a->start < b->start ? -1 : a->start > b->start;
}

/* The pieces of one key, joined, searched and cut again where they were cut. */
static void search(struct mask_join *j, struct mask_work *w, struct mask_edit *edits, size_t count,
                   struct buf *joined, struct buf *ends)
{
	size_t before = buf_len(&j->masked);
	struct mask_cut *cuts;
	uint32_t finds;

	buf_reset(joined);
	buf_reset(ends);
	for (size_t i = 0; i < count; i++) {
		const struct mask_doc *d = &j->docs[edits[i].doc];
		struct span piece = {d->text.data + edits[i].start, edits[i].end - edits[i].start};
		struct mask_cut cut = {0};

		if (d->plain)
			buf_span_put(joined, piece);
		else
			json_unescape(piece, joined);
		cut.end = buf_len(joined);
		buf_put(ends, &cut, sizeof cut);
	}
	if (joined->err || ends->err)
		return;
	cuts = (struct mask_cut *)(void *)buf_span(ends).data;
	finds = mask_text_cut(mask_rules_finder(w->rules), w->key, SPAN("content"), buf_span(joined),
	                      &j->masked, cuts, count);
	w->count += finds;
	w->input_masked |= finds > 0;
	for (size_t i = 0; finds && i < count; i++) {
		edits[i].at = i ? cuts[i - 1].masked_end : before;
		edits[i].len = cuts[i].masked_end - edits[i].at;
		edits[i].changed = true;
	}
}

static void search_all(struct mask_join *j, struct mask_work *w, size_t limit_bytes, int *err)
{
	size_t count, end;
	struct mask_edit *edits = edits_of(j, &count);
	struct buf joined, ends;

	buf_init(&joined, limit_bytes);
	buf_init(&ends, limit_bytes);
	qsort(edits, count, sizeof *edits, by_key);
	for (size_t i = 0; i < count; i = end) {
		for (end = i + 1; end < count && edits[end].key == edits[i].key;)
			end++;
		/* one alone is searched where it stands, but who must be asked is asked here */
		if (end - i > 1 || mask_finder_asks(mask_rules_finder(w->rules)))
			search(j, w, edits + i, end - i, &joined, &ends);
		*err = *err ? *err : joined.err ? joined.err : ends.err;
	}
	qsort(edits, count, sizeof *edits, by_place);
	buf_fini(&joined);
	buf_fini(&ends);
}

int mask_join(struct mask_join *j, struct mask_work *w, struct mask_doc *docs, size_t count,
              size_t limit_bytes)
{
	int err = 0;

	*j = (struct mask_join){.docs = docs, .doc_count = count};
	buf_init(&j->edits, limit_bytes);
	buf_init(&j->masked, limit_bytes);
	for (size_t i = 0; mask_rules_finder(w->rules) && i < count; i++) {
		if (docs[i].text.data)
			look_into(j, i);
		docs[i].edits = buf_len(&j->edits) / sizeof(struct mask_edit);
	}
	if (buf_len(&j->edits) && !j->edits.err)
		search_all(j, w, limit_bytes, &err);
	return j->edits.err ? j->edits.err : j->masked.err ? j->masked.err : err;
}

struct span mask_join_text(const struct mask_join *j, size_t doc, struct buf *out)
{
	const struct mask_doc *d = &j->docs[doc];
	const struct mask_edit *edits;
	size_t copied = 0, count, changed = 0;

	edits = edits_of(j, &count);
	buf_reset(out);
	for (size_t i = doc ? j->docs[doc - 1].edits : 0; i < d->edits; i++) {
		if (!edits[i].changed)
			continue;
		changed++;
		buf_put(out, d->text.data + copied, edits[i].start - copied);
		copied = edits[i].end;
		if (d->plain)
			buf_put(out, buf_span(&j->masked).data + edits[i].at, edits[i].len);
		else
			buf_json_string(out,
			                (struct span){buf_span(&j->masked).data + edits[i].at, edits[i].len});
	}
	if (!changed)
		return d->text;
	buf_put(out, d->text.data + copied, d->text.len - copied);
	return buf_span(out);
}

void mask_join_fini(struct mask_join *j)
{
	buf_fini(&j->edits);
	buf_fini(&j->masked);
}
