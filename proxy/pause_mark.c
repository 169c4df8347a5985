#include "proxy/pause_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MARK_BYTES = PATH_MAX_BYTES + NAME_MAX_BYTES + 16 };

static void mark_path(const struct plan *p, char out[MARK_BYTES])
{
	size_t n = strlen(p->run_directory);

	snprintf(out, MARK_BYTES, "%s%s%s.paused", p->run_directory,
	         p->run_directory[n - 1] != '/' ? "/" : "", p->run_name);
}

bool pause_mark_found(struct pause_mark *m, const struct plan *p)
{
	char path[MARK_BYTES];

	if (!p->run_directory[0])
		return false;
	mark_path(p, path);
	m->known = true;
	m->there = access(path, F_OK) == 0;
	return m->there;
}

static int make(const char *path)
{
	static const char text[] = "Shadowing is paused. \"understudy ctl resume\" takes this file away.\n";
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	bool written = fd != -1 && write(fd, text, sizeof text - 1) == (ssize_t)sizeof text - 1;

	if (fd != -1 && (fsync(fd) | close(fd)))
		written = false;
	return written ? 0 : ERR_SYS;
}

static int take_away(const char *path)
{
	return unlink(path) && errno != ENOENT ? ERR_SYS : 0;
}

void pause_mark_set(struct pause_mark *m, const struct plan *p, bool paused)
{
	char path[MARK_BYTES];

	if (!p->run_directory[0] || (m->known && m->there == paused))
		return;
	mark_path(p, path);
	m->known = true;
	m->there = paused;
	if ((paused ? make(path) : take_away(path)) && !m->complained) {
		m->complained = true;
		fprintf(stderr, "understudy: %s: %s; a pause does not outlive this proxy\n", path,
		        strerror(errno));
	}
}
