/*
 * control_ask.h - questions to a control socket for commands: one HTTP request each, its answer printed.
 */
#ifndef TOOLS_CONTROL_ASK_H
#define TOOLS_CONTROL_ASK_H

#include "tools/command.h"
#include "tools/reach.h"

/* 0 with an answer of any status, or 3 (said on stderr). */
int control_ask(const char *path, const char *method, const char *target, struct reach_answer *) MUST_CHECK;
/* The same; 3 too when it is not a 200, whose words are said on stderr for that command. */
int control_told(const struct command *, const char *path, const char *method, const char *target,
                 struct reach_answer *) MUST_CHECK;
/* Posts what the parent is to do ("/reload") and waits until it is done. 0; 2: it failed, 3: nobody answers
 * or a no. What the parent says goes to `out`, or of a failure to stderr. */
int control_wish(const struct command *, const char *path, const char *target, FILE *out) MUST_CHECK;
void control_print(FILE *, const char *before, const struct reach_answer *);
/* Adds "?KEY=value" or "&KEY=value", escaped, to a target; what does not fit is left out. */
void control_put(char *target, size_t size, const char *key, const char *value);

#endif
