/* Files and ports (landlock(7)). The rights of an ABI that the headers may not know yet are numbers here; an
 * older kernel is asked for what it has. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proto/base/confine.h"

enum {
	ADD_PATH = 1,
	ADD_PORT = 2,
	ASK_VERSION = 1,
	BIND_TCP = 1,
	CONNECT_TCP = 2,
	SCOPE_ABSTRACT = 1,
	SCOPE_SIGNAL = 2,
	DNS_PORT = 53
};

enum { /* of files, in the order of their ABI: 13 of the first, then one each of 2, 3 and 5 */
       FS_WRITE = 1 << 1,
       FS_READ = 1 << 2,
       FS_LIST = 1 << 3,
       FS_REMOVE = 1 << 5,
       FS_MAKE_FOLDER = 1 << 7,
       FS_MAKE = 1 << 8,
       FS_REFER = 1 << 13,
       FS_TRUNCATE = 1 << 14,
       FS_FIRST = (1 << 13) - 1,
       FS_DEVICE = 1 << 15,
       FS_OF_A_FILE = FS_WRITE | FS_READ | FS_TRUNCATE
};

struct ruleset {
	uint64_t files, ports, scope;
};
struct path_rule {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));
struct port_rule {
	uint64_t allowed, port;
};

int confine_landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, ASK_VERSION);

	return abi > 0 ? (int)abi : 0;
}

static struct ruleset handled(int abi)
{
	return (struct ruleset){.files = FS_FIRST | (abi >= 2 ? FS_REFER : 0) | (abi >= 3 ? FS_TRUNCATE : 0) |
	                                 (abi >= 5 ? FS_DEVICE : 0),
	                        .ports = abi >= 4 ? BIND_TCP | CONNECT_TCP : 0,
	                        .scope = abi >= 6 ? SCOPE_ABSTRACT | SCOPE_SIGNAL : 0};
}

static size_t size_for(int abi)
{
	return abi >= 6   ? sizeof(struct ruleset)
	       : abi >= 4 ? offsetof(struct ruleset, scope)
	                  : offsetof(struct ruleset, ports);
}

static int allow_place(int set, uint64_t known, int fd, uint64_t rights)
{
	struct path_rule rule = {.fd = fd};
	struct stat st;

	if (fstat(fd, &st))
		return ERR_SYS;
	rule.allowed = rights & known & (S_ISDIR(st.st_mode) ? ~(uint64_t)0 : FS_OF_A_FILE);
	return syscall(SYS_landlock_add_rule, set, ADD_PATH, &rule, 0) ? ERR_SYS : 0;
}

/* What is not there cannot be read. */
static int allow_path(int set, uint64_t known, const char *path, uint64_t rights)
{
	int fd = open(path, O_PATH | O_CLOEXEC), err;

	if (fd == -1)
		return 0;
	err = allow_place(set, known, fd, rights);
	close(fd);
	return err;
}

static int allow_files(int set, uint64_t known, const struct confine_rules *r)
{
	static const char *const system[] = {"/etc",
	                                     "/lib",
	                                     "/lib64",
	                                     "/usr/lib",
	                                     "/run/systemd/resolve",
	                                     "/run/resolvconf",
	                                     "/run/NetworkManager"};
	uint64_t rights = FS_READ | FS_LIST;
	int err = 0;

	if (r->may & MAY_STORE)
		rights |= FS_WRITE | FS_REMOVE | FS_MAKE | FS_MAKE_FOLDER | FS_REFER | FS_TRUNCATE;
	if (r->may & MAY_RECORD)
		rights = FS_WRITE | FS_REMOVE | FS_MAKE | FS_REFER | FS_TRUNCATE;
	for (unsigned i = 0; i < r->place_count && (r->may & (MAY_READ | MAY_STORE | MAY_RECORD)) && !err;
	     i++)
		err = allow_place(set, known, r->places[i], rights);
	if (!err && (r->may & MAY_STORE)) /* SQLite draws from it */
		err = allow_path(set, known, "/dev/urandom", FS_READ);
	if (r->may & MAY_RESOLVE)
		for (unsigned i = 0; i < sizeof system / sizeof *system && !err; i++)
			err = allow_path(set, known, system[i], FS_READ | FS_LIST);
	if (CONFINE_LOOSE && !err)
		err = allow_path(set, known, "/", known);
	return err;
}

static int allow_ports(int set, const struct confine_rules *r)
{
	struct port_rule rule = {.allowed = CONNECT_TCP, .port = DNS_PORT};
	int err = 0;

	if ((r->may & MAY_RESOLVE) && syscall(SYS_landlock_add_rule, set, ADD_PORT, &rule, 0))
		err = ERR_SYS;
	for (unsigned i = 0; i < r->port_count && (r->may & MAY_DIAL_TCP) && !err; i++) {
		rule.port = r->ports[i];
		if (syscall(SYS_landlock_add_rule, set, ADD_PORT, &rule, 0))
			err = ERR_SYS;
	}
	return err;
}

int confine_landlock(const struct confine_rules *rules)
{
	int abi = confine_landlock_abi(), set, err, why;
	struct ruleset all = handled(abi);

	if (!abi)
		return 0;
	set = (int)syscall(SYS_landlock_create_ruleset, &all, size_for(abi), 0);
	if (set == -1)
		return ERR_SYS;
	err = allow_files(set, all.files, rules);
	if (!err && all.ports)
		err = allow_ports(set, rules);
	if (!err && syscall(SYS_landlock_restrict_self, set, 0))
		err = ERR_SYS;
	why = errno;
	close(set);
	errno = why;
	return err;
}
