#define _GNU_SOURCE
#include "tools/running.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/control_find.h"

enum { TEXT = 512, KNOCK_MS = 2000 };

const char *running_value(const char *status, const char *key)
{
	const char *at = strstr(status, key);

	return at ? at + strlen(key) : "";
}

bool running_text(int pid, const char *name, char *out, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd == -1 ? -1 : read(fd, out, size - 1);
	if (fd != -1)
		close(fd);
	out[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* Is it a role that `parent` started? Its words: "understudy", "--role", NAME, INDEX, ... */
static bool is_role(int pid, int parent, char words[TEXT])
{
	static char status[8192];

	memset(words, 0, TEXT);
	return running_text(pid, "status", status, sizeof status) &&
	       atoi(running_value(status, "\nPPid:\t")) == parent &&
	       running_text(pid, "cmdline", words, TEXT) && !strcmp(words + strlen(words) + 1, "--role");
}

unsigned running_each(int parent, running_role *each, void *arg)
{
	DIR *d = opendir("/proc");
	char words[TEXT];
	struct dirent *e;
	unsigned found = 0;

	while (d && (e = readdir(d))) {
		int pid = atoi(e->d_name);
		const char *role;

		if (pid <= 0 || !is_role(pid, parent, words))
			continue;
		role = words + strlen(words) + 1 + strlen("--role") + 1;
		each(arg, pid, role, role + strlen(role) + 1);
		found++;
	}
	if (d)
		closedir(d);
	return found;
}

int running_parent(const char *path)
{
	struct ucred peer = {0};
	socklen_t len = sizeof peer;
	struct reach to;

	if (control_reach(path, KNOCK_MS, &to))
		return 0;
	getsockopt(to.fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	reach_close(&to);
	return peer.pid;
}
