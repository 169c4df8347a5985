/*
 * truth.h - who was right, by labels that came later: rows of a candidate's pairs in, figures out. Pure: no
 * I/O, no allocation.
 *
 * Rows of one pair follow each other and are one observation: a batch buys no certainty. Pairs that are
 * stored because they diverged, while others like them were dropped, are set aside: the others are a sample
 * by a hash of their ids, whatever they answered.
 */
#ifndef REPLAY_TRUTH_H
#define REPLAY_TRUTH_H

#include "replay/calibration.h"
#include "replay/spread.h"

enum { TRUTH_GROUPS = 48, TRUTH_GROUP_BYTES = 136, TRUTH_SLICE_BYTES = 64 };
enum truth_side { TRUTH_LIVE, TRUTH_CANDIDATE, TRUTH_SIDES };
enum truth_state { TRUTH_PENDING, TRUTH_JOINED, TRUTH_LATE, TRUTH_CONFLICTING };

struct truth_row {
	uint64_t pair; /* the same of rows of one pair */
	bool sampled, diverged;
	enum truth_state state;
	uint64_t given[TRUTH_SIDES], label;
	const char *slice;   /* "tenant=a"; NULL: none */
	const float *scores; /* live's shares of `classes` classes, then the candidate's */
	unsigned classes;    /* 0: none were kept */
};

struct truth_group { /* rows, by what is true: [1] the label is, [0] another */
	char name[TRUTH_GROUP_BYTES];
	uint64_t rows[2], given[2][TRUTH_SIDES];
};

struct truth { /* all zero is empty; `fairness` is set before the first row */
	struct {
		bool on;
		char slice[TRUTH_SLICE_BYTES];
		uint32_t label, min_rows;
	} fairness;
	uint64_t rows, joined, late, conflicting, set_aside;
	uint64_t right[TRUTH_SIDES], live_only, candidate_only; /* of joined rows */
	uint64_t pairs, diverged, joined_pairs, joined_diverged;
	uint64_t lost, won; /* pairs in which live, or the candidate, was right in more rows */
	uint64_t largest;   /* joined rows of one pair */
	uint64_t left_out;  /* joined rows of groups past the last that there is room for */
	struct calibration calibrated[TRUTH_SIDES];
	struct stat_mean brier; /* of each pair's mean change, from [-2,2] to [0,1] */
	unsigned group_count;
	struct truth_group groups[TRUTH_GROUPS];
	struct { /* the pair under way */
		uint64_t pair, joined, scored;
		int64_t net;
		double brier;
		bool open, diverged;
	} now;
};

void truth_add(struct truth *, const struct truth_row *);
/* The last pair is over: before any figure is asked for. */
void truth_end(struct truth *);

/* The candidate's accuracy less live's. */
struct interval truth_change(const struct truth *, double alpha, double t_opt);
/* Log e-value against "neither side is right more often", a pair at a time (evidence_mcnemar()). */
double truth_mcnemar(const struct truth *);
/* Log e-value against "labelled pairs diverge as often as the others", the larger of both directions. */
double truth_unlike_rest(const struct truth *, double t_opt);
/* The candidate's Brier score less live's: predictable empirical-Bernstein over pairs (stat.h). */
struct interval truth_brier_change(const struct truth *, double alpha);
/* Equalised odds difference of the groups that have min_rows rows of both kinds; their number. */
struct truth_odds {
	double value;
	struct interval ci;
};
unsigned truth_odds(const struct truth *, enum truth_side, double alpha, struct truth_odds *out);

#endif
