/*
 * effects.h - may a recorded request be sent again, or could it change something where it goes? Pure.
 *
 * What only reads may (RFC 9110, 9.2.1), and POST where it asks a model: on any route that a mirror recorded,
 * whose configuration chose its methods, and elsewhere at the paths of inference that are known. All else
 * only when a rule of the choice allows it.
 */
#ifndef REPLAY_EFFECTS_H
#define REPLAY_EFFECTS_H

#include "capture/plan.h"
#include "proto/base/span.h"

bool effects_may_send(const struct plan_choice *, uint16_t route, struct span method, struct span target);
/* GET, HEAD, OPTIONS, TRACE. */
bool effects_none(struct span method);
/* Read "METHOD" or "METHOD /PREFIX". 0, ERR_CONFIG. */
int effects_rule(const char *text, struct plan_allow *out) MUST_CHECK;

#endif
