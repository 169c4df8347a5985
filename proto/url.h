/*
 * url.h - the path of an origin-form target as a route sees it, and whether every origin would see the
 * same. A target is always forwarded as it came; the normalised path is for matching only, and only
 * when it agrees with the raw one. No allocation.
 */
#ifndef PROTO_URL_H
#define PROTO_URL_H

#include "proto/base/buf.h"

enum url_flag {
	URL_ESCAPED_UNRESERVED = 1, /* "%41": decoded (RFC 3986 6.2.2.2) */
	URL_DOT_SEGMENT = 2,        /* "." or "..": removed (RFC 3986 5.2.4) */
	URL_EMPTY_SEGMENT = 4,      /* "//": made one */
	URL_BAD_ESCAPE = 8,         /* "%" without two hexadecimal digits: left */
	URL_HIDDEN_DOTS = 16,   /* a dot segment for those who read "\", "%2f", "%5c" as "/" or cut at ";" */
	URL_ESCAPED_SLASH = 32, /* "%2f" or "%5c": left; may be part of a name */
	URL_ESCAPED_CONTROL = 64, /* "%00" to "%1f", "%7f": left */
	/* with any of these the raw path and the normalised one do not agree */
	URL_DISAGREE = URL_ESCAPED_UNRESERVED | URL_DOT_SEGMENT | URL_EMPTY_SEGMENT | URL_BAD_ESCAPE |
	               URL_HIDDEN_DOTS,
};

/* Normalises the part of `target` before "?". `path_out` is that part itself when nothing needs a look,
 * else lies in `out` (never longer than the raw path). Returns 0 with flags_out, an or of url_flag;
 * ERR_PROTO when the target does not start with "/", ERR_LIMIT when `cap` is below its path's length. */
int url_normalise(struct span target, char *out, size_t cap, struct span *path_out,
                  unsigned *flags_out) MUST_CHECK;

/* Append `text` with its percent escapes undone (RFC 3986 2.1); `form`: "+" is a blank, too (WHATWG URL 5.1).
 * ERR_PROTO: a "%" without two hexadecimal digits. */
int url_decode(struct span text, bool form, struct buf *out) MUST_CHECK;
/* Append `text` with every byte escaped that is neither unreserved nor one of `keep`. */
void url_encode(struct span text, const char *keep, struct buf *out);

#endif
