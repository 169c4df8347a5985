#include "tools/sockets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATE_LISTEN = 10 };

/* The kernel prints an address as 32-bit words of its own byte order. */
static bool read_end(const char *text, struct socket_end *end)
{
	unsigned words[4], port;

	memset(end, 0, sizeof *end);
	if (sscanf(text, "%8x%8x%8x%8x:%x", &words[0], &words[1], &words[2], &words[3], &port) == 5) {
		memcpy(&end->address, words, sizeof words);
	} else if (sscanf(text, "%8x:%x", &words[0], &port) == 2) {
		end->address.s6_addr[10] = end->address.s6_addr[11] = 0xff;
		memcpy(end->address.s6_addr + 12, words, 4);
	} else {
		return false;
	}
	end->port = (uint16_t)port;
	return true;
}

static int add(struct sockets *s, const struct socket_row *row)
{
	if (s->count == s->room) {
		size_t room = s->room ? 2 * s->room : 256;
		struct socket_row *more = realloc(s->rows, room * sizeof *more);

		if (!more)
			return ERR_NOMEM;
		s->rows = more;
		s->room = room;
	}
	s->rows[s->count++] = *row;
	return 0;
}

static int read_table(struct sockets *s, int pid, const char *name)
{
	char path[64], line[512], local[64], remote[64];
	FILE *f;
	int err = 0;

	snprintf(path, sizeof path, "/proc/%d/net/%s", pid, name);
	f = fopen(path, "re");
	while (f && !err && fgets(line, sizeof line, f)) {
		struct socket_row row;
		unsigned state;

		if (sscanf(line, " %*d: %63s %63s %x %*s %*s %*s %*s %*s %lu", local, remote, &state,
		           &row.inode) == 4 &&
		    read_end(local, &row.local) && read_end(remote, &row.remote)) {
			row.listening = state == STATE_LISTEN;
			err = add(s, &row);
		}
	}
	if (f)
		fclose(f);
	return f ? err : ERR_SYS;
}

int sockets_read(struct sockets *s, int pid)
{
	int err;

	*s = (struct sockets){0};
	err = read_table(s, pid, "tcp");
	if (!err && read_table(s, pid, "tcp6") == ERR_NOMEM) /* a kernel may have no IPv6 */
		err = ERR_NOMEM;
	return err;
}

const struct socket_row *sockets_find(const struct sockets *s, unsigned long inode)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->rows[i].inode == inode)
			return &s->rows[i];
	return NULL;
}

void sockets_free(struct sockets *s)
{
	free(s->rows);
	*s = (struct sockets){0};
}
