/*
 * where.h - the filter language of --where: which exchanges are meant. Pure.
 *
 *   status>=500 and route==chat and not (latency_ms<=100 or path =~ "/internal*")
 *
 *   either := both ("or" both)*          both := one ("and" one)*
 *   one    := "not" one | "(" either ")" | FIELD OPERATOR VALUE
 *
 * Operators are == != < <= > >= and =~, a pattern in which * stands for any bytes and ? for one. A value is a
 * number, or a text in "" or '' (nothing escapes in it), or one without blanks as it is. Texts are ordered
 * byte by byte, times by RFC 3339 too: time>=2026-05-01T12. A comparison with a field that the exchange does
 * not have is false, whatever the operator. The expression compiles to a program of at most WHERE_STEPS_MAX
 * steps without pointers, and is evaluated in one pass over it without memory.
 */
#ifndef CAPTURE_WHERE_H
#define CAPTURE_WHERE_H

#include <stdint.h>
#include "proto/base/buf.h"

enum { WHERE_BYTES_MAX = 1024, WHERE_STEPS_MAX = 64, WHERE_DEPTH_MAX = 32 };

/* Names that there are; documentation is printed from it. Ends with a row without name. */
struct where_field {
	const char *name, *sentence;
	bool number;
};
extern const struct where_field where_fields[]; /* of an exchange */

struct where_step {
	uint8_t what,
	        field, operator; /* where.c's; a comparison puts a bit, and, or and not take bits away */
	uint16_t at, len;        /* the value, in the text */
	double number;
};

struct where {          /* a copy is as good */
	unsigned count; /* 0: everything is meant */
	struct where_step steps[WHERE_STEPS_MAX];
	char text[WHERE_BYTES_MAX];
};

struct where_error {
	unsigned at; /* bytes into the expression */
	char text[384];
};

/* 0; ERR_CONFIG: *error_out says what is wrong and where. */
int where_compile(const char *expression, const struct where_field *, struct where *,
                  struct where_error *error_out) MUST_CHECK;
/* "what is wrong", and below it the expression with a caret under the place; no byte of it can move a
 * terminal. */
void where_explain(const char *expression, const struct where_error *, struct buf *);

/* What a field is, by its place in the table; a number has no text. */
struct where_value {
	bool known;
	double number;
	struct span text;
};
/* Of anything with fields of its own, by the table that the expression was compiled with. */
bool where_holds_of(const struct where *, const struct where_field *,
                    struct where_value (*value)(void *arg, unsigned field), void *arg);

struct exchange; /* capture/fold.h */

/* What an exchange does not know of itself. */
struct where_facts {
	struct span route;
	uint64_t wall_ns; /* of its request's first byte, since the epoch */
};
bool where_holds(const struct where *, const struct exchange *, const struct where_facts *);

#endif
