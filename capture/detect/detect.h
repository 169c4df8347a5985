/*
 * detect.h - finds entities in decoded text: card numbers, addresses of mail, keys, numbers of state and
 * more.
 *
 * Text comes whole or in pieces of any size; what is found depends on the text alone, never on how it was
 * cut. A sieve marks anchors, matchers look at most DETECT_BEHIND bytes back and DETECT_AHEAD on from one,
 * validators and the words around (and the name of the member that holds the text) give a score. Hits come in
 * order and do not overlap. Full-width digits, odd blanks and dashes, and invisible characters are read as
 * what they stand for; offsets are those of the text as it was fed. No allocation while scanning.
 *
 *   fed so far  |--------------------------------|--------------|
 *                 settled: no later hit begins in  may still be part of one: DETECT_HELD at most, but for
 *                 it                               a key or token under way
 */
#ifndef CAPTURE_DETECT_DETECT_H
#define CAPTURE_DETECT_DETECT_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/detect/classes.h"
#include "proto/base/err.h"
#include "proto/base/span.h"

struct gazetteer;

enum {
	DETECT_BEHIND = 192,
	DETECT_AHEAD = 512,
	DETECT_HELD = 1024,
	DETECT_RUN_MAX = 16384, /* a key or a token that is longer is found in pieces */
	DETECT_ALLOW_MAX = 32,
	DETECT_ALLOW_BYTES = 96,
	DETECT_SCORE = 50, /* a usual least score, of 100 */
};

/* What a policy asks for. */
struct detect_policy {
	struct detect_set classes;
	uint32_t min_score; /* 0 to 100 */
	uint32_t allow_count;
	/* Never a hit, in either case; a '*' first or last stands for anything. */
	char allow[DETECT_ALLOW_MAX][DETECT_ALLOW_BYTES];
};

/* Borrows the policy and the gazetteer (NULL: none); both must stay. 0 or ERR_NOMEM. */
struct detectors;
int detectors_new(const struct detect_policy *, const struct gazetteer *,
                  struct detectors **detectors_out) MUST_CHECK;
void detectors_free(struct detectors **);
/* For tests and benches: sort bytes without AVX2. */
void detectors_portable(struct detectors *);

struct detect_hit {
	uint64_t start, end; /* offsets in the text */
	uint8_t class, score;
};
typedef void detect_found(void *arg, const struct detect_hit *);

/* A whole text. `name`: the member, parameter or header that it is the value of; empty: none. */
void detect_text(const struct detectors *, struct span name, struct span text, detect_found *, void *arg);

/* Is it too short for a token, and is nothing in it that a number, an address or a pair needs, as in most
 * names and words? Then nothing is found in it. */
bool detect_plain(const struct detectors *, struct span text);

/* The same in pieces; its memory is this and no more. */
struct detect;
size_t detect_size(void);
int detect_new(const struct detectors *, struct detect **detect_out) MUST_CHECK;
void detect_free(struct detect **);
/* Begin a text; what was under way is forgotten. */
void detect_begin(struct detect *, struct span name, detect_found *, void *arg);
void detect_feed(struct detect *, struct span);
void detect_end(struct detect *);
/* Every hit that begins before it has been reported. */
uint64_t detect_settled(const struct detect *);

/* Is that text one that the policy allows? */
bool detect_allowed(const struct detect_policy *, struct span text);

/* Is it free text, which may name somebody: two words with a blank between them, or letters of a script that
 * has no blanks? */
bool detect_free_text(struct span text);
/* Is it prose: words with blanks between them, which may name people and places? */
bool detect_prose(struct span text);

#endif
