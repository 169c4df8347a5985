/*
 * worker_tls.h - the TLS contexts of a worker, from the descriptors that it inherited.
 */
#ifndef PROXY_WORKER_TLS_H
#define PROXY_WORKER_TLS_H

#include "capture/role.h"
#include "proto/net/tls.h"

/* Of listener `index`, or NULL when it speaks plainly. 0, or an error that was logged. */
int worker_tls_listener(const struct role_env *, unsigned index, struct tls_context **) MUST_CHECK;
/* For the https endpoints of route `index`, offering HTTP/1.1 alone and offering HTTP/2 first; NULL where
 * there are none or the plan does not have it spoken. 0, or an error that was logged. */
int worker_tls_live(const struct role_env *, unsigned index, struct tls_context **h1_out,
                    struct tls_context **h2_out) MUST_CHECK;

#endif
