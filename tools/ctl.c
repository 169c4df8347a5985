/*
 * ctl.c - `understudy ctl`: one HTTP request to the running proxy's control socket, its body to stdout.
 */
#include "tools/commands.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/control_find.h"

enum { TALK_MS = 10000, POLL_US = 20000, REQUEST_LIMIT = 4096 };

static struct ctl {
	const char *socket_path, *config, *format;
	bool watch;
} options;

static int complain(const char *what, const char *why)
{
	return command_wrong(&ctl_command, "%s: %s", what, why);
}

/* --- one request --- */

/* 0 with an answer of any status, or 3 (said on stderr). */
static int question(const char *path, const char *method, const char *target, struct reach_answer *answer)
{
	struct buf request;
	struct reach to;
	int rc = control_reach(path, TALK_MS, &to);

	if (rc) {
		fprintf(stderr, "understudy: %s: %s; is the proxy running here?\n", path, strerror(errno));
		return 3;
	}
	buf_init(&request, REQUEST_LIMIT);
	buf_printf(&request, "%s %s HTTP/1.1\r\nhost: control\r\nconnection: close\r\n%s\r\n", method, target,
	           *method == 'P' ? "content-length: 0\r\n" : "");
	rc = reach_ask(&to, buf_span(&request), false, answer);
	buf_fini(&request);
	reach_close(&to);
	if (rc)
		fprintf(stderr, "understudy: %s: no whole answer came\n", path);
	return rc ? 3 : 0;
}

static void print(FILE *to, const char *before, const struct reach_answer *answer)
{
	fprintf(to, "%s%.*s", before, (int)buf_len(&answer->body), buf_span(&answer->body).data);
}

/* The exit status: 0, or 3 when the proxy does not answer or says no. */
static int talk(const char *path, const char *method, const char *target, struct reach_answer *answer)
{
	int status = question(path, method, target, answer);

	if (!status && answer->status != 200) {
		print(stderr, "understudy: ctl: ", answer);
		status = 3;
	}
	return status;
}

static int show(const char *path, const char *method, const char *target, const char *before)
{
	struct reach_answer answer;
	int status;

	reach_answer_init(&answer);
	status = talk(path, method, target, &answer);
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

static void put_candidate(char *target, size_t size, size_t n, char before, const char *name)
{
	n += (size_t)snprintf(target + n, size - n, "%ccandidate=", before);
	for (; *name && n + 4 < size; name++)
		n += (size_t)snprintf(target + n, size - n, "%%%02x", (unsigned char)*name);
}

/* SHARE is written as in the configuration: a percentage. */
static int run_sample(const struct words *words)
{
	char target[512], *end;
	double percent = strtod(words->at[0], &end);
	size_t n;

	if (end == words->at[0] || strcmp(end, "%") || !(percent >= 0 && percent <= 100))
		return complain(words->at[0], "a share is a percentage such as 10% or 0.5%");
	n = (size_t)snprintf(target, sizeof target, "/sample?ppm=%.0f", percent * 1e4);
	if (words->count > 1)
		put_candidate(target, sizeof target, n, '&', words->at[1]);
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
	size_t n = (size_t)snprintf(target, sizeof target, "%s", what);

	if (words->count)
		put_candidate(target, sizeof target, n, '?', words->at[0]);
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

/* Ask until it is done: by then another generation may answer, or none for a moment. */
static int await_wish(const char *path, const char *target, struct reach_answer *answer)
{
	bool waits = false;

	for (unsigned failures = 0; failures < 3; usleep(POLL_US)) {
		int status = question(path, "GET", target, answer);

		if (!status && (answer->status == 200 || answer->status == 422)) {
			print(answer->status == 200 ? stdout : stderr, "", answer);
			return answer->status == 200 ? 0 : 2;
		}
		failures += status || answer->status != 202;
		if (!waits && !status && span_starts(buf_span(&answer->body), SPAN("waiting"))) {
			waits = true;
			print(stderr, "understudy: ctl: ", answer);
		}
	}
	return 3;
}

static int wish(const char *target)
{
	char path[PATH_MAX_BYTES], number[64];
	struct reach_answer answer;
	int status = control_find(&ctl_command, options.socket_path, options.config, path);

	if (status)
		return status;
	reach_answer_init(&answer);
	status = talk(path, "POST", target, &answer);
	if (!status) {
		snprintf(number, sizeof number, "/reload?number=%.*s", (int)buf_len(&answer.body),
		         buf_span(&answer.body).data);
		number[strcspn(number, "\n")] = '\0';
		status = await_wish(path, number, &answer);
	}
	reach_answer_fini(&answer);
	return status;
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
        {.name = "--config",
         .letter = "-c",
         .argument = "FILE",
         .sentence = "the control socket of that configuration",
         .to = &options.config},
        {.name = "--control",
         .argument = "SOCKET",
         .sentence = "that socket",
         .value = "the one in run/ or /run/understudy/",
         .to = &options.socket_path},
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
