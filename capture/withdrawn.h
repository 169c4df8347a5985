/*
 * withdrawn.h - who takes back that their exchanges are used: a list of tokens, looked up at capture and
 * again at replay.
 *
 * The file has one token a line, as the mask policy makes it of the subject's header; blank lines and those
 * that begin with '#' are skipped. What is compared is the masked value in the record, so no key is needed to
 * look.
 */
#ifndef CAPTURE_WITHDRAWN_H
#define CAPTURE_WITHDRAWN_H

#include "proto/base/err.h"
#include "proto/base/span.h"

enum { WITHDRAWN_BYTES_MAX = 4 << 20, WITHDRAWN_TOKEN_MAX = 128 };

struct withdrawn;
/* Copies what it needs. ERR_PROTO: a line is longer than a token, or holds a blank or what is not visible
 * ASCII; ERR_LIMIT: too many bytes; ERR_NOMEM. *line_out: which, from 1. */
int withdrawn_new(struct span file, struct withdrawn **withdrawn_out, unsigned *line_out) MUST_CHECK;
void withdrawn_free(struct withdrawn **);
/* False for an empty token, and without a list. */
bool withdrawn_has(const struct withdrawn *, struct span token);

#endif
