/*
 * err.h - the one table of error codes: 0 is success, every failure is negative.
 */
#ifndef PROTO_BASE_ERR_H
#define PROTO_BASE_ERR_H

#define MUST_CHECK __attribute__((warn_unused_result))

#define ERR_TABLE(X)                                                                                         \
	X(AGAIN, -1, "try again later")                                                                      \
	X(CLOSED, -2, "the peer closed")                                                                     \
	X(FULL, -3, "the queue is full")                                                                     \
	X(LIMIT, -4, "a limit was exceeded")                                                                 \
	X(PROTO, -5, "the bytes break the format")                                                           \
	X(SYS, -6, "a system call failed")                                                                   \
	X(NOMEM, -7, "out of memory")                                                                        \
	X(CONFIG, -8, "the configuration is wrong")                                                          \
	X(DENIED, -9, "not allowed")                                                                         \
	X(TORN, -10, "the tail is torn")                                                                     \
	X(UNSUPPORTED, -11, "valid, but not supported here")                                                 \
	X(BUG, -12, "a bug in this program")

enum {
#define X(name, value, text) ERR_##name = value,
	ERR_TABLE(X)
#undef X
};

/* A short sentence for a code; never NULL. */
const char *err_text(int code);

#endif
