/*
 * rehearse_print.h - what a rehearsal found, for people and for programs.
 */
#ifndef TOOLS_REHEARSE_PRINT_H
#define TOOLS_REHEARSE_PRINT_H

#include <stdio.h>

#include "tools/rehearse_compare.h"

struct rehearse_outcome {
	int status;                          /* the command's exit status */
	const char *proxy;                   /* HOST:PORT of the one started for it */
	bool copies;                         /* it mirrored */
	unsigned requests, repeat, unrouted; /* unrouted: of no route, never sent */
	unsigned pairs, identical, unsteady; /* unsteady: live itself answers differently each time */
	struct ignored ignored;
	const char *differs; /* the request at which it ended; NULL: none */
	char why[DIFFERENCE_MAX];
	unsigned timed;
	int64_t *added_ns; /* of the timed pairs; sorted in print */
};

/* The line before the first request. */
void rehearse_begin(const struct rehearse_outcome *, FILE *);
/* The lines at the end. */
void rehearse_text(const struct rehearse_outcome *, FILE *);
/* All of it as one JSON object and a line end; times in microseconds, null: no bound is known. */
void rehearse_json(const struct rehearse_outcome *, FILE *);

#endif
