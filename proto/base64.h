/*
 * base64.h - base64 and base64url (RFC 4648 4 and 5), strictly: one alphabet, whole groups, no stray bits.
 */
#ifndef PROTO_BASE64_H
#define PROTO_BASE64_H

#include "proto/base/buf.h"

struct base64_form { /* how a text was written, for writing another the same way */
	bool url, padded;
};

/* Append what `text` decodes to. ERR_PROTO: it is no base64; nothing was put then. */
int base64_decode(struct span text, struct base64_form *form_out, struct buf *out) MUST_CHECK;
void base64_encode(struct span bytes, struct base64_form, struct buf *out);

#endif
