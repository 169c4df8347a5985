/*
 * mask.h - what the verbs of `understudy mask` share: a policy made ready, and input recognised by its
 * content.
 *
 * Documents are masked by the code of the masker (capture/mask_body.h), each by itself. Masked or gone: what
 * cannot be masked is left out and counted. Nothing is written anywhere but where the verb says.
 */
#ifndef TOOLS_MASK_H
#define TOOLS_MASK_H

#include <stdio.h>

#include "capture/mask_body.h"
#include "capture/mask_text.h"
#include "capture/mask_watch.h"
#include "tools/commands.h"

enum { MASK_DOCUMENT_MAX = 64 << 20 }; /* bytes of one document: a line, or all of what has no lines */

struct mask_job {
	struct plan *plan;
	const struct plan_mask *policy;
	const char *file; /* that it was read from */
	struct mask_key *key;
	struct mask_rules *rules;
	struct mask_finder *finder;    /* NULL: nothing looks into texts */
	struct recogniser *recogniser; /* NULL: nobody is asked */
	struct mask_watch watch;       /* on the key */
	struct buf out;                /* of the document in hand */
};

/* The policy `name` of a file (NULL: the only one). key_file (NULL: the policy's, else one of this process).
 * `values`: keep what is masked. 0, or an exit status, said on stderr. */
int mask_job_open(struct mask_job *, const char *file, const char *name, const char *key_file,
                  bool values) MUST_CHECK;
void mask_job_close(struct mask_job *);
/* Which of the policy's fields, or -1: none, as of what is always masked or is not listed. */
int mask_job_field(const struct mask_job *, const struct plan_mask_field *);
/* The name of a class, or of one of the policy's patterns. */
const char *mask_job_class(const struct mask_job *, unsigned class);
/* "FILE:LINE" of what a sight is due to, or what is always masked. */
void mask_job_rule(const struct mask_job *, const struct mask_sight *, char *out, size_t size);

enum mask_kind {
	KIND_JSON,
	KIND_LINES,
	KIND_EVENTS,
	KIND_PAIRS,
	KIND_PARTS,
	KIND_TEXT,
	KIND_HEAD,
	KIND_CAPTURE,
	KINDS
};
extern const char *const mask_kinds[]; /* by name, NULL at the end */

struct mask_document {
	uint64_t number; /* from 1 */
	struct mask_body body;
	struct span text;
	bool lines; /* it is one of many: a line */
	bool head;  /* capture/record.h: "POST /path" and fields, a line each */
};
typedef int mask_each(void *arg, const struct mask_document *);
struct mask_input {
	FILE *from;
	const char *name;
	enum mask_kind kind; /* KINDS: by its content; then what was recognised */
	int (*capture)(struct mask_input *,
	               struct span begun); /* takes one whose beginning was read; NULL: none may be */
};
/* Each document in turn; a blank line is one without text. A capture goes to in->capture.
 * Ends with the first status of `each` that is not 0. 0, or an exit status, said on stderr. */
int mask_input_each(struct mask_input *, mask_each *, void *arg) MUST_CHECK;
/* A file opened, "-" is standard input. 0, or 3, said on stderr. */
int mask_input_open(struct mask_input *, const char *path) MUST_CHECK;
void mask_input_close(struct mask_input *);

/* Around what is masked at a time. False: the recogniser has failed, and it must not leave. */
void mask_job_begin(struct mask_job *);
bool mask_job_end(struct mask_job *) MUST_CHECK;
/* The document masked into job->out, its sights in job->watch. 0 or why not, a constant. */
const char *mask_job_run(struct mask_job *, const struct mask_document *, uint32_t *count_out) MUST_CHECK;

/* A capture whose records all carry their policy's hash is copied to standard output as it is. */
int mask_capture_pass(struct mask_input *, struct span begun);
int mask_explain(struct mask_job *, const struct words *, bool values, bool json);
int mask_score(struct mask_job *, const char *path, const char *const *maps, unsigned map_count, bool json);
/* Of files, or, with the path of a control socket, of a running proxy. `diff`: a policy, of which only what
 * it does not see to is told; NULL: none. */
int mask_learn(const struct words *, const char *control, struct mask_job *diff, bool json);

#endif
