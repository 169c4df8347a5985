#define _GNU_SOURCE
#include "proxy/parent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "proto/base/clock.h"
#include "proxy/config_inside.h"
#include "proxy/house.h"
#include "proxy/notify.h"
#include "proxy/upgrade.h"

enum {
	TICK_MS = 20, /* the page changes without a signal */
	PARENT_OOM = -500,
	DIRECTORY_BYTES = PATH_MAX_BYTES + NAME_MAX_BYTES + 32,
};

struct parent {
	const struct parent_job *job;
	struct notify notify;
	int self_fd, signals;
	sigset_t former_mask;
	bool hangup_stops, hangup, upgrade; /* the last two: a signal asked */
	unsigned stops;                     /* signals that asked to stop */
	bool stopping;                      /* the service manager was told */

	struct house *serving;
	struct house *coming, *leaving; /* at most one of them */
	struct {
		bool open, begun; /* begun: its configuration is read, or its house is coming */
		uint32_t number, what;
		char name[WISH_NAME_BYTES];
	} wish;
	struct reread reread;
	bool run_closed; /* by an operator, for every generation until `run start` */
	char run_name[NAME_MAX_BYTES];

	struct former former;       /* the binary before this one, until it has left */
	struct successor successor; /* the binary behind this one */
	bool succeeded;             /* ... serves */
};

static struct page *page_of(const struct house *h)
{
	return h->estate.page;
}

static const struct plan *plan_of(const struct house *h)
{
	return h->estate.plan;
}

static bool serves(const struct parent *p)
{
	return p->serving->open && p->serving->phase == PHASE_RUN && !p->stops && !p->succeeded;
}

/* An older generation drains, or another change is under way. */
static bool is_busy(const struct parent *p)
{
	return p->coming || p->leaving || p->former.fd != -1 || p->successor.fd != -1 || p->wish.begun;
}

/* --- wishes --- */

/* The wish is done; whoever waits for it reads the words, and so does the log. */
__attribute__((format(printf, 3, 4))) static void settle(struct parent *p, bool failed, const char *format,
                                                         ...)
{
	struct page_wish *w = &page_of(p->serving)->wish;
	va_list args;

	va_start(args, format);
	vsnprintf(w->words, sizeof w->words, format, args);
	va_end(args);
	fprintf(stderr, "understudy: %s%s", failed ? "nothing was changed: " : "", w->words);
	atomic_store(&w->failed, failed);
	atomic_store(&w->waiting, 0);
	atomic_store(&w->asked, p->wish.number);
	atomic_store(&w->done, p->wish.number);
	p->wish.open = p->wish.begun = false;
}

/* SIGHUP's, or what control put on the page. */
static bool take_wish(struct parent *p)
{
	struct page_wish *w = &page_of(p->serving)->wish;
	uint32_t done = atomic_load(&w->done);

	if (p->wish.open)
		return true;
	p->wish.what = WISH_RELOAD;
	p->wish.name[0] = '\0';
	if (p->hangup && atomic_compare_exchange_strong(&w->asked, &done, done + 1)) {
		p->hangup = false;
	} else if (atomic_load(&w->asked) != atomic_load(&w->done)) {
		p->wish.what = atomic_load(&w->what);
		snprintf(p->wish.name, sizeof p->wish.name, "%.*s", WISH_NAME_BYTES - 1, w->name);
	} else {
		return false;
	}
	p->wish.number = atomic_load(&w->asked);
	p->wish.open = true;
	if (is_busy(p)) {
		atomic_store(&w->waiting, 1);
		fprintf(stderr, "understudy: a reload waits until the older generation has drained\n");
	}
	return true;
}

static void hear_wish(struct parent *p, uint64_t now)
{
	if (!serves(p) || !take_wish(p) || is_busy(p))
		return;
	p->wish.begun = true;
	atomic_store(&page_of(p->serving)->wish.waiting, 0);
	if (p->wish.what == WISH_RUN_STOP && plan_of(p->serving)->run_closed)
		settle(p, true, "no run is open\n");
	else if (p->wish.name[0] && !config_name_good(p->wish.name))
		settle(p, true, "a run's name is letters, digits, '-', '_' and '.'\n");
	else if (!p->job->again)
		settle(p, true, "there is no configuration to read again\n");
	else if (reread_start(&p->reread, p->job->again, p->job->arg, now))
		settle(p, true, "cannot read the configuration: %s\n", strerror(errno));
}

/* --- the next generation --- */

/* A directory that no other run has: that of a first run is as it was given. */
static void choose_directory(const struct parent *p, const struct plan *plan, char out[DIRECTORY_BYTES])
{
	bool first = !p->serving && p->former.fd == -1;

	if (!p->job->run)
		snprintf(out, DIRECTORY_BYTES, "%s/%s-%llu", plan->run_directory, plan->run_name,
		         (unsigned long long)(clock_wall_ns() / 1000000u));
	else
		snprintf(out, DIRECTORY_BYTES, "%s", p->job->run);
	for (unsigned n = 2; p->job->run && !first && access(out, F_OK) == 0; n++)
		snprintf(out, DIRECTORY_BYTES, "%s-%u", p->job->run, n);
}

static struct house *build(const struct parent *p, const struct plan *plan)
{
	char directory[DIRECTORY_BYTES];
	struct house *h;

	choose_directory(p, plan, directory);
	h = house_new(plan, directory, p->job->input, p->self_fd);
	if (h && house_build(h, p->job->rows, p->job->row_count, p->serving))
		house_discard(&h);
	return h;
}

/* What the configuration does not say: the generation, and what an operator said of runs. */
static void complete(const struct parent *p, struct plan *plan)
{
	const struct house *former = p->serving;
	bool start = p->wish.what == WISH_RUN_START;
	const char *name = start ? p->wish.name : p->run_name;

	plan->generation = plan_of(former)->generation + 1;
	plan->continues = atomic_load(&page_of(former)->run_id);
	plan->run_closed = p->wish.what == WISH_RUN_STOP || (p->run_closed && !start);
	if (name[0])
		snprintf(plan->run_name, sizeof plan->run_name, "%s", name);
}

static void hear_reread(struct parent *p, int status)
{
	static char words[WISH_WORDS_BYTES];

	reread_words(&p->reread, words, sizeof words);
	if (!serves(p)) {
		settle(p, true, "the proxy drains\n");
	} else if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		settle(p, true, "%s%s", words, words[0] ? "" : "the configuration was not read to its end\n");
	} else {
		fputs(words, stderr); /* warnings */
		complete(p, p->reread.plan);
		p->coming = build(p, p->reread.plan);
		if (!p->coming)
			settle(p, true, "the new generation cannot be made; the log says why\n");
	}
	reread_end(&p->reread);
}

/* By route and name: routes and candidates may have come and gone. */
static void carry_samples(const struct house *from, const struct house *to)
{
	const struct plan *old = plan_of(from), *new = plan_of(to);

	for (unsigned r = 0; r < new->route_count; r++)
		for (unsigned c = 0; c < new->routes[r].candidate_count; c++)
			for (unsigned s = 0; s < old->route_count; s++)
				for (unsigned d = 0; d < old->routes[s].candidate_count; d++)
					if (!strcmp(new->routes[r].name, old->routes[s].name) &&
					    !strcmp(new->routes[r].candidates[c].name,
					            old->routes[s].candidates[d].name))
						atomic_store(&page_of(to)->sample_ppm[r][c],
						             atomic_load(&page_of(from)->sample_ppm[s][d]));
}

/* One switch stops all shadowing until `resume`, whichever generation it was that heard it. A file PAUSE
 * stays behind in its run's directory. */
static void pause_as(struct page *to, bool paused)
{
	if (paused == !!atomic_load(&to->paused))
		return;
	atomic_store(&to->paused_at_ns, clock_mono_ns());
	atomic_store(&to->paused, paused ? PAUSED_BY_OPERATOR : 0);
}

static void carry_switches(const struct house *from, const struct house *to)
{
	pause_as(page_of(to), atomic_load(&page_of(from)->paused));
	atomic_store(&page_of(to)->log_level, atomic_load(&page_of(from)->log_level));
	carry_samples(from, to);
}

/* Operators first, so that none of their words is lost; the page is settled before its control writes to it;
 * then clients come; then the former generation drains. */
static void take_over(struct parent *p)
{
	struct house *former = p->serving, *next = p->coming;

	if (estate_listen(&next->estate)) {
		house_give_up(next);
		return;
	}
	atomic_store(&page_of(former)->superseded, 1);
	carry_switches(former, next);
	former->retired = true;
	p->serving = next;
	p->leaving = former;
	p->coming = NULL;
	p->run_closed = plan_of(next)->run_closed;
	if (p->wish.what == WISH_RUN_START)
		snprintf(p->run_name, sizeof p->run_name, "%s", p->wish.name);
	settle(p, false, "generation %u serves, %s%s\n", plan_of(next)->generation,
	       p->run_closed ? "no run is open" : "run in ", p->run_closed ? "" : next->directory);
	house_go(next);
}

static void change_generation(struct parent *p)
{
	if (p->coming && !serves(p))
		house_give_up(p->coming);
	if (p->coming && house_ready(p->coming))
		take_over(p);
	if (p->coming && p->coming->failed && house_empty(p->coming)) {
		house_discard(&p->coming);
		settle(p, true, "%s\n",
		       serves(p) ? "a role of the new generation did not get ready; the log says which"
		                 : "the proxy drains");
	}
	if (!p->leaving)
		return;
	pause_as(page_of(p->leaving), atomic_load(&page_of(p->serving)->paused));
	if (house_empty(p->leaving)) {
		fprintf(stderr, "understudy: generation %u has drained\n", plan_of(p->leaving)->generation);
		house_free(&p->leaving);
	}
}

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
	else if (upgrade_start(&p->successor, p->job->argv, listeners, count, &p->notify, &said,
	                       &p->former_mask, now))
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
		p->serving->retired = p->succeeded = true;
		if (p->wish.open)
			settle(p, true, "another binary took over; ask again\n");
	} else if (news == UPGRADE_FAILED) {
		fprintf(stderr, "understudy: upgrade: it did not get ready; this process stays\n");
		upgrade_forget(&p->successor);
	}
	if (p->upgrade && serves(p) && !is_busy(p))
		start_successor(p, now);
}

/* --- the first generation --- */

static void announce(struct parent *p)
{
	const struct plan *plan = plan_of(p->serving);
	char text[128];

	if (plan->replay)
		fprintf(stderr, "understudy: replaying, run in %s\n", p->serving->directory);
	else if (plan->run_closed)
		fprintf(stderr, "understudy: ready on %s, no run is open\n", plan->listen[0].at.url);
	else
		fprintf(stderr,
		        "understudy: ready on %s, run in %s; stop all shadowing: understudy ctl pause\n",
		        plan->listen[0].at.url, p->serving->directory);
	if (p->former.fd != -1)
		snprintf(text, sizeof text, "MAINPID=%d\nREADY=1\nSTATUS=live traffic is forwarded",
		         (int)getpid());
	else
		snprintf(text, sizeof text, "READY=1\nSTATUS=live traffic is forwarded");
	notify_say(&p->notify, text);
}

static void not_started(struct parent *p)
{
	if (!p->serving->failed)
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
	pause_as(page_of(h), p->former.paused);
	house_go(h);
	announce(p);
	upgrade_say_ready(&p->former);
}

/* --- the loop --- */

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
			hear_reread(p, status);
		if (pid == p->successor.pid)
			p->successor.pid = 0; /* its socket says what that means */
	}
}

static void read_signals(struct parent *p)
{
	struct signalfd_siginfo s;

	while (read(p->signals, &s, sizeof s) == sizeof s) {
		if (s.ssi_signo == SIGHUP && !p->hangup_stops)
			p->hangup = true;
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
		turn_houses(p, now);
		open_first(p);
		change_generation(p);
		hear_wish(p, now);
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
	static const int heard[] = {SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGUSR2, SIGHUP};
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

/* As many descriptors as the system allows, no core, no reading of its descriptors by neighbours, and with a
 * live path to hold open the last to be killed. */
static void settle_process(const struct plan *plan)
{
	struct rlimit files, none = {0, 0};
	int fd = plan->replay ? -1 : open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd != -1) {
		dprintf(fd, "%d", PARENT_OOM);
		close(fd);
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}

/* The plan as it was read, and what the older binary said of itself. */
static struct house *build_first(struct parent *p)
{
	static struct plan plan;

	plan = *p->job->plan;
	if (p->former.fd != -1) {
		plan.generation = p->former.generation + 1;
		plan.continues = p->former.run_id;
		plan.run_closed = p->run_closed = p->former.run_closed;
		snprintf(p->run_name, sizeof p->run_name, "%s", p->former.run_name);
		if (p->run_name[0])
			snprintf(plan.run_name, sizeof plan.run_name, "%s", p->run_name);
	}
	return build(p, &plan);
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
	if (p->self_fd == -1 || hear_signals(p))
		fprintf(stderr, "understudy: cannot start roles: %s\n", strerror(errno));
	else if ((p->serving = build_first(p))) {
		serve(p);
		status = p->serving->failed ? 3 : job->plan->replay && p->stops ? 130 : 0;
	}
	house_free(&p->serving);
	if (p->successor.fd != -1)
		upgrade_forget(&p->successor);
	if (p->former.fd != -1)
		close(p->former.fd);
	notify_close(&p->notify);
	if (p->signals != -1)
		close(p->signals);
	close(p->self_fd);
	sigprocmask(SIG_SETMASK, &p->former_mask, NULL);
	return status;
}
