/*
 * ctl.c - `understudy ctl`: one HTTP request to the running proxy's control socket, its body to stdout.
 */
#include "tools/commands.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/h1.h"
#include "proxy/config.h"

enum { ANSWER_LIMIT = 8 << 20, TALK_S = 10, SOCKETS_MAX = 16 };

static struct ctl {
	const char *socket_path, *config, *format;
	bool watch;
} options;

static int complain(const char *what, const char *why)
{
	return command_wrong(&ctl_command, "%s: %s", what, why);
}

/* --- which socket --- */

static int reach(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct timeval limit = {TALK_S, 0};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof a.sun_path)
		errno = ENAMETOOLONG;
	else
		strcpy(a.sun_path, path);
	if (fd == -1 || !a.sun_path[0] || connect(fd, (struct sockaddr *)&a, sizeof a) == -1) {
		if (fd != -1)
			close(fd);
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	return fd;
}

/* The only socket that a proxy answers on, in the usual places. */
static int find_socket(char out[PATH_MAX_BYTES])
{
	glob_t found = {0};
	unsigned alive = 0;
	int fd;

	glob("run/*.sock", 0, NULL, &found);
	glob("/run/understudy/*.sock", GLOB_APPEND, NULL, &found);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		fd = reach(found.gl_pathv[i]);
		if (fd == -1)
			continue;
		close(fd);
		if (alive++)
			fprintf(stderr, "%s%s",
			        alive == 2 ? "understudy: ctl: several proxies run here, choose one with "
			                     "--control: "
			                   : ", ",
			        out);
		snprintf(out, PATH_MAX_BYTES, "%s", found.gl_pathv[i]);
	}
	globfree(&found);
	if (alive == 0)
		return complain("no proxy found",
		                "no socket in run/ or /run/understudy/ answers; use -c or --control");
	if (alive > 1)
		fprintf(stderr, " or %s\n", out);
	return alive == 1 ? 0 : 2;
}

static int choose_socket(char out[PATH_MAX_BYTES])
{
	static struct plan plan;
	const struct ctl *o = &options;

	if (o->socket_path) {
		snprintf(out, PATH_MAX_BYTES, "%s", o->socket_path);
		return 0;
	}
	if (!o->config)
		return find_socket(out);
	if (config_read(o->config, &plan, stderr))
		return 2;
	if (!plan.control_socket[0])
		return complain(o->config, "it has no control.socket");
	snprintf(out, PATH_MAX_BYTES, "%s", plan.control_socket);
	return 0;
}

/* --- one request --- */

/* Read to the end of the stream, parse; the status, or 0. */
static unsigned read_answer(int fd, struct buf *body)
{
	static char head[H1_HEAD_MAX];
	struct h1_parser parser;
	enum h1_event event = H1_NEED_MORE;
	char bytes[16384];
	ssize_t got;

	h1_init(&parser, H1_RESPONSE, head, sizeof head);
	while ((got = read(fd, bytes, sizeof bytes)) > 0) {
		struct span left = {bytes, (size_t)got};

		do {
			struct span data = {0};
			long n = h1_feed(&parser, left, &event, &data);

			if (n < 0)
				return 0;
			if (event == H1_DATA)
				buf_span_put(body, data);
			if (event == H1_DONE)
				return body->err ? 0 : parser.message.status;
			left.data += n;
			left.len -= (size_t)n;
		} while (event != H1_NEED_MORE);
	}
	return 0;
}

/* The exit status: 0, or 3 when the proxy does not answer or says no. */
static int talk(const char *path, const char *method, const char *target, struct buf *body)
{
	int fd = reach(path), status = 3;
	unsigned answered;

	if (fd == -1) {
		fprintf(stderr, "understudy: %s: %s; is the proxy running here?\n", path, strerror(errno));
		return 3;
	}
	if (dprintf(fd, "%s %s HTTP/1.1\r\nhost: control\r\nconnection: close\r\n%s\r\n", method, target,
	            *method == 'P' ? "content-length: 0\r\n" : "") < 0)
		goto out;
	answered = read_answer(fd, body);
	if (answered == 200)
		status = 0;
	else if (answered)
		fprintf(stderr, "understudy: ctl: %.*s", (int)buf_len(body), buf_span(body).data);
out:
	if (status && !buf_len(body))
		fprintf(stderr, "understudy: %s: no whole answer came\n", path);
	close(fd);
	return status;
}

static int show(const char *path, const char *method, const char *target, const char *before)
{
	struct buf body;
	int status;

	buf_init(&body, ANSWER_LIMIT);
	status = talk(path, method, target, &body);
	if (!status) {
		fputs(before, stdout);
		fwrite(buf_span(&body).data, 1, buf_len(&body), stdout);
		fflush(stdout);
	}
	buf_fini(&body);
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
	int status = choose_socket(path);

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
	status = choose_socket(path);
	return status ? status : watch(path, target);
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
	if (words->count > 1) {
		n += (size_t)snprintf(target + n, sizeof target - n, "&candidate=");
		for (const char *at = words->at[1]; *at && n + 4 < sizeof target; at++)
			n += (size_t)snprintf(target + n, sizeof target - n, "%%%02x", (unsigned char)*at);
	}
	return ask("POST", target);
}

static int run_log(const struct words *words)
{
	char target[64];

	snprintf(target, sizeof target, "/log?level=%s", words->at[0]);
	return ask("POST", target);
}

static int run_pause(const struct words *words)
{
	(void)words;
	return ask("POST", "/pause");
}

static int run_resume(const struct words *words)
{
	(void)words;
	return ask("POST", "/resume");
}

static int run_drain(const struct words *words)
{
	(void)words;
	return ask("POST", "/drain");
}

static int run_metrics(const struct words *words)
{
	(void)words;
	return ask("GET", "/metrics");
}

static const struct command_verb verbs[] = {
        {"status", NULL, "live, what was seen and what became of it, verdict", run_status},
        {"pause", NULL, "stop all shadowing at once; live traffic goes on", run_pause},
        {"resume", NULL, "shadow again", run_resume},
        {"sample", "SHARE [CANDIDATE]", "give candidates at most that share, such as 10%", run_sample},
        {"log", "error|warn|info|access|debug", "what is logged; access: a line for each request", run_log},
        {"metrics", NULL, "the figures as Prometheus text", run_metrics},
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
        .does = "status, pause, resume or drain a running proxy",
        .usage = "[-c FILE | --control SOCKET] COMMAND",
        .flags = flags,
        .verbs = verbs,
        .status = "0 done, 2 usage, 3 the proxy does not answer or refuses",
        .examples = "understudy ctl status --watch\n"
                    "understudy ctl sample 10% svc\n"
                    "understudy ctl --control /run/understudy/understudy.sock pause",
};
