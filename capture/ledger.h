/*
 * ledger.h - the count equation, kept in shared memory so that it survives kill -9 of any role.
 *
 * An exchange that is settled at routing (excluded, sampled out, shed for want of a slot) is added
 * to the worker's direct counts. Every other exchange holds a 64-byte slot until all its cells are
 * settled. A cell (one a candidate, one for the live leg, one for capture) holds first the stage
 * that owns it, at last its outcome; it changes only by compare-and-swap from the owner's stage.
 *
 *   candidate cell:  worker -> masker -> shadow -> answers -> judge -> outcome
 *   live cell:       worker -> masker -> judge -> outcome (OUTCOME_COMPARED = complete)
 *   capture cell:    worker -> masker -> recorder -> outcome (OUTCOME_CAPTURED or a reason)
 *
 * The reader of a leg's end claims its cells, then takes the record out of the ring, then works on it.
 * When a role dies the parent turns every cell at its stage into OUTCOME role_lost. The judge
 * harvests slots whose cells are all settled into totals, under a one-entry redo record of absolute
 * values: a crash in the middle is repaired by applying it again.
 *
 *   seen = compared + not_compared{} + sampled_out + excluded{} + shed{} + open      (exactly)
 *   seen = captured + not_captured{} + open
 */
#ifndef CAPTURE_LEDGER_H
#define CAPTURE_LEDGER_H

#include <stdbool.h>
#include <stdint.h>
#include "capture/record.h"
#include "proto/base/err.h"

enum ledger_stage {
	STAGE_NONE = 0, /* cell unused */
	STAGE_WORKER = 1,
	STAGE_MASKER = 2,
	STAGE_SHADOW = 3,
	STAGE_ANSWERS = 4,
	STAGE_JUDGE = 5,
	STAGE_RECORDER = 6,
};

enum outcome_group { GROUP_COMPARED, GROUP_SAMPLED_OUT, GROUP_EXCLUDED, GROUP_SHED, GROUP_NOT_COMPARED };

/* Closed and ordered: an exchange none of whose candidates was compared counts
 * under the first reason in this order. */
#define OUTCOME_TABLE(X)                                                                                     \
	X(COMPARED, COMPARED, "compared")                                                                    \
	X(SAMPLED_OUT, SAMPLED_OUT, "sampled_out")                                                           \
	X(METHOD, EXCLUDED, "method")                                                                        \
	X(ROUTE_OFF, EXCLUDED, "route_off")                                                                  \
	X(UPGRADE, EXCLUDED, "upgrade")                                                                      \
	X(ALREADY_SHADOW, EXCLUDED, "already_shadow")                                                        \
	X(BODY_TOO_LARGE, EXCLUDED, "body_too_large")                                                        \
	X(NO_CONSENT, EXCLUDED, "no_consent")                                                                \
	X(WITHDRAWN, EXCLUDED, "withdrawn")                                                                  \
	X(WARM_UP, EXCLUDED, "warm_up")                                                                      \
	X(MASK_FAILED, EXCLUDED, "mask_failed")                                                              \
	X(BY_RULE, EXCLUDED, "by_rule")                                                                      \
	X(LEARNED, EXCLUDED, "learned")                                                                      \
	X(RING_FULL, SHED, "ring_full")                                                                      \
	X(MEMORY, SHED, "memory")                                                                            \
	X(SLOTS, SHED, "slots")                                                                              \
	X(IN_FLIGHT, SHED, "in_flight")                                                                      \
	X(RATE, SHED, "rate")                                                                                \
	X(OVERLOAD, SHED, "overload")                                                                        \
	X(PAUSED, SHED, "paused")                                                                            \
	X(LIVE_FAILED, NOT_COMPARED, "live_failed")                                                          \
	X(CLIENT_GONE, NOT_COMPARED, "client_gone")                                                          \
	X(CANDIDATE_CONNECT, NOT_COMPARED, "candidate_connect")                                              \
	X(CANDIDATE_TIMEOUT, NOT_COMPARED, "candidate_timeout")                                              \
	X(CANDIDATE_RESET, NOT_COMPARED, "candidate_reset")                                                  \
	X(CANDIDATE_PROTOCOL, NOT_COMPARED, "candidate_protocol")                                            \
	X(CANDIDATE_TOO_LARGE, NOT_COMPARED, "candidate_too_large")                                          \
	X(BREAKER_OPEN, NOT_COMPARED, "breaker_open")                                                        \
	X(CANDIDATE_MODEL, NOT_COMPARED, "candidate_model")                                                  \
	X(MASKED_INPUT, NOT_COMPARED, "masked_input")                                                        \
	X(UNDECODABLE, NOT_COMPARED, "undecodable")                                                          \
	X(ROLE_LOST, NOT_COMPARED, "role_lost")                                                              \
	X(DRAIN, NOT_COMPARED, "drain")                                                                      \
	X(CAPTURE_OFF, NOT_COMPARED, "capture_off")                                                          \
	X(COMPARE_OFF, NOT_COMPARED, "compare_off")                                                          \
	X(DISK, NOT_COMPARED, "disk")

enum outcome {
	OUTCOME_FIRST = 0x3f,
#define X(name, group, text) OUTCOME_##name,
	OUTCOME_TABLE(X)
#undef X
	        OUTCOME_END,
	OUTCOME_CAPTURED = OUTCOME_COMPARED, /* the good outcome of the capture cell */
};
enum { OUTCOMES = OUTCOME_END - OUTCOME_COMPARED };

const char *outcome_name(uint8_t outcome);
enum outcome_group outcome_group(uint8_t outcome);
/* The outcome of that name, or 0. */
uint8_t outcome_by_name(struct span name);

enum { CELL_LIVE = CANDIDATES_MAX, CELL_CAPTURE = CANDIDATES_MAX + 1, CELLS = CANDIDATES_MAX + 2 };
enum { ROUTES_MAX = 16 };

struct ledger;

/* Totals over slots harvested and direct counts; outcome index = outcome - OUTCOME_COMPARED. */
struct ledger_counts {
	uint64_t seen;               /* exchanges */
	uint64_t open;               /* slots still held */
	uint64_t exchange[OUTCOMES]; /* each exchange once */
	uint64_t capture[OUTCOMES];  /* each exchange once */
	uint64_t candidate[ROUTES_MAX][CANDIDATES_MAX]
	                  [OUTCOMES]; /* each candidate adds up to its route's seen */
	uint64_t candidate_open[ROUTES_MAX][CANDIDATES_MAX];
	uint64_t route_seen[ROUTES_MAX];
};

/* A sealed memfd for `workers` workers of `slots_each` slots. 0 or ERR_SYS. */
int ledger_create(unsigned workers, unsigned slots_each, int *memfd_out) MUST_CHECK;
int ledger_attach(int memfd, struct ledger **ledger_out) MUST_CHECK; /* 0, ERR_SYS, ERR_PROTO */
void ledger_free(struct ledger **);

/* Worker: take a slot of one's own range; every candidate cell whose bit is set in `candidates`
 * starts at STAGE_WORKER, the others of the route's `candidate_count` at `others` (an outcome, e.g.
 * sampled out). baselines: bit mask of candidates that do not make an exchange "compared".
 * capture: STAGE_WORKER, or an outcome when nothing is captured. 0 or ERR_FULL. */
int ledger_take(struct ledger *, unsigned worker, uint64_t id, uint16_t route, uint32_t candidates,
                unsigned candidate_count, uint8_t others, uint32_t baselines, uint8_t capture,
                uint32_t *slot_out) MUST_CHECK;
/* Worker: an exchange settled at routing, without a slot. */
void ledger_direct(struct ledger *, unsigned worker, uint16_t route, unsigned candidate_count,
                   uint8_t outcome);

/* Move or settle one cell: true when it was at `from` in the slot that still belongs to `id`. */
bool ledger_move(struct ledger *, uint32_t slot, uint64_t id, unsigned cell, uint8_t from, uint8_t to);
/* Settle every candidate cell (and nothing else) that is at `from`; returns how many moved. */
unsigned ledger_settle_candidates(struct ledger *, uint32_t slot, uint64_t id, uint8_t from, uint8_t outcome);
/* The cell's value, or 0 when the slot no longer belongs to `id`. */
uint8_t ledger_cell(const struct ledger *, uint32_t slot, uint64_t id, unsigned cell);

/* Parent: a role died; every cell at its stage becomes role_lost. worker >= 0 limits it to that
 * worker's slots (STAGE_WORKER only). Returns the number of cells turned. */
unsigned ledger_role_lost(struct ledger *, uint8_t stage, int worker);

/* Judge: repair a half-done harvest after a crash. Call once before the first harvest. */
void ledger_recover(struct ledger *);
/* Judge: candidate cells at STAGE_JUDGE whose live cell is settled to anything but complete are
 * settled with the live cell's outcome. Returns how many slots were harvested into totals.
 * `harvested` (may be NULL) is told of each id just before its slot is freed. */
unsigned ledger_harvest(struct ledger *, void (*harvested)(void *arg, uint64_t id), void *arg);
/* Ids of slots in use (for a restarted judge); returns how many, at most `max`. */
unsigned ledger_open_ids(const struct ledger *, uint64_t *ids, unsigned max);

/* The id of the exchange that holds this slot, or 0. */
uint64_t ledger_slot_id(const struct ledger *, uint32_t slot);

/* A consistent copy for readers: retries while a harvest is under way. */
void ledger_read(const struct ledger *, struct ledger_counts *out);

#endif
