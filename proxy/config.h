/*
 * config.h - from a configuration file, or from a few arguments, to a plan.
 *
 * The plan is complete or not given at all: every error is printed with its place before the
 * function fails. Host names are resolved and the files that are named are read here, once: a plan that
 * was given can be started, but for ports that are in use.
 */
#ifndef PROXY_CONFIG_H
#define PROXY_CONFIG_H

#include <stdbool.h>
#include <stdio.h>
#include "capture/plan.h"
#include "proto/base/cfg.h"

/* Read a file into *out; errors and warnings go to `errors`. 0, ERR_CONFIG, ERR_SYS (unreadable)
 * or ERR_NOMEM. */
int config_read(const char *path, struct plan *out, FILE *errors) MUST_CHECK;
/* The same for a text named `name`, offline: no file is opened, a host must be a numeric address. Such a
 * plan is for looking at. 0, ERR_CONFIG or ERR_NOMEM. */
int config_read_text(const char *name, struct span text, struct plan *out, FILE *errors) MUST_CHECK;

/* The masks of a file alone: a whole configuration, of which the rest is not looked at, or just `version` and
 * `masks`. As config_read() else. */
int config_read_masks(const char *path, struct plan *out, FILE *errors) MUST_CHECK;

/* An operator of masks as it is written in a file. */
const char *config_operator_name(uint32_t with);

enum { QUICK_IN_FLIGHT = 4 };
/* A start without a file: route "default" for every path, at most 4 copies in flight a candidate.
 * candidates: NAME=URL each; baseline: a URL or NULL; listen: HOST:PORT. 0, ERR_CONFIG or ERR_BUG. */
int config_quick(const char *live, const char *const *candidates, unsigned candidate_count,
                 const char *baseline, const char *listen, struct plan *out, FILE *errors) MUST_CHECK;

/* The table that all keys come from; ends with a row without name. */
const struct cfg_row *config_schema(void);
/* The table as a JSON Schema (draft 2020-12), for editors. */
void config_print_schema(FILE *);
/* The table as the manual page understudy.yaml(5), in mdoc. */
void config_print_manual(FILE *);

/* Could a sandbox read that folder, an absolute path without links, and still be one? */
bool config_sandbox_can_bind(const char *path);

/* What the plan means, for a reader. */
void config_print_check(const struct plan *, FILE *);

/* Where memory goes: cut from `memory`; beside it, whatever the traffic; or on the live path, which `memory`
 * does not bound. */
enum config_share_kind { SHARE_MEMORY, SHARE_FIXED, SHARE_LIVE };
struct config_share {
	char name[32];
	const char *what;
	uint64_t bytes; /* the most that it can take */
	enum config_share_kind kind;
};
enum { CONFIG_SHARES_MAX = 20 };
/* The number of shares. *copies_out: the sum of those that are not SHARE_LIVE; those of SHARE_MEMORY add up
 * to `memory` at most. */
unsigned config_memory(const struct plan *, struct config_share[CONFIG_SHARES_MAX], uint64_t *copies_out);

/* What a route without a mask has: heads as always, and in texts all detectors. */
void config_builtin(struct plan_mask *);
/* Fills gates_hash and the hash of each mask. */
void config_hash(struct plan *);

#endif
