#include "capture/found.h"

#include <endian.h>

enum { ISSUED = 128 };
_Static_assert((int)DETECT_CLASSES_ALL <= (int)ISSUED, "a class and a mark in one byte");

struct entry {
	unsigned class;
	bool issued;
	uint64_t hash;
	uint32_t times;
};

static uint64_t get64(const char *from)
{
	uint64_t v;

	memcpy(&v, from, sizeof v);
	return le64toh(v);
}

static void put64(char *to, uint64_t v)
{
	v = htole64(v);
	memcpy(to, &v, sizeof v);
}

static unsigned count_of(struct span table)
{
	return table.len > FOUND_HEAD_BYTES ? (unsigned)((table.len - FOUND_HEAD_BYTES) / FOUND_ENTRY_BYTES)
	                                    : 0;
}

static struct entry entry_at(struct span table, unsigned i)
{
	const char *at = table.data + FOUND_HEAD_BYTES + (size_t)i * FOUND_ENTRY_BYTES;
	unsigned char kind = (unsigned char)at[0];
	struct entry e = {.class = kind & (ISSUED - 1), .issued = kind & ISSUED, .hash = get64(at + 1)};

	memcpy(&e.times, at + 9, sizeof e.times);
	e.times = le32toh(e.times);
	return e;
}

static void put_entry(char *at, const struct entry *e)
{
	uint32_t times = htole32(e->times);

	at[0] = (char)(e->class | (e->issued ? ISSUED : 0));
	put64(at + 1, e->hash);
	memcpy(at + 9, &times, sizeof times);
}

void found_init(struct found *f, uint64_t salt, uint64_t check)
{
	*f = (struct found){.salt = salt, .check = check};
	buf_init(&f->table, FOUND_BYTES_MAX);
}

void found_fini(struct found *f)
{
	buf_fini(&f->table);
}

static void begin(struct found *f)
{
	char head[FOUND_HEAD_BYTES];

	put64(head, f->salt);
	put64(head + 8, f->check);
	buf_put(&f->table, head, sizeof head);
}

/* Its number, or that of the next one. */
static unsigned find(struct span table, unsigned class, uint64_t hash, bool issued)
{
	unsigned i = 0, n = count_of(table);

	for (; i < n; i++) {
		struct entry e = entry_at(table, i);

		if (e.class == class && e.hash == hash && e.issued == issued)
			break;
	}
	return i;
}

void found_add(struct found *f, unsigned class, uint64_t hash, uint32_t times, bool issued)
{
	struct entry e = {class, issued, hash, times};
	struct span table;
	char room[FOUND_ENTRY_BYTES];
	unsigned n, i;

	if (!buf_len(&f->table))
		begin(f);
	table = buf_span(&f->table);
	n = count_of(table);
	i = find(table, class, hash, issued);
	if (i == n && n >= FOUND_VALUES_MAX) { /* an issued one that is not told apart is of no use */
		if (issued)
			return;
		e.hash = 0;
		i = find(table, class, 0, false);
	}
	if (i < n) {
		e = entry_at(table, i);
		e.times = times > UINT32_MAX - e.times ? UINT32_MAX : e.times + times;
		put_entry(f->table.base + f->table.head + FOUND_HEAD_BYTES + (size_t)i * FOUND_ENTRY_BYTES,
		          &e);
	} else {
		put_entry(room, &e);
		buf_put(&f->table, room, sizeof room);
	}
}

void found_keep(const struct found *f, struct found_mark *mark)
{
	struct span table = buf_span(&f->table);

	mark->len = (uint32_t)table.len;
	if (table.len)
		memcpy(mark->bytes, table.data, table.len);
}

void found_back(struct found *f, const struct found_mark *mark)
{
	int err = f->table.err;

	buf_reset(&f->table);
	buf_put(&f->table, mark->bytes, mark->len);
	f->table.err = err;
}

static bool is_class(unsigned class)
{
	return (class > DETECT_NONE && class < DETECT_CLASSES) ||
	       (class >= DETECT_PATTERN && class < DETECT_CLASSES_ALL);
}

bool found_valid(struct span table)
{
	if (!table.len)
		return true;
	if (table.len > FOUND_BYTES_MAX || table.len < FOUND_HEAD_BYTES + FOUND_ENTRY_BYTES ||
	    (table.len - FOUND_HEAD_BYTES) % FOUND_ENTRY_BYTES)
		return false;
	for (unsigned i = 0; i < count_of(table); i++)
		if (!is_class(entry_at(table, i).class))
			return false;
	return true;
}

uint64_t found_salt(struct span table)
{
	return table.len >= FOUND_HEAD_BYTES ? get64(table.data) : 0;
}

uint64_t found_check(struct span table)
{
	return table.len >= FOUND_HEAD_BYTES ? get64(table.data + 8) : 0;
}

bool found_issued(struct span table, unsigned class, uint64_t hash)
{
	return find(table, class, hash, true) < count_of(table);
}

void found_count(struct span table, uint64_t counts[DETECT_CLASSES_ALL])
{
	for (unsigned i = 0; found_valid(table) && i < count_of(table); i++)
		counts[entry_at(table, i).class] += entry_at(table, i).times;
}

/* Is that value, or at least one of its class, among what was asked? */
static bool was_asked(struct span asked, const struct entry *e, bool comparable)
{
	for (unsigned i = 0; i < count_of(asked); i++) {
		struct entry known = entry_at(asked, i);

		if (known.class == e->class &&
		    (!comparable || !e->hash || !known.hash || known.hash == e->hash))
			return true;
	}
	return false;
}

bool found_adds(struct span asked, struct span answered)
{
	bool comparable = asked.len && found_salt(asked) == found_salt(answered) &&
	                  found_check(asked) == found_check(answered);

	if (!found_valid(asked) || !found_valid(answered))
		return false;
	for (unsigned i = 0; i < count_of(answered); i++) {
		struct entry e = entry_at(answered, i);

		if (!e.issued && !was_asked(asked, &e, comparable))
			return true;
	}
	return false;
}
