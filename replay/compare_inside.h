/*
 * compare_inside.h - what the parts of the comparison share: bodies of one message (compare.c), of several
 * (compare_grpc.c), tensors (compare_oip.c, compare_kinds.c), and language models (compare_llm.c). A job's
 * rows are those of the message under comparison; earlier ones lie before them.
 */
#ifndef REPLAY_COMPARE_INSIDE_H
#define REPLAY_COMPARE_INSIDE_H

#include "replay/compare.h"
#include "replay/llm.h"
#include "replay/oip.h"

enum { DEFAULT_IGNORES_MAX = 16 };
enum { RANKING_MAX = 256, RANKED_TEXTS_MAX = 1 << 14 }; /* items of a row, of a tensor */

struct job {
	const struct plan_route *route;
	const struct answer *live, *candidate;
	struct comparison *out;
	struct row *rows; /* of out->rows */
	bool embedding;   /* its tensors are, whatever is declared */
	bool stream;      /* several messages: */
	size_t message;   /* this is the one, from 0 */
	size_t work_bytes;
	struct tolerance tolerance;
	struct jsondiff_rules rules;  /* of JSON; what is ignored by default comes last */
	struct ignore_paths declared; /* by the plan alone */
	struct path_tolerance tolerances[PATH_RULES_MAX];
	struct path_array arrays[PATH_RULES_MAX];
	const char *paths[IGNORES_MAX + DEFAULT_IGNORES_MAX];
};

/* The first divergence, for people; later ones are not kept. */
void compare_note(struct job *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Append rows and make them the job's. In a stream the last rows stand for those past COMPARE_ROWS_MAX. 0,
 * ERR_LIMIT, ERR_NOMEM. */
int compare_rows_add(struct job *, size_t count) MUST_CHECK;
void compare_value_differs(struct job *, struct row *);
/* As bytes, one row. */
int compare_spans(struct job *, struct span live, struct span candidate) MUST_CHECK;
/* Rows of an answer, and the comparison of two whose rows are there. */
size_t compare_oip_rows(const struct job *, const struct oip_answer *live);
int compare_oip_outputs(struct job *, const struct oip_answer *live,
                        const struct oip_answer *candidate) MUST_CHECK;
void compare_structure_differs(struct job *, unsigned tensor, const char *what);
/* One row, of an output of that kind (compare_kinds.c); 0, ERR_NOMEM, ERR_LIMIT. */
int compare_ranking(struct job *, const struct oip_answer *live, unsigned tensor, size_t row,
                    const struct oip_tensor *candidate) MUST_CHECK;
void compare_embedding(struct row *, const double *live, const double *candidate, size_t count);
/* All of an output: boxes of one picture; values. */
int compare_boxes(struct job *, unsigned tensor, const struct oip_tensor *live,
                  const struct oip_tensor *candidate) MUST_CHECK;
void compare_regression(struct job *, const struct oip_answer *, const struct oip_tensor *live,
                        const struct oip_tensor *candidate);
/* Of a row's texts: does the candidate's break a rule of the plan that live's does not; is it no longer valid
 * by the plan's schema? The second: 0 or ERR_NOMEM. */
void compare_content(struct job *, size_t row, struct span live, struct span candidate);
int compare_schema(struct job *, size_t row, struct span live, struct span candidate) MUST_CHECK;
/* How an API is named in a plan, and back. */
uint32_t compare_llm_protocol(enum llm_api);
enum llm_api compare_llm_api(uint32_t protocol);
/* A pair of answers of a language model. As compare_pair(). */
int compare_llm(struct job *, enum llm_api) MUST_CHECK;
/* A pair of gRPC answers. As compare_pair(). */
int compare_grpc(struct job *, uint32_t protocol) MUST_CHECK;

#endif
