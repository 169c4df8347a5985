/*
 * words.c - the words that speak for a class. One word may speak for many: it only makes a shape and a check
 * that are there already surer.
 */
#include "capture/detect/inside.h"
#include "capture/detect/words_list.h"

enum { SLOTS = 2048, DOTTED_MAX = 6 };

#define C(name) DETECT_##name
static uint16_t slots[SLOTS];    /* open addressing: a place in the table, plus one */
static uint32_t lengths[32][32]; /* bit n: a word of n bytes begins with these two, but for their case */
static bool slots_full;
static uint64_t sign_seconds; /* bit n: the third byte of a sign ends with these six bits */

static unsigned hash_more(unsigned h, unsigned char c)
{
	return (h ^ (c | 32)) * 16777619u;
}

void words_init(void)
{
	if (slots_full)
		return;
	slots_full = true;
	for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
		sign_seconds |= 1ull << (signs[i].text[2] & 63);
	for (uint16_t i = 0; i < sizeof table / sizeof *table; i++) {
		unsigned h = 2166136261u;

		for (const char *c = table[i].text; *c; c++)
			h = hash_more(h, (unsigned char)*c);
		lengths[table[i].text[0] & 31][table[i].text[1] & 31] |= 1u << strlen(table[i].text) % 32;
		for (h ^= h >> 15; slots[h % SLOTS]; h++)
			;
		slots[h % SLOTS] = (uint16_t)(i + 1);
	}
}

/* Bit 5 is the case of ASCII, of Latin letters with accents and of half of the Cyrillic ones. */
static bool same_word(const unsigned char *word, const char *want, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!want[i] || (word[i] | 32) != ((unsigned char)want[i] | 32))
			return false;
	return !want[len];
}

/* Most words are told from their first two letters and their length. */
static inline bool may_be_word(const unsigned char *word, size_t len)
{
	return len > 1 && lengths[word[0] & 31][word[1] & 31] >> len % 32 & 1;
}

/* The word's row, or NULL. */
static const struct word *find(const unsigned char *word, size_t len)
{
	unsigned h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = hash_more(h, word[i]);
	for (h ^= h >> 15; slots[h % SLOTS]; h++) {
		const struct word *w = &table[slots[h % SLOTS] - 1];

		if (same_word(word, w->text, len))
			return w;
	}
	return NULL;
}

/* A letter of two bytes: Latin with accents, Greek, Cyrillic, Hebrew, Arabic. */
static bool two_bytes(const unsigned char *text, size_t len, size_t at)
{
	return text[at] >= 0xc3 && text[at] < 0xe0 && at + 1 < len && (text[at + 1] & 0xc0) == 0x80;
}

/* The end of the word that begins at `at`, which is a letter; *whole_out: of all letters in a row. */
static size_t word_end(const unsigned char *text, size_t len, size_t at, size_t *whole_out)
{
	bool small = false;
	size_t end = 0, plain = at + 1;

	while (plain < len && (unsigned char)(text[plain] - 'a') < 26) /* most words are no more than this */
		plain++;
	if (plain == len || (text[plain] < 0x80 && !is_letter(text[plain])))
		return *whole_out = plain;
	for (; at < len; at++) {
		unsigned char c = text[at];

		if ((unsigned char)(c - 'a') < 26)
			small = true;
		else if ((unsigned char)(c - 'A') < 26)
			end = small && !end ? at : end;
		else if (two_bytes(text, len, at))
			at++;
		else
			break;
	}
	*whole_out = at;
	return end ? end : at;
}

/* "D.O.B", from its first letter: its end, or 0; the letters in out. */
static size_t dotted(const unsigned char *text, size_t len, size_t at, unsigned char out[DOTTED_MAX],
                     size_t *n_out)
{
	size_t n = 0;

	while (n < DOTTED_MAX && at + 1 < len && is_letter(text[at]) && text[at + 1] == '.') {
		out[n++] = text[at];
		at += 2;
	}
	*n_out = n;
	return n > 2 ? at : 0;
}

/* The word at `at`, which is a letter; *behind_out: where to go on. */
static const struct word *word_at(const unsigned char *text, size_t len, size_t at, size_t *behind_out)
{
	unsigned char letters[DOTTED_MAX];
	size_t whole, end = word_end(text, len, at, &whole), n;
	const struct word *w;

	*behind_out = end;
	if (end == at + 1 && whole == end) {
		if (end == len || text[end] != '.')
			return NULL;
		whole = dotted(text, len, at, letters, &n);
		if (!whole)
			return NULL;
		*behind_out = whole;
		return may_be_word(letters, n) ? find(letters, n) : NULL;
	}
	w = may_be_word(text + at, end - at) ? find(text + at, end - at) : NULL;
	if (w || whole == end)
		return w;
	w = may_be_word(text + at, whole - at) ? find(text + at, whole - at) : NULL;
	*behind_out = w ? whole : end;
	return w;
}

/* Scripts that leave no blanks between words: is one of them here? */
static const struct word *sign_at(const unsigned char *text, size_t len, size_t at)
{
	if (at + 3 > len || !(sign_seconds >> (text[at + 2] & 63) & 1))
		return NULL;
	for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
		size_t n = strlen(signs[i].text);

		if (n <= len - at && memcmp(text + at, signs[i].text, n) == 0)
			return &signs[i];
	}
	return NULL;
}

size_t words_next(const unsigned char *text, size_t len, size_t at, size_t *behind_out,
                  struct detect_set *out)
{
	while (at < len) {
		const struct word *w = NULL;
		size_t start = at;

		if (is_letter(text[at]) || two_bytes(text, len, at))
			w = word_at(text, len, start, &at);
		else if (text[at++] >= 0xe0)
			w = sign_at(text, len, start);
		if (!w)
			continue;
		for (unsigned i = 0; i < CLASSES_MAX && w->classes[i]; i++)
			detect_set_add(out, w->classes[i]);
		*behind_out = at;
		return start;
	}
	return len;
}

/* In the middle of a word or of a character? */
bool words_inside(const unsigned char *text, size_t len, size_t at)
{
	if ((text[at] & 0xc0) == 0x80)
		return true;
	if (!is_letter(text[at]) && !two_bytes(text, len, at))
		return false;
	return is_letter(text[at - 1]) || (at > 1 && two_bytes(text, len, at - 2));
}

void words_classes(const unsigned char *text, size_t len, struct detect_set *out)
{
	for (size_t at = 0; at < len;)
		if (words_next(text, len, at, &at, out) == len)
			return;
}
