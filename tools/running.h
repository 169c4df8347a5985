/*
 * running.h - the roles of a proxy that runs here, found through /proc.
 */
#ifndef TOOLS_RUNNING_H
#define TOOLS_RUNNING_H

#include <stdbool.h>
#include <stddef.h>

/* The process id of whoever listens on the control socket; 0: it cannot be told. */
int running_parent(const char *control_path);
/* Calls for each role that `parent` started; how many there are. */
typedef void running_role(void *arg, int pid, const char *role, const char *index);
unsigned running_each(int parent, running_role *, void *arg);
/* /proc/PID/NAME as text, cut to size. False: there is none. */
bool running_text(int pid, const char *name, char *out, size_t size);
/* What stands behind a key such as "\nUid:\t" of /proc/PID/status; "" when it is not there. */
const char *running_value(const char *status, const char *key);

#endif
