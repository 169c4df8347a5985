/*
 * h1_rules.h - every reason for which an HTTP/1.1 message is refused: one row each. The name is stable
 * (it labels counters), the status is the answer to a request (a response is always a 502).
 */
#ifndef PROTO_H1_RULES_H
#define PROTO_H1_RULES_H

/* name, error code, status, sentence */
#define H1_RULES(X)                                                                                          \
	X(content_length_and_transfer_encoding, PROTO, 400, "both framings at once (RFC 9112 6.3)")          \
	X(duplicate_content_length, PROTO, 400, "more than one Content-Length line")                         \
	X(content_length_value, PROTO, 400, "Content-Length is not plain digits")                            \
	X(content_length_range, LIMIT, 413, "Content-Length is above 2^63-1")                                \
	X(body_bytes, LIMIT, 413, "the body is longer than allowed")                                         \
	X(transfer_encoding_value, PROTO, 400, "Transfer-Encoding does not end in one chunked")              \
	X(transfer_encoding_coding, UNSUPPORTED, 501, "a transfer coding before chunked")                    \
	X(transfer_encoding_http10, PROTO, 400, "Transfer-Encoding in HTTP/1.0")                             \
	X(duplicate_transfer_encoding, PROTO, 400, "more than one Transfer-Encoding line")                   \
	X(field_name, PROTO, 400, "a field name that is empty, not a token, or before a blank")              \
	X(obs_fold, PROTO, 400, "a field line that continues the last one")                                  \
	X(leading_blank, PROTO, 400, "a blank before the first field")                                       \
	X(bare_lf, PROTO, 400, "LF without CR")                                                              \
	X(bare_cr, PROTO, 400, "CR without LF")                                                              \
	X(field_value, PROTO, 400, "a control byte in a field value")                                        \
	X(missing_colon, PROTO, 400, "a field line without a colon")                                         \
	X(chunk_size, PROTO, 400, "a chunk size that is not plain hexadecimal")                              \
	X(chunk_size_range, PROTO, 400, "a chunk size above 16 digits or 2^63-1")                            \
	X(chunk_extension, PROTO, 400, "a malformed chunk extension")                                        \
	X(chunk_extension_bytes, LIMIT, 400, "chunk extensions above 256 B, or 4 kB a message")              \
	X(chunk_line_end, PROTO, 400, "a chunk size line that does not end in CR LF")                        \
	X(chunk_data_end, PROTO, 400, "chunk data that CR LF does not follow")                               \
	X(missing_host, PROTO, 400, "HTTP/1.1 without Host")                                                 \
	X(duplicate_singleton, PROTO, 400, "a field that may appear once appears twice")                     \
	X(host_value, PROTO, 400, "Host is not host [: port]")                                               \
	X(target_authority, PROTO, 400, "the authority of the target is not host [: port]")                  \
	X(target_without_path, PROTO, 400, "an absolute target with a query but no path")                    \
	X(target_form, PROTO, 400, "the target is in no form that is served")                                \
	X(target_byte, PROTO, 400, "a control, a blank, a fragment or a byte above 126 in the target")       \
	X(asterisk_form, PROTO, 400, "target * with a method other than OPTIONS")                            \
	X(connect, PROTO, 400, "CONNECT: there are no tunnels")                                              \
	X(request_line, PROTO, 400, "not method SP target SP version")                                       \
	X(method, PROTO, 400, "the method is not a token")                                                   \
	X(method_bytes, LIMIT, 501, "the method is above 32 B")                                              \
	X(version, PROTO, 400, "not HTTP/digit.digit")                                                       \
	X(version_unsupported, UNSUPPORTED, 505, "a version other than 1.0 and 1.1")                         \
	X(leading_crlf, PROTO, 400, "more than two empty lines before the request")                          \
	X(connection_nominates, PROTO, 400, "Connection names a framing or security field")                  \
	X(connection_elements, LIMIT, 400, "Connection has above 64 elements")                               \
	X(expectation, UNSUPPORTED, 417, "an expectation other than 100-continue")                           \
	X(line_bytes, LIMIT, 414, "the start line is too long")                                              \
	X(field_bytes, LIMIT, 431, "a field line is too long")                                               \
	X(fields_bytes, LIMIT, 431, "the field lines together are too long")                                 \
	X(field_count, LIMIT, 431, "too many fields")                                                        \
	X(head_bytes, LIMIT, 431, "the head does not fit the storage")                                       \
	X(status_line, PROTO, 502, "not version SP 3 digits [SP reason]")                                    \
	X(status_range, PROTO, 502, "a status outside 100 to 599")                                           \
	X(reason_byte, PROTO, 502, "a control byte in the reason")                                           \
	X(cut_short, PROTO, 400, "the peer closed inside a message")

enum h1_rule {
	H1_RULE_none,
#define X(name, code, status, text) H1_RULE_##name,
	H1_RULES(X)
#undef X
	        H1_RULE_COUNT
};

/* Never NULL; "none" and "" for H1_RULE_none. */
const char *h1_rule_name(enum h1_rule);
const char *h1_rule_text(enum h1_rule);

#endif
