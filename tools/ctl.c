/*
 * ctl.c - `understudy ctl`: one HTTP request to the running proxy's control socket, its body to stdout.
 */
#include "tools/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/control_ask.h"
#include "tools/control_find.h"

static struct ctl {
	const char *socket_path, *config, *format;
	bool watch;
} options;

static int complain(const char *what, const char *why)
{
	return command_wrong(&ctl_command, "%s: %s", what, why);
}

/* --- one request --- */

static int show(const char *path, const char *method, const char *target, const char *before)
{
	struct reach_answer answer;
	int status;

	reach_answer_init(&answer);
	status = control_told(&ctl_command, path, method, target, &answer);
	if (!status) {
		fputs(before, stdout);
		fwrite(buf_span(&answer.body).data, 1, buf_len(&answer.body), stdout);
		fflush(stdout);
	}
	reach_answer_fini(&answer);
	return status;
}

static int watch(const char *path, const char *target)
{
	const char *clear = isatty(STDOUT_FILENO) ? "\033[H\033[J" : "";
	int status;

	while (!(status = show(path, "GET", target, clear)))
		sleep(1);
	return status;
}

/* One change or question; an exit status. */
static int ask(const char *method, const char *target)
{
	char path[PATH_MAX_BYTES];
	int status = control_find(&ctl_command, options.socket_path, options.config, path);

	return status ? status : show(path, method, target, "");
}

/* --- commands --- */

static int run_status(const struct words *words)
{
	const char *target = options.format && !strcmp(options.format, "json") ? "/stats.json" : "/status";
	char path[PATH_MAX_BYTES];
	int status;

	(void)words;
	if (!options.watch)
		return ask("GET", target);
	status = control_find(&ctl_command, options.socket_path, options.config, path);
	return status ? status : watch(path, target);
}

/* SHARE is written as in the configuration: a percentage. */
static int run_sample(const struct words *words)
{
	char target[512], *end;
	double percent = strtod(words->at[0], &end);

	if (end == words->at[0] || strcmp(end, "%") || !(percent >= 0 && percent <= 100))
		return complain(words->at[0], "a share is a percentage such as 10% or 0.5%");
	snprintf(target, sizeof target, "/sample?ppm=%.0f", percent * 1e4);
	if (words->count > 1)
		control_put(target, sizeof target, "candidate", words->at[1]);
	return ask("POST", target);
}

static int run_log(const struct words *words)
{
	char target[64];

	snprintf(target, sizeof target, "/log?level=%s", words->at[0]);
	return ask("POST", target);
}

/* `what` may be of one candidate. */
static int switch_candidate(const char *what, const struct words *words)
{
	char target[512];

	snprintf(target, sizeof target, "%s", what);
	if (words->count)
		control_put(target, sizeof target, "candidate", words->at[0]);
	return ask("POST", target);
}

static int run_pause(const struct words *words)
{
	return switch_candidate("/pause", words);
}

static int run_resume(const struct words *words)
{
	return switch_candidate("/resume", words);
}

static int run_drain(const struct words *words)
{
	(void)words;
	return ask("POST", "/drain");
}

static int wish(const char *target)
{
	char path[PATH_MAX_BYTES];
	int status = control_find(&ctl_command, options.socket_path, options.config, path);

	return status ? status : control_wish(&ctl_command, path, target, stdout);
}

static int run_reload(const struct words *words)
{
	(void)words;
	return wish("/reload");
}

static int run_run(const struct words *words)
{
	const char *name = words->count > 1 ? words->at[1] : "";
	char target[256];

	if (!strcmp(words->at[0], "stop") && !*name)
		return wish("/run/stop");
	if (strcmp(words->at[0], "start"))
		return complain(words->at[0], "use run stop or run start [NAME]");
	if (strlen(name) >= NAME_MAX_BYTES || strpbrk(name, " ?&=%#/"))
		return complain(name, "a run's name is letters, digits, '-', '_' and '.'");
	snprintf(target, sizeof target, "/run/start%s%s", *name ? "?name=" : "", name);
	return wish(target);
}

static int run_metrics(const struct words *words)
{
	(void)words;
	return ask("GET", "/metrics");
}

static const struct command_verb verbs[] = {
        {"status", NULL, "live, what was seen and what became of it, verdict", run_status},
        {"pause", "[CANDIDATE]", "stop all shadowing, or one candidate's, at once; live goes on", run_pause},
        {"resume", "[CANDIDATE]", "shadow again", run_resume},
        {"sample", "SHARE [CANDIDATE]", "give candidates at most that share, such as 10%", run_sample},
        {"log", "error|warn|info|access|debug", "what is logged; access: a line for each request", run_log},
        {"metrics", NULL, "the figures as Prometheus text", run_metrics},
        {"reload", NULL, "read configuration and certificates anew, open the next run", run_reload},
        {"run", "stop|start [NAME]", "seal the run and copy nothing; open the next run", run_run},
        {"drain", NULL, "finish what is open, seal the run, stop", run_drain},
        {0},
};

static const struct command_flag flags[] = {
        CONTROL_FLAGS(&options.config, &options.socket_path),
        {.name = "--watch", .sentence = "status: again each second", .set = &options.watch},
        {.name = "--format",
         .argument = "text|json",
         .sentence = "status: how it is told",
         .value = "text",
         .to = &options.format},
        {0},
};

const struct command ctl_command = {
        .name = "ctl",
        .does = "status, pause, reload, run or drain a running proxy",
        .usage = "[-c FILE | --control SOCKET] COMMAND",
        .flags = flags,
        .verbs = verbs,
        .status = "0 done, 2 usage or a failed reload, 3 the proxy does not answer or refuses",
        .examples = "understudy ctl status --watch\n"
                    "understudy ctl sample 10% svc\n"
                    "understudy ctl -c configs/understudy.yaml reload\n"
                    "understudy ctl --control /run/understudy/understudy.sock pause",
};
