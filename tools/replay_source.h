/*
 * replay_source.h - a replay's input, whatever it is: a file or standard input, gzip or not, recognised by
 * how it begins.
 */
#ifndef TOOLS_REPLAY_SOURCE_H
#define TOOLS_REPLAY_SOURCE_H

#include <stdbool.h>
#include <zlib.h>

#include "proto/base/buf.h"

enum source_kind { SOURCE_CAPTURE, SOURCE_LINES, SOURCE_GOR, SOURCE_HAR, SOURCE_UNKNOWN };
enum { SOURCE_BEGIN_BYTES = 64 << 10 };

struct source {
	enum source_kind kind;
	bool piped;       /* it is no plain file: gzip, or standard input */
	const char *name; /* for people */
	gzFile in;
	char begin[SOURCE_BEGIN_BYTES];
	size_t have, given; /* of the beginning: bytes that are there, and that have been read */
};

/* Open `path` ("-": standard input) and look at its beginning. 0, ERR_SYS, ERR_NOMEM. */
int source_open(struct source *, const char *path) MUST_CHECK;
void source_close(struct source *);
/* What one of SOURCE_UNKNOWN seems to be, and what would help. */
const char *source_hint(const struct source *);
/* Bytes into `to`, 0 at the end, or ERR_SYS, ERR_PROTO (gzip that is broken or cut). */
long source_read(struct source *, char *to, size_t room) MUST_CHECK;

#endif
