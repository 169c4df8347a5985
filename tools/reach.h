/*
 * reach.h - one blocking connection to an endpoint, plain or TLS, for commands that ask and wait.
 *
 * Every wait has the connection's timeout as its end; a signal ends it too (ERR_SYS, errno EINTR). Not for
 * roles: they run on a loop.
 */
#ifndef TOOLS_REACH_H
#define TOOLS_REACH_H

#include <sys/socket.h>

#include "capture/plan.h"
#include "proto/base/buf.h"
#include "proto/net/tls.h"

struct reach {
	int fd; /* -1: not connected */
	struct tls *tls;
	int timeout_ms;
};

/* The endpoint as a socket address: its length, 0 when it is none. */
socklen_t reach_address(const struct plan_endpoint *, struct sockaddr_storage *);
/* Connect; with a context (borrowed) also shake hands. 0; ERR_SYS (errno), or a failure of tls_handshake().
 */
int reach_open(struct reach *, const struct plan_endpoint *, struct tls_context *, int timeout_ms) MUST_CHECK;
void reach_close(struct reach *);

struct reach_answer { /* reach_answer_init() once, then again and again */
	unsigned status;
	bool keep_alive;
	struct buf fields; /* "name: value\n" each, names in lower case, in their order */
	struct buf body;
};
enum { REACH_BODY_MAX = 64 << 20 };

void reach_answer_init(struct reach_answer *);
void reach_answer_fini(struct reach_answer *);
/* Send one whole request, read one whole answer (1xx are skipped). 0; ERR_SYS, ERR_CLOSED, ERR_PROTO,
 * ERR_LIMIT, ERR_NOMEM: the connection is of no more use. */
int reach_ask(struct reach *, struct span request, bool is_head, struct reach_answer *) MUST_CHECK;

/* What an https endpoint is believed by: the certificates of `ca_file`, NULL: the system's. NULL, or why
 * there is no context, in `room` of TLS_WHY_BYTES. */
const char *reach_trust(const char *ca_file, struct tls_context **out, char *room) MUST_CHECK;

/* A file of certificates or keys into an empty buf, for a context: nothing where it cannot be read. */
struct span reach_slurp(const char *path, struct buf *out);

#endif
