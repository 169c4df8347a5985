/*
 * rehearse.h - the parts of `understudy rehearse`: requests to send, and a proxy started for the occasion.
 */
#ifndef TOOLS_REHEARSE_H
#define TOOLS_REHEARSE_H

#include <sys/types.h>

#include "proto/base/buf.h"
#include "proxy/route.h"

struct rehearse_request {
	struct buf bytes; /* as it is sent to both sides */
	char label[160];  /* "POST /v2/x", printable */
	bool is_head;
	unsigned route; /* that takes it; its first live endpoint is asked directly */
};

enum { REQUESTS_MAX = 100000 };

struct rehearse_requests {
	struct rehearse_request *list;
	unsigned count, room, unrouted; /* unrouted: no route takes them */
	uint64_t bytes;
};

/* Read JSON lines {method, path, headers, body | body_base64} or a .cap file; NULL: what the routes
 * themselves answer (health, and the prefix as it stands). Requests are routed by `plan` as from `port`. 0,
 * or an error said on stderr. */
int rehearse_read(const char *path, const struct plan *plan, uint16_t port,
                  struct rehearse_requests *out) MUST_CHECK;
void rehearse_free(struct rehearse_requests *);

struct rehearse_proxy {
	pid_t pid;
	struct plan_endpoint at;
	char folder[128];
};

/* Make `plan` one for the occasion: one clear listener on a free port of 127.0.0.1, a run of its own in a new
 * temporary folder, no control address; without `copies` nothing is mirrored. 0, or ERR_SYS with errno. */
int rehearse_prepare(struct plan *, bool copies, struct rehearse_proxy *) MUST_CHECK;
/* Start it and wait until it is ready. 0, or an error said on stderr. */
int rehearse_start(const struct plan *, struct rehearse_proxy *) MUST_CHECK;
/* Stop it, wait for it, take its folder away. */
void rehearse_stop(struct rehearse_proxy *);

#endif
