/*
 * runs_pairs.h - the stored pairs of a run, as JSON lines that an expression chooses from.
 */
#ifndef TOOLS_RUNS_PAIRS_H
#define TOOLS_RUNS_PAIRS_H

#include <stdio.h>

#include "capture/where.h"

extern const struct where_field runs_pair_fields[];
/* RUN and EXPR as on a command line; NULL: the newest, all. An exit status, all is said. */
int runs_pairs(const char *run, const char *expression);
/* The fields, as a section of a manual page. */
void runs_pairs_manual(FILE *);

#endif
