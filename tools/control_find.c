#include "tools/control_find.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "proxy/config.h"

enum { KNOCK_MS = 10000 };

int control_reach(const char *path, int timeout_ms, struct reach *out)
{
	struct plan_endpoint at = {.port = 0};

	*out = (struct reach){.fd = -1};
	errno = ENAMETOOLONG;
	if (strlen(path) >= sizeof at.address)
		return ERR_SYS;
	memcpy(at.address, path, strlen(path));
	return reach_open(out, &at, NULL, timeout_ms);
}

/* The only socket that a proxy answers on, in the usual places. */
static int find(const struct command *command, char out[PATH_MAX_BYTES])
{
	glob_t found = {0};
	unsigned alive = 0;
	struct reach to;

	glob("run/*.sock", 0, NULL, &found);
	glob("/run/understudy/*.sock", GLOB_APPEND, NULL, &found);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		if (control_reach(found.gl_pathv[i], KNOCK_MS, &to))
			continue;
		reach_close(&to);
		if (alive++ == 1)
			fprintf(stderr,
			        "understudy: %s: several proxies run here, choose one with --control: ",
			        command->name);
		if (alive > 1)
			fprintf(stderr, "%s%s", alive > 2 ? ", " : "", out);
		snprintf(out, PATH_MAX_BYTES, "%s", found.gl_pathv[i]);
	}
	globfree(&found);
	if (alive > 1)
		fprintf(stderr, " or %s\n", out);
	if (alive)
		return alive == 1 ? 0 : 2;
	command_wrong(command,
	              "no proxy found: no socket in run/ or /run/understudy/ answers; use -c or --control");
	return 3;
}

int control_find(const struct command *command, const char *named, const char *config,
                 char out[PATH_MAX_BYTES])
{
	static struct plan plan;

	if (named) {
		snprintf(out, PATH_MAX_BYTES, "%s", named);
		return 0;
	}
	if (!config)
		return find(command, out);
	if (config_read(config, &plan, stderr))
		return 2;
	if (!plan.control_socket[0])
		return command_wrong(command, "%s: it has no control.socket", config);
	snprintf(out, PATH_MAX_BYTES, "%s", plan.control_socket);
	return 0;
}
