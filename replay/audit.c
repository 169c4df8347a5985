#define _GNU_SOURCE
#include "replay/audit.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/log.h"

enum {
	LINK_BYTES = sizeof ",\"prev\":\"\"}\n" - 1 + 2 * AUDIT_HASH_BYTES,
	LINE_MAX_BYTES = LOG_LINE_MAX + LINK_BYTES
};

static int hash(const char *line, size_t n, uint8_t out[AUDIT_HASH_BYTES])
{
	return EVP_Digest(line, n, out, NULL, EVP_sha256(), NULL) == 1 ? 0 : ERR_SYS;
}

/* After a failure it is opened anew: a part of the line may be there. */
static int put(struct audit *a, const char *text, size_t n)
{
	if (write(a->fd, text, n) != (ssize_t)n || fdatasync(a->fd)) {
		close(a->fd);
		a->fd = -1;
		return ERR_SYS;
	}
	a->bytes += n;
	return 0;
}

/* Ends a last line that has no end, and takes it as the link; a file that is no work of ours may have one of
 * any length, of which the last LINE_MAX_BYTES count. */
static int go_on(struct audit *a)
{
	char tail[LINE_MAX_BYTES];
	size_t want = a->bytes < sizeof tail ? a->bytes : sizeof tail;
	const char *start;
	ssize_t n = pread(a->fd, tail, want, (off_t)(a->bytes - want));

	if (n != (ssize_t)want)
		return ERR_SYS;
	if (!n)
		return 0;
	if (tail[n - 1] == '\n')
		n--;
	else if (put(a, "\n", 1))
		return ERR_SYS;
	start = memrchr(tail, '\n', (size_t)n);
	start = start ? start + 1 : tail;
	return hash(start, (size_t)(tail + n - start), a->prev);
}

static int open_file(struct audit *a, int flags)
{
	struct stat st;
	int err = ERR_SYS;

	a->fd = openat(a->directory, "audit.log", O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
	if (a->fd != -1 && !fstat(a->fd, &st) && S_ISREG(st.st_mode)) {
		a->bytes = (uint64_t)st.st_size;
		err = go_on(a);
	}
	if (err && a->fd != -1) {
		close(a->fd);
		a->fd = -1;
	}
	return err;
}

int audit_append(struct audit *a, struct span line)
{
	char text[LINE_MAX_BYTES], hex[2 * AUDIT_HASH_BYTES + 1];
	size_t n = line.len - 2; /* without "}\n" */

	if (a->fd == -1 && open_file(a, O_CREAT))
		return ERR_SYS;
	if (a->bytes > AUDIT_MAX_BYTES)
		return ERR_LIMIT;
	for (unsigned i = 0; i < AUDIT_HASH_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", a->prev[i]);
	memcpy(text, line.data, n);
	n += (size_t)snprintf(text + n, sizeof text - n, ",\"prev\":\"%s\"}\n", hex);
	return put(a, text, n) ? ERR_SYS : hash(text, n - 1, a->prev);
}

static void report_lost(struct audit *a, int lost)
{
	if (lost && !a->full)
		LOG(ERROR, "audit_failed", log_text("why", err_text(lost)));
	a->full |= lost == ERR_LIMIT;
}

void audit_say(struct audit *a, const struct log_pair *pairs, unsigned count)
{
	char text[LOG_LINE_MAX];
	struct span line = {text, log_format(text, sizeof text, clock_wall_ns(), LOG_INFO, "judge.0", "audit",
	                                     pairs, count)};

	log_put(LOG_INFO, "audit", pairs, count);
	report_lost(a, audit_append(a, line));
}

int audit_open(struct audit *a, const struct role_env *env)
{
	int ring = role_fd(env, "ring.log.control.0");

	*a = (struct audit){.directory = role_fd(env, "run"), .fd = -1};
	if (ring == -1)
		return 0;
	if (ring_attach_reader(ring, -1, &a->ring))
		return ERR_SYS;
	return faccessat(a->directory, "audit.log", F_OK, AT_SYMLINK_NOFOLLOW) ? 0 : open_file(a, 0);
}

/* Of all that control says, what is a change. */
static bool is_change(struct span line)
{
	static const char mark[] = "\",\"event\":\"audit\",";

	return log_is_line(line) && memmem(line.data, line.len, mark, sizeof mark - 1);
}

void audit_take(struct audit *a)
{
	struct record r;
	int err = a->ring ? 0 : ERR_AGAIN;

	while (!err && !(err = ring_get(a->ring, &r, a->payload))) {
		struct span line = {a->payload, r.payload_len};

		report_lost(a, is_change(line) ? audit_append(a, line) : 0);
	}
	if (err == ERR_PROTO) {
		LOG(ERROR, "audit_failed", log_text("why", "control's ring is broken"));
		ring_free(&a->ring);
	}
}

void audit_close(struct audit *a)
{
	if (a->fd != -1)
		close(a->fd);
	a->fd = -1;
	ring_free(&a->ring);
}
