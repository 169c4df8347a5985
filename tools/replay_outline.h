/*
 * replay_outline.h - what a dry run tells of requests: how many, when, by which methods, how many tokens.
 */
#ifndef TOOLS_REPLAY_OUTLINE_H
#define TOOLS_REPLAY_OUTLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/span.h"

enum { OUTLINE_METHODS_MAX = 8 };

struct outline_times { /* of a sequence in time */
	uint64_t count, first_ns, last_ns;
	uint64_t second, in_second, busiest;
};

struct outline {
	struct outline_times times;
	uint64_t bytes, tokens;
	uint64_t models, told; /* requests to language models; of these, answers that say what they took */
	struct {
		char name[24];
		uint64_t count;
	} methods[OUTLINE_METHODS_MAX]; /* the last one: all others */
};

void outline_time(struct outline_times *, uint64_t at_ns);
/* " in 3.000 s, 12.3 requests/s on average, 20 in the busiest second", and a line feed. */
void outline_print_times(const struct outline_times *);
/* A request that would be sent then, by its head in text form; answer: of live, empty when it has none. */
void outline_add(struct outline *, uint64_t at_ns, struct span head, struct span body, struct span answer);
/* Methods and tokens, a line each; when it would end, if it keeps times. Nothing of an empty one. */
void outline_print(const struct outline *, bool keeps_times);

#endif
