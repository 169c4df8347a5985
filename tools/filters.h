/*
 * filters.h - the system call filters of another process, as the kernel runs them, and what they say of a
 * call. Needs root; the process stands still while they are copied (some tens of microseconds).
 */
#ifndef TOOLS_FILTERS_H
#define TOOLS_FILTERS_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/base/err.h"

enum { FILTERS_MAX = 8 };

struct filters { /* all of them must allow a call */
	unsigned count;
	struct {
		unsigned length;
		struct sock_filter *code;
	} at[FILTERS_MAX];
};

/* 0; ERR_UNSUPPORTED: it has none, or the kernel shows none (CONFIG_CHECKPOINT_RESTORE); ERR_SYS, ERR_NOMEM,
 * ERR_LIMIT. */
int filters_read(struct filters *, int pid) MUST_CHECK;
void filters_free(struct filters *);
/* Would this call with these first arguments go through? */
bool filters_allow(const struct filters *, int number, const uint64_t args[6]);

#endif
