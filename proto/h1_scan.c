/*
 * h1_scan.c - byte classes and the searches built on them: 16 bytes at a time where SSE2 is, and one
 * by one elsewhere (or with -DH1_PORTABLE) and at the end. Both ways answer alike; no byte outside
 * [at, end) is read.
 */
#include "proto/h1_internal.h"

#if defined(__SSE2__) && !defined(H1_PORTABLE)
#include <emmintrin.h>
#endif

#define T C_TCHAR | C_TEXT | C_TARGET
#define H T | C_HOST
#define X H | C_IP6
#define D X | C_DIGIT
#define V C_TEXT | C_TARGET

const uint8_t h1_class[256] = {
        ['\t'] = C_TEXT,   [' '] = C_TEXT,    ['!'] = T,         ['"'] = V,         ['#'] = C_TCHAR | C_TEXT,
        ['$'] = T,         ['%'] = T,         ['&'] = T,         ['\''] = T,        ['('] = V,
        [')'] = V,         ['*'] = T,         ['+'] = T,         [','] = V,         ['-'] = H,
        ['.'] = X,         ['/'] = V,         ['0' ... '9'] = D, [':'] = V | C_IP6, [';'] = V,
        ['<'] = V,         ['='] = V,         ['>'] = V,         ['?'] = V,         ['@'] = V,
        ['A' ... 'F'] = X, ['G' ... 'Z'] = H, ['['] = V,         ['\\'] = V,        [']'] = V,
        ['^'] = T,         ['_'] = H,         ['`'] = T,         ['a' ... 'f'] = X, ['g' ... 'z'] = H,
        ['{'] = V,         ['|'] = T,         ['}'] = V,         ['~'] = H,         [0x80 ... 0xff] = C_TEXT,
};

#undef T
#undef H
#undef X
#undef D
#undef V

#define L(c) [c] = c, [c - 32] = c
const char h1_fold[256] = {
        ['!'] = '!', ['#'] = '#', ['$'] = '$', ['%'] = '%', ['&'] = '&', ['\''] = '\'', ['*'] = '*',
        ['+'] = '+', ['-'] = '-', ['.'] = '.', ['0'] = '0', ['1'] = '1', ['2'] = '2',   ['3'] = '3',
        ['4'] = '4', ['5'] = '5', ['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9',   ['^'] = '^',
        ['_'] = '-', ['`'] = '`', ['|'] = '|', ['~'] = '~', L('a'),      L('b'),        L('c'),
        L('d'),      L('e'),      L('f'),      L('g'),      L('h'),      L('i'),        L('j'),
        L('k'),      L('l'),      L('m'),      L('n'),      L('o'),      L('p'),        L('q'),
        L('r'),      L('s'),      L('t'),      L('u'),      L('v'),      L('w'),        L('x'),
        L('y'),      L('z'),
};
#undef L

static inline const char *scan_each(const char *at, const char *end, unsigned classes)
{
	while (at < end && is_class(*at, classes))
		at++;
	return at;
}

const char *h1_scan_text(const char *at, const char *end)
{
#if defined(__SSE2__) && !defined(H1_PORTABLE)
	const __m128i top = _mm_set1_epi8(0x1f), tab = _mm_set1_epi8('\t'), del = _mm_set1_epi8(0x7f);

	for (; end - at >= 16; at += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)at);
		__m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, top), v);
		__m128i stop = _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(v, tab), control),
		                            _mm_cmpeq_epi8(v, del));
		int mask = _mm_movemask_epi8(stop);

		if (mask != 0)
			return at + __builtin_ctz((unsigned)mask);
	}
#endif
	return scan_each(at, end, C_TEXT);
}

const char *h1_scan_target(const char *at, const char *end)
{
#if defined(__SSE2__) && !defined(H1_PORTABLE)
	const __m128i low = _mm_set1_epi8(0x21), del = _mm_set1_epi8(0x7f), hash = _mm_set1_epi8('#');

	for (; end - at >= 16; at += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)at);
		/* signed: bytes from 0x80 on are below 0x21 too */
		__m128i stop = _mm_or_si128(_mm_cmplt_epi8(v, low),
		                            _mm_or_si128(_mm_cmpeq_epi8(v, del), _mm_cmpeq_epi8(v, hash)));
		int mask = _mm_movemask_epi8(stop);

		if (mask != 0)
			return at + __builtin_ctz((unsigned)mask);
	}
#endif
	return scan_each(at, end, C_TARGET);
}

bool h1_cut(struct span *rest, char byte, struct span *before_out)
{
	const char *at = rest->len > 0 ? memchr(rest->data, byte, rest->len) : NULL;

	if (at == NULL)
		return false;
	*before_out = (struct span){rest->data, (size_t)(at - rest->data)};
	rest->len -= before_out->len + 1;
	rest->data = at + 1;
	return true;
}

bool h1_list_next(struct span *rest, struct span *element_out)
{
	if (rest->data == NULL)
		return false;
	if (!h1_cut(rest, ',', element_out)) {
		*element_out = *rest;
		*rest = (struct span){NULL, 0};
	}
	*element_out = trim(*element_out);
	return true;
}
