/*
 * http.h - what a message is in every version of HTTP (RFC 9110): a head, how its body is framed, which of
 * its fields belong to one hop. Codecs (h1, h2) fill it in; everything above them reads it and knows no
 * version.
 */
#ifndef PROTO_HTTP_H
#define PROTO_HTTP_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/span.h"

enum {
	HTTP_FIELDS_MAX = 128,
	HTTP_METHOD_MAX = 32,
};

/* Fields that the rules know by name. HTTP_OTHER is every other. */
#define HTTP_NAMES(X)                                                                                        \
	X(TE, "te", HTTP_HOP)                                                                                \
	X(HOST, "host", HTTP_HOP | HTTP_GUARD | HTTP_SINGLE)                                                 \
	X(EXPECT, "expect", 0)                                                                               \
	X(COOKIE, "cookie", HTTP_GUARD | HTTP_NO_TRAILER)                                                    \
	X(TRAILER, "trailer", HTTP_HOP)                                                                      \
	X(UPGRADE, "upgrade", HTTP_HOP)                                                                      \
	X(FORWARDED, "forwarded", HTTP_GUARD)                                                                \
	X(CONNECTION, "connection", HTTP_HOP)                                                                \
	X(KEEP_ALIVE, "keep-alive", HTTP_HOP)                                                                \
	X(SET_COOKIE, "set-cookie", HTTP_NO_TRAILER)                                                         \
	X(CONTENT_TYPE, "content-type", HTTP_SINGLE)                                                         \
	X(AUTHORIZATION, "authorization", HTTP_GUARD | HTTP_SINGLE | HTTP_NO_TRAILER)                        \
	X(CONTENT_LENGTH, "content-length", HTTP_HOP | HTTP_GUARD)                                           \
	X(PROXY_CONNECTION, "proxy-connection", HTTP_HOP)                                                    \
	X(TRANSFER_ENCODING, "transfer-encoding", HTTP_HOP | HTTP_GUARD)                                     \
	X(PROXY_AUTHENTICATE, "proxy-authenticate", HTTP_HOP)                                                \
	X(PROXY_AUTHORIZATION, "proxy-authorization", HTTP_HOP | HTTP_SINGLE)

enum http_name {
	HTTP_OTHER,
#define X(id, text, flags) HTTP_NAME_##id,
	HTTP_NAMES(X)
#undef X
	        HTTP_NAME_COUNT
};

struct http_field {
	struct span name, value; /* name as sent; value without surrounding blanks */
	uint8_t id;              /* enum http_name */
	bool hop; /* not to be forwarded; see http_hop_by_hop() and, in trailers, RFC 9110 6.5.1 */
};

enum http_framing { HTTP_NO_BODY, HTTP_LENGTH, HTTP_CHUNKED, HTTP_UNTIL_CLOSE };
enum http_scheme { HTTP_SCHEME_NONE, HTTP_SCHEME_HTTP, HTTP_SCHEME_HTTPS };

struct http_message {
	struct span method, target; /* request; an absolute-form target is reduced to origin-form */
	enum http_scheme scheme;    /* of an absolute-form target: the caller compares it with its listener */
	unsigned status;            /* response */
	struct span reason;
	unsigned minor; /* HTTP/1.minor */
	enum http_framing framing;
	uint64_t content_length; /* with HTTP_LENGTH */
	bool keep_alive;         /* what the peer wants (version and Connection) */
	bool expect_continue;
	bool te_trailers; /* TE: trailers was there: the peer takes trailers */
	/* One protocol other than h2c was offered (request without a body) or chosen (response); the
	 * token is then in upgrade_protocol. TE and Upgrade are never forwarded as sent. */
	bool upgrade;
	struct span upgrade_protocol;
	struct span host; /* request: Host, or the authority of an absolute-form target */
	size_t field_count;
	struct http_field fields[HTTP_FIELDS_MAX];
	uint8_t known[HTTP_NAME_COUNT]; /* index + 1 of the first field of that id, 0: none */
};

/* First field of that name (case folded), or an empty span with data NULL. */
struct span http_field(const struct http_message *, struct span name);
/* The same for a known name, without a search. */
struct span http_known(const struct http_message *, enum http_name);
/* Is the token, in either case, an element of the list that commas part? */
bool http_list_has(struct span list, struct span token);
/* True for fields that belong to one hop (RFC 9110 7.6.1), framing and Host included; for those that
 * this message's Connection nominates; and for those that equal a framing or security field when "_" is
 * read as "-", as some origins do. For a field of this message, fields[i].hop says the same at once. */
bool http_hop_by_hop(const struct http_message *, struct span name);
/* False for trailers that could change the meaning of the message: framing, routing, credentials,
 * Content-* (RFC 9110 6.5.1). Also in fields[i].hop after H1_TRAILERS. */
bool http_trailer_forwardable(struct span name);

const char *http_reason(unsigned status);

#endif
