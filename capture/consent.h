/*
 * consent.h - does a request agree to be copied? Said in a header, which the worker looks at, or at a path of
 * its JSON body, which the masker does before anything of the exchange leaves it. Absent, or said in more
 * than one way: no.
 */
#ifndef CAPTURE_CONSENT_H
#define CAPTURE_CONSENT_H

#include "capture/plan.h"
#include "proto/http.h"

/* By the fields of that name, of which each must agree. True where the route asks for none. */
bool consent_in_head(const struct plan_route *, const struct http_message *request);
/* By the one value at the route's path: a text, a number or true. True where the route asks for none. */
bool consent_in_body(const struct plan_route *, struct span body);

#endif
