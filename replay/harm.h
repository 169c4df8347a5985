/*
 * harm.h - what shadowing costs the live path: blocks of time with and without it, in an order drawn from the
 * seed, and the difference between their medians with an interval. Pure.
 *
 *   |  on  |  on  | off  |  on  |  on  | off  |  on  |  on  | ...    a group of 1 / off_ppm blocks has one
 * off
 *    ~^                                                              the first fifth of a block is not
 * counted
 *
 * A group gives one number: the median time of exchanges begun in its counted parts with shadowing, less that
 * without. Which block is off is drawn anew for each group, so what else changes over time falls on both
 * sides alike; neighbours in time belong to one number, so nothing is taken for independent that is not. The
 * interval is of the mean of those numbers, each held within HARM_RANGE times the limit, and valid while
 * watched (stat_mean, stat.h). A group with too few exchanges on a side goes on into the next.
 */
#ifndef REPLAY_HARM_H
#define REPLAY_HARM_H

#include <stdbool.h>

#include "capture/page.h"
#include "replay/stat.h"

enum { HARM_RANGE = 4, HARM_LEAST = 8 /* exchanges of a side */ };
#define HARM_ALPHA 0.05

struct harm_rule {
	uint64_t max_ns;
	uint32_t block_ms, off_ppm;
	uint64_t seed;
};

struct harm {
	struct harm_rule rule;
	bool begun;
	uint64_t index, block_ns; /* of the block under way: its number, when it began */
	uint64_t groups;          /* that gave a number */
	struct stat_mean mean;    /* of numbers moved into 0 to 1 */
	struct hist_view base[HARM_SIDES];
};

typedef void harm_read(void *arg, struct hist_view out[HARM_SIDES]); /* all that was counted so far, added */

void harm_init(struct harm *, const struct harm_rule *);
/* What block it is now. At the end of a group `read` is called. */
enum harm_block harm_step(struct harm *, uint64_t now_ns, harm_read *read, void *arg);
/* Is that block of that group off? */
bool harm_is_off(const struct harm_rule *, uint64_t index);
/* The cost in ns, and its interval; false: there is no number yet. */
bool harm_cost(const struct harm *, double *ns_out, struct interval *out);
/* The whole interval is over the limit. */
bool harm_over(const struct harm *);

#endif
