/*
 * json.h - a JSON scanner (RFC 8259): tokens with source spans and raw number text.
 *
 * Resumable at any byte, no allocation, no recursion, depth-limited, strict UTF-8. Numbers keep their
 * text; bare NaN, Infinity, -Infinity are numbers when JSON_NONFINITE is set. A token that lies whole in
 * the input is taken at once; what is cut, wrong or rare goes byte by byte, with the same outcome.
 */
#ifndef PROTO_JSON_H
#define PROTO_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/buf.h"

enum { JSON_DEPTH_MAX = 64 };
enum json_option { JSON_NONFINITE = 1 };

enum json_token {
	JSON_MORE, /* input exhausted in the middle (or before) of a token */
	JSON_OBJECT,
	JSON_OBJECT_END,
	JSON_ARRAY,
	JSON_ARRAY_END,
	JSON_KEY,
	JSON_STRING,
	JSON_NUMBER,
	JSON_TRUE,
	JSON_FALSE,
	JSON_NULL,
	JSON_END, /* the document is complete (only blanks may follow) */
};

/* Offsets count from the first byte fed, so a token may span several feeds. */
struct json_scanner {
	unsigned options;
	uint64_t offset;     /* bytes consumed so far */
	uint64_t start, end; /* of the last token; strings and keys include their quotes */
	bool escaped;        /* the last string or key holds a backslash */
	const char *error;   /* a constant, after ERR_PROTO */
	int depth;           /* containers open */
	/* private */
	int state, substate, err;
	uint64_t objects;                       /* lowest bit: the innermost open container is an object */
	bool key;                               /* the string under way is a key */
	unsigned word, at;                      /* literal and place in it; hex digits seen */
	unsigned utf8_left, utf8_min, utf8_max; /* continuation bytes due, range of the next */
};

void json_init(struct json_scanner *, unsigned options);
/* Consume from `input` up to and including one token. Returns bytes consumed, or ERR_PROTO, or
 * ERR_LIMIT (depth). A number at the end of input needs json_finish() or a following byte. */
long json_feed(struct json_scanner *, struct span input, enum json_token *token_out) MUST_CHECK;
/* No more input: JSON_NUMBER (a number ended the document), JSON_END, or an error. */
int json_finish(struct json_scanner *, enum json_token *token_out) MUST_CHECK;

/* Pull over a whole document in memory: token text as a span of `doc`. */
struct json_reader {
	struct json_scanner scanner;
	struct span doc, text; /* text: the last token's bytes */
};
void json_reader_init(struct json_reader *, struct span doc, unsigned options);
/* 0 with a token (JSON_END once, at the end), or ERR_PROTO / ERR_LIMIT. */
int json_next(struct json_reader *, enum json_token *token_out) MUST_CHECK;
/* Skip the value whose first token was just read, as strictly as if it were read. */
int json_skip(struct json_reader *, enum json_token first) MUST_CHECK;

/* Behind a number in an array: skip the numbers that follow it, as far as that is quick. */
void json_skip_numbers(struct json_reader *);

/* Behind a number in an array: take the plain decimals that follow it, as far as that is quick: how many. */
size_t json_take_numbers(struct json_reader *, double out[], size_t max);

/* Where a reader is: for each open container, outermost first, the offset of the member's key, or how many
 * elements have begun. Level i is an object when json_in_object() says so. */
struct json_trail {
	uint64_t at[JSON_DEPTH_MAX];
};
static inline bool json_in_object(const struct json_scanner *s, int level)
{
	return s->objects >> (s->depth - 1 - level) & 1;
}
/* Keep the trail of a token just read. */
void json_trail_note(struct json_trail *, const struct json_scanner *, enum json_token);
/* Read on with a trail as long as tokens can be told by the document's first `limit` bytes alone: the bytes
 * consumed. Never an error: what is wrong is left for json_next(). */
size_t json_walk(struct json_reader *, size_t limit, struct json_trail *);

/* Decode a string token (with quotes) into `out`: escapes, surrogate pairs; lone ones become U+FFFD. */
void json_unescape(struct span string_token, struct buf *out);
/* Compare a string token with plain text without allocating. */
bool json_string_eq(struct span string_token, struct span plain);
/* A number token as double (NaN, Infinity too; the process keeps the C locale). ERR_PROTO when it is
 * none; ERR_NOMEM (a copy is made of more than 63 characters). */
int json_double(struct span number_token, double *value_out) MUST_CHECK;

#endif
