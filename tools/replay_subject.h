/*
 * replay_subject.h - whose request it is, by the tokens of a configuration's masks: what is imported from
 * elsewhere has the header as it was sent, and the withdrawal list has tokens.
 */
#ifndef TOOLS_REPLAY_SUBJECT_H
#define TOOLS_REPLAY_SUBJECT_H

#include <stdint.h>

#include "proto/base/buf.h"

struct subject;
/* Of a configuration file; NULL (*subject_out too): none is given, or it has no list. 0, or an exit status,
 * all is said. */
int subject_open(const char *config, struct subject **subject_out) MUST_CHECK;
void subject_free(struct subject **);
/* Has the subject of the request with that head, not masked yet, withdrawn? 1, 0 or ERR_NOMEM. */
int subject_withdrawn(struct subject *, struct span head) MUST_CHECK;
/* The exchange of that id, which is not 0, is left out; was it? Its answer may come much later. 0, ERR_LIMIT,
 * ERR_NOMEM. */
int subject_leave(struct subject *, uint64_t id) MUST_CHECK;
bool subject_left(const struct subject *, uint64_t id);

#endif
