/*
 * window.h - a capture's complete exchanges in the order in which their requests were complete.
 *
 *   file ----> | fold: open exchanges | heap by (request's end, id) | ----> window_next()
 *
 * A file is in the order of recording: records of several workers and of slow answers lie between one
 * another. The window reads ahead of the exchange it gives out by REORDER_NS of recorded time, so memory is
 * bounded by the traffic of that time and of the slowest answer, and in any case by `limit_bytes`: past it an
 * exchange whose answer has not come is left out and counted. Exchanges that failed on a live side are left
 * out too. Blocks on file I/O only.
 */
#ifndef REPLAY_WINDOW_H
#define REPLAY_WINDOW_H

#include "capture/capfile.h"
#include "capture/fold.h"

struct window;

/* Takes the reader; exchanges of routes from route_count on are skipped. NULL: out of memory, the reader
 * stays. */
struct window *window_new(struct capfile_reader *, unsigned route_count, size_t limit_bytes);
void window_free(struct window **); /* with its reader */
/* Give out only what the choice means, which is not copied; the rest is dropped where it would have come. */
void window_choose(struct window *, const struct plan_choice *, uint64_t seed);
uint64_t window_not_chosen(const struct window *);  /* complete exchanges, so far */
uint64_t window_not_allowed(const struct window *); /* ... chosen, but they may have side effects */
/* The next exchange, valid until the next call. 0; ERR_AGAIN at the end; ERR_NOMEM. */
int window_next(struct window *, const struct exchange **exchange_out) MUST_CHECK;
/* Read a little further ahead, for idle time; false when it would not help. */
bool window_ahead(struct window *);
/* Nobody looks into answers: that they came whole is known, what they are is not. */
void window_answers_unread(struct window *);
uint64_t window_left_out(const struct window *); /* exchanges without a complete request and answer, so far */
/* What ended the file, once window_next() has said ERR_AGAIN: ERR_AGAIN when it was whole, else
 * capfile_next()'s. */
int window_end(const struct window *);
double window_share(const struct window *); /* of the file that was read, 0..1 */

#endif
