/*
 * text_overlap.c - what two texts have in common: subsequences of tokens, n-grams of characters, a beginning.
 */
#include "replay/text.h"

#include <stdint.h>
#include <stdlib.h>

enum { GRAM = 6 };

/* --- tokens --- */

static bool in_token(unsigned char c)
{
	return c >= 128 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c);
}

/* Take the next token off the front, as it stands; none is left: empty. */
static struct span next_token(struct span *left)
{
	size_t from = 0, to;
	struct span token;

	while (from < left->len && !in_token((unsigned char)left->data[from]))
		from++;
	for (to = from; to < left->len && in_token((unsigned char)left->data[to]);)
		to++;
	token = (struct span){left->data + from, to - from};
	*left = (struct span){left->data + to, left->len - to};
	return token;
}

static uint64_t hash_of(struct span token)
{
	uint64_t h = 14695981039346656037u; /* FNV-1a */

	for (size_t i = 0; i < token.len; i++)
		h = (h ^ (unsigned char)lower(token.data[i])) * 1099511628211u;
	return h;
}

static size_t tokens_of(struct span text, uint64_t *out)
{
	size_t n = 0;

	for (struct span t = next_token(&text); t.len; t = next_token(&text))
		out[n++] = hash_of(t);
	return n;
}

/* Longest common subsequence: one row of lengths, the shorter side's. */
static size_t common_subsequence(const uint64_t *a, size_t a_count, const uint64_t *b, size_t b_count,
                                 uint16_t *row)
{
	for (size_t i = 0; i < a_count; i++) {
		uint16_t left = 0, above_left = 0;

		for (size_t k = 0; k < b_count; k++) {
			uint16_t above = row[k + 1];

			left = a[i] == b[k] ? (uint16_t)(above_left + 1) : left > above ? left : above;
			above_left = above;
			row[k + 1] = left;
		}
	}
	return row[b_count];
}

int text_rouge_l(struct span a, struct span b, size_t work_bytes, double *out)
{
	size_t bytes = (a.len / 2 + b.len / 2 + 2) * sizeof(uint64_t) + (b.len / 2 + 2) * sizeof(uint16_t);
	size_t x, y;
	uint64_t *tokens;
	uint16_t *row;

	*out = 0;
	if (a.len > TEXT_EDIT_MAX || b.len > TEXT_EDIT_MAX)
		return ERR_LIMIT;
	tokens = bytes <= work_bytes ? calloc(1, bytes) : NULL;
	if (!tokens)
		return ERR_NOMEM;
	x = tokens_of(a, tokens);
	y = tokens_of(b, tokens + x);
	row = (uint16_t *)(tokens + x + y);
	if (x <= TEXT_TOKENS_MAX && y <= TEXT_TOKENS_MAX)
		*out = x + y ? 2.0 * (double)common_subsequence(tokens, x, tokens + x, y, row) /
		                       (double)(x + y)
		             : 1;
	free(tokens);
	return x <= TEXT_TOKENS_MAX && y <= TEXT_TOKENS_MAX ? 0 : ERR_LIMIT;
}

double text_same_start(struct span a, struct span b)
{
	size_t same = 0, all = 0;
	bool apart = false;

	for (;;) {
		struct span x = next_token(&a), y = next_token(&b);

		if (!x.len && !y.len)
			return all ? (double)same / (double)all : 1;
		apart = apart || !span_eq(x, y);
		same += !apart;
		all++;
	}
}

double text_length_ratio(struct span a, struct span b)
{
	size_t longer = a.len > b.len ? a.len : b.len;

	return longer ? (double)(a.len + b.len - longer) / (double)longer : 1;
}

/* --- characters --- */

struct gram {
	const uint32_t *at;
	uint16_t left; /* characters to the end of its text, GRAM at most */
	bool live;
};

static int by_characters(const void *one, const void *other)
{
	const struct gram *a = one, *b = other;

	for (unsigned i = 0; i < a->left && i < b->left; i++)
		if (a->at[i] != b->at[i])
			return a->at[i] < b->at[i] ? -1 : 1;
	return (a->left > b->left) - (a->left < b->left);
}

/* Code points without blanks. What is no UTF-8 stands for itself. */
static size_t characters_of(struct span text, uint32_t *out)
{
	size_t n = 0;

	while (text.len) {
		uint32_t c = (unsigned char)text.data[0];
		size_t len = 1;

		if (c >= 0xc0) {
			c &= c < 0xe0 ? 0x1f : c < 0xf0 ? 0x0f : 0x07;
			for (; len < text.len && len < 4 && ((unsigned char)text.data[len] & 0xc0) == 0x80;
			     len++)
				c = c << 6 | ((unsigned char)text.data[len] & 0x3f);
		}
		if (c > ' ')
			out[n++] = c;
		text = (struct span){text.data + len, text.len - len};
	}
	return n;
}

static void add_grams(struct gram *grams, const uint32_t *text, size_t count, bool live)
{
	for (size_t i = 0; i < count; i++)
		grams[i] = (struct gram){text + i, (uint16_t)(count - i < GRAM ? count - i : GRAM), live};
}

static bool same_gram(const struct gram *a, const struct gram *b, unsigned n)
{
	return a->left >= n && b->left >= n && memcmp(a->at, b->at, n * sizeof *a->at) == 0;
}

/* Occurrences of n characters that both texts have, each as often as the one that has it less often. */
static size_t matches(const struct gram *grams, size_t count, unsigned n)
{
	size_t sum = 0;

	for (size_t from = 0, to; from < count; from = to) {
		size_t live = 0, other = 0;

		for (to = from; to == from || (to < count && same_gram(&grams[from], &grams[to], n)); to++) {
			live += grams[to].live;
			other += !grams[to].live;
		}
		if (grams[from].left >= n)
			sum += live < other ? live : other;
	}
	return sum;
}

/* Precision and recall are the means over the lengths that both texts have; recall weighs four times as much.
 */
static double f_score(const struct gram *grams, size_t live, size_t other)
{
	double precision = 0, recall = 0;
	unsigned n;

	for (n = 1; n <= GRAM && n <= live && n <= other; n++) {
		double same = (double)matches(grams, live + other, n);

		precision += same / (double)(other - n + 1);
		recall += same / (double)(live - n + 1);
	}
	return precision + recall > 0 ? 5 * precision * recall / (4 * precision + recall) / (n - 1) : 0;
}

int text_chrf(struct span live, struct span candidate, size_t work_bytes, double *out)
{
	size_t all = live.len + candidate.len, bytes = all * (sizeof(struct gram) + sizeof(uint32_t)), x, y;
	struct gram *grams;
	uint32_t *text;

	*out = span_eq(live, candidate);
	if (live.len > TEXT_EDIT_MAX || candidate.len > TEXT_EDIT_MAX)
		return ERR_LIMIT;
	if (*out > 0)
		return 0;
	grams = bytes <= work_bytes ? malloc(bytes) : NULL;
	if (!grams)
		return ERR_NOMEM;
	text = (uint32_t *)(grams + all);
	x = characters_of(live, text);
	y = characters_of(candidate, text + x);
	add_grams(grams, text, x, true);
	add_grams(grams + x, text + x, y, false);
	qsort(grams, x + y, sizeof *grams, by_characters);
	*out = x + y ? f_score(grams, x, y) : 1;
	free(grams);
	return 0;
}
