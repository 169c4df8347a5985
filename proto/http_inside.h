/*
 * http_inside.h - what the codecs share: byte classes, small cutters, names of fields.
 * Only proto/http*.c, proto/h1*.c and proto/h2*.c include it.
 *
 * Every name is judged as an origin might read it that takes "_" for "-": such a twin of a framing or
 * security field is dropped on forwarding, and never has that field's meaning here.
 */
#ifndef PROTO_HTTP_INSIDE_H
#define PROTO_HTTP_INSIDE_H

#include "proto/base/err.h"
#include "proto/http.h"

enum name_flag {
	HTTP_HOP = 1,        /* belongs to one hop, or is written anew */
	HTTP_GUARD = 2,      /* may not be nominated in Connection */
	HTTP_SINGLE = 4,     /* twice in a request is refused */
	HTTP_NO_TRAILER = 8, /* not forwarded as a trailer; nor is any with HTTP_HOP, nor Content-* */
};

enum byte_class {
	C_TCHAR = 1,  /* RFC 9110 5.6.2 */
	C_TEXT = 2,   /* field value: HTAB, SP, VCHAR, obs-text */
	C_TARGET = 4, /* VCHAR but "#" */
	C_HOST = 8,   /* unreserved (RFC 3986 2.3) */
	C_DIGIT = 16,
	C_IP6 = 32, /* HEXDIG ":" "." */
};

extern const uint8_t http_class[256];
/* Token bytes in lower case with "_" as "-"; 0 for every other byte. */
extern const char http_fold[256];

static inline bool is_class(char c, unsigned classes)
{
	return (http_class[(unsigned char)c] & classes) != 0;
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
bool http_cut(struct span *rest, char byte, struct span *before_out);
/* The next comma-separated element, trimmed; false at the end. `rest->data` NULL means the end. */
bool http_list_next(struct span *rest, struct span *element_out);

/* host [":" port] without userinfo, lists or percent-encoding (RFC 9112 3.2, narrowed). */
bool http_is_authority(struct span);

/* Content-Length: 0, ERR_PROTO (not plain digits) or ERR_LIMIT (above 2^63-1). */
int http_read_length(struct span text, uint64_t *n_out) MUST_CHECK;

enum { HTTP_NAME_MAX_LEN = 20 };

struct http_name_read {
	char folded[HTTP_NAME_MAX_LEN]; /* the first bytes, in lower case, "_" as "-" */
	size_t len;
	bool underscore;
	uint8_t id;
	unsigned flags;
};

/* Reads the token that `text` starts with; its length is that of the token. */
struct http_name_read http_read_name(struct span text);
unsigned http_name_flags(enum http_name);
bool http_belongs_to_hop(const struct http_name_read *);
bool http_is_trailer_name(const struct http_name_read *);

#endif
