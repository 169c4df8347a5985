/*
 * config_endpoint.h - http://HOST:PORT and HOST:PORT to a resolved endpoint.
 */
#ifndef PROXY_CONFIG_ENDPOINT_H
#define PROXY_CONFIG_ENDPOINT_H

#include "capture/plan.h"

/* `out` is filled, or left as it was. NULL, or why it cannot be used. May ask the resolver. */
const char *endpoint_from_url(const char *url, struct plan_endpoint *out) MUST_CHECK;
/* For listening: port 0 is allowed. */
const char *endpoint_from_address(const char *address, struct plan_endpoint *out) MUST_CHECK;
/* The same numeric address and port. */
bool endpoint_same(const struct plan_endpoint *, const struct plan_endpoint *);

#endif
