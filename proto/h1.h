/*
 * h1.h - strict HTTP/1.1 (RFC 9112): one parser for requests, responses and chunked bodies.
 *
 * No I/O, no allocation, no policy; resumable at any byte. Feed bytes, get events. Nothing that the
 * parser accepts is ever copied through: heads are written anew by h1_write_*().
 *
 * Lifetime: the spans of a message point into caller-owned storage (`head`, `head_cap`) and stay valid
 * until h1_next(); fields give way to the trailers at the end of a chunked body. With `in_place`, a head
 * or trailer section that is whole in one input is not copied: its spans point into that input, valid
 * until the caller moves or overwrites those bytes; h1_keep() copies it after all. A body is delivered
 * as spans of the input itself. The verdict on a message never depends on how its bytes were cut.
 */
#ifndef PROTO_H1_H
#define PROTO_H1_H

#include "proto/base/buf.h"
#include "proto/base/err.h"
#include "proto/h1_rules.h"
#include "proto/http.h"

/* The maxima, and the defaults: no limit can be set above these. Lengths without CR LF. */
enum {
	H1_LINE_MAX = 8 * 1024,
	H1_FIELD_MAX = 16 * 1024,
	H1_FIELDS_BYTES_MAX = 64 * 1024,
	H1_HEAD_MAX = H1_LINE_MAX + H1_FIELDS_BYTES_MAX + 16, /* storage that never lowers a limit */
	H1_NOMINATED_MAX = 64,                                /* elements of all Connection fields together */
};

/* What one message may cost. 0 stands for the maximum. */
struct h1_limits {
	uint32_t line_bytes;   /* start line: 414 above */
	uint32_t field_bytes;  /* one field line: 431 */
	uint32_t fields_bytes; /* all field lines with their line ends, and so for the trailers: 431 */
	uint32_t field_count;  /* 431 */
	uint64_t body_bytes;   /* declared, or the sum of the chunks: 413 */
};

/* No value above the maxima, none 0. */
struct h1_limits h1_limits_lowered(const struct h1_limits *);

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
	bool in_place;     /* whole heads are not copied (set by the caller after h1_init) */
	char *head;        /* caller's storage */
	size_t head_cap;
	struct http_message message;
	enum h1_rule reject;     /* after an error: the rule that was broken, for counting */
	unsigned reject_status;  /* its status for a request, or 502 */
	const char *reject_rule; /* its name, a constant; never content */
	/* private */
	struct h1_limits limits;
	const char *window; /* where the section being read begins: in the input, or in `head` */
	size_t head_bytes;  /* of the head in front of trailers */
	size_t head_len;    /* bytes of the section held in `head`; 0: not split so far */
	size_t line_start, scanned, fields_start, window_len;
	size_t extension_bytes, chunk_extension_bytes;
	uint64_t left, body_bytes;
	uint32_t repeated; /* bit per enum http_name: seen more than once */
	int state, failure;
	unsigned leading_crlf, digits;
	bool dirty_line;
};

/* `head` should have H1_HEAD_MAX bytes; a smaller one only lowers the limits. */
void h1_init(struct h1_parser *, enum h1_kind, char *head, size_t head_cap);
/* Between messages. Values above the maxima are lowered to them. */
void h1_limit(struct h1_parser *, const struct h1_limits *);
void h1_next(struct h1_parser *); /* ready for the next message on the connection; clears head_request */

/* Consume from `input`, stop after one event. Returns bytes consumed (>= 0) and the event, or
 * ERR_PROTO / ERR_LIMIT / ERR_UNSUPPORTED with reject, reject_status and reject_rule set. */
long h1_feed(struct h1_parser *, struct span input, enum h1_event *event_out,
             struct span *body_out) MUST_CHECK;
/* The peer closed: 0 when that ends the message properly (HTTP_UNTIL_CLOSE, or between messages),
 * ERR_PROTO when it cut one short. */
int h1_eof(struct h1_parser *) MUST_CHECK;
/* With in_place, after H1_HEAD or H1_TRAILERS, while that input is still there: the spans move to `head`,
 * to stay valid until h1_next(). Copies of the spans taken before stay what they were. */
void h1_keep(struct h1_parser *);

/* Writers: start line, one field at a time, framing last. Errors stick in the buf: ERR_PROTO for a
 * name, value, method or target that could not be sent as such. */
void h1_write_request(struct buf *, struct span method, struct span target, struct span host);
void h1_write_status(struct buf *, unsigned status);
void h1_write_field(struct buf *, struct span name, struct span value);
/* All fields of a parsed message but those with `hop`: copied without being judged again. */
void h1_write_forward(struct buf *, const struct http_message *);
/* Exactly one framing field (or none) and the empty line. */
void h1_write_end(struct buf *, enum http_framing, uint64_t content_length);
void h1_write_chunk_head(struct buf *, size_t bytes); /* "HEX CRLF"; CRLF follows the data */

#endif
