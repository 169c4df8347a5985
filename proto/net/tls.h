/*
 * tls.h - TLS 1.2 and 1.3 (RFC 5246, RFC 8446) on non-blocking stream sockets, both sides.
 *
 * A context is what a configuration says; a connection keeps the context that it began with, so a reload
 * makes a new context and drops its own reference to the old one. Nothing here opens a file, blocks, waits
 * or logs: PEM comes as bytes, readiness belongs to the caller's loop. Contexts and connections belong to
 * one thread. tls*.c are the only places that meet libssl.
 */
#ifndef PROTO_NET_TLS_H
#define PROTO_NET_TLS_H

#include <sys/types.h>
#include <time.h>

#include "proto/base/err.h"
#include "proto/base/span.h"

enum {
	TLS_WHY_BYTES = 200,        /* enough for every reason given below */
	TLS_TICKET_SECRET_MIN = 48, /* bytes */
	TLS_CHAIN_MAX = 16,         /* certificates of one pair, its own included */
	TLS_CA_MAX = 1024,          /* certificates of one set of authorities */
	TLS_RECORD_MAX = 16384,     /* plain bytes of a record */
	TLS_SESSIONS_MAX = 16       /* hosts that a client context remembers a session for */
};

/* A certificate, its intermediates and its key, in PEM. The key must not be encrypted. */
struct tls_pair {
	struct span chain_pem; /* own certificate first */
	struct span key_pem;
};

/* Spans and arrays are borrowed during the call only; the caller wipes its copies of keys and secrets. */
struct tls_server_config {
	const struct tls_pair *pairs; /* at least one; the first is the default */
	size_t pairs_count;
	struct span client_ca_pem; /* not empty: a client certificate that these issued is required */
	const char *const *alpn;   /* in order of preference; a client that offers none of them is refused */
	size_t alpn_count;
	struct span ticket_secret; /* empty: no resumption. Else TLS_TICKET_SECRET_MIN or more random bytes */
	bool tls13_only;
};

struct tls_client_config {
	struct span ca_pem;   /* must hold the trusted authorities unless `insecure` */
	bool insecure;        /* believe any certificate */
	struct tls_pair pair; /* shown when the server asks; empty: none */
	const char *const *alpn;
	size_t alpn_count;
	bool tls13_only;
};

struct tls_context;

/*
 * A pair is chosen by the server name of the client (RFC 6066) among the DNS names of the certificates:
 * exact first, then `*.` for one label; the first pair that has the name wins, the default serves the rest.
 * Resumption is stateless (RFC 5077, RFC 8446 4.6.1): every process that is given the same secret accepts the
 * tickets of the others for two hours, so a new secret in a new context ends them. With client_ca_pem no
 * ticket is issued or accepted: each connection shows its certificate. No renegotiation, no compression, no
 * early data. Results: 0, ERR_CONFIG (one line in `why`), ERR_NOMEM.
 */
int tls_server_context(const struct tls_server_config *, char *why, size_t why_size,
                       struct tls_context **context_out) MUST_CHECK;
/*
 * The certificate must name the host in its subjectAltName (RFC 9525: a common name is not read) and chain to
 * ca_pem. The last session of each host is offered again; the least recently used host is forgotten.
 * Results as above.
 */
int tls_client_context(const struct tls_client_config *, char *why, size_t why_size,
                       struct tls_context **context_out) MUST_CHECK;
struct tls_context *tls_context_ref(struct tls_context *);
void tls_context_unref(struct tls_context **);

/* Where this system keeps its authorities: a path that can be read now, or NULL. $SSL_CERT_FILE goes first.
 */
const char *tls_system_ca_file(void);

/*
 * What a server or a client would say to this pair or these authorities at `now`: 0 with an empty `why`, 0
 * with a warning in `why` (not yet valid, expired, expires within 14 days), or ERR_CONFIG with the reason.
 */
int tls_check_pair(struct tls_pair, time_t now, char *why, size_t why_size) MUST_CHECK;
int tls_check_ca(struct span ca_pem, time_t now, char *why, size_t why_size) MUST_CHECK;

enum tls_want { TLS_WANT_READ, TLS_WANT_WRITE };

struct tls;

/*
 * A connection over `fd`, a connected non-blocking socket that stays the caller's and must outlive it. Takes
 * its own reference to the context. `host` is NULL on a server; a client gives the name or the numeric
 * address (no brackets, no port) that the certificate must have; NULL only when insecure. No byte moves yet.
 * 0, ERR_CONFIG (not a host), ERR_NOMEM.
 */
int tls_new(struct tls_context *, int fd, const char *host, struct tls **tls_out) MUST_CHECK;
/* Sends nothing: tls_close() first, else the peer sees a truncation. */
void tls_free(struct tls **);

/*
 * The calls below share these results. Every failure but ERR_AGAIN is final: later calls repeat
 * it; only after ERR_CLOSED of tls_write() may tls_read() still find an answer or an alert.
 *   ERR_AGAIN   nothing done; call again when the socket is ready for tls_want(), read right after the call
 *   ERR_CLOSED  the stream ended or was reset without close_notify: what came before may be cut short
 *   ERR_DENIED  a certificate was missing or not accepted, by us or (its alert) by the peer
 *   ERR_PROTO   bytes that are not TLS, a bad record, another alert, nothing in common
 *   ERR_SYS, ERR_NOMEM
 *
 * A TLS 1.3 client is done before the server has judged its certificate: refusal shows at the first
 * tls_read().
 */
int tls_handshake(struct tls *) MUST_CHECK; /* 0 when done */
/*
 * At most `size` (> 0) bytes, of one record; 0 after close_notify, and from then on. The socket is read
 * ahead, so it may stay silent while bytes wait here: read until ERR_AGAIN, or ask tls_pending() before
 * waiting. ERR_BUG before the handshake is done.
 */
ssize_t tls_read(struct tls *, void *bytes, size_t size) MUST_CHECK;
/*
 * Bytes taken: at most one record, TLS_RECORD_MAX, in one send. After ERR_AGAIN the next call must begin with
 * the same bytes and not be shorter (up to TLS_RECORD_MAX), at whatever address; ERR_BUG otherwise and before
 * the handshake is done. size 0 gives 0.
 */
ssize_t tls_write(struct tls *, const void *bytes, size_t size) MUST_CHECK;
/* Send close_notify. ERR_AGAIN may be retried or ignored; tls_read() still works after it. Does nothing on a
 * connection that failed or has not shaken hands. */
int tls_close(struct tls *);

bool tls_pending(const struct tls *); /* tls_read() has work without the socket: false after its ERR_AGAIN */
enum tls_want tls_want(const struct tls *);

/* One line on the last failure, "" before one: fixed texts of this program and of OpenSSL, nothing of the
 * peer's. Valid until tls_free(). */
const char *tls_error_text(const struct tls *);
/* The rest is known when the handshake is done. */
struct span tls_alpn(const struct tls *);         /* empty: none agreed; valid until tls_free() */
const char *tls_version_name(const struct tls *); /* "TLSv1.3" */
const char *tls_cipher_name(const struct tls *);  /* "TLS_AES_128_GCM_SHA256" */
bool tls_resumed(const struct tls *);
/* The server name that the client sent, or the host of a client; "" when none. Bytes of the peer, at most
 * 255. */
const char *tls_server_name(const struct tls *);
/* The peer's subject as RFC 2253 in printable ASCII, cut to size - 1 bytes, always ended by NUL; its length.
 * 0: no certificate. */
size_t tls_peer_subject(const struct tls *, char *text, size_t size);

#endif
