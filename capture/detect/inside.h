/*
 * inside.h - what matchers see: a bounded view around an anchor, and where to put what they find.
 *
 * A matcher may read text[lo..hi) only, which is the same however the text was cut; peek() holds it to that.
 */
#ifndef CAPTURE_DETECT_INSIDE_H
#define CAPTURE_DETECT_INSIDE_H

#include <string.h>

#include "capture/detect/detect.h"
#include "capture/detect/sieve.h"

enum { RECENT_WORDS = 32 };

/* How a hit goes on behind its view. */
enum detect_run {
	RUN_NONE,
	RUN_TOKEN, /* letters, digits and - _ . ~ + / = */
	RUN_PEM    /* from the header to the line that ends the key */
};

struct match { /* class DETECT_NONE: nothing yet */
	size_t start, end;
	uint8_t class, score, run;
};

/* The last words that speak for a class, so that none is read twice. */
struct recent {
	uint64_t read; /* the text up to here */
	uint64_t count;
	struct recent_word {
		uint64_t at;
		struct detect_set classes;
	} words[RECENT_WORDS];
};

struct view {
	const unsigned char *text;
	uint64_t base;     /* the offset of text[0] */
	size_t lo, hi, at; /* the anchor */
	const struct detectors *d;
	const struct detect_set *wanted;
	const struct detect_set *name; /* classes that the name of the value speaks for; NULL: none here */
	struct match best;
	struct recent *recent;
	bool around_known;
	struct detect_set around; /* classes that the words around speak for */
};

/* The byte at i, 0 where the view does not reach. */
static inline unsigned char peek(const struct view *v, size_t i)
{
	return i >= v->lo && i < v->hi ? v->text[i] : 0;
}

static inline bool is_digit(unsigned char c)
{
	return (unsigned char)(c - '0') < 10;
}

static inline bool is_letter(unsigned char c)
{
	return (unsigned char)((c | 32) - 'a') < 26;
}

static inline bool is_alnum(unsigned char c)
{
	return is_digit(c) || is_letter(c);
}

static inline unsigned char upper(unsigned char c)
{
	return is_letter(c) ? c & ~32 : c;
}

static inline bool is_hex(unsigned char c)
{
	return is_digit(c) || (unsigned char)((c | 32) - 'a') < 6;
}

static inline bool in_token(unsigned char c)
{
	return is_alnum(c) || c == '-' || c == '_' || c == '.' || c == '~' || c == '+' || c == '/' ||
	       c == '=';
}

static inline bool detect_wants(const struct view *v, unsigned class)
{
	return detect_set_has(v->wanted, class);
}

/* Do the words around the anchor, or the name, speak for the class? */
bool detect_context(struct view *, unsigned class);
/* The same of one right before the anchor, which names no other number: nothing else is read. */
bool detect_context_near(struct view *, unsigned class);
bool detect_context_any(struct view *, const struct detect_set *);
/* A find: it counts `alone`, or `with` when the context speaks for it. */
void offer(struct view *, unsigned class, size_t start, size_t end, int alone, int with);
void offer_run(struct view *, unsigned class, size_t start, size_t end, int score, enum detect_run);

/* words.c: before the first use of the next; again does nothing. */
void words_init(void);
/* The next word, from `at` on, that speaks for classes, which are added: where it starts, or len. A capital
 * behind a small letter begins a word. */
size_t words_next(const unsigned char *text, size_t len, size_t at, size_t *behind_out,
                  struct detect_set *out);
/* Is the byte at `at`, which is not the first, in the middle of a word or of a character? */
bool words_inside(const unsigned char *text, size_t len, size_t at);
/* All of them. */
void words_classes(const unsigned char *text, size_t len, struct detect_set *out);

/* Is it a number or a word of its own, not part of a longer one, of a decimal, or of a UUID? */
bool stands_alone(const struct view *, size_t start, size_t end);

/* rules.c: before match_rules(); again does nothing. */
void rules_init(void);
/* Does a value of the class, its letters (upper-case) and digits alone, add up? True where no row has a check
 * for a value of its form. */
bool rules_valid(unsigned class, const char *compact);

/* pairs.c: before match_pair(); again does nothing. */
void pairs_init(void);

/* The matchers, by their anchors. */
/* places.c: is it a short number that only a context could make a find of, and has none? */
bool match_short(struct view *);
void match_rules(struct view *);    /* rules.c: fixed shapes, a first digit */
void match_numbers(struct view *);  /* numbers.c, telephones.c: cards, telephones; a first digit */
void match_codes(struct view *);    /* codes.c: IBAN, VIN, what only its context tells; a first digit */
void match_places(struct view *);   /* places.c: IPv4, GPS, dates in words; a first digit */
void match_at(struct view *);       /* network.c: @ */
void match_colon(struct view *);    /* network.c: IPv6 and MAC; : */
void match_mac(struct view *);      /* network.c: a first digit */
void match_long(struct view *);     /* secrets.c: a long run */
void match_dashes(struct view *);   /* secrets.c: PEM */
void match_pair(struct view *);     /* pairs.c: name : value, name = value */
void match_password(struct view *); /* pairs.c: ss */
/* gazetteer.c: a word begins here. */
void match_gazetteer(struct view *, const struct gazetteer *);

#endif
