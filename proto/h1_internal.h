/*
 * h1_internal.h - what the files of the HTTP/1.1 parser share: its states and steps.
 * Only proto/h1_*.c include it.
 */
#ifndef PROTO_H1_INTERNAL_H
#define PROTO_H1_INTERNAL_H

#include "proto/h1.h"
#include "proto/http_inside.h"

enum state {
	S_START,
	S_FIELD,
	S_TRAILER, /* line states */
	S_SIZE_FIRST,
	S_SIZE,
	S_EXT_START,
	S_EXT_NAME,
	S_EXT_VALUE,
	S_EXT_TOKEN,
	S_EXT_QUOTED,
	S_EXT_ESCAPE,
	S_EXT_CLOSED,
	S_SIZE_LF,
	S_DATA_CR,
	S_DATA_LF,
	S_LENGTH,
	S_CHUNK_DATA,
	S_UNTIL_CLOSE, /* body states */
	S_END,
	S_DONE,
	S_FAILED,
};

/* The first byte from `at` on that is not C_TEXT, or `end`. */
const char *h1_scan_text(const char *at, const char *end);
/* The first byte from `at` on that is not C_TARGET, or `end`. */
const char *h1_scan_target(const char *at, const char *end);

int h1_reject(struct h1_parser *, enum h1_rule);
#define REJECT(p, rule) h1_reject(p, H1_RULE_##rule)

/* One complete line, without CR LF; 0 or an error. */
int h1_request_line(struct h1_parser *, struct span line);
int h1_status_line(struct h1_parser *, struct span line);
int h1_add_field(struct h1_parser *, struct span line);

/* All fields are there: the checks between them, framing, hop flags. */
int h1_finish_head(struct h1_parser *);
int h1_chunk_byte(struct h1_parser *, char);
void h1_begin_chunks(struct h1_parser *);

#endif
