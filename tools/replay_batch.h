/*
 * replay_batch.h - OpenAI batch files of a replay: its requests written to one, and the answers of one that
 * came back.
 */
#ifndef TOOLS_REPLAY_BATCH_H
#define TOOLS_REPLAY_BATCH_H

#include "capture/batch.h"
#include "capture/plan.h"

struct batch_file; /* the answers of an output file, by custom_id */

/* 0; ERR_SYS (errno), ERR_NOMEM, ERR_PROTO: it has a line that is no answer, *line_out says which. */
int batch_file_new(const char *path, struct batch_file **out, unsigned long long *line_out) MUST_CHECK;
void batch_file_free(struct batch_file **);
/* The answer to a request by its custom_id, a string token; false: there is none. */
bool batch_file_find(const struct batch_file *, struct span id, struct batch_answer *out);

/* Write what the plan would send of the capture at `input` to a new file. An exit status, all is said. */
int replay_batch_write(const char *input, const char *path, const struct plan *);

#endif
