/*
 * What was learned as bytes, between a role and who tells it:
 *
 *   "ULEARN1\n" | documents | over | count | places, of each: parent, kind, name, figures, finds
 *
 * All are numbers of 8 bytes, little-endian, but for names: a number, then so many bytes. Finds are a number,
 * then class, hits and whole of each.
 */
#include <endian.h>

#include "capture/learn_inside.h"

static const char magic[8] = "ULEARN1\n";

static void put(struct buf *out, uint64_t v)
{
	v = htole64(v);
	buf_put(out, &v, sizeof v);
}

/* The figures of a place, in their order. */
enum {
	FIGURES = 9 + LEARN_TYPES,
	PLACE_BYTES_MAX = 8 * (4 + FIGURES + 3 * DETECT_CLASSES) + LEARN_NAME_BYTES
};
static void figures(struct learn_place *p, uint64_t *out[FIGURES])
{
	uint64_t *const all[] = {&p->documents, &p->values, &p->texts, &p->nested, &p->bytes,
	                         &p->least,     &p->most,   &p->prose, &p->told};

	memcpy(out, all, sizeof all);
	for (unsigned t = 0; t < LEARN_TYPES; t++)
		out[9 + t] = &p->types[t];
}

static void put_place(struct buf *out, struct learn_place p, bool hidden)
{
	bool named = p.kind == LEARN_MEMBER || p.kind == LEARN_FORM || p.kind == LEARN_HEADER;
	uint64_t *of[FIGURES];
	unsigned finds = 0;

	if (hidden) {
		p.name[0] = '\0';
		p.hidden = named;
	}
	p.told = learn_different(&p);
	figures(&p, of);
	put(out, p.parent);
	put(out, p.kind | (uint64_t)p.hidden << 8 | (uint64_t)p.names << 16);
	put(out, strlen(p.name));
	buf_puts(out, p.name);
	for (unsigned i = 0; i < FIGURES; i++)
		put(out, *of[i]);
	for (unsigned c = 1; c < DETECT_CLASSES; c++)
		finds += p.hits[c] || p.whole[c];
	put(out, finds);
	for (unsigned c = 1; c < DETECT_CLASSES; c++) {
		if (!p.hits[c] && !p.whole[c])
			continue;
		put(out, c);
		put(out, p.hits[c]);
		put(out, p.whole[c]);
	}
}

void learn_save(const struct learn *l, struct buf *out)
{
	uint64_t over = learn_over(l);
	unsigned told = 0;
	struct buf places;

	buf_init(&places, LEARN_SAVED_MAX);
	for (unsigned i = 0; i < learn_count(l); i++)
		if (told == i && buf_len(&places) < LEARN_SAVED_MAX - PLACE_BYTES_MAX) {
			put_place(&places, *learn_at(l, i), learn_hidden(l, i));
			told++;
		} else {
			over += learn_at(l, i)->values;
		}
	buf_put(out, magic, sizeof magic);
	put(out, learn_documents(l));
	put(out, over);
	put(out, told);
	buf_span_put(out, buf_span(&places));
	out->err = out->err ? out->err : places.err;
	buf_fini(&places);
}

struct reading { /* past the end all is 0 and `short` */
	struct span left;
	bool torn;
};

static uint64_t get(struct reading *r)
{
	uint64_t v;

	if (r->left.len < sizeof v) {
		r->torn = true;
		return 0;
	}
	memcpy(&v, r->left.data, sizeof v);
	r->left = (struct span){r->left.data + sizeof v, r->left.len - sizeof v};
	return le64toh(v);
}

static bool get_name(struct reading *r, char out[LEARN_NAME_BYTES + 1])
{
	uint64_t n = get(r);

	if (n > LEARN_NAME_BYTES || n > r->left.len || (n && memchr(r->left.data, 0, n)))
		return false;
	memcpy(out, r->left.data, n);
	out[n] = '\0';
	r->left = (struct span){r->left.data + n, r->left.len - n};
	return true;
}

static bool get_finds(struct reading *r, struct learn_place *p)
{
	uint64_t finds = get(r);

	if (finds >= DETECT_CLASSES)
		return false;
	while (finds--) {
		uint64_t class = get(r), hits = get(r), whole = get(r);

		if (!class || class >= DETECT_CLASSES || hits > UINT32_MAX || whole > UINT32_MAX)
			return false;
		p->hits[class] = (uint32_t)hits;
		p->whole[class] = (uint32_t)whole;
	}
	return true;
}

static bool get_place(struct reading *r, struct learn_place *p)
{
	uint64_t *of[FIGURES], parent, kind;

	*p = (struct learn_place){0};
	parent = get(r);
	kind = get(r);
	p->parent = (uint32_t)parent;
	p->kind = (uint8_t)kind;
	p->hidden = kind >> 8 & 1;
	p->names = (uint32_t)(kind >> 16);
	if (parent > UINT32_MAX || p->kind > LEARN_TEXT || kind >> 9 & 127 || kind >> 48 ||
	    !get_name(r, p->name))
		return false;
	figures(p, of);
	for (unsigned i = 0; i < FIGURES; i++)
		*of[i] = get(r);
	return get_finds(r, p) && !r->torn;
}

int learn_load(struct span saved, struct learn **learn_out)
{
	static const uint8_t key[16];
	struct reading r = {.left = saved};
	uint64_t documents, over, count;
	struct learn_place p;
	int err;

	*learn_out = NULL;
	if (saved.len < sizeof magic || memcmp(saved.data, magic, sizeof magic) != 0)
		return ERR_PROTO;
	r.left = (struct span){saved.data + sizeof magic, saved.len - sizeof magic};
	err = learn_new(key, learn_out);
	if (err)
		return err;
	documents = get(&r);
	over = get(&r);
	count = get(&r);
	learn_restore_counts(*learn_out, documents, over);
	for (uint64_t i = 0; !err && i < count; i++)
		err = get_place(&r, &p) ? learn_restore(*learn_out, &p) : ERR_PROTO;
	if (!err && (r.torn || r.left.len))
		err = ERR_PROTO;
	if (err)
		learn_free(learn_out);
	return err;
}
