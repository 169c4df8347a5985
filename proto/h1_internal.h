/*
 * h1_internal.h - what the files of the HTTP/1.1 parser share: byte classes, states, small cutters.
 * Only proto/h1_*.c include it.
 */
#ifndef PROTO_H1_INTERNAL_H
#define PROTO_H1_INTERNAL_H

#include "proto/h1.h"

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

enum name_flag {
	H1_HOP = 1,        /* belongs to one hop, or is written anew */
	H1_GUARD = 2,      /* may not be nominated in Connection */
	H1_SINGLE = 4,     /* twice in a request is refused */
	H1_NO_TRAILER = 8, /* not forwarded as a trailer; nor is any with H1_HOP, nor Content-* */
};

enum byte_class {
	C_TCHAR = 1,  /* RFC 9110 5.6.2 */
	C_TEXT = 2,   /* field value: HTAB, SP, VCHAR, obs-text */
	C_TARGET = 4, /* VCHAR but "#" */
	C_HOST = 8,   /* unreserved (RFC 3986 2.3) */
	C_DIGIT = 16,
	C_IP6 = 32, /* HEXDIG ":" "." */
};

extern const uint8_t h1_class[256];
/* Token bytes in lower case with "_" as "-"; 0 for every other byte. */
extern const char h1_fold[256];

static inline bool is_class(char c, unsigned classes)
{
	return (h1_class[(unsigned char)c] & classes) != 0;
}

static inline bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static inline bool all(struct span s, unsigned classes)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_class(s.data[i], classes))
			return false;
	return true;
}

static inline bool is_token(struct span s)
{
	return s.len > 0 && all(s, C_TCHAR);
}

/* The first byte from `at` on that is not C_TEXT, or `end`. */
const char *h1_scan_text(const char *at, const char *end);
/* The first byte from `at` on that is not C_TARGET, or `end`. */
const char *h1_scan_target(const char *at, const char *end);

static inline struct span trim(struct span s)
{
	while (s.len > 0 && is_blank(s.data[0])) {
		s.data++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.data[s.len - 1]))
		s.len--;
	return s;
}

/* Cut `rest` at the first `byte`: what came before it. False when `byte` is absent. */
bool h1_cut(struct span *rest, char byte, struct span *before_out);
/* The next comma-separated element, trimmed; false at the end. `rest->data` NULL means the end. */
bool h1_list_next(struct span *rest, struct span *element_out);

int h1_reject(struct h1_parser *, enum h1_rule);
#define REJECT(p, rule) h1_reject(p, H1_RULE_##rule)

/* One complete line, without CR LF; 0 or an error. */
int h1_request_line(struct h1_parser *, struct span line);
int h1_status_line(struct h1_parser *, struct span line);
int h1_add_field(struct h1_parser *, struct span line);
bool h1_is_authority(struct span);

/* All fields are there: the checks between them, framing, hop flags. */
int h1_finish_head(struct h1_parser *);
int h1_chunk_byte(struct h1_parser *, char);
void h1_begin_chunks(struct h1_parser *);

#endif
