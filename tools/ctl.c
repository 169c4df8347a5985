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

enum { ANSWER_LIMIT = 8 << 20, TALK_S = 10, POLL_US = 20000 };

static const char help[] =
        "usage: understudy ctl [-c FILE | --control SOCKET] COMMAND\n"
        "\n"
        "  status [--watch] [--format json]   live, what was seen and what became of it, verdict\n"
        "  pause                              stop all shadowing at once; live traffic goes on\n"
        "  resume                             shadow again\n"
        "  sample SHARE [CANDIDATE]           give candidates at most that share, such as 10%\n"
        "  log error|warn|info|access|debug   what is logged; access: a line for each request\n"
        "  metrics                            the figures as Prometheus text\n"
        "  reload                             read the configuration and certificates anew; no request\n"
        "                                     fails, the next run is opened; exit 2: nothing was changed\n"
        "  run stop                           seal the run; live traffic goes on, nothing is copied\n"
        "  run start [NAME]                   open the next run\n"
        "  drain                              finish what is open, seal the run, stop\n"
        "\n"
        "  -c FILE            the control socket of that configuration\n"
        "  --control SOCKET   that socket; without either, the only one found in run/ and\n"
        "                     /run/understudy/\n"
        "\n"
        "examples:\n"
        "  understudy ctl status --watch\n"
        "  understudy ctl sample 10% svc\n"
        "  understudy ctl -c configs/understudy.yaml reload\n"
        "  understudy ctl --control /run/understudy/understudy.sock pause\n";

struct ctl {
	const char *socket_path, *config, *command, *words[2];
	unsigned word_count;
	bool watch, json;
};

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "understudy: ctl: %s: %s\n", what, why);
	return 2;
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
		if (alive++ == 1)
			fprintf(stderr,
			        "understudy: ctl: several proxies run here; choose one with --control:\n  "
			        "%s\n",
			        out);
		if (alive > 1)
			fprintf(stderr, "  %s\n", found.gl_pathv[i]);
		snprintf(out, PATH_MAX_BYTES, "%s", found.gl_pathv[i]);
	}
	globfree(&found);
	if (alive == 0)
		return complain("no proxy found",
		                "no socket in run/ or /run/understudy/ answers; use -c or --control");
	return alive == 1 ? 0 : 2;
}

static int choose_socket(const struct ctl *o, char out[PATH_MAX_BYTES])
{
	static struct plan plan;

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

/* What was answered, or 0 (said on stderr). */
static unsigned ask(const char *path, const char *method, const char *target, struct buf *body)
{
	unsigned answered = 0;
	int fd = reach(path);

	if (fd == -1) {
		fprintf(stderr, "understudy: %s: %s; is the proxy running here?\n", path, strerror(errno));
		return 0;
	}
	if (dprintf(fd, "%s %s HTTP/1.1\r\nhost: control\r\nconnection: close\r\n%s\r\n", method, target,
	            *method == 'P' ? "content-length: 0\r\n" : "") >= 0)
		answered = read_answer(fd, body);
	if (!answered)
		fprintf(stderr, "understudy: %s: no whole answer came\n", path);
	close(fd);
	return answered;
}

/* The exit status: 0, or 3 when the proxy does not answer or says no. */
static int talk(const char *path, const char *method, const char *target, struct buf *body)
{
	unsigned answered = ask(path, method, target, body);

	if (answered && answered != 200)
		fprintf(stderr, "understudy: ctl: %.*s", (int)buf_len(body), buf_span(body).data);
	return answered == 200 ? 0 : 3;
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

/* --- commands --- */

static int status_command(const struct ctl *o, const char *path)
{
	const char *target = o->json ? "/stats.json" : "/status";

	return o->watch ? watch(path, target) : show(path, "GET", target, "");
}

/* SHARE is written as in the configuration: a percentage. */
static int sample_command(const struct ctl *o, const char *path)
{
	char target[512], *end;
	double percent = strtod(o->words[0], &end);
	size_t n;

	if (end == o->words[0] || strcmp(end, "%") || !(percent >= 0 && percent <= 100))
		return complain(o->words[0], "a share is a percentage such as 10% or 0.5%");
	n = (size_t)snprintf(target, sizeof target, "/sample?ppm=%.0f", percent * 1e4);
	if (o->word_count > 1) {
		n += (size_t)snprintf(target + n, sizeof target - n, "&candidate=");
		for (const char *at = o->words[1]; *at && n + 4 < sizeof target; at++)
			n += (size_t)snprintf(target + n, sizeof target - n, "%%%02x", (unsigned char)*at);
	}
	return show(path, "POST", target, "");
}

static int log_command(const struct ctl *o, const char *path)
{
	char target[64];

	if (strlen(o->words[0]) > 10 ||
	    strspn(o->words[0], "abcdefghijklmnopqrstuvwxyz") != strlen(o->words[0]))
		return complain(o->words[0], "is no level; use error, warn, info, access or debug");
	snprintf(target, sizeof target, "/log?level=%s", o->words[0]);
	return show(path, "POST", target, "");
}

static int pause_command(const struct ctl *o, const char *path)
{
	(void)o;
	return show(path, "POST", "/pause", "");
}

static int resume_command(const struct ctl *o, const char *path)
{
	(void)o;
	return show(path, "POST", "/resume", "");
}

static int drain_command(const struct ctl *o, const char *path)
{
	(void)o;
	return show(path, "POST", "/drain", "");
}

/* Ask until it is done: by then another generation may answer, or none for a moment. */
static int await_wish(const char *path, const char *target, struct buf *body)
{
	bool waits = false;

	for (unsigned failures = 0; failures < 3;) {
		unsigned answered;

		buf_reset(body);
		answered = ask(path, "GET", target, body);
		if (answered == 200 || answered == 422) {
			fprintf(answered == 200 ? stdout : stderr, "%.*s", (int)buf_len(body),
			        buf_span(body).data);
			return answered == 200 ? 0 : 2;
		}
		if (answered == 202 && !waits && buf_span(body).data[0] == 'w') {
			waits = true;
			fprintf(stderr, "understudy: ctl: %.*s", (int)buf_len(body), buf_span(body).data);
		}
		failures += answered != 202;
		usleep(POLL_US);
	}
	return 3;
}

static int wish(const char *path, const char *target)
{
	struct buf body;
	char question[64];
	int status;

	buf_init(&body, ANSWER_LIMIT);
	status = talk(path, "POST", target, &body);
	buf_put(&body, "", 1);
	if (!status) {
		snprintf(question, sizeof question, "/reload?number=%.*s",
		         (int)strspn(buf_span(&body).data, "0123456789"), buf_span(&body).data);
		status = await_wish(path, question, &body);
	}
	buf_fini(&body);
	return status;
}

static int reload_command(const struct ctl *o, const char *path)
{
	(void)o;
	return wish(path, "/reload");
}

static int run_command(const struct ctl *o, const char *path)
{
	const char *name = o->word_count > 1 ? o->words[1] : "";
	char target[256];

	if (!strcmp(o->words[0], "stop") && !*name)
		return wish(path, "/run/stop");
	if (strcmp(o->words[0], "start"))
		return complain(o->words[0], "use run stop or run start [NAME]");
	if (strlen(name) >= NAME_MAX_BYTES || strpbrk(name, " ?&=%#/"))
		return complain(name, "a run's name is letters, digits, '-', '_' and '.'");
	snprintf(target, sizeof target, "/run/start%s%s", *name ? "?name=" : "", name);
	return wish(path, target);
}

static int metrics_command(const struct ctl *o, const char *path)
{
	(void)o;
	return show(path, "GET", "/metrics", "");
}

static const struct {
	const char *name;
	unsigned words_min, words_max;
	int (*run)(const struct ctl *, const char *path);
} commands[] = {
        {"status", 0, 0, status_command},   {"pause", 0, 0, pause_command},
        {"resume", 0, 0, resume_command},   {"sample", 1, 2, sample_command},
        {"log", 1, 1, log_command},         {"drain", 0, 0, drain_command},
        {"metrics", 0, 0, metrics_command}, {"reload", 0, 0, reload_command},
        {"run", 1, 2, run_command},
};

static int parse(int argc, char **argv, struct ctl *o)
{
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (!strcmp(word, "--watch")) {
			o->watch = true;
		} else if (!strcmp(word, "--control") || !strcmp(word, "-c") || !strcmp(word, "--format")) {
			if (!value)
				return complain(word, "a value is missing behind it");
			if (word[2] == 'f' && strcmp(value, "json") && strcmp(value, "text"))
				return complain(value, "the format is text or json");
			if (word[2] == 'f')
				o->json = !strcmp(value, "json");
			else
				*(word[1] == 'c' ? &o->config : &o->socket_path) = value;
			i++;
		} else if (word[0] == '-') {
			return complain(word, "unknown flag; see understudy ctl --help");
		} else if (!o->command) {
			o->command = word;
		} else if (o->word_count < 2) {
			o->words[o->word_count++] = word;
		} else {
			return complain(word, "one word too many; see understudy ctl --help");
		}
	}
	return 0;
}

int ctl_command(int argc, char **argv)
{
	struct ctl o = {0};
	char path[PATH_MAX_BYTES];
	int status;

	if (argc > 1 && !strcmp(argv[1], "--help")) {
		fputs(help, stdout);
		return 0;
	}
	if (parse(argc, argv, &o))
		return 2;
	for (unsigned i = 0; o.command && i < sizeof commands / sizeof *commands; i++) {
		if (strcmp(o.command, commands[i].name))
			continue;
		if (o.word_count < commands[i].words_min || o.word_count > commands[i].words_max)
			return complain(o.command, "wrong number of words; see understudy ctl --help");
		status = choose_socket(&o, path);
		return status ? status : commands[i].run(&o, path);
	}
	return complain(
	        o.command ? o.command : "no command",
	        "use status, pause, resume, sample, log, metrics, reload, run or drain; see understudy ctl "
	        "--help");
}
