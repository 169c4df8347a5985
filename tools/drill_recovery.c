#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proxy/config_endpoint.h"
#include "tools/commands.h"
#include "tools/control_ask.h"
#include "tools/doc.h"
#include "tools/drill.h"
#include "tools/running.h"

enum { ROLES_MAX = 32, NAME = 24, LOOK_US = 2000, PROBE_US = 20000, PROBE_MS = 10000, GIVE_UP_MS = 30000 };
static const double PROMISE_MS = 1000;

struct role {
	int pid; /* 0: not found */
	char name[NAME], index[8];
	bool confined; /* it has gone behind its walls, the last thing before it serves */
};

struct roles {
	unsigned count;
	struct role at[ROLES_MAX];
};

struct probe { /* a child that asks a listener again and again */
	pid_t pid;
	int from;
};

struct probed {
	unsigned long asked, failed;
};

static unsigned broken;

static void told(const char *what, double ms, const char *promise, bool kept)
{
	printf("%-22s %9.1f ms   %-24s %s\n", what, ms, promise, kept ? "kept" : "BROKEN");
	fflush(stdout);
	broken += !kept;
}

static int cannot(const char *what)
{
	fprintf(stderr, "understudy: drill: %s\n", what);
	return 3;
}

static double ms_since(uint64_t ns)
{
	return (double)(clock_mono_ns() - ns) / 1e6;
}

/* --- live, meanwhile --- */

/* Any whole answer is one: what is asked need not be served. */
static bool probe_once(const struct plan_endpoint *e, struct tls_context *tls, struct reach_answer *answer)
{
	struct span text = SPAN("GET /understudy-drill HTTP/1.1\r\nhost: drill\r\nconnection: close\r\n\r\n");
	struct reach to;
	bool good = !reach_open(&to, e, tls, PROBE_MS);

	good = good && !reach_ask(&to, text, false, answer);
	reach_close(&to);
	return good;
}

_Noreturn static void probe(const struct plan_endpoint *e, bool tls, int to)
{
	static const struct tls_client_config config = {.insecure = true};
	const struct timespec pause = {0, PROBE_US * 1000};
	struct probed sum = {0};
	struct reach_answer answer;
	struct tls_context *context = NULL;
	char why[TLS_WHY_BYTES];
	sigset_t term;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term,
	            NULL); /* it is heard between two connections: it must not make one fail */
	reach_answer_init(&answer);
	if (tls && tls_client_context(&config, why, sizeof why, &context))
		_exit(3);
	do {
		sum.failed += !probe_once(e, context, &answer);
		sum.asked++;
	} while (sigtimedwait(&term, NULL, &pause) == -1);
	_exit(write(to, &sum, sizeof sum) == sizeof sum ? 0 : 3);
}

/* The first listener, as the proxy tells it. */
static int find_listener(const char *path, struct plan_endpoint *out, bool *tls_out)
{
	struct reach_answer answer;
	struct node *doc = NULL;
	const struct node *list;
	int err = ERR_PROTO;

	reach_answer_init(&answer);
	if (!control_told(&drill_command, path, "GET", "/config", &answer) &&
	    !doc_parse(buf_span(&answer.body), &doc)) {
		list = doc_get(doc, "listen");
		if (list && list->child && list->child->text && !endpoint_from_url(list->child->text, out))
			err = 0;
	}
	*tls_out = !err && out->tls;
	doc_free(&doc);
	reach_answer_fini(&answer);
	return err;
}

static int probe_start(const char *path, struct probe *p)
{
	static struct plan_endpoint listener;
	bool tls;
	int ends[2];

	if (find_listener(path, &listener, &tls) || pipe(ends))
		return ERR_SYS;
	p->from = ends[0];
	p->pid = fork();
	if (p->pid == 0)
		probe(&listener, tls, ends[1]);
	close(ends[1]);
	return p->pid > 0 ? 0 : ERR_SYS;
}

static void probe_stop(struct probe *p)
{
	struct probed sum = {0, 1};
	char what[64];

	kill(p->pid, SIGTERM);
	if (read(p->from, &sum, sizeof sum) != sizeof sum)
		sum = (struct probed){0, 1};
	waitpid(p->pid, NULL, 0);
	close(p->from);
	snprintf(what, sizeof what, "%lu of %lu connections failed", sum.failed, sum.asked);
	printf("%-37s %-24s %s\n", what, "none fails", sum.failed ? "BROKEN" : "kept");
	broken += sum.failed > 0;
}

/* --- the switch --- */

static bool asked(const char *path, const char *target, struct reach_answer *answer)
{
	return !control_told(&drill_command, path, "POST", target, answer);
}

static int pull_switch(const char *path)
{
	static const char before[] = "paused; last candidate byte ";
	struct reach_answer answer;
	uint64_t at = clock_mono_ns();
	struct span text;
	double ms = -1;

	reach_answer_init(&answer);
	if (asked(path, "/pause", &answer)) {
		text = buf_span(&answer.body);
		ms = span_starts(text, SPAN("paused; last candidate byte "))
		             ? strtod(text.data + sizeof before - 1, NULL)
		             : ms_since(at);
		told("switch: last byte", ms, "within 1 s", ms <= PROMISE_MS);
		at = clock_mono_ns();
		if (asked(path, "/resume", &answer))
			told("resume", ms_since(at), "within 1 s", ms_since(at) <= PROMISE_MS);
		else
			ms = -1;
	}
	reach_answer_fini(&answer);
	return ms < 0 ? 3 : 0;
}

/* --- roles --- */

/* A worker holds requests. */
static void note(void *arg, int pid, const char *role, const char *index)
{
	static char status[8192];
	struct roles *all = arg;
	struct role *r = &all->at[all->count];

	if (all->count == ROLES_MAX || !strcmp(role, "worker"))
		return;
	*r = (struct role){.pid = pid};
	snprintf(r->name, sizeof r->name, "%s", role);
	snprintf(r->index, sizeof r->index, "%s", index);
	r->confined = running_text(pid, "status", status, sizeof status) &&
	              atoi(running_value(status, "\nSeccomp:\t")) == 2;
	all->count++;
}

/* Another process of that role, behind the same walls. */
static bool is_back(int parent, const struct role *killed)
{
	struct roles now = {0};

	running_each(parent, note, &now);
	for (unsigned i = 0; i < now.count; i++)
		if (!strcmp(now.at[i].name, killed->name) && !strcmp(now.at[i].index, killed->index) &&
		    now.at[i].pid != killed->pid && now.at[i].confined >= killed->confined)
			return true;
	return false;
}

/* Of an older generation that drains, roles leave by themselves: until it has gone. */
static bool is_alone(int parent, struct roles *all)
{
	*all = (struct roles){0};
	running_each(parent, note, all);
	for (unsigned i = 0; i < all->count; i++)
		for (unsigned k = 0; k < i; k++)
			if (!strcmp(all->at[i].name, all->at[k].name) &&
			    !strcmp(all->at[i].index, all->at[k].index))
				return false;
	return true;
}

static int kill_role(const char *path, int parent, const struct role *r)
{
	uint64_t at = clock_mono_ns();
	struct reach_answer answer;

	if (kill(r->pid, SIGKILL))
		return cannot("a role cannot be killed: not the proxy's user");
	while (!is_back(parent, r) && ms_since(at) < GIVE_UP_MS)
		usleep(LOOK_US);
	if (!strcmp(r->name, "control")) { /* it answers, too */
		reach_answer_init(&answer);
		(void)!control_ask(path, "GET", "/livez", &answer);
		reach_answer_fini(&answer);
	}
	told(r->name, ms_since(at), "back within 1 s", ms_since(at) <= PROMISE_MS);
	return 0;
}

static int kill_roles(const char *path, int parent)
{
	uint64_t at = clock_mono_ns();
	struct roles all;
	int status = 0;

	while (!is_alone(parent, &all) && ms_since(at) < GIVE_UP_MS)
		usleep(LOOK_US);
	for (unsigned i = 0; !status && i < all.count; i++)
		status = kill_role(path, parent, &all.at[i]);
	return status;
}

/* --- all --- */

static int reload(const char *path)
{
	uint64_t at = clock_mono_ns();
	FILE *nowhere = fopen("/dev/null", "we");
	int status = nowhere ? control_wish(&drill_command, path, "/reload", nowhere) : 3;

	if (nowhere)
		fclose(nowhere);
	if (!status)
		told("reload", ms_since(at), "0 failed", true);
	return status ? 3 : 0;
}

static bool is_paused(const char *path)
{
	struct reach_answer answer;
	struct node *doc = NULL;
	bool paused = false;

	reach_answer_init(&answer);
	if (!control_ask(path, "GET", "/stats.json", &answer) && !doc_parse(buf_span(&answer.body), &doc))
		paused = doc_true(doc, "paused");
	doc_free(&doc);
	reach_answer_fini(&answer);
	return paused;
}

int drill_recovery(const char *path)
{
	int parent = running_parent(path), status;
	struct probe p;

	if (!parent)
		return cannot("no proxy answers there");
	if (is_paused(path))
		return cannot("shadowing is paused; resume it first");
	if (probe_start(path, &p))
		return cannot("no listener can be asked");
	status = pull_switch(path);
	if (!status)
		status = kill_roles(path, parent);
	if (!status)
		status = reload(path);
	probe_stop(&p);
	return status ? status : broken ? 1 : 0;
}
