/*
 * resolver.h - the role that asks where endpoints are whose address is a name, every `resolve_every`, and
 * writes it into shared memory (capture/names.h). It holds no socket and sees no traffic; only it may wait
 * for a name server. getaddrinfo(3) tells no TTL: the pace is the configured one.
 */
#ifndef PROXY_RESOLVER_H
#define PROXY_RESOLVER_H

#include "capture/names.h"
#include "capture/role.h"

/* What getaddrinfo found, IPv4 first, without what `refused` refuses (NULL: nothing). False: nothing is left.
 */
bool resolver_ask(const char *host, bool (*refused)(void *arg, const struct in6_addr *), void *arg,
                  struct name_found *out) MUST_CHECK;
int resolver_run(struct role_env *);

#endif
