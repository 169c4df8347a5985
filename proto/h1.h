/*
 * h1.h - strict HTTP/1.1 (RFC 9112): one parser for requests, responses and chunked bodies.
 *
 * No I/O, no allocation, no policy; resumable at any byte. Feed bytes, get events. Nothing that the
 * parser accepts is ever copied through: heads are written anew by h1_write_*().
 *
 * Bytes of a head accumulate in caller-owned storage (`head`, `head_cap`); spans in the result point
 * into it and stay valid until h1_next(). A body is delivered as spans of the input itself.
 */
#ifndef PROTO_H1_H
#define PROTO_H1_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/buf.h"
#include "proto/base/err.h"

enum {
	H1_FIELDS_MAX = 128,
	H1_LINE_MAX = 8 * 1024,
	H1_FIELD_MAX = 16 * 1024,
	H1_HEAD_MAX = 64 * 1024,
	H1_METHOD_MAX = 32,
};

struct h1_field {
	struct span name, value; /* name as sent; value without surrounding blanks */
};

enum h1_framing { H1_NO_BODY, H1_LENGTH, H1_CHUNKED, H1_UNTIL_CLOSE };

struct h1_message {
	struct span method, target; /* request; an absolute-form target is reduced to origin-form */
	unsigned status;            /* response */
	struct span reason;
	unsigned minor; /* HTTP/1.minor */
	enum h1_framing framing;
	uint64_t content_length; /* with H1_LENGTH */
	bool keep_alive;         /* what the peer wants (version and Connection) */
	bool upgrade, expect_continue;
	struct span host; /* request: Host, or the authority of an absolute-form target */
	size_t field_count;
	struct h1_field fields[H1_FIELDS_MAX];
};

enum h1_kind { H1_REQUEST, H1_RESPONSE };

enum h1_event {
	H1_NEED_MORE, /* all input consumed, nothing to report */
	H1_HEAD,      /* message is complete up to its body */
	H1_DATA,      /* body_out holds body bytes */
	H1_TRAILERS,  /* message.fields now holds the trailers (only when there are some) */
	H1_DONE,      /* the message ended; call h1_next() before feeding more */
};

struct h1_parser {
	enum h1_kind kind;
	bool head_request; /* response: answers a HEAD (set by the caller before feeding) */
	char *head;        /* caller's storage */
	size_t head_cap;
	struct h1_message message;
	unsigned reject_status;  /* after an error: 400, 413, 414, 431, 501, 505 (request) or 502 */
	const char *reject_rule; /* a short constant name, e.g. "te_and_cl"; never content */
	/* private: state, lengths, counters (the implementer adds fields below) */
	int state, failure;
	size_t head_len, line_start, trailer_bytes, extension_bytes, chunk_extension_bytes;
	uint64_t left;
	unsigned leading_crlf, digits;
	bool after_cr, has_trailers;
};

/* `head` should have H1_HEAD_MAX bytes; a smaller one only lowers the limit. */
void h1_init(struct h1_parser *, enum h1_kind, char *head, size_t head_cap);
void h1_next(struct h1_parser *); /* ready for the next message on the connection; clears head_request */

/* Consume from `input`, stop after one event. Returns bytes consumed (>= 0) and the event, or
 * ERR_PROTO / ERR_LIMIT / ERR_UNSUPPORTED with reject_status and reject_rule set. */
long h1_feed(struct h1_parser *, struct span input, enum h1_event *event_out,
             struct span *body_out) MUST_CHECK;
/* The peer closed: 0 when that ends the message properly (H1_UNTIL_CLOSE, or between messages),
 * ERR_PROTO when it cut one short. */
int h1_eof(struct h1_parser *) MUST_CHECK;

/* First field of that name (case folded), or an empty span with data NULL. */
struct span h1_field(const struct h1_message *, struct span name);
/* True for fields that belong to one hop (RFC 9110 7.6.1), framing and Host included, and for those
 * that this message's Connection nominates. */
bool h1_hop_by_hop(const struct h1_message *, struct span name);

/* Writers: start line, one field at a time, framing last. Errors stick in the buf. */
void h1_write_request(struct buf *, struct span method, struct span target, struct span host);
void h1_write_status(struct buf *, unsigned status);
void h1_write_field(struct buf *, struct span name, struct span value);
/* Exactly one framing field (or none) and the empty line. */
void h1_write_end(struct buf *, enum h1_framing, uint64_t content_length);
void h1_write_chunk_head(struct buf *, size_t bytes); /* "HEX CRLF"; CRLF follows the data */
const char *h1_reason(unsigned status);

#endif
