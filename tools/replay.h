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
	const char *host, *model, *credential, *resume, *reference, *noise, *move;
	char run[PATH_MAX_BYTES];
	unsigned target_count, gate_count, in_flight, timeout_ms;
	unsigned header_count, path_count, set_count, allow_count;
	bool dry_run, quiet, allow_all, yes_really;
};

/* Make a capture of a source that is none at `path`, asking --against if it is given. -1: it is there; else
 * an exit status, all is said. */
int replay_import(const struct replay_options *, struct source *, const char *path);
/* Length and SHA-256 of the file `path`. 0, ERR_SYS, ERR_NOMEM. */
int replay_hash_input(const char *path, struct plan_input *out) MUST_CHECK;
/* Print what the run found: gates and, of one that keeps time, its times. 3: it is void; 130: it was
 * interrupted (not: its capture ends early); else 0 without --gate, or the verdict's exit status. */
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
/* Go on with RUN, which played the same by the same options. As above. */
int replay_resume(const char *run, struct plan *);
/* Print what the plan's replay would send; nothing is sent. An exit status. */
int replay_dry_run(const char *path, const struct plan *);

#endif
