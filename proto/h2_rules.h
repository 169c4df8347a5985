/*
 * h2_rules.h - every reason for which something in HTTP/2 is refused: one row each. The name is stable (it
 * labels counters). A status answers the request; without one the stream is reset (RFC 9113 5.4.2), and the
 * rows that name an error of the connection end it with GOAWAY (5.4.1).
 */
#ifndef PROTO_H2_RULES_H
#define PROTO_H2_RULES_H

/* name, status (0: none), sentence */
#define H2_RULES(X)                                                                                          \
	X(preface, 0, "the connection does not begin with the preface (RFC 9113 3.4)")                       \
	X(connection, 0, "an error of the connection: a malformed frame, HPACK, flow control, an order")     \
	X(glitches, 0, "too many resets, malformed frames and frames that carry nothing")                    \
	X(head_flood, 0, "a head far over its limit, or too many CONTINUATION frames")                       \
	X(ack_flood, 0, "too many PING and SETTINGS frames whose answers are not read")                      \
	X(streams, 0, "more streams than allowed, those counted whose work still runs")                      \
	X(malformed, 0, "a malformed message: pseudo-fields, a field of the connection, TE, lengths")        \
	X(field_name, 0, "a field name that is empty, in upper case or not a token")                         \
	X(field_value, 0, "a control byte or an outer blank in a field value")                               \
	X(stream, 0, "an error of a stream: flow control, a frame that its state does not allow")            \
	X(connect, 400, "CONNECT, plain or extended: there are no tunnels")                                  \
	X(scheme, 400, "a scheme other than http and https")                                                 \
	X(host_value, 400, "the authority is not host [: port]")                                             \
	X(host_differs, 400, "Host is not what :authority says")                                             \
	X(path, 400, "the path does not begin with /, and is not the * of OPTIONS")                          \
	X(path_byte, 400, "a control, a blank, a fragment or a byte above 126 in the path")                  \
	X(method, 400, "the method is not a token")                                                          \
	X(method_bytes, 501, "the method is above 32 B")                                                     \
	X(duplicate_singleton, 400, "a field that may appear once appears twice")                            \
	X(content_length_value, 400, "Content-Length is not plain digits")                                   \
	X(expectation, 417, "an expectation other than 100-continue")                                        \
	X(line_bytes, 414, "the path is too long")                                                           \
	X(field_bytes, 431, "a field is too long")                                                           \
	X(fields_bytes, 431, "the fields together are too long, 32 B added for each")                        \
	X(field_count, 431, "too many fields")                                                               \
	X(body_bytes, 413, "the body is longer than allowed")

enum h2_rule {
	H2_RULE_none,
#define X(name, status, text) H2_RULE_##name,
	H2_RULES(X)
#undef X
	        H2_RULE_COUNT
};

/* "h2_preface" and so on; never NULL. */
const char *h2_rule_name(enum h2_rule);
const char *h2_rule_text(enum h2_rule);
/* 0: a reset, or the end of the connection. */
unsigned h2_rule_status(enum h2_rule);

#endif
