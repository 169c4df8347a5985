/*
 * config_endpoint.h - http://HOST:PORT, https://HOST:PORT, unix:PATH and HOST:PORT to a resolved endpoint.
 *
 * `out` is filled whole, or left as it was. All return NULL, or why it cannot be used.
 */
#ifndef PROXY_CONFIG_ENDPOINT_H
#define PROXY_CONFIG_ENDPOINT_H

#include "capture/plan.h"

/* `folder` ("" or "DIR/"): a relative unix path is below it. `numeric`: no resolver is asked, a name is
 * refused. */
const char *endpoint_read(const char *url, const char *folder, bool numeric,
                          struct plan_endpoint *out) MUST_CHECK;
/* For listening: port 0 is allowed, and :PORT is every IPv4 address. */
const char *endpoint_read_address(const char *address, bool numeric, struct plan_endpoint *out) MUST_CHECK;
/* The same with the resolver. */
const char *endpoint_from_url(const char *url, struct plan_endpoint *out) MUST_CHECK;
const char *endpoint_from_address(const char *address, struct plan_endpoint *out) MUST_CHECK;
/* The same numeric address or name and the same port, or the same unix path. */
bool endpoint_same(const struct plan_endpoint *, const struct plan_endpoint *);
/* What is sent to `to` comes in at the listener: the same address, or one of this host that a wildcard
 * listener takes. */
bool endpoint_reaches(const struct plan_endpoint *to, const struct plan_endpoint *listener);

#endif
