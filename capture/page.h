/*
 * page.h - the control page: one shared page of switches that roles read between records.
 *
 * Written by the parent (phase, raw_state) and by control (paused, sample); everybody else reads. Gauges at
 * the end are written by their one owner.
 */
#ifndef CAPTURE_PAGE_H
#define CAPTURE_PAGE_H

#include <stdatomic.h>
#include <stdint.h>
#include "proto/base/err.h"

enum { WORKERS_MAX = 16, LATENCY_BUCKETS = 64 };

/* Roles leave in this order when the proxy drains: each exits once its inputs are empty. */
enum phase {
	PHASE_RUN = 0,
	PHASE_WORKERS,
	PHASE_MASKER,
	PHASE_SHADOW,
	PHASE_ANSWERS,
	PHASE_JUDGE,
	PHASE_CONTROL
};

/* Of a worker's raw ring. BROKEN: the worker sheds until the masker has skipped what lies in it (and says
 * OK). RETIRED: it sheds until it is started again, with a new ring. */
enum raw_state { RAW_OK = 0, RAW_BROKEN, RAW_RETIRED };

struct worker_gauges { /* one writer: that worker */
	_Atomic uint64_t requests, live_errors, our_errors, rejected, connections, retries;
	_Atomic uint64_t added_us_sum, added_count;
};

struct replay_gauges { /* one writer: the player */
	_Atomic uint64_t total, played;
	_Atomic uint64_t lag_count, lag_p50_us, lag_p99_us, lag_max_us; /* sent after its intended time */
	_Atomic uint32_t whole;                                         /* every exchange was played */
};

struct page {
	_Atomic uint32_t version, phase, paused, generation;
	_Atomic uint64_t run_id; /* random, set once by the parent */
	_Atomic uint64_t paused_at_ns, last_candidate_byte_ns;
	_Atomic uint32_t raw_state[WORKERS_MAX]; /* enum raw_state */
	struct worker_gauges workers[WORKERS_MAX];
	struct replay_gauges replay;
};

int page_create(int *memfd_out) MUST_CHECK;                 /* 0 or ERR_SYS */
int page_map(int memfd, struct page **page_out) MUST_CHECK; /* 0 or ERR_SYS; never unmapped */

#endif
