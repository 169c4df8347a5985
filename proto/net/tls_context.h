/*
 * tls_context.h - what tls*.c share: the insides of a context and of a connection. Nobody else includes it.
 */
#ifndef PROTO_NET_TLS_CONTEXT_H
#define PROTO_NET_TLS_CONTEXT_H

#include <stdint.h>

#include <openssl/ssl.h>

#include "proto/net/tls.h"

enum { TLS_ALPN_WIRE_MAX = 255, TLS_HOST_MAX = 253 };

struct tls_name { /* a DNS name of a certificate, lower case; `*.` leads a wildcard */
	char *text;
	size_t pair;
};

struct tls_session {
	char *host;
	SSL_SESSION *session;
	uint64_t used; /* the context's session_clock at the last use */
};

struct tls_context {
	unsigned refs;
	bool is_server, insecure;
	BIO_METHOD *socket_method;
	SSL_CTX **pairs; /* alike but for the certificate; a client has one */
	size_t pairs_count;
	struct tls_name *names; /* sorted by text, each text once */
	size_t names_count;
	unsigned char alpn[TLS_ALPN_WIRE_MAX]; /* length-prefixed names (RFC 7301 3.1) */
	size_t alpn_len;
	struct tls_session sessions[TLS_SESSIONS_MAX];
	uint64_t session_clock;
};

struct tls {
	struct tls_context *context;
	SSL *ssl;
	int fd, io_errno; /* of the last recv or send that failed */
	bool end_of_stream, established, read_dry;
	bool closing, closed; /* close_notify: begun, sent */
	enum tls_want want;
	int failure;       /* sticky ERR_*, 0 while alive */
	int write_failure; /* sticky; reading goes on */
	char error_text[TLS_WHY_BYTES];
	char host[]; /* a client's, lower case, without a final dot */
};

/* Writes one line to `why` (may be NULL) and returns `code`. */
int tls_why(char *why, size_t why_size, int code, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
/* OpenSSL's newest reason, or a stand-in; empties its queue. */
const char *tls_library_reason(void);

/* An empty context with room for `pairs` SSL_CTX; the caller holds the one reference. NULL: out of memory. */
struct tls_context *tls_context_new(bool is_server, size_t pairs);
/* An SSL_CTX with versions, ciphers and modes set, owned by the caller; NULL: out of memory. */
SSL_CTX *tls_ssl_ctx_new(bool is_server, bool tls13_only);
int tls_use_pair(SSL_CTX *, struct tls_pair, char *why, size_t why_size) MUST_CHECK;
/* Trust these; when `announce`, also name them to clients. */
int tls_use_ca(SSL_CTX *, struct span ca_pem, bool announce, char *why, size_t why_size) MUST_CHECK;
int tls_use_alpn(struct tls_context *, const char *const *alpn, size_t count, char *why,
                 size_t why_size) MUST_CHECK;
BIO_METHOD *tls_socket_method(void); /* NULL: out of memory */
/* A client's part of tls_new(): name check, server name, last session. */
int tls_client_prepare(struct tls *) MUST_CHECK;

#endif
