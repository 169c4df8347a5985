/*
 * rehearse_compare.h - two answers byte by byte, and where they part.
 */
#ifndef TOOLS_REHEARSE_COMPARE_H
#define TOOLS_REHEARSE_COMPARE_H

#include "tools/reach.h"

enum { IGNORED_MAX = 128, DIFFERENCE_MAX = 1024 };

struct ignored { /* header fields that may differ; names borrowed */
	const char *names[IGNORED_MAX];
	unsigned count;
};

/* Once each, in any case of letters; past the bound nothing is added. */
void ignore_field(struct ignored *, const char *name);
/* Are status, fields and body the same? Fields of one name in their order, names among each other in any. If
 * not, `why_out` says where they part, in printable ASCII. */
bool compare_answers(const struct ignored *, const struct reach_answer *direct,
                     const struct reach_answer *through, char why_out[DIFFERENCE_MAX]);

#endif
