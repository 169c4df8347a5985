#include "proto/base/log.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>
#include "proto/base/clock.h"
#include "proto/base/utf8.h"

enum { METHOD_SHOWN = 16, TAIL_BYTES = sizeof ",\"truncated\":true}\n" - 1 };

static void to_stderr(void *arg, struct span line)
{
	(void)arg;
	if (write(STDERR_FILENO, line.data, line.len) < 0)
		return; /* nobody is left to tell */
}

static struct {
	const char *role;
	log_sink *sink;
	void *arg;
	const _Atomic uint32_t *level;
} logger = {.role = "understudy", .sink = to_stderr};

const char *log_level_name(uint32_t level)
{
	static const char *const names[] = {
#define X(name, text, meaning) text,
	        LOG_LEVEL_TABLE(X)
#undef X
	};

	return level < LOG_LEVELS ? names[level] : "?";
}

int log_level_by_name(struct span name)
{
	for (int i = 0; i < LOG_LEVELS; i++)
		if (span_eq(name, span_of(log_level_name((uint32_t)i))))
			return i;
	return -1;
}

void log_open(const char *role, log_sink *sink, void *arg)
{
	logger.role = role;
	logger.sink = sink ? sink : to_stderr;
	logger.arg = arg;
}

void log_level_from(const _Atomic uint32_t *level)
{
	logger.level = level;
}

bool log_on(enum log_level level)
{
	uint32_t limit = logger.level ? atomic_load_explicit(logger.level, memory_order_relaxed) : LOG_INFO;

	return (uint32_t)level <= limit;
}

/* A line under way. `end` leaves room for the tail; once `full`, nothing more is put. */
struct line {
	char *at, *end;
	bool full;
};

static void put(struct line *l, const char *bytes, size_t n)
{
	if (l->full || (size_t)(l->end - l->at) < n) {
		l->full = true;
		return;
	}
	memcpy(l->at, bytes, n);
	l->at += n;
}

static void puts_line(struct line *l, const char *text)
{
	put(l, text, strlen(text));
}

/* One character of a string value, escaped: at most 6 bytes. Returns the bytes it took from s. */
static size_t escape(const unsigned char *s, size_t n, char out[8], size_t *out_len)
{
	size_t len = utf8_len(s, n);

	if (len == 0) {
		*out_len = (size_t)snprintf(out, 8, "\\ufffd");
		return 1;
	}
	if (s[0] == '"' || s[0] == '\\') {
		*out_len = 2;
		out[0] = '\\';
		out[1] = (char)s[0];
	} else if (s[0] < 0x20 || s[0] == 0x7f) {
		*out_len = (size_t)snprintf(out, 8, "\\u%04x", s[0]);
	} else {
		*out_len = len;
		memcpy(out, s, len);
	}
	return len;
}

/* A string literal; one that does not fit is cut between characters and still closed. */
static void put_string(struct line *l, struct span text)
{
	const unsigned char *s = (const unsigned char *)text.data;

	if (l->end - l->at < 2)
		l->full = true;
	if (l->full)
		return;
	*l->at++ = '"';
	l->end--; /* kept for the closing quote */
	for (size_t i = 0; i < text.len && !l->full;) {
		char out[8];
		size_t n;

		i += escape(s + i, text.len - i, out, &n);
		put(l, out, n);
	}
	l->end++;
	*l->at++ = '"';
}

static void put_value(struct line *l, const struct log_pair *p)
{
	char text[48];

	switch (p->type) {
	case LOG_SPAN:
		if (p->span.data) {
			put_string(l, p->span);
			return;
		}
		snprintf(text, sizeof text, "null");
		break;
	case LOG_INT:
		snprintf(text, sizeof text, "%lld", (long long)p->i);
		break;
	case LOG_UINT:
		snprintf(text, sizeof text, "%llu", (unsigned long long)p->u);
		break;
	case LOG_ID:
		snprintf(text, sizeof text, "\"%llu\"", (unsigned long long)p->u);
		break;
	case LOG_REAL:
		snprintf(text, sizeof text, isfinite(p->real) ? "%.9g" : "null", p->real);
		break;
	case LOG_BOOL:
		snprintf(text, sizeof text, p->yes ? "true" : "false");
		break;
	}
	puts_line(l, text);
}

/* A pair that does not fit is left out; only a string may be cut. */
static void put_pair(struct line *l, const struct log_pair *p)
{
	char *before = l->at, *value;

	puts_line(l, ",\"");
	puts_line(l, p->key);
	puts_line(l, "\":");
	value = l->at;
	if (!l->full)
		put_value(l, p);
	if (l->full && (p->type != LOG_SPAN || l->at == value))
		l->at = before;
}

size_t log_format(char *line, size_t size, uint64_t wall_ns, enum log_level level, const char *role,
                  const char *event, const struct log_pair *pairs, unsigned count)
{
	struct line l = {line, line + size - TAIL_BYTES, false};
	struct log_pair who[] = {log_text("role", role), log_text("event", event)};
	char time[28];

	clock_rfc3339(wall_ns, time);
	puts_line(&l, "{\"time\":\"");
	puts_line(&l, time);
	puts_line(&l, "\",\"level\":\"");
	puts_line(&l, log_level_name(level));
	puts_line(&l, "\"");
	for (unsigned i = 0; i < 2; i++)
		put_pair(&l, &who[i]);
	for (unsigned i = 0; i < count && !l.full; i++)
		put_pair(&l, &pairs[i]);
	l.end += TAIL_BYTES;
	if (l.full) {
		l.full = false;
		puts_line(&l, ",\"truncated\":true");
	}
	puts_line(&l, "}\n");
	return (size_t)(l.at - line);
}

void log_put(enum log_level level, const char *event, const struct log_pair *pairs, unsigned count)
{
	char line[LOG_LINE_MAX];
	size_t n;

	if (!log_on(level))
		return;
	n = log_format(line, sizeof line, clock_wall_ns(), level, logger.role, event, pairs, count);
	logger.sink(logger.arg, (struct span){line, n});
}

void log_access(const struct log_access *a)
{
	struct span method = a->method;

	if (!log_on(LOG_ACCESS))
		return;
	if (method.len > METHOD_SHOWN)
		method.len = METHOD_SHOWN;
	LOG(ACCESS, "access", log_id("id", a->id), log_text("route", a->route), log_span("method", method),
	    log_uint("status", a->status), log_text("origin", a->origin), log_text("rule", a->rule),
	    log_uint("bytes_in", a->bytes_in), log_uint("bytes_out", a->bytes_out),
	    log_uint("total_us", a->total_us), log_uint("live_us", a->live_us),
	    log_bool("copied", a->copied));
}

bool log_is_line(struct span line)
{
	size_t n = line.len;

	if (n < 3 || n > LOG_LINE_MAX || line.data[0] != '{' || line.data[n - 2] != '}' ||
	    line.data[n - 1] != '\n')
		return false;
	for (size_t i = 0; i + 1 < n; i++)
		if ((unsigned char)line.data[i] < 0x20 || line.data[i] == 0x7f)
			return false;
	return true;
}
