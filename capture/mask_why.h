/*
 * mask_why.h - why a copy could not be masked, for the figures: asked only once it was dropped.
 */
#ifndef CAPTURE_MASK_WHY_H
#define CAPTURE_MASK_WHY_H

#include "capture/mask_body.h"

#define MASK_WHY_TABLE(X)                                                                                    \
	X(RULE, "by_rule")          /* a rule says so: drop_record */                                        \
	X(HEAD, "head")             /* its head is none, or does not fit when masked */                      \
	X(CALL, "unknown_call")     /* a gRPC call or a binary tail that the policy cannot reach */          \
	X(ENCODING, "encoding")     /* a content coding that is not known, or several */                     \
	X(BOMB, "bomb")             /* it decodes to too much, or to too much of too little */               \
	X(UTF8, "utf8")             /* text that is no UTF-8 */                                              \
	X(DEEP, "deep")             /* JSON of over 64 levels, messages of over 24, or of too many fields */ \
	X(FORMAT, "format")         /* it is not what its head says */                                       \
	X(RECOGNISER, "recogniser") /* late, dead, or its answer is none */                                  \
	X(ROOM, "room")             /* there is no memory for it, or for what it becomes */

enum mask_why {
#define X(name, text) MASK_WHY_##name,
	MASK_WHY_TABLE(X)
#undef X
	        MASK_WHYS
};
const char *mask_why_name(unsigned why);

/* Why did mask_body() fail with that error on that body? */
enum mask_why mask_why(const struct mask_body *, int err, struct span body);
/* Why did mask_message() fail with it on the first of these messages? */
enum mask_why mask_why_message(int err, struct span messages);

#endif
