/*
 * guards.h - the judge's safeguards: it reads their figures once a quarter of a second, steps their rules
 * (rule.h), says on the control page what is to be shed, lowered, paused or stopped, and leaves an audit line
 * of each change.
 *
 * What the page asks for is the sum of all rules that are tripped: the least share, every pause. A judge that
 * is started again goes on from the page. Figures of this machine are read from descriptors that were opened
 * before its walls went up ("host.memory", "host.cpu"); without one the figure is not known.
 */
#ifndef REPLAY_GUARDS_H
#define REPLAY_GUARDS_H

#include "proto/base/buf.h"
#include "replay/audit.h"
#include "replay/results.h"

struct guard_event { /* one rule has changed */
	uint16_t route, rule, candidate;
	bool tripped;
	double value; /* NaN: not known */
};

/* Told of each change, behind its audit line. */
typedef void guards_heard(void *arg, const struct guard_event *);

void guards_begin(const struct role_env *, struct audit *, guards_heard *, void *arg);
/* A pair that was compared. */
void guards_observe(const struct role_env *, uint16_t route, uint16_t candidate, const struct comparison *,
                    uint64_t now_ns);
/* Each turn. */
void guards_tick(const struct role_env *, const struct results *, uint64_t now_ns);
/* The member "safeguards" of summary.json: a list, a row each rule and candidate. */
void guards_summary(const struct role_env *, struct buf *out);
/* "svc: divergence_rate over 0.1, now 0.25: pause", of at most 256 bytes. */
void guards_sentence(const struct plan *, const struct guard_event *, char out[256]);

/* Of texts with a NUL behind them. The share of memory that is not available, of /proc/meminfo's text; and
 * the share of time in which something waited for a CPU, of /proc/pressure/cpu's. NaN: it is none. */
double guards_memory(struct span text);
double guards_cpu(struct span text);

#endif
