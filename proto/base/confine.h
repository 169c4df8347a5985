/*
 * confine.h - what a process may still ask the kernel for: system calls (seccomp), files and ports
 * (Landlock), privileges. Once confined it stays so, and so do its children.
 *
 * A call that was not granted fails with EPERM; one that no role has a use for and that could undo the walls
 * (ptrace, mount, bpf, keyctl, exec ...) kills the process. Memory never becomes executable.
 */
#ifndef PROTO_BASE_CONFINE_H
#define PROTO_BASE_CONFINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/base/err.h"

/* Beside memory, time, waiting, and reading and writing what is open already. */
enum confine_may {
	MAY_ACCEPT = 1,     /* take connections from sockets that listen */
	MAY_TALK = 2,       /* send and receive on sockets that it has */
	MAY_DIAL_TCP = 4,   /* connect to `ports` of any host; to any port where Landlock has no ABI 4 */
	MAY_DIAL_UNIX = 8,  /* connect to the unix sockets that its user may reach */
	MAY_PASS = 16,      /* send descriptors */
	MAY_RECEIVE = 32,   /* ... receive them */
	MAY_LOOK = 64,      /* ask whether a file is there */
	MAY_READ = 128,     /* open `places` to read them */
	MAY_STORE = 256,    /* make, write and remove files below the `places` that are folders, too */
	MAY_FORK = 512,     /* have children, confined as it is */
	MAY_RESOLVE = 1024, /* ask name servers; read /etc and the system's libraries */
	MAY_RECORD = 4096,  /* make files below `places`, write and remove them; open none that is there */
	MAY_LAUNCH = 2048   /* start other programs, with bubblewrap around them: confine_launcher() is all */
};

enum { CONFINE_PLACES = 4, CONFINE_PORTS = 512 };

struct confine_rules {
	unsigned may; /* MAY_* */
	unsigned place_count, port_count;
	int places[CONFINE_PLACES]; /* open files and folders; borrowed */
	uint16_t ports[CONFINE_PORTS];
};

/* What the kernel offers. */
bool confine_has_seccomp(void);
int confine_landlock_abi(void); /* 0: none */

/* No core dumps, no reading by processes of the same user, no privileges by exec. */
void confine_memory(void);
/* Drop every capability; give root up for that user when `uid` is not 0. 0, or ERR_SYS with errno. */
int confine_privileges(uid_t uid, gid_t gid) MUST_CHECK;
/* The walls, for good; confine_memory() came before. What the kernel lacks is left out. 0, or ERR_SYS with
 * errno: the process is not confined as asked and should end. */
int confine(const struct confine_rules *) MUST_CHECK;
/* Of a process that starts others: only what kills. 0, or ERR_SYS with errno. */
int confine_parent(void) MUST_CHECK;
/* Of a process that starts sandboxes, and so of what it starts: what nobody has a use for fails, but for
 * namespaces and mounts, of which bubblewrap makes walls. 0, or ERR_SYS with errno. */
int confine_launcher(void) MUST_CHECK;
/* Drop every capability but those by which root starts, ends and limits what runs as another user. */
int confine_to_launch(void) MUST_CHECK;
/* For a program that nobody knows, in namespaces of its own: a memfd with a filter under which what kills a
 * role fails, and sockets are of unix and the internet, none raw. 0, or ERR_SYS with errno. */
int confine_filter(int *fd_out) MUST_CHECK;
/* The Landlock half of confine(). */
int confine_landlock(const struct confine_rules *) MUST_CHECK;

/* A sanitizer looks at its process from outside and a profile is written at its end: such a build reads
 * files, forks and traces. */
#if defined(__SANITIZE_ADDRESS__) || defined(CONFINE_LOOSELY)
enum { CONFINE_LOOSE = 1 };
#else
enum { CONFINE_LOOSE = 0 };
#endif

#endif
