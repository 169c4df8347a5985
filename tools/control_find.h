/*
 * control_find.h - the control socket of the running proxy: the one that was named, that of a configuration,
 * or the only one that answers in the usual places.
 */
#ifndef TOOLS_CONTROL_FIND_H
#define TOOLS_CONTROL_FIND_H

#include "tools/command.h"
#include "tools/reach.h"

/* How a command lets one name it: two flags. */
#define CONTROL_FLAGS(to_config, to_named)                                                                   \
	{.name = "--config",                                                                                 \
	 .letter = "-c",                                                                                     \
	 .argument = "FILE",                                                                                 \
	 .sentence = "the control socket of that configuration",                                             \
	 .to = (to_config)},                                                                                 \
	{                                                                                                    \
		.name = "--control", .argument = "SOCKET", .sentence = "that socket",                        \
		.value = "the one in run/ or /run/understudy/", .to = (to_named)                             \
	}

/* `named` and `config` may be NULL. 0, or an exit status: what is wrong was said on stderr for that command.
 */
int control_find(const struct command *, const char *named, const char *config,
                 char out[PATH_MAX_BYTES]) MUST_CHECK;
/* Connect there. 0 or ERR_SYS with errno. */
int control_reach(const char *path, int timeout_ms, struct reach *) MUST_CHECK;

#endif
