/*
 * operator.h - what becomes of a value that a rule or a detector names: one table of operators, the same in
 * heads, JSON, forms and protobuf.
 *
 * Whatever an operator cannot read (a date that is none, a number that is a word) becomes "[redacted]": no
 * operator passes what it does not understand. Tokens and what is drawn by a key depend on the key, the class
 * and the value as it is meant, never on its place: the same person is the same in every turn of a talk.
 */
#ifndef CAPTURE_OPERATOR_H
#define CAPTURE_OPERATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/detect/classes.h"
#include "proto/base/buf.h"
#include "proto/base/err.h"

/* What `by` of an operator is. */
enum mask_argument { BY_NOTHING, BY_TEXT, BY_COUNT, BY_NUMBER, BY_DAYS, BY_UNIT, BY_NAMES };

/* Name, what `by` is, its usual value (NULL: it must be said), whether it can stand for a find in a text, and
 * a sentence. Append only: policies are stored by name, plans by place. */
#define MASK_OPERATOR_TABLE(X)                                                                               \
	X(DROP, "drop", NOTHING, "", true, "the field goes; of a find the text that it is in is redacted")   \
	X(TOKEN, "token", NOTHING, "", true, "tok_ and 20 characters, the same for the same value")          \
	X(REDACT, "redact", NOTHING, "", true, "[redacted]")                                                 \
	X(KEEP, "keep", NOTHING, "", false, "it stays as it is, and nothing is looked for in it")            \
	X(CONSTANT, "constant", TEXT, NULL, false, "the text of 'by'")                                       \
	X(TYPE, "type", NOTHING, "", true, "what it is, such as [email]; [text] where no class is known")    \
	X(CHARACTERS, "mask", COUNT, "4", true,                                                              \
	  "letters and digits become *, but for the last 'by'; the first ones when it is below 0")           \
	X(SHAPE, "shape", NOTHING, "", true,                                                                 \
	  "a token of the same length, letters, digits and separators; check digits are right")              \
	X(SURROGATE, "surrogate", NAMES, "person", true, "a made-up person, first_name, last_name or city")  \
	X(SHIFT_DATE, "shift_date", DAYS, "30", false,                                                       \
	  "a date moves by at most 'by' days, all dates of one 'subject' by the same")                       \
	X(TRUNCATE_TIME, "truncate_time", UNIT, "day", false,                                                \
	  "a time goes back to the start of its year, month, day, hour or minute")                           \
	X(BUCKET, "bucket", NUMBER, "10", false, "a number goes down to a multiple of 'by'")                 \
	X(NOISE, "noise", NUMBER, "10", false, "a number moves by at most 'by' percent, drawn by the key")   \
	X(GENERALISE, "generalise", NOTHING, "", true,                                                       \
	  "less exact: /24 and /48 of addresses, three digits of a postcode, a year, a domain, a decade")    \
	X(TRUNCATE, "truncate", COUNT, "4", false, "the first 'by' characters")                              \
	X(NULL, "null", NOTHING, "", false, "null in JSON, nothing elsewhere")                               \
	X(BLOCK, "block", NOTHING, "", true, "[redacted], and no candidate is sent the exchange")            \
	X(DROP_RECORD, "drop_record", NOTHING, "", true, "the whole copy of the exchange is dropped")

enum mask_operator {
#define X(name, text, by, usual, finds, sentence) MASK_##name,
	MASK_OPERATOR_TABLE(X)
#undef X
	        MASK_OPERATORS
};

struct mask_operator_row {
	const char *name;
	enum mask_argument by;
	const char *usual;
	bool finds;
	const char *sentence;
};
extern const struct mask_operator_row mask_operators[MASK_OPERATORS];

enum { MASK_BY_BYTES = 64, MASK_SUBJECT_BYTES = 128 };
struct mask_by {
	uint32_t class; /* enum detect_class: what the value is; NONE: not said */
	double amount;  /* a count, a number, days; of a unit its seconds, or UNIT_MONTH, UNIT_YEAR */
	char text[MASK_BY_BYTES];
	char subject[MASK_SUBJECT_BYTES]; /* a JSON path; empty: one shift for all */
};
enum { UNIT_MONTH = -1, UNIT_YEAR = -2 };

/* Read the text of `by` for an operator; empty: the usual. 0, or ERR_CONFIG: it needs another. */
int mask_by_read(uint32_t with, const char *text, struct mask_by *) MUST_CHECK;

struct mask_key;
/* One value to be masked. */
struct mask_deed {
	uint32_t with; /* enum mask_operator: not KEEP */
	const struct mask_by *by;
	uint32_t class;      /* by->class, or that of a find */
	struct span domain;  /* of tokens without a class: what the rule is for; of a pattern: its name */
	struct span subject; /* whose dates these are; data NULL where by->subject is not there */
	bool bare;           /* a number, true, false or null of JSON; afterwards: so is what was put */
};
/* Append what stands for the value. What fails for want of memory or of a key sticks to the buf or to the
 * key; what BLOCK and DROP_RECORD ask for is asked of the key: mask_asked(). */
void mask_operate(struct mask_deed *, struct mask_key *, struct span value, struct buf *out);

#endif
