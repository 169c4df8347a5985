/*
 * run.h - a run directory as the tools read it, and the verdict table for terminals.
 */
#ifndef TOOLS_RUN_H
#define TOOLS_RUN_H

#include "tools/command.h"
#include "tools/doc.h"

struct run {
	char directory[1024];
	struct node *summary, *manifest; /* manifest may be NULL */
};

/* Where runs are looked for: runs/, and run.directory of `config` (a file; NULL: none). 0, or ERR_CONFIG,
 * said on stderr. */
int run_search(const char *config) MUST_CHECK;
/* The flag that names it. */
#define RUNS_FLAG(to_config)                                                                                 \
	{                                                                                                    \
		.name = "--config", .letter = "-c", .argument = "FILE",                                      \
		.sentence = "look for runs in its run.directory too", .to = (to_config)                      \
	}
/* The directories of all runs found there, newest first; at most `max`. */
unsigned run_list(char (*directories_out)[1024], unsigned max);
/* `name`: a path, a prefix of a run's id or directory name, or NULL or "last" for the newest. 0, or an error
 * said on stderr: ERR_SYS (none), ERR_LIMIT (several). */
int run_find(const char *name, char directory_out[1024]) MUST_CHECK;
/* run_find(), and read what is there. 0, or an error said on stderr. */
int run_open(const char *name, struct run *) MUST_CHECK;
void run_close(struct run *);

/* "2.03 %" of a rate, "1.25" of a ratio, "-" without a value; `unit` is the gate metric's. */
const char *run_figure(double value, const char *unit, char out[32]);
/* "[1.20, 3.40] %". */
const char *run_figures(double low, double high, const char *unit, char out[80]);
const char *run_metric_unit(const char *metric);
/* "at most" or "at least". */
const char *run_metric_bound(const char *metric);
/* The sum of the numbers in an object. */
double run_sum(const struct node *object);
/* "1000 seen = 950 compared + 10 sampled out + 20 not compared + 10 excluded + 10 shed + 0 open" */
void run_counts_line(const struct node *counts, struct buf *out);
/* "candidate_timeout 40, in_flight 760": what was neither compared nor sampled out; their sum. */
double run_left_out(const struct node *counts, struct buf *out);
/* What share a candidate got and what its stop has saved; nothing when it had neither ramp nor stop. */
void run_share(const struct node *candidate, struct buf *out);
/* Each of a candidate, or nothing where there is none to tell: what it does beyond its noise floor and at
 * which paths; what became of planted faults; who is given the favourable label; what has moved; divergence
 * by value; what makes pairs fewer observations than they are; what came in time. */
void run_beyond_noise(const struct node *candidate, struct buf *out);
void run_control(const struct node *candidate, struct buf *out);
void run_fairness(const struct node *candidate, struct buf *out);
/* Who answered, and each segment's figures when a version changed; what of JSON was left out. */
void run_versions(const struct node *candidate, struct buf *out);
void run_ignored(const struct node *candidate, struct buf *out);
void run_drift(const struct node *candidate, struct buf *out);
void run_value(const struct node *candidate, struct buf *out);
void run_dependence(const struct node *candidate, struct buf *out);
void run_moves(const struct node *candidate, struct buf *out);
void run_goodput(const struct node *candidate, struct buf *out);
/* What else there is to know of a gate: its slice, that it is not critical, what keeps it undecided. */
void run_gate_notes(const struct node *gate, struct buf *out);
/* "163 us", "3.28 ms", "2 s", also below zero; "unknown" of what is not finite. Returns `out`. */
const char *run_time(double us, char out[24]);
/* What shadowing cost the live path; nothing in a replay. */
void run_cost(const struct run *, struct buf *out);
/* The manifest's node of a candidate of the summary, or NULL. */
const struct node *run_in_manifest(const struct run *, const struct node *candidate);
/* Of a candidate in the manifest: that it ran contained, with the digests of its program and of what it read,
 * or that it did not; nothing when the manifest is older than that. */
void run_containment(const struct node *candidate, struct buf *out);
/* Of a replay: what was not compared since it had been masked; nothing where nothing was. */
void run_masked_paths(const struct run *, struct buf *out);
/* What its safeguards did, and the incidents that were frozen; nothing when none is declared. */
void run_guards(const struct run *, struct buf *out);
/* "svc", or "svc on ROUTE" when routes share the name, in printable ASCII. */
const char *run_who(const struct run *, const struct node *candidate, char out[160]);
/* The verdict sentence: what decided, who else has the same verdict, and that a run is not over. */
void run_sentence(const struct run *, struct buf *out);
/* Of one candidate's verdict: the first gate that made it, or that every gate holds, or that none is
 * declared, or that faults were of our own making. */
const char *run_why(const struct node *candidate);
/* All of that and the gates, in 80 columns. */
void run_text(const struct run *, struct buf *out);
/* "status 200"; "grpc-status 14 UNAVAILABLE" of what is none of HTTP's. */
void run_status_text(int status, char out[48]);

#endif
