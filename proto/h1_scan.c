/*
 * h1_scan.c - searches for the first byte that is not of a class: 16 bytes at a time where SSE2 is, and one
 * by one elsewhere (or with -DH1_PORTABLE) and at the end. Both ways answer alike; no byte outside
 * [at, end) is read.
 */
#include "proto/h1_internal.h"

#if defined(__SSE2__) && !defined(H1_PORTABLE)
#include <emmintrin.h>
#endif

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
