/*
 * replay.h - `understudy replay`: from a command line and a capture's header to a plan.
 */
#ifndef TOOLS_REPLAY_H
#define TOOLS_REPLAY_H

#include <stdbool.h>
#include "capture/plan.h"
#include "tools/replay_source.h"

struct replay_options {
	const char *given, *input, *speed, *targets[CANDIDATES_MAX], *gates[GATES_MAX];
	const char *against, *path, *rate, *arrivals, *max_gap, *loop, *where, *sample, *seed;
	const char *config, *baseline, *max_lag, *progress, *connections, *run_given, *http, *late, *spin,
	        *timeout, *ca_file, *profile, *from, *until, *amplify;
	const char *headers[REWRITES_MAX], *paths[REWRITES_MAX], *sets[REWRITES_MAX], *allows[ALLOWS_MAX];
	const char *host, *model, *credential, *resume, *again, *batch_file, *reference, *noise, *move;
	const char *slo, *users, *think, *session, *step, *stop_when;
	char run[PATH_MAX_BYTES];
	unsigned target_count, gate_count, in_flight, timeout_ms;
	unsigned header_count, path_count, set_count, allow_count;
	bool dry_run, quiet, allow_all, yes_really, no_compare, find_capacity;
	uint64_t step_ns; /* of --find-capacity */
};

/* Make a capture of a source that is none at `path`, asking --against if it is given. -1: it is there; else
 * an exit status, all is said. */
int replay_import(const struct replay_options *, struct source *, const char *path);
struct capfile_route; /* capture/capfile.h */
/* How its answers are compared, as a capture says of a route. */
void replay_route_rules(const struct capfile_route *, struct plan_route *);
/* Length and SHA-256 of the file `path`. 0, ERR_SYS, ERR_NOMEM. */
int replay_hash_input(const char *path, struct plan_input *out) MUST_CHECK;
/* Print what the run found: gates and times, and of one that keeps time how well it did. 3: it is void; 130:
 * it was interrupted (not: its capture ends early); else 0 without --gate, or the verdict's exit status. */
int replay_verdict(const struct replay_options *, bool keeps_time);
/* When, which and how often, from the options to the plan. -1: go on; else an exit status, all is said. */
int replay_read_schedule(struct replay_options *, struct plan *);
/* "10%" as parts of a million. -1, or an exit status. */
int replay_read_share(const char *flag, const char *text, uint32_t *ppm_out);
/* "$.age+1:$.score": with a larger age the score must not be smaller; "...:-$.score": not larger. As above.
 */
int replay_read_move(const struct replay_options *, struct plan_move *out);
/* The candidates and gates of a route: --to and --baseline, with what the file (empty: none) says of
 * candidates of these names. -1: go on; else an exit status, all is said. */
int replay_fill_route(const struct replay_options *, const struct plan *file, struct plan_route *);
/* What may have side effects, and whether a target is the live endpoint of the capture or of the file. As
 * above. */
int replay_guard(const struct replay_options *, const struct plan *file, struct plan *);
/* The same of --against. */
int replay_guard_against(const struct replay_options *, const struct plan *);
/* Whether a hash of a manifest, in hex, is that one. */
bool replay_is_hash(const char *hex, const uint8_t hash[32]);
/* Go on with RUN, which played the same by the same options. As above. */
int replay_resume(const char *run, struct plan *);
/* Put what RUN's manifest says it was started with in the place of the flags and of the input, which must not
 * be given beside --again. As above. */
int replay_again(struct replay_options *);
/* Does the plan play what that run played, by the same configuration? As above. */
int replay_again_check(const struct replay_options *, struct plan *);
/* Keep in the plan the words that start it once more; no credential is among them. */
void replay_keep_words(const struct replay_options *, struct plan *);
/* Print how what was compared differs from that run: nothing, where targets are deterministic. */
void replay_again_diff(const struct replay_options *);
/* Find the rate at which the goodput of the plan's target falls; each rate is a run below --run. An exit
 * status. */
int replay_find_capacity(struct replay_options *, struct plan *);
/* What the capture recorded: requests a second, on average and in the busiest one. 0, or an exit status, all
 * is said. */
int replay_recorded(const char *path, double *mean_out, double *busiest_out);
/* Print what the plan's replay would send; nothing is sent. An exit status. */
int replay_dry_run(const char *path, const struct plan *);

#endif
