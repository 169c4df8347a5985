/*
 * masked_paths.h - what was masked in a recorded answer is no answer: it is not compared. Pure.
 *
 * A recorded answer holds surrogates where a rule of its policy named a path; who has not the key cannot mask
 * a candidate's answer alike. So the candidate's value at such a place is taken for live's, where both have
 * one: what lies elsewhere, and whether there is a value at all, is compared as ever. Of whole JSON answers
 * only.
 */
#ifndef REPLAY_MASKED_PATHS_H
#define REPLAY_MASKED_PATHS_H

#include "proto/base/buf.h"
#include "replay/jsondiff.h"

/* Write the candidate's document with live's values at the paths. found_out[i] counts live's values that
 * paths[i] names. 0; ERR_PROTO (one of them is no JSON), ERR_LIMIT (too many such places), ERR_NOMEM: *out is
 * of no use. */
int masked_paths_align(struct ignore_paths, struct span live, struct span candidate, struct buf *out,
                       uint32_t *found_out) MUST_CHECK;

#endif
