/*
 * estate_inside.h - what the parts of an estate share.
 */
#ifndef PROXY_ESTATE_INSIDE_H
#define PROXY_ESTATE_INSIDE_H

#include "proxy/estate.h"

/* Say on stderr what errno is about. ERR_SYS. */
int estate_complain(const char *what, const char *detail);
/* Takes the descriptor; its name is made as printf makes it. 0, or ERR_LIMIT (it is closed). */
int estate_own(struct estate *, int fd, const char *name, ...)
        __attribute__((format(printf, 3, 4))) MUST_CHECK;
/* A unix socket that nobody else may connect to, in a folder that is made (one level) where there is none:
 * with a user of their own roles pass through it, to sockets that are theirs. No path is followed to a file
 * that another put there. The descriptor, which does not listen, or -1 with errno. */
int estate_bind_path(const struct plan *, const char *path) MUST_CHECK;
/* A socket, gauges and a keeper's pipe for each, or those of the former (may be NULL) where it has the same;
 * their addresses go to the plan. 0, or ERR_* said on stderr. */
int estate_make_sandboxes(struct estate *, const struct estate *former) MUST_CHECK;
/* Pipes, gauges and an eventfd for each recogniser. 0, or ERR_* said on stderr. */
int estate_make_recognisers(struct estate *) MUST_CHECK;
/* The paths that are ours. */
void estate_remove_sandboxes(const struct estate *);

#endif
