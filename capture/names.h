/*
 * names.h - where the endpoints whose address is a name are now: shared memory with one writer, the resolver.
 *
 * A slot that was never written says nothing: the address of the plan stands. Readers hold the memory
 * read-only, and wait for nobody: a slot that is just being written is read at the next look.
 */
#ifndef CAPTURE_NAMES_H
#define CAPTURE_NAMES_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include "capture/plan.h"

enum { NAME_ADDRESSES_MAX = 8 };

struct name_found { /* an IPv4 address is written as IPv6 (RFC 4291 2.5.5.2) */
	uint32_t count;
	struct in6_addr addresses[NAME_ADDRESSES_MAX];
};

struct name_slot {
	_Atomic uint32_t version; /* odd: being written; 0: never written */
	_Atomic uint32_t count;
	_Atomic uint64_t words[NAME_ADDRESSES_MAX][2];
};

struct names {
	struct name_slot live[ROUTES_MAX][LIVE_ENDPOINTS_MAX], candidates[ROUTES_MAX][CANDIDATES_MAX];
};

/* Neither a numeric address nor a unix socket. */
bool name_needed(const struct plan_endpoint *);
/* Is there any in this plan, on the live side or among the candidates? */
bool names_needed(const struct plan *);

/* Two descriptors of the same new memory. 0 or ERR_SYS. */
int names_create(int *writable_out, int *readable_out) MUST_CHECK;
/* 0 or ERR_SYS; never unmapped. */
int names_map(int writable, struct names **) MUST_CHECK;
int names_watch(int readable, const struct names **) MUST_CHECK;

/* At most NAME_ADDRESSES_MAX; 0: nowhere. A writer that died half way is made good. */
void name_publish(struct name_slot *, const struct name_found *);
/* True when the slot is not what it was at `*version` (0 at first), which moves on. */
bool name_moved(const struct name_slot *, uint32_t *version, struct name_found *found_out);

/* Where an endpoint with a name is: the same place while the name has it, else the first that it has. */
struct name_place {
	uint32_t version; /* of the slot, as it was read; 0 at first, with the plan's address in `at` */
	bool nowhere;
	struct in6_addr at;
};
/* True when it is in another place than before. */
bool name_follow(const struct name_slot *, struct name_place *);

/* An address with its port, as connect() takes it; its length. */
socklen_t name_sockaddr(const struct in6_addr *, uint16_t port, struct sockaddr_storage *out);
/* A numeric address in that form. False: it is none. */
bool name_numeric(const char *text, struct in6_addr *out) MUST_CHECK;

#endif
