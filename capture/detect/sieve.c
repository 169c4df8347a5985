#include "capture/detect/sieve.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

void sieve_sort_portable(const unsigned char block[SIEVE_BLOCK], struct sieve_bytes *out)
{
	*out = (struct sieve_bytes){0};
	for (unsigned i = 0; i < SIEVE_BLOCK; i++) {
		unsigned char c = block[i], lower = c | 32;
		uint64_t bit = 1ull << i;

		out->digit |= (unsigned char)(c - '0') < 10 ? bit : 0;
		out->letter |= (unsigned char)(lower - 'a') < 26 ? bit : 0;
		out->at |= c == '@' ? bit : 0;
		out->colon |= c == ':' ? bit : 0;
		out->equals |= c == '=' ? bit : 0;
		out->dash |= c == '-' ? bit : 0;
		out->underscore |= c == '_' ? bit : 0;
		out->s |= lower == 's' ? bit : 0;
		out->high |= c & 128 ? bit : 0;
	}
}

#if defined(__x86_64__)
/* Bytes that are at most `last` over `first`, as unsigned. */
__attribute__((target("avx2"))) static inline uint32_t within(__m256i x, char first, char last)
{
	__m256i over = _mm256_sub_epi8(x, _mm256_set1_epi8(first));

	return (uint32_t)_mm256_movemask_epi8(
	        _mm256_cmpeq_epi8(over, _mm256_min_epu8(over, _mm256_set1_epi8((char)(last - first)))));
}

__attribute__((target("avx2"))) static inline uint32_t same(__m256i x, char c)
{
	return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(x, _mm256_set1_epi8(c)));
}

__attribute__((target("avx2"))) void sieve_sort_avx2(const unsigned char block[SIEVE_BLOCK],
                                                     struct sieve_bytes *out)
{
	__m256i lo = _mm256_loadu_si256((const __m256i *)block);
	__m256i hi = _mm256_loadu_si256((const __m256i *)(block + 32));
	__m256i small = _mm256_set1_epi8(32);
	__m256i lo_small = _mm256_or_si256(lo, small), hi_small = _mm256_or_si256(hi, small);

	out->digit = within(lo, '0', '9') | (uint64_t)within(hi, '0', '9') << 32;
	out->letter = within(lo_small, 'a', 'z') | (uint64_t)within(hi_small, 'a', 'z') << 32;
	out->at = same(lo, '@') | (uint64_t)same(hi, '@') << 32;
	out->colon = same(lo, ':') | (uint64_t)same(hi, ':') << 32;
	out->equals = same(lo, '=') | (uint64_t)same(hi, '=') << 32;
	out->dash = same(lo, '-') | (uint64_t)same(hi, '-') << 32;
	out->underscore = same(lo, '_') | (uint64_t)same(hi, '_') << 32;
	out->s = same(lo_small, 's') | (uint64_t)same(hi_small, 's') << 32;
	out->high = (uint32_t)_mm256_movemask_epi8(lo) | (uint64_t)(uint32_t)_mm256_movemask_epi8(hi) << 32;
}

bool sieve_has_avx2(void)
{
	return __builtin_cpu_supports("avx2");
}
#else
void sieve_sort_avx2(const unsigned char block[SIEVE_BLOCK], struct sieve_bytes *out)
{
	sieve_sort_portable(block, out);
}

bool sieve_has_avx2(void)
{
	return false;
}
#endif

sieve_sort *sieve_best(void)
{
	return sieve_has_avx2() ? sieve_sort_avx2 : sieve_sort_portable;
}

/* `now`, n places on, with what the block before pushes in. */
static inline uint64_t on(uint64_t now, uint64_t before, unsigned n)
{
	return now << n | before >> (64 - n);
}

/* Where a run reaches SIEVE_LONG: runs of 2, 4, 8, 16 that end at each place, then 16 + 4. */
static uint64_t long_runs(struct sieve *s, uint64_t run1)
{
	uint64_t run2 = run1 & on(run1, s->run1, 1), run4 = run2 & on(run2, s->run2, 2);
	uint64_t run8 = run4 & on(run4, s->run4, 4), run16 = run8 & on(run8, s->run8, 8);
	uint64_t run20 = run4 & on(run16, s->run16, 4);
	uint64_t reached = run20 & ~on(run20, s->run20, 1);

	s->run1 = run1;
	s->run2 = run2;
	s->run4 = run4;
	s->run8 = run8;
	s->run16 = run16;
	s->run20 = run20;
	return reached;
}

static uint64_t five_dashes(struct sieve *s, uint64_t dash1)
{
	uint64_t dash2 = dash1 & on(dash1, s->dash1, 1), dash4 = dash2 & on(dash2, s->dash2, 2);
	uint64_t dash5 = dash1 & on(dash4, s->dash4, 1), reached = dash5 & ~on(dash5, s->dash5, 1);

	s->dash1 = dash1;
	s->dash2 = dash2;
	s->dash4 = dash4;
	s->dash5 = dash5;
	return reached;
}

/* A carry that starts at each word and runs through its letters stops behind them: at a digit, if it has one
 * there. */
static uint64_t first_digits(struct sieve *s, uint64_t starts, const struct sieve_bytes *in)
{
	uint64_t from = (starts & in->letter) | s->letters_only, sum = from + in->letter;

	s->letters_only = sum < in->letter;
	return (sum & ~in->letter & in->digit) | (starts & in->digit);
}

void sieve_next(struct sieve *s, const struct sieve_bytes *in, struct sieve_anchors *out)
{
	uint64_t alnum = in->digit | in->letter, word = alnum | in->high;

	out->number = first_digits(s, alnum & ~on(alnum, s->alnum, 1), in);
	out->at = in->at;
	out->pair = in->colon | in->equals;
	out->longs = long_runs(s, alnum | in->dash | in->underscore);
	out->dashes = five_dashes(s, in->dash);
	out->ss = in->s & on(in->s, s->s, 1);
	out->word = word & ~on(word, s->word, 1);
	s->alnum = alnum;
	s->word = word;
	s->s = in->s;
}

bool sieve_foldable(const unsigned char *text, size_t len)
{
	for (size_t i = 0; i < len; i += 32) {
		uint64_t words[4] = {0};
		size_t n = len - i < sizeof words ? len - i : sizeof words;

		if (n == sizeof words)
			memcpy(words, text + i, sizeof words);
		else
			memcpy(words, text + i, n);
		if (!((words[0] | words[1] | words[2] | words[3]) & 0x8080808080808080))
			continue;
		for (size_t j = i; j < i + n; j++)
			if (text[j] == 0xc2 || text[j] == 0xe2 || text[j] == 0xe3 || text[j] == 0xef)
				return true;
	}
	return false;
}
