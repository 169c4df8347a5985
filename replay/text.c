#include "replay/text.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>

/* Where the two begin and end alike, nothing is to be edited. */
static void strip_common_ends(struct span *a, struct span *b)
{
	size_t n = 0;

	while (n < a->len && n < b->len && a->data[n] == b->data[n])
		n++;
	*a = (struct span){a->data + n, a->len - n};
	*b = (struct span){b->data + n, b->len - n};
	while (a->len && b->len && a->data[a->len - 1] == b->data[b->len - 1]) {
		a->len--;
		b->len--;
	}
}

struct column { /* vertical differences of 64 rows: where they are +1, and -1 */
	uint64_t up, down;
};

/* One block of one column. `in` and the result: the horizontal difference above and below the block. `last`:
 * the bit of its lowest row. */
static int step(struct column *c, uint64_t equal, int in, unsigned last)
{
	uint64_t x = equal | c->down, h, plus, minus;
	int out;

	equal |= in < 0;
	h = (((equal & c->up) + c->up) ^ c->up) | equal;
	plus = c->down | ~(h | c->up);
	minus = c->up & h;
	out = (int)(plus >> last & 1) - (int)(minus >> last & 1);
	plus = plus << 1 | (in > 0);
	minus = minus << 1 | (in < 0);
	c->up = minus | ~(x | plus);
	c->down = plus & x;
	return out;
}

/* a is not empty. where: by byte and block, the rows whose byte of `a` that is. */
static size_t edits(struct span a, struct span b, uint64_t *where, struct column *columns, size_t blocks)
{
	size_t distance = a.len;

	for (size_t i = 0; i < a.len; i++)
		where[(uint8_t)a.data[i] * blocks + i / 64] |= (uint64_t)1 << i % 64;
	for (size_t i = 0; i < blocks; i++)
		columns[i] = (struct column){UINT64_MAX, 0};
	for (size_t j = 0; j < b.len; j++) {
		const uint64_t *equal = where + (uint8_t)b.data[j] * blocks;
		int carry = 1;

		for (size_t i = 0; i < blocks; i++)
			carry = step(&columns[i], equal[i], carry, i + 1 < blocks ? 63 : (a.len - 1) % 64);
		distance += (size_t)carry;
	}
	return distance;
}

int text_edit_distance(struct span a, struct span b, size_t work_bytes, double *out)
{
	size_t longer = a.len > b.len ? a.len : b.len, blocks, bytes;
	uint64_t *where;

	*out = 0;
	strip_common_ends(&a, &b);
	if (a.len > TEXT_EDIT_MAX || b.len > TEXT_EDIT_MAX)
		return ERR_LIMIT;
	if (!a.len || !b.len) {
		*out = longer ? (double)(a.len + b.len) / (double)longer : 0;
		return 0;
	}
	if (a.len > b.len) {
		struct span swap = a;

		a = b;
		b = swap;
	}
	blocks = (a.len + 63) / 64;
	bytes = blocks * (256 * sizeof *where + sizeof(struct column));
	where = bytes <= work_bytes ? calloc(1, bytes) : NULL;
	if (!where)
		return ERR_NOMEM;
	*out = (double)edits(a, b, where, (struct column *)(where + 256 * blocks), blocks) / (double)longer;
	free(where);
	return 0;
}

/* Tokens lie in `text`, a copy that is written over. */
struct tokens {
	char *text;
	struct span *list;
	size_t count;
};

static bool is_article(struct span token)
{
	return span_eq(token, SPAN("a")) || span_eq(token, SPAN("an")) || span_eq(token, SPAN("the"));
}

static void end_token(struct tokens *t, size_t from, size_t to)
{
	struct span token = {t->text + from, to - from};

	if (token.len && !is_article(token))
		t->list[t->count++] = token;
}

static int by_bytes(const void *a, const void *b)
{
	const struct span *x = a, *y = b;
	size_t n = x->len < y->len ? x->len : y->len;
	int order = memcmp(x->data, y->data, n);

	return order ? order : (x->len > y->len) - (x->len < y->len);
}

static size_t tokens_bytes(struct span s)
{
	return s.len + 1 + (s.len / 2 + 1) * sizeof(struct span);
}

/* Sorted. */
static int tokens_read(struct tokens *t, struct span s)
{
	size_t from = 0, to = 0;

	*t = (struct tokens){malloc(s.len + 1), malloc((s.len / 2 + 1) * sizeof(struct span)), 0};
	if (!t->text || !t->list)
		return ERR_NOMEM;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.data[i];

		if (c < 128 && isspace(c)) {
			end_token(t, from, to);
			from = to;
		} else if (c >= 128 || !ispunct(c)) {
			t->text[to++] = (char)(c < 128 ? tolower(c) : c);
		}
	}
	end_token(t, from, to);
	qsort(t->list, t->count, sizeof *t->list, by_bytes);
	return 0;
}

static void tokens_fini(struct tokens *t)
{
	free(t->text);
	free(t->list);
}

static size_t common(const struct tokens *a, const struct tokens *b)
{
	size_t i = 0, j = 0, n = 0;

	while (i < a->count && j < b->count) {
		int order = by_bytes(&a->list[i], &b->list[j]);

		n += order == 0;
		i += order <= 0;
		j += order >= 0;
	}
	return n;
}

int text_token_f1(struct span a, struct span b, size_t work_bytes, double *out)
{
	struct tokens x = {0}, y = {0};
	int err = ERR_NOMEM;

	*out = 0;
	if (tokens_bytes(a) + tokens_bytes(b) <= work_bytes)
		err = tokens_read(&x, a);
	if (!err)
		err = tokens_read(&y, b);
	if (!err)
		*out = x.count + y.count ? 2.0 * (double)common(&x, &y) / (double)(x.count + y.count) : 1;
	tokens_fini(&x);
	tokens_fini(&y);
	return err;
}
