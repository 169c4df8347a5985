#include "capture/learn.h"

#include <stdlib.h>

#include "capture/learn_inside.h"
#include "proto/base/siphash.h"
#include "proto/json.h"

enum { BUCKETS = 4096, NONE = UINT32_MAX };

struct learn {
	uint8_t key[16];
	struct detect_policy policy;
	struct detectors *detectors;
	uint64_t documents, over;
	unsigned count;
	uint32_t first[BUCKETS], next[LEARN_PLACES_MAX]; /* places of one hash, by number; NONE ends */
	struct learn_place *places[LEARN_PLACES_MAX];
	struct buf plain;
};

int learn_new(const uint8_t key[16], struct learn **learn_out)
{
	struct learn *l = calloc(1, sizeof *l);

	*learn_out = NULL;
	if (!l)
		return ERR_NOMEM;
	memcpy(l->key, key, sizeof l->key);
	memset(l->first, 0xff, sizeof l->first);
	buf_init(&l->plain, SIZE_MAX / 4);
	l->policy.min_score = DETECT_SCORE;
	if (!detect_set_add_name(&l->policy.classes, "all") ||
	    detectors_new(&l->policy, NULL, &l->detectors)) {
		learn_free(&l);
		return ERR_NOMEM;
	}
	*learn_out = l;
	return 0;
}

void learn_free(struct learn **l)
{
	if (!*l)
		return;
	for (unsigned i = 0; i < (*l)->count; i++)
		free((*l)->places[i]);
	detectors_free(&(*l)->detectors);
	buf_fini(&(*l)->plain);
	free(*l);
	*l = NULL;
}

static void count_find(void *arg, const struct detect_hit *hit)
{
	(void)hit;
	++*(unsigned *)arg;
}

/* Can a path have it? */
static bool is_writable(struct span name)
{
	if (!name.len || name.len > LEARN_NAME_BYTES)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.data[i] <= ' ' || (unsigned char)name.data[i] == 0x7f ||
		    strchr(".[]\"\\{},:#", name.data[i]))
			return false;
	return true;
}

/* And is it no value? */
static bool is_name(const struct learn *l, struct span name)
{
	unsigned finds = 0;

	if (!is_writable(name))
		return false;
	detect_text(l->detectors, SPAN(""), name, count_find, &finds);
	return !finds;
}

static uint32_t find(const struct learn *l, uint32_t bucket, uint32_t parent, enum learn_kind kind,
                     struct span name)
{
	uint32_t at = l->first[bucket];

	while (at != NONE && (l->places[at]->parent != parent || l->places[at]->kind != kind ||
	                      !span_eq(span_of(l->places[at]->name), name)))
		at = l->next[at];
	return at;
}

static uint32_t bucket_of(const struct learn *l, uint32_t parent, enum learn_kind kind, struct span name)
{
	return (uint32_t)((siphash(l->key, name) ^ (parent * 0x9e3779b97f4a7c15u) ^ kind) >> 7) % BUCKETS;
}

/* The place of that name under another: NONE when there is no room (*err_out 0) or no memory. */
static uint32_t place(struct learn *l, uint32_t parent, enum learn_kind kind, struct span name, int *err_out)
{
	bool named = kind == LEARN_MEMBER || kind == LEARN_FORM || kind == LEARN_HEADER;
	struct learn_place *above = parent == NONE ? NULL : l->places[parent], *p;
	uint32_t bucket = bucket_of(l, parent, kind, name), at = find(l, bucket, parent, kind, name);

	if (at != NONE && name.len)
		return at;
	if (named && name.len && (!is_name(l, name) || (above && above->names >= LEARN_NAMES_MAX))) {
		if (above)
			above->names = is_name(l, name) ? LEARN_NAMES_MAX + 1 : above->names;
		name = SPAN("");
		bucket = bucket_of(l, parent, kind, name);
		at = find(l, bucket, parent, kind, name);
	}
	if (at != NONE)
		return at;
	p = l->count < LEARN_PLACES_MAX ? calloc(1, sizeof *p) : NULL;
	if (!p) {
		*err_out = l->count < LEARN_PLACES_MAX ? ERR_NOMEM : 0;
		return NONE;
	}
	p->parent = parent;
	p->kind = (uint8_t)kind;
	memcpy(p->name, name.data, name.len);
	p->hidden = named && !name.len;
	if (above && named && name.len)
		above->names++;
	at = l->count++;
	l->places[at] = p;
	l->next[at] = l->first[bucket];
	l->first[bucket] = at;
	return at;
}

struct finding {
	struct learn_place *place;
	size_t len;
	struct detect_set seen, whole;
};

static void found(void *arg, const struct detect_hit *hit)
{
	struct finding *f = arg;

	if (!detect_set_has(&f->seen, hit->class))
		f->place->hits[hit->class]++;
	if (f->len && hit->start == 0 && hit->end == f->len && !detect_set_has(&f->whole, hit->class))
		f->place->whole[hit->class]++;
	detect_set_add(&f->seen, hit->class);
	if (hit->start == 0 && hit->end == f->len)
		detect_set_add(&f->whole, hit->class);
}

static void note(struct learn *l, struct learn_place *p, enum learn_type type)
{
	p->values++;
	p->types[type]++;
	p->documents += p->last != l->documents;
	p->last = l->documents;
}

static void note_text(struct learn *l, struct learn_place *p, struct span name, struct span text)
{
	struct finding f = {.place = p, .len = text.len};

	p->bytes += text.len;
	p->least = !p->texts++ || text.len < p->least ? text.len : p->least;
	p->most = text.len > p->most ? text.len : p->most;
	p->prose += detect_prose(text);
	distinct_add(&p->distinct, siphash(l->key, text));
	detect_text(l->detectors, name, text, found, &f);
}

struct walk {
	struct learn *l;
	struct json_reader in;
	uint32_t at[JSON_DEPTH_MAX + 1]; /* places of open containers; 0: what the document is in */
	struct span key; /* of the value that comes next, without quotes; data NULL: an element */
	unsigned level;
};

static int walk_all(struct walk *);

/* JSON in a string: places in it are below its own, as for rules. ERR_PROTO: it is none. */
static int walk_nested(struct walk *w, uint32_t at, struct span text)
{
	struct walk *inner;
	int err;

	if (w->level == LEARN_NESTED_MAX || !text.len || (text.data[0] != '{' && text.data[0] != '['))
		return ERR_PROTO;
	inner = malloc(sizeof *inner);
	if (!inner)
		return ERR_NOMEM;
	inner->l = w->l;
	inner->level = w->level + 1;
	inner->at[0] = at;
	json_reader_init(&inner->in, text, JSON_NONFINITE);
	err = walk_all(inner);
	free(inner);
	return err;
}

/* What is in nested JSON is told below it; of what only begins like it the beginning is told twice. */
static int string(struct walk *w, uint32_t at)
{
	struct span raw = w->in.text;
	struct buf plain;
	int err;

	buf_init(&plain, raw.len + 1);
	json_unescape(raw, &plain);
	err = plain.err ? plain.err : walk_nested(w, at, buf_span(&plain));
	if (!err)
		w->l->places[at]->nested++;
	else if (err != ERR_NOMEM)
		note_text(w->l, w->l->places[at], w->key.data ? w->key : SPAN(""), buf_span(&plain));
	buf_fini(&plain);
	return err == ERR_NOMEM ? err : 0;
}

static enum learn_type type_of(enum json_token token)
{
	switch (token) {
	case JSON_OBJECT:
		return LEARN_OBJECT;
	case JSON_ARRAY:
		return LEARN_ARRAY;
	case JSON_STRING:
		return LEARN_STRING;
	case JSON_NUMBER:
		return LEARN_NUMBER;
	case JSON_NULL:
		return LEARN_NULL;
	default:
		return LEARN_BOOL;
	}
}

static int value(struct walk *w, enum json_token token)
{
	bool opens = token == JSON_OBJECT || token == JSON_ARRAY;
	int depth = w->in.scanner.depth - opens, err = 0;
	uint32_t at = w->at[depth];

	if (depth && at != NONE)
		at = place(w->l, at, w->key.data ? LEARN_MEMBER : LEARN_ELEMENT,
		           w->key.data ? w->key : SPAN(""), &err);
	if (opens)
		w->at[depth + 1] = at;
	if (at == NONE) {
		w->l->over += !opens;
		return err;
	}
	note(w->l, w->l->places[at], type_of(token));
	if (w->key.data && w->l->places[at]->hidden)
		detect_text(w->l->detectors, SPAN(""), w->key, found,
		            &(struct finding){.place = w->l->places[at]});
	if (token == JSON_NUMBER)
		distinct_add(&w->l->places[at]->distinct, siphash(w->l->key, w->in.text));
	return token == JSON_STRING ? string(w, at) : 0;
}

static int walk_all(struct walk *w)
{
	enum json_token token = JSON_MORE;
	int err = 0;

	w->key = (struct span){NULL, 0};
	while (!err && !(err = json_next(&w->in, &token)) && token != JSON_END) {
		if (token == JSON_KEY) {
			w->key = (struct span){w->in.text.data + 1, w->in.text.len - 2};
			continue;
		}
		if (token != JSON_OBJECT_END && token != JSON_ARRAY_END)
			err = value(w, token);
		w->key = (struct span){NULL, 0};
	}
	return err;
}

uint64_t learn_different(const struct learn_place *p)
{
	double n = distinct_count(&p->distinct) + 0.5;
	uint64_t most = p->texts + p->types[LEARN_NUMBER];

	return p->told ? p->told : n > (double)most ? most : (uint64_t)n;
}

int learn_restore(struct learn *l, const struct learn_place *p)
{
	bool named = p->kind == LEARN_MEMBER || p->kind == LEARN_FORM || p->kind == LEARN_HEADER;
	bool inner = p->kind == LEARN_MEMBER || p->kind == LEARN_ELEMENT;
	struct span name = span_of(p->name);

	if (l->count == LEARN_PLACES_MAX || (inner ? p->parent >= l->count : p->parent != NONE))
		return ERR_PROTO;
	if (named ? p->hidden != !name.len || (name.len && !is_writable(name)) : name.len || p->hidden)
		return ERR_PROTO;
	l->places[l->count] = malloc(sizeof *p);
	if (!l->places[l->count])
		return ERR_NOMEM;
	*l->places[l->count++] = *p;
	return 0;
}

void learn_restore_counts(struct learn *l, uint64_t documents, uint64_t over)
{
	l->documents = documents;
	l->over = over;
}

void learn_document(struct learn *l)
{
	l->documents++;
}

int learn_json(struct learn *l, struct span body)
{
	struct walk w = {.l = l};
	int err = 0;

	w.at[0] = place(l, NONE, LEARN_BODY, SPAN(""), &err);
	if (w.at[0] == NONE)
		return err;
	json_reader_init(&w.in, body, JSON_NONFINITE);
	return walk_all(&w);
}

int learn_value(struct learn *l, enum learn_kind kind, struct span name, struct span text)
{
	int err = 0;
	uint32_t at = place(l, NONE, kind, name, &err);

	if (at == NONE) {
		l->over++;
		return err;
	}
	note(l, l->places[at], LEARN_STRING);
	note_text(l, l->places[at], name, text);
	return 0;
}

uint64_t learn_documents(const struct learn *l)
{
	return l->documents;
}

uint64_t learn_over(const struct learn *l)
{
	return l->over;
}

unsigned learn_count(const struct learn *l)
{
	return l->count;
}

const struct learn_place *learn_at(const struct learn *l, unsigned i)
{
	return l->places[i];
}

/* One name too many makes all names of an object values. */
bool learn_hidden(const struct learn *l, unsigned i)
{
	for (;;) {
		const struct learn_place *p = l->places[i];

		if (p->hidden)
			return true;
		if (p->parent == NONE)
			return false;
		if (p->kind == LEARN_MEMBER && l->places[p->parent]->names > LEARN_NAMES_MAX)
			return true;
		i = p->parent;
	}
}

unsigned learn_steps(const struct learn *l, unsigned i, struct mask_step *out, unsigned room)
{
	unsigned depth = 0, at = i;

	for (; l->places[at]->parent != NONE; at = l->places[at]->parent)
		depth++;
	if (l->places[at]->kind != LEARN_BODY || depth > room)
		return 0;
	for (unsigned n = depth; n-- > 0; i = l->places[i]->parent) {
		const struct learn_place *p = l->places[i];

		out[n] = (struct mask_step){.any = p->kind == LEARN_ELEMENT};
		if (p->kind == LEARN_MEMBER)
			out[n].name = span_of(p->name);
	}
	return depth;
}

bool learn_path(const struct learn *l, unsigned i, struct buf *out)
{
	const struct learn_place *p = l->places[i];
	struct mask_step steps[JSON_DEPTH_MAX * (LEARN_NESTED_MAX + 1)];
	unsigned depth;

	if (learn_hidden(l, i))
		return false;
	if (p->kind == LEARN_FORM || p->kind == LEARN_HEADER) {
		buf_printf(out, "%s: %s", p->kind == LEARN_FORM ? "form" : "header", p->name);
		return true;
	}
	if (p->kind == LEARN_TEXT) {
		buf_puts(out, "text");
		return false;
	}
	depth = learn_steps(l, i, steps, sizeof steps / sizeof *steps);
	buf_puts(out, "path: $");
	for (unsigned n = 0; n < depth; n++) {
		buf_puts(out, steps[n].name.data ? "." : "[*]");
		if (steps[n].name.data)
			buf_span_put(out, steps[n].name);
	}
	return depth > 0;
}
