/*
 * results_inside.h - what the files behind results.h share; no one else.
 *
 *   results.c           database, pairs, transactions
 *   results_schema.c    its tables, views and statements
 *   results_tally.c     aggregate state: counting an observation, storing it, rebuilding it after a crash
 *   results_segment.c   which segment a pair belongs to, by who answered
 *   results_drift.c     how far requests and answers have moved
 *   results_batch.c     the observations of the last batch, for that rebuilding
 *   results_keep.c      which pairs stay when the run grows past its bound
 *   results_judge.c     what the gates say of a candidate, from tally and ledger
 *   results_write.c     JSON members, and a file that is replaced whole
 *   results_json.c      summary.json: counts, what the gates say, the verdict
 *   results_json_candidate.c, results_json_latency.c, results_json_slices.c
 *                       in it, a candidate; its times; its figures by place, label and slice
 *   results_manifest.c  manifest.json
 */
#ifndef REPLAY_RESULTS_INSIDE_H
#define REPLAY_RESULTS_INSIDE_H

#include <sqlite3.h>
#include "proto/base/buf.h"
#include "replay/auto_slices.h"
#include "replay/evidence.h"
#include "replay/gate.h"
#include "replay/portrait.h"
#include "replay/results.h"

enum {
	SLICE_VALUE_BYTES = 64,
	SLICE_NAME_BYTES = NAME_MAX_BYTES + SLICE_VALUE_BYTES + 2,
	SLICES_COUNTED = 48,
	PATHS_COUNTED = 64,
	LABELS_COUNTED = 16,
	SEGMENTS_MAX = 8,
	COMBINATIONS_MAX = 8,
	SESSIONS_COUNTED = 2048, /* by hash: sessions that share a place count as one */
	BLOCK_PAIRS = 32,
	MOVES_OPEN =
	        512, /* requests whose moved twin has not been compared, by number; later ones replace them */
	OUTPUTS_WARM = 200 /* of live's, set the bins of a feature of answers, and are not counted */
};

struct slice {
	char name[SLICE_NAME_BYTES]; /* "tenant=a"; the last one takes what no longer fits: "(other)" */
	uint64_t pairs, diverged;
	uint64_t rows, live_favoured, other_favoured; /* rows that have labels */
};

/* A place at which pairs differ; the last one takes what no longer fits: "(other)". */
struct path {
	char name[RESULTS_PATH_BYTES];
	uint64_t diverged;                      /* pairs whose candidate differs there */
	uint64_t candidate_only, baseline_only; /* of those that the baseline answered too */
};

/* Scores of one of two requests that differ in one number. */
struct move {
	uint64_t number; /* of both; 0: it is neither */
	uint32_t moved;  /* it is the one that was moved */
	double live, other;
};

/* A feature of an answer, on both sides; NaN: it has none. */
struct output {
	char name[FEATURE_BYTES];
	uint32_t word;
	double live, other;
};

/* One pair as the tallies count it: enough to count it again. */
struct observation {
	uint64_t seen_us, live_us, other_us, first_us, response_us, lag_us;
	uint32_t rows, rows_diverged;
	uint32_t read_as; /* enum protocol; PROTOCOL_AUTO: its body was not read */
	uint32_t classes[DIVERGENCES];
	bool diverged, against_baseline;
	uint8_t privacy;             /* enum results_privacy */
	uint32_t measured[MEASURES]; /* rows that have it */
	double sums[MEASURES];       /* over those */
	struct agreement agreement;
	struct pace live_pace, other_pace;
	bool noise_known, baseline_diverged;
	uint64_t baseline_us;
	uint32_t control;                                   /* enum results_control */
	uint32_t label_rows, live_favoured, other_favoured; /* rows with labels; given the route's label */
	uint16_t labels[LABELS_COUNTED], flips[LABELS_COUNTED]; /* rows by live's label */
	uint32_t path_count;
	uint32_t auto_half, feature_count, output_count;
	double weight;    /* up to its cap; NaN: it has none */
	uint32_t session; /* its place; UINT32_MAX: it has none */
	struct move move;
	bool live_good, other_good;         /* answered, and within the route's slo */
	double inputs[PORTRAIT_FEATURES];   /* by the reference's features; NaN: it has none */
	uint8_t differs[RESULTS_PATHS_MAX]; /* 1: the candidate, 2: the baseline */
	uint32_t slice_count;               /* beside the route's, which all its pairs are in */
	char slices[SLICES_MAX][SLICE_NAME_BYTES];
	char paths[RESULTS_PATHS_MAX][RESULTS_PATH_BYTES];
	struct auto_features features;
	struct versions versions;
	struct output outputs[FEATURES_MAX];
};

/* The aggregate state of one segment of one candidate of one route. */
struct tally {
	uint16_t route, candidate;
	uint32_t segment;
	bool begun;                          /* true of the first one from its first pair on */
	uint32_t current, streak, streak_of; /* of segment 0 alone: whose figures decide */
	uint64_t left_out;                   /* of segment 0: pairs of versions past SEGMENTS_MAX */
	uint32_t combination_count;          /* of a model past the last no change is seen */
	struct versions combinations[COMBINATIONS_MAX]; /* whose figures these are, by the model asked for */
	uint64_t settled[OUTCOMES];                     /* of the ledger's, while it was the current one */
	uint64_t batch;                                 /* the last batch that changed it */
	uint64_t pairs, diverged, rows, rows_diverged, rows_largest, against_baseline;
	uint64_t looked, privacy_new; /* pairs that detectors looked into, on both sides; of these */
	uint64_t classes[DIVERGENCES];
	uint64_t first_us, last_us;          /* wall clock of the first and the last pair */
	uint64_t read_as[PROTOCOLS_KNOWN];   /* pairs */
	struct stat_mean measures[MEASURES]; /* of each pair's mean over its rows */
	uint64_t moment;                     /* pairs at the last point of the timeline */
	struct agreement agreement;
	uint64_t paced, first_later; /* pairs with a first token on both sides; the candidate's came later */
	struct sketch live_pace[PACE_FIGURES], other_pace[PACE_FIGURES];
	uint64_t rows_measured[MEASURES];
	double row_sums[MEASURES];
	struct sketch live, other, first;
	struct sketch response, lag; /* of a replay */
	struct sketch slower,
	        faster; /* of a pair: candidate less reference, and the reverse where it is less */
	struct gate_noise noise;
	uint64_t planted, planted_found;
	uint64_t label_rows[LABELS_COUNTED], label_flips[LABELS_COUNTED]; /* by live's label */
	uint32_t path_count;
	struct path paths[PATHS_COUNTED];
	struct auto_slices auto_slices;
	double weight, weight_diverged;          /* sums */
	uint64_t weighed, live_good, other_good; /* pairs */
	struct {
		uint32_t pairs, rows, diverged;
	} sessions[SESSIONS_COUNTED];
	uint64_t moved, live_violations, other_violations;
	struct move moves[MOVES_OPEN];
	uint64_t session_pairs, session_rows; /* of the largest */
	struct stat_lag lag_diverged, lag_latency;
	struct portrait inputs;  /* the reference's, and of these pairs */
	struct portrait outputs; /* live's, and the candidate's */
	uint32_t warm_count[PORTRAIT_FEATURES];
	double warm[PORTRAIT_FEATURES][OUTPUTS_WARM];
	uint32_t slice_count;
	struct slice slices[SLICES_COUNTED];
	struct results_standing standing;
	struct results_share share;
	char drill[RESULTS_DRILL_BYTES]; /* "": none */
	uint64_t drilled[FAULT_KINDS];
};

/* What the gates say of one candidate; a baseline has none. */
struct judgement {
	unsigned count;
	int decided_by;
	struct plan_gate gates[GATE_LIST_MAX];
	struct gate_result results[GATE_LIST_MAX];
	enum gate_state
	        verdict; /* never decided where faults are of our own making, or planted ones missed */
	const char *why; /* NULL, or why it is not decided whatever the gates say */
};

enum statement {
	STATEMENT_PAIR,
	STATEMENT_ROW,
	STATEMENT_DIVERGENCE,
	STATEMENT_GATE,
	STATEMENT_SLICE,
	STATEMENT_TIMELINE,
	STATEMENT_OBSERVATIONS,
	STATEMENT_NEXT_PAIR,
	STATEMENT_SUM_PAIRS,
	STATEMENT_DROP_ROWS,
	STATEMENT_DROP_DIVERGENCES,
	STATEMENT_DROP_PAIRS,
	STATEMENT_LEAST,
	STATEMENT_STATE,
	STATEMENT_ASKED,
	STATEMENTS,
};

/* Pairs of one candidate, class and slice that are stored. */
struct stratum {
	uint64_t bytes, count;
	unsigned least; /* pairs of a lower band of priorities are not stored */
};

enum { REQUEST_ID_BYTES = 64 };

/* A row of stored_pair without its other texts and its bodies. */
struct stored_pair {
	sqlite3_int64 n;
	uint64_t id, bytes, seen_us, live_us, other_us;
	unsigned asked, flags, live_status, other_status, rows, rows_diverged;
	struct row first;
	unsigned scores; /* how many there are */
	float score[2 * COMPARE_SCORES_MAX];
	char request_id[REQUEST_ID_BYTES + 1]; /* as the client gave it, masked; empty: it is our id */
};

struct results {
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENTS];
	const struct plan *plan;
	char *directory, *run_id, *source, started[28];
	bool in_transaction;
	bool adding; /* the open transaction is a new batch */
	bool stale;  /* pairs were forgotten: the tallies are rebuilt before they are read */
	uint64_t batch;
	uint64_t unchecked_bytes;                      /* stored since the bound was looked at */
	unsigned tally_count, first_tally[ROUTES_MAX]; /* candidates */
	struct tally *tallies; /* of each, segment by segment: untouched until begun */
	char changed[64 + 2 * NAME_MAX_BYTES + 2 * VERSION_BYTES];
	struct buf observations;           /* results_batch.c's */
	struct buf waiting;                /* struct stored_pair of the open batch, until it is committed */
	struct buf *stored;                /* each tally as it was last committed */
	unsigned stratum_count, condemned; /* the one whose bands below its least are being dropped */
	uint64_t sequence;                 /* of the next pair */
	struct stratum *strata;
	struct stratum *strata_before; /* as they were when the open batch began */
	unsigned condemned_before;
	struct portrait *references;            /* by route; of none: empty */
	char (*route_slices)[SLICE_NAME_BYTES]; /* by route: the slice that all its pairs are in */
};

static inline const struct plan_route *tally_route(const struct results *r, const struct tally *t)
{
	return &r->plan->routes[t->route];
}

static inline const struct plan_candidate *tally_candidate(const struct results *r, const struct tally *t)
{
	return &tally_route(r, t)->candidates[t->candidate];
}

static inline unsigned tally_number(const struct results *r, unsigned route, unsigned candidate)
{
	return r->first_tally[route] + candidate;
}

static inline struct tally *tally_segment(const struct results *r, unsigned number, unsigned segment)
{
	return &r->tallies[segment * r->tally_count + number];
}

/* The segment whose figures decide. */
static inline struct tally *tally_current(const struct results *r, unsigned number)
{
	return tally_segment(r, number, r->tallies[number].current);
}

static inline struct tally *tally_at(const struct results *r, unsigned route, unsigned candidate)
{
	return tally_current(r, tally_number(r, route, candidate));
}

/* Make what is missing of tables and views, and all statements. 0, ERR_SYS. */
int results_prepare(struct results *);
/* Step, reset and clear a statement that gives no row. 0, ERR_SYS. */
int results_run(sqlite3_stmt *);
int results_execute(struct results *, const char *sql);
/* End a transaction that failed, if SQLite has not: after some failures it has. */
void results_roll_back(struct results *);

/* --- tallies --- */

int results_tallies_new(struct results *); /* 0, ERR_NOMEM */
/* What a pair adds: its slices are named from the request's head. */
void results_observe(const struct results *, const struct results_pair *, struct observation *out);
void results_count(const struct results *, struct tally *, const struct observation *);
/* Where a pair of these versions is counted, begun when it must be; NULL: there are too many. */
struct tally *results_segment(struct results *, uint16_t route, uint16_t candidate, const struct versions *);
/* How many of a candidate's segments have begun, at least 1. */
unsigned results_segments(const struct results *, unsigned number);
/* What the ledger says of the candidate while this was its current segment. */
void results_settled(const struct results *, const struct tally *, const struct ledger_counts *,
                     uint64_t out[OUTCOMES]);
/* ... and what was routed for it: that and, of the current one, what is still open. */
uint64_t results_seen(const struct results *, const struct tally *, const struct ledger_counts *);
/* The segment's place in the table of who was asked. 0, ERR_SYS. */
int results_store_asked(struct results *, const struct tally *);
/* Write the tallies that the open batch changed. 0, ERR_SYS, ERR_NOMEM. */
int results_store_tallies(struct results *);
/* Read them all. 0, ERR_SYS, ERR_PROTO (another version's). */
int results_load_tallies(struct results *);
/* Rebuild the tallies of the last batch when pairs of it were forgotten. 0, ERR_SYS, ERR_PROTO, ERR_NOMEM. */
int results_refresh(struct results *);
/* The tally of the route's baseline, or NULL. */
const struct tally *results_baseline(const struct results *, uint16_t route);
/* Store what the gates say now, the slices, and a point of the timeline. 0, ERR_SYS. */
int results_store_gates(struct results *, struct tally *, const struct judgement *);

/* Features of the request and of both answers, and their counts (results_drift.c). */
void results_observe_drift(const struct results *, const struct results_pair *, struct observation *);
void results_count_drift(struct tally *, const struct observation *);
void results_put_drift(struct buf *, const struct results *, const struct tally *);

/* --- judging --- */

uint64_t results_group_sum(const uint64_t counts[OUTCOMES], enum outcome_group);
/* Answers that did not come in time: they would have taken longer than any that did. */
uint64_t results_timeouts(const uint64_t counts[OUTCOMES]);
/* The variance of the rate by sessions over that by pairs (ratio estimator; Kish, Survey Sampling 1965). NaN:
 * fewer than two sessions, or all pairs are alike. */
double results_design_effect(const struct tally *, double rate);
/* The latency that a candidate's is held against: its baseline's, else live's. */
const struct sketch *results_reference_latency(const struct results *, const struct tally *);
/* Of the faults planted in clones, were 99 in 100 found? True before the first. */
bool results_controlled(const struct tally *);
/* Demographic parity difference of the route's fairness: the largest share less the smallest over the groups
 * that are large enough, each at alpha over their number so that all hold at once. False: not two groups. */
struct parity {
	unsigned groups;
	double live, other;
	struct interval live_ci, other_ci;
};
bool results_parity(const struct results *, const struct tally *, struct parity *out);
/* The log e-value that a path differs more often for the candidate than for the baseline. */
double results_path_log_e(const struct path *);
/* What each endpoint of the reference and of the candidate had to carry between the first and the last pair.
 */
void results_loads(const struct results *, const struct tally *, uint64_t seen, struct gate_load *reference,
                   struct gate_load *candidate);
void results_judge(const struct results *, const struct tally *, const struct ledger_counts *,
                   struct judgement *out);
/* Which faults of ours made its figures, its own or its baseline's; "": none. */
const char *results_drilled(const struct results *, const struct tally *);
/* The verdict, and of an undecided one the gate that takes longest. */
struct results_standing results_standing_of(const struct tally *, const struct judgement *);

/* --- the last batch --- */

void results_batch_init(struct results *);
/* A pair of the open batch, stored as n (0: not stored). 0, ERR_NOMEM. */
int results_batch_note(struct results *, const struct results_pair *, int64_t n, const struct observation *);
/* Write them in place of those of the batch before. 0, ERR_SYS. */
int results_batch_store(struct results *);
int results_batch_load(struct results *); /* 0, ERR_SYS, ERR_NOMEM */
/* True when the pair was one of the last batch, stored as *n_out, and is none any more. */
bool results_batch_forget(struct results *, uint64_t id, uint16_t route, uint16_t candidate, int64_t *n_out);
/* Count them all, in the order they were added: the running means depend on it. */
void results_batch_count(struct results *);

/* --- the bound --- */

/* Class (0: agreed), slice and candidate of a pair as one number below stratum_count. */
unsigned results_stratum(const struct results *, const struct results_pair *, const struct observation *);
/* The number under which the next pair is stored, or 0: its priority is too low. */
int64_t results_place(struct results *, unsigned stratum, uint64_t id);
/* Read how much each stratum holds, and from which band on. 0, ERR_SYS, ERR_NOMEM. */
int results_load_strata(struct results *);
void results_kept(struct results *, unsigned stratum, uint64_t bytes);
/* Note them where a batch begins; go back there. */
void results_mark_strata(struct results *);
void results_reset_strata(struct results *);
/* Inside a transaction: drop pairs until the database is within its bound. Not `now`: only when much was
 * stored since the last look. 0, ERR_SYS. */
int results_bound(struct results *, bool now);
/* Drop one stored pair. 0, ERR_SYS. */
int results_drop(struct results *, int64_t n);

/* --- files --- */

/* Write DIRECTORY/NAME through NAME.new and rename. 0, ERR_SYS. */
int results_write_file(const char *directory, const char *name, struct span text);
/* manifest.json; `state` NULL: it begins. 0, ERR_SYS, ERR_NOMEM. */
int results_manifest(struct results *, const char *state);

/* JSON members; a number that is not finite becomes null. */
void put_text(struct buf *, const char *key, const char *text);
void put_hex(struct buf *, const char *key, const uint8_t bytes[32]);
void put_double(struct buf *, const char *key, double);
void put_integer(struct buf *, const char *key, uint64_t);
void put_interval(struct buf *, const char *key, struct interval);
/* k of n; of none: null. */
void put_rate(struct buf *, const char *key, uint64_t k, uint64_t n);

/* --- parts of summary.json --- */

/* `counts` by outcome: of these `seen`, which `open` ones have none yet. */
void results_put_counts(struct buf *, uint64_t seen, const uint64_t counts[OUTCOMES], uint64_t open);
void results_put_candidate(struct buf *, const struct results *, const struct tally *,
                           const struct ledger_counts *, const struct judgement *);
void results_put_gates(struct buf *, const struct judgement *);
void results_put_latency(struct buf *, const struct results *, const struct tally *, uint64_t timeouts);
/* Of streamed answers; times are us. */
void results_put_pace(struct buf *, const struct tally *);
/* Requests of the route, and pairs, a second between the first and the last pair; goodput: of pairs, those
 * that the side answered without an error and within the slo. */
void results_put_throughput(struct buf *, const struct results *, const struct tally *, uint64_t seen);
/* Beyond what live's own twin does: of the whole pair, and of each place at which pairs differ. */
void results_put_noise(struct buf *, const struct tally *);
/* Flips by the label that live gave, the last one with all that are above it. */
void results_put_labels(struct buf *, const struct tally *);
/* Groups that are too small are not told. */
void results_put_fairness(struct buf *, const struct results *, const struct tally *);
/* Each interval at the run's alpha; of many slices some stand out by chance, and `stands_out` is corrected
 * for that (e-BH). */
void results_put_slices(struct buf *, const struct tally *);
/* What the proposing half of the pairs proposed, with the figures of the other half. */
void results_put_auto_slices(struct buf *, const struct auto_slices *);

#endif
