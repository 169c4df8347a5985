/*
 * results_write.c - what the files of a run are written with: members of JSON, a file that is replaced whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "replay/results_inside.h"

void put_text(struct buf *b, const char *key, const char *text)
{
	buf_printf(b, "\"%s\":", key);
	buf_json_string(b, span_of(text));
}

void put_hex(struct buf *b, const char *key, const uint8_t bytes[32])
{
	buf_printf(b, "\"%s\":\"", key);
	for (int i = 0; i < 32; i++)
		buf_printf(b, "%02x", bytes[i]);
	buf_puts(b, "\"");
}

/* JSON has no NaN and no Infinity. */
static void put_number(struct buf *b, double value)
{
	if (isfinite(value))
		buf_printf(b, "%.12g", value);
	else
		buf_puts(b, "null");
}

void put_double(struct buf *b, const char *key, double value)
{
	buf_printf(b, "\"%s\":", key);
	put_number(b, value);
}

void put_integer(struct buf *b, const char *key, uint64_t value)
{
	buf_printf(b, "\"%s\":%llu", key, (unsigned long long)value);
}

void put_interval(struct buf *b, const char *key, struct interval ci)
{
	buf_printf(b, "\"%s\":[", key);
	put_number(b, ci.low);
	buf_puts(b, ",");
	put_number(b, ci.high);
	buf_puts(b, "]");
}

void put_rate(struct buf *b, const char *key, uint64_t k, uint64_t n)
{
	put_double(b, key, n ? (double)k / (double)n : NAN);
}

static int write_all(int fd, struct span text)
{
	while (text.len) {
		ssize_t n = write(fd, text.data, text.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ERR_SYS;
		text.data += n;
		text.len -= (size_t)n;
	}
	return 0;
}

int results_file(const struct results *r, const char *name, struct span text)
{
	return results_write_file(r->directory, name, text);
}

int results_write_file(const char *directory, const char *name, struct span text)
{
	char path[PATH_MAX_BYTES + 32], fresh[PATH_MAX_BYTES + 40];
	int fd, rc;

	snprintf(path, sizeof path, "%s/%s", directory, name);
	snprintf(fresh, sizeof fresh, "%s.new", path);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (fd < 0)
		return ERR_SYS;
	rc = write_all(fd, text);
	if (close(fd) < 0 || rc)
		return ERR_SYS;
	return rename(fresh, path) < 0 ? ERR_SYS : 0;
}
