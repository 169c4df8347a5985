#define _GNU_SOURCE
#include "proxy/parent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "proto/base/clock.h"
#include "proto/base/confine.h"
#include "proxy/generations.h"

enum {
	TICK_MS = 50, /* the page changes without a signal */
	PARENT_OOM = -500,
};

/* --- the next binary --- */

static void start_successor(struct parent *p, uint64_t now)
{
	const struct page *page = page_of(p->serving);
	struct former said = {.generation = plan_of(p->serving)->generation,
	                      .run_id = atomic_load(&page->run_id),
	                      .paused = atomic_load(&page->paused),
	                      .run_closed = p->run_closed};
	int listeners[LISTEN_MAX + 1];
	unsigned count = estate_listeners(&p->serving->estate, listeners);

	p->upgrade = false;
	snprintf(said.run_name, sizeof said.run_name, "%s", p->run_name);
	if (!p->job->argv)
		fprintf(stderr, "understudy: there is nothing to upgrade here\n");
	else if (upgrade_start(&p->successor, &p->launcher, p->job->argv, listeners, count, &p->notify, &said,
	                       now))
		fprintf(stderr, "understudy: upgrade: nothing was changed: %s\n", strerror(errno));
	else
		fprintf(stderr, "understudy: upgrade: process %d of %s starts\n", (int)p->successor.pid,
		        p->job->argv[0]);
}

static void hear_successor(struct parent *p, uint64_t now)
{
	enum upgrade_news news = UPGRADE_NOTHING;

	if (p->successor.fd != -1 && !p->succeeded)
		news = upgrade_hear(&p->successor, now);
	if (news == UPGRADE_READY) {
		fprintf(stderr, "understudy: upgrade: process %d serves, this one drains\n",
		        (int)p->successor.pid);
		atomic_store(&page_of(p->serving)->superseded, 1);
		house_retire(p->serving);
		p->succeeded = true;
		if (p->wish.open)
			generations_refuse(p, "another binary took over; ask again");
	} else if (news == UPGRADE_FAILED) {
		fprintf(stderr, "understudy: upgrade: it did not get ready; this process stays\n");
		upgrade_forget(&p->successor);
	}
	if (p->upgrade && generations_serve(p) && !generations_busy(p))
		start_successor(p, now);
}

/* --- the first generation --- */

static void announce(struct parent *p)
{
	const struct plan *plan = plan_of(p->serving);
	char text[128];

	if (plan->replay && plan->replay_progress != PROGRESS_QUIET)
		fprintf(stderr, "understudy: replaying, run in %s\n", p->serving->directory);
	else if (!plan->replay)
		fprintf(stderr, "understudy: ready on %s, %s%s\n", plan->listen[0].at.url,
		        plan->run_closed ? "no run is open" : "run in ",
		        plan->run_closed ? "" : p->serving->directory);
	if (p->former.fd != -1)
		snprintf(text, sizeof text, "MAINPID=%d\nREADY=1\nSTATUS=live traffic is forwarded",
		         (int)getpid());
	else
		snprintf(text, sizeof text, "READY=1\nSTATUS=live traffic is forwarded");
	notify_say(&p->notify, text);
}

static void not_started(struct parent *p)
{
	if (p->gave_up)
		return;
	p->gave_up = true;
	fprintf(stderr, "understudy: not started; every role is stopped\n");
	house_give_up(p->serving);
}

static void open_first(struct parent *p)
{
	struct house *h = p->serving;

	if (upgrade_former_gone(&p->former) && !h->open)
		not_started(p); /* its roles serve on without it, with all that they hold */
	if (!house_ready(h))
		return;
	if (estate_listen(&h->estate)) {
		not_started(p);
		return;
	}
	generations_pause(page_of(h), p->former.paused || (!h->estate.plan->replay &&
	                                                   pause_mark_found(&p->pause_mark, plan_of(h))));
	house_go(h);
	announce(p);
	upgrade_say_ready(&p->former);
}

/* --- the loop --- */

/* It takes a process that is not confined to start one. */
static void tell_launcher_died(const struct parent *p)
{
	fprintf(stderr, launcher_count(&p->launcher)
	                        ? "understudy: a launcher died: another starts the next\n"
	                        : "understudy: every launcher died: no sandbox and no other binary can be "
	                          "started until the proxy is\n");
}

static void reap(struct parent *p, uint64_t now)
{
	struct house *houses[] = {p->serving, p->coming, p->leaving};
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned i = 0; i < sizeof houses / sizeof *houses; i++)
			if (houses[i])
				house_hear_death(houses[i], pid, status, now);
		if (pid == p->reread.pid)
			generations_hear_reread(p, status);
		if (pid == p->successor.pid)
			p->successor.pid = 0; /* its socket says what that means */
		if (launcher_hear_death(&p->launcher, pid))
			tell_launcher_died(p);
	}
}

static void read_signals(struct parent *p)
{
	struct signalfd_siginfo s;

	while (read(p->signals, &s, sizeof s) == sizeof s) {
		if (s.ssi_signo == SIGHUP && !p->hangup_stops)
			p->hangup = true;
		else if (s.ssi_signo == SIGUSR1)
			atomic_fetch_add(&page_of(p->serving)->turns, 1);
		else if (s.ssi_signo == SIGUSR2)
			p->upgrade = true;
		else if (s.ssi_signo != SIGCHLD)
			p->stops++;
	}
	if (p->job->plan->replay && (p->hangup || p->upgrade)) {
		fprintf(stderr, "understudy: a replay is neither reloaded nor upgraded\n");
		p->hangup = p->upgrade = false;
	}
}

static void turn_houses(struct parent *p, uint64_t now)
{
	struct house *houses[] = {p->serving, p->coming, p->leaving};

	for (unsigned i = 0; i < sizeof houses / sizeof *houses; i++) {
		if (!houses[i])
			continue;
		houses[i]->stops = p->stops;
		house_turn(houses[i], now);
	}
	if (p->serving->failed && !p->serving->open)
		not_started(p);
	if (p->serving->phase != PHASE_RUN && !p->stopping && !p->succeeded) {
		p->stopping = true;
		notify_say(&p->notify, "STOPPING=1\nSTATUS=draining");
	}
}

static void mark_pause(struct parent *p)
{
	uint32_t paused = atomic_load(&page_of(p->serving)->paused);

	if (p->serving->open && !p->job->plan->replay && !p->succeeded)
		pause_mark_set(&p->pause_mark, plan_of(p->serving), paused & PAUSED_UNTIL_RESUMED);
}

static void wait_for_news(const struct parent *p)
{
	const struct house *houses[] = {p->serving, p->coming, p->leaving};
	struct pollfd fds[3 * CHILDREN_MAX + 1] = {{.fd = p->signals, .events = POLLIN}};
	nfds_t n = 1;

	for (unsigned i = 0; i < sizeof houses / sizeof *houses; i++)
		if (houses[i])
			n += house_pipes(houses[i], fds + n);
	poll(fds, n, TICK_MS);
}

static void serve(struct parent *p)
{
	while (!house_empty(p->serving) || p->coming || p->leaving || p->reread.pid) {
		uint64_t now = clock_mono_ns();

		read_signals(p);
		reap(p, now);
		launcher_mend(&p->launcher);
		turn_houses(p, now);
		open_first(p);
		generations_turn(p);
		mark_pause(p);
		generations_hear(p, now);
		reread_turn(&p->reread, now);
		hear_successor(p, now);
		if (!p->succeeded)
			notify_alive(&p->notify, now);
		wait_for_news(p);
	}
}

/* --- the process --- */

/* Terminals hang up on what they started; a service has none, and keeps serving. */
static bool has_terminal(void)
{
	int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);

	if (fd == -1)
		return false;
	close(fd);
	return true;
}

static int hear_signals(struct parent *p)
{
	static const int heard[] = {SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGHUP};
	sigset_t mask;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&mask);
	for (unsigned i = 0; i < sizeof heard / sizeof *heard; i++) {
		if (heard[i] != SIGHUP) /* scripts start us with some ignored; nohup means it */
			signal(heard[i], SIG_DFL);
		sigaddset(&mask, heard[i]);
	}
	sigprocmask(SIG_BLOCK, &mask, &p->former_mask);
	p->hangup_stops = has_terminal();
	p->signals = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
	return p->signals == -1 ? ERR_SYS : 0;
}

/* As many descriptors as the system allows, and with a live path to hold open the last to be killed. */
static void settle_process(const struct plan *plan)
{
	struct rlimit files;
	int fd = plan->replay ? -1 : open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd != -1) {
		dprintf(fd, "%d", PARENT_OOM);
		close(fd);
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

/* The plan as it was read, and what the older binary said of itself. */
static struct house *build_first(struct parent *p)
{
	static struct plan plan;

	plan_copy(&plan, p->job->plan);
	if (p->former.fd != -1) {
		plan.generation = p->former.generation + 1;
		plan.continues = p->former.run_id;
		plan.run_closed = p->run_closed = p->former.run_closed;
		snprintf(p->run_name, sizeof p->run_name, "%s", p->former.run_name);
		if (p->run_name[0])
			snprintf(plan.run_name, sizeof plan.run_name, "%s", p->run_name);
	}
	return generations_build(p, &plan);
}

static int begin(struct parent *p)
{
	confine_memory();
	return hear_signals(p) ? ERR_SYS : confine_parent();
}

/* A replay has no other binary to start. */
static bool launches(const struct parent_job *job)
{
	unsigned r, c;
	bool answers;

	return !job->plan->replay || plan_sandboxed(job->plan, 0, &r, &c) ||
	       plan_recogniser(job->plan, 0, &r, &answers);
}

int parent_run(const struct parent_job *job)
{
	static struct parent parent;
	struct parent *p = &parent;
	int status = 3;

	*p = (struct parent){.job = job, .signals = -1, .notify = {.fd = -1}, .successor = {.fd = -1}};
	p->self_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	upgrade_find(&p->former);
	notify_open(&p->notify);
	settle_process(job->plan);
	if (p->self_fd == -1 || (launches(job) && launcher_open(&p->launcher, p->self_fd)) || begin(p))
		fprintf(stderr, "understudy: cannot start roles: %s\n", strerror(errno));
	else if ((p->serving = build_first(p))) {
		serve(p);
		status = p->serving->failed ? 3 : job->plan->replay && p->stops ? 130 : 0;
		if (!status && !job->plan->replay && !p->succeeded && !plan_of(p->serving)->run_closed)
			fprintf(stderr, "understudy: drained; the run is sealed: understudy report %s\n",
			        p->serving->directory);
	}
	if (p->serving && p->serving->failed)
		house_discard(&p->serving);
	house_free(&p->serving);
	if (p->successor.fd != -1)
		upgrade_forget(&p->successor);
	if (p->former.fd != -1)
		close(p->former.fd);
	notify_close(&p->notify);
	launcher_close(&p->launcher);
	if (p->signals != -1)
		close(p->signals);
	close(p->self_fd);
	sigprocmask(SIG_SETMASK, &p->former_mask, NULL);
	return status;
}
