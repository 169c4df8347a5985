/*
 * log.h - JSON lines: a time, a level, who speaks, an event and typed pairs.
 *
 *   {"time":"2026-11-23T12:00:00.000000Z","level":"warn","role":"judge.0","event":"disk_full","left_bytes":0}
 *
 * One line is one call of the sink, at most LOG_LINE_MAX bytes with its LF, always whole JSON: what does
 * not fit is left out and the line says "truncated":true. No allocation, no lock: one logger a process,
 * used by one thread. Keys and events are constants of the program; values may be hostile.
 */
#ifndef PROTO_BASE_LOG_H
#define PROTO_BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "proto/base/span.h"

enum { LOG_LINE_MAX = 4096 };

/* Each level holds the ones before it. `access`: a line for each request as well. */
#define LOG_LEVEL_TABLE(X)                                                                                   \
	X(ERROR, "error", "something stopped or was lost for good")                                          \
	X(WARN, "warn", "something is degraded; the program goes on")                                        \
	X(INFO, "info", "what an operator did or should know")                                               \
	X(ACCESS, "access", "a line for each request")                                                       \
	X(DEBUG, "debug", "what helps whoever changes the program")

enum log_level {
#define X(name, text, meaning) LOG_##name,
	LOG_LEVEL_TABLE(X)
#undef X
	        LOG_LEVELS
};

const char *log_level_name(uint32_t level); /* "?" when there is none */
int log_level_by_name(struct span name);    /* the level, or -1 */

enum log_type { LOG_SPAN, LOG_INT, LOG_UINT, LOG_REAL, LOG_BOOL, LOG_ID };

struct log_pair {
	const char *key;
	enum log_type type;
	union {
		struct span span;
		int64_t i;
		uint64_t u;
		double real;
		bool yes;
	};
};

/* A span without data, and a NULL text, are null. */
static inline struct log_pair log_span(const char *key, struct span value)
{
	return (struct log_pair){.key = key, .type = LOG_SPAN, .span = value};
}
static inline struct log_pair log_text(const char *key, const char *value)
{
	return log_span(key, value ? span_of(value) : (struct span){0});
}
static inline struct log_pair log_int(const char *key, int64_t value)
{
	return (struct log_pair){.key = key, .type = LOG_INT, .i = value};
}
static inline struct log_pair log_uint(const char *key, uint64_t value)
{
	return (struct log_pair){.key = key, .type = LOG_UINT, .u = value};
}
/* null when it is not finite: JSON has neither NaN nor Infinity. */
static inline struct log_pair log_real(const char *key, double value)
{
	return (struct log_pair){.key = key, .type = LOG_REAL, .real = value};
}
static inline struct log_pair log_bool(const char *key, bool value)
{
	return (struct log_pair){.key = key, .type = LOG_BOOL, .yes = value};
}
/* An exchange's id: 64 bits as a string of decimal digits. */
static inline struct log_pair log_id(const char *key, uint64_t value)
{
	return (struct log_pair){.key = key, .type = LOG_ID, .u = value};
}

/* Takes one whole line, LF included. Must not block on the live path, and must not log. */
typedef void log_sink(void *arg, struct span line);

/* Who speaks ("worker.0", kept by pointer) and where to. Without a call: "understudy", to stderr. */
void log_open(const char *role, log_sink *, void *arg);
/* The level is read from there at each call, so that another process may change it; NULL: info. */
void log_level_from(const _Atomic uint32_t *level);
/* Would a line of this level be written? */
bool log_on(enum log_level);

void log_put(enum log_level, const char *event, const struct log_pair *pairs, unsigned count);

/* LOG(WARN, "disk_full", log_uint("left_bytes", 0)); at least one pair. */
#define LOG(level, event, ...)                                                                               \
	do {                                                                                                 \
		const struct log_pair log_pairs_[] = {__VA_ARGS__};                                          \
		log_put(LOG_##level, (event), log_pairs_, sizeof log_pairs_ / sizeof *log_pairs_);           \
	} while (0)

/* The line format alone: the bytes written into `line`, at most `size` (at least 256), LF included. */
size_t log_format(char *line, size_t size, uint64_t wall_ns, enum log_level, const char *role,
                  const char *event, const struct log_pair *pairs, unsigned count);

/* Could log_format() have written it: one object on one line of at most LOG_LINE_MAX bytes, LF included,
 * without control bytes? For who takes lines from another process. */
bool log_is_line(struct span line);

/* One request as the access log tells it. There is no room for a path, a query or a header's value. */
struct log_access {
	uint64_t id;
	const char *route;  /* the plan's name of it; NULL: none was found */
	const char *origin; /* "live" or "ours" */
	struct span method; /* the first 16 bytes are written */
	unsigned status;    /* 0: the connection ended without one */
	const char *rule;   /* why we answered it ourselves, or NULL */
	uint64_t bytes_in, bytes_out;
	uint64_t total_us; /* first request byte to last response byte */
	uint64_t live_us;  /* request sent to last byte of live; 0: not sent */
	bool copied;       /* it went to the raw ring */
};
void log_access(const struct log_access *);

#endif
