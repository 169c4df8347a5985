/*
 * replay_capacity.c - `understudy replay --find-capacity`: the rate at which a target's goodput falls.
 *
 * Each rate is a run of its own below RUN, with requests of the capture at that rate: doubled until too few
 * answers are good (whole, with a status below 400, within --slo from when they were due), then halved in
 * between. A rate holds when the share of good answers is surely no less than what --slo asks for, and fails
 * when it surely is; what is neither widens the interval. A rate that
 * we could not send in time is tried again, and then not passed.
 */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "replay/gate.h"
#include "replay/stat.h"
#include "tools/commands.h"
#include "tools/replay.h"
#include "tools/run.h"

enum { STEPS_MAX = 40, INTERRUPTED = 130 };
static const double RATE_MOST = 1e6, RATE_LEAST = 0.1, NEAR = 1.08, SHARE = 0.99, CLIENT_LATE = 0.01;
static const double SLO_PARTS = 10; /* a lag of ours beyond that part of it tells of us, not of the target */

enum finding { HOLDS, FAILS, UNCLEAR, BY_CLIENT, BROKEN };

struct step {
	double rate, sent, good, p50_ms, p99_ms, lag_ms;
	enum finding outcome;
};

struct search {
	struct step steps[STEPS_MAX];
	unsigned count;
	double low, high;         /* the highest rate that did well, the lowest that did not; 0: none */
	double holds, fails;      /* the same of those that are sure */
	bool again;               /* the last rate, as we were too slow for it */
	double client;            /* the lowest that we could not send; 0: none */
	double recorded, busiest; /* requests a second of the capture */
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal)
{
	interrupted = signal;
}

static const char *said(enum finding o)
{
	static const char *const words[] = {[HOLDS] = "holds",
	                                    [FAILS] = "fails",
	                                    [UNCLEAR] = "unclear",
	                                    [BY_CLIENT] = "the client was the bottleneck",
	                                    [BROKEN] = "could not be run"};

	return words[o];
}

static enum finding judge(const struct step *s, const struct node *late)
{
	double ours = doc_number(late, "source") + doc_number(late, "client");
	struct interval share = stat_rate((uint64_t)s->good, (uint64_t)s->sent, GATE_ALPHA, GATE_T_OPT);

	if (!(s->sent > 0))
		return BROKEN;
	if (ours > CLIENT_LATE * s->sent)
		return BY_CLIENT;
	return share.low >= SHARE ? HOLDS : share.high < SHARE ? FAILS : UNCLEAR;
}

static void read_step(const char *directory, struct step *s)
{
	struct run run;
	const struct node *target, *response;

	s->outcome = BROKEN;
	if (run_open(directory, &run))
		return;
	target = doc_get(run.summary, "targets") ? doc_get(run.summary, "targets")->child : NULL;
	response = doc_get(doc_get(target, "times_us"), "response");
	s->sent = doc_number(doc_get(run.summary, "counts"), "seen");
	s->good = 0;
	for (const struct node *t = target; t; t = t->next) /* of each route */
		s->good += doc_number(t, "good");
	s->p50_ms = doc_number(response, "p50") / 1e3;
	s->p99_ms = doc_number(response, "p99") / 1e3;
	s->lag_ms = doc_number(doc_get(run.summary, "lag_us"), "p99") / 1e3;
	s->outcome = judge(s, doc_get(run.summary, "late"));
	run_close(&run);
}

/* The run of one rate, in a process of its own: roles are started once in a process. Its exit status. */
static int play(const struct plan *base, const char *directory, const char *input, double rate,
                double seconds)
{
	static struct plan plan;
	sigset_t stop;
	int status = 3;
	pid_t child;

	plan = *base;
	plan.replay_schedule.rate = rate;
	plan.replay_schedule.most = (uint64_t)ceil(rate * seconds);
	fflush(NULL);
	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigprocmask(SIG_BLOCK, &stop, NULL); /* one that comes now is for both */
	child = interrupted ? -1 : fork();
	if (child == 0) {
		signal(SIGINT, SIG_DFL);
		sigprocmask(SIG_UNBLOCK, &stop, NULL);
		_exit(start_roles(&plan, directory, input, NULL));
	}
	sigprocmask(SIG_UNBLOCK, &stop, NULL);
	while (child != -1 && waitpid(child, &status, 0) != child && errno == EINTR)
		;
	if (interrupted || child == -1)
		return interrupted ? INTERRUPTED : 3;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 3;
}

static void print_step(const struct step *s)
{
	printf("%12.1f %10.0f %9.2f %% %10.3f %10.3f %10.3f  %s\n", s->rate, s->sent,
	       s->sent > 0 ? 100 * s->good / s->sent : 0, s->p50_ms, s->p99_ms, s->lag_ms, said(s->outcome));
	fflush(stdout);
}

static void learn(struct search *f, const struct step *s)
{
	bool well = s->outcome == HOLDS || (s->outcome == UNCLEAR && s->good >= SHARE * s->sent);

	f->again = s->outcome == BY_CLIENT && !f->again;
	if (f->again)
		return;
	if (s->outcome == BY_CLIENT && (!f->client || s->rate < f->client))
		f->client = s->rate;
	if (s->outcome == HOLDS && s->rate > f->holds)
		f->holds = s->rate;
	if (s->outcome == FAILS && (!f->fails || s->rate < f->fails))
		f->fails = s->rate;
	if (well && s->rate > f->low)
		f->low = s->rate;
	if (!well && (!f->high || s->rate < f->high))
		f->high = s->rate;
}

/* The next rate to try, or 0: it is known. */
static double next_rate(const struct search *f, double first)
{
	double rate = !f->high ? 2 * f->low : f->low > 0 ? sqrt(f->low * f->high) : f->high / 4;

	if (!f->count)
		return first;
	if (f->count == STEPS_MAX)
		return 0;
	if (f->again)
		return f->steps[f->count - 1].rate;
	if (rate > RATE_MOST || rate < RATE_LEAST || (f->high && f->low > 0 && f->high / f->low < NEAR))
		return 0;
	return rate;
}

static int search(struct search *f, struct replay_options *o, const struct plan *plan, double first)
{
	double rate, seconds = (double)o->step_ns / 1e9;
	char directory[PATH_MAX_BYTES + 32];
	struct step *s;
	int status;

	printf("%12s %10s %11s %10s %10s %10s\n", "requests/s", "sent", "good", "p50 ms", "p99 ms",
	       "lag p99");
	while ((rate = next_rate(f, first)) > 0) {
		s = &f->steps[f->count++];
		*s = (struct step){.rate = rate};
		snprintf(directory, sizeof directory, "%s/%02u-rate-%.1f", o->run, f->count, rate);
		status = play(plan, directory, o->input, rate, seconds);
		if (status)
			return status;
		read_step(directory, s);
		print_step(s);
		if (s->outcome == BROKEN)
			return 3;
		learn(f, s);
	}
	return 0;
}

static void print_worth(const struct search *f)
{
	if (f->recorded > 0)
		printf("it stands for %.1f times the capture's traffic (%.1f requests/s on average), %.1f "
		       "times its "
		       "busiest second (%.0f)\n",
		       f->low / f->recorded, f->recorded, f->busiest > 0 ? f->low / f->busiest : 0,
		       f->busiest);
}

static void print_interval(const struct search *f, double slo_ms)
{
	printf("capacity: %.1f requests/s with p99 <= %g ms; surely (95 %%) ", f->low, slo_ms);
	if (f->holds > 0 && f->fails > 0)
		printf("between %.1f and %.1f\n", f->holds, f->fails);
	else if (f->fails > 0)
		printf("below %.1f, and a longer --step tells from where on\n", f->fails);
	else
		printf("above %.1f, and a longer --step tells up to where\n", f->holds);
}

static void print_knee(const struct search *f, const struct plan *plan)
{
	double slo_ms = (double)plan->replay_slo_ns / 1e6;

	if (!f->low) {
		printf("no rate was found at which %g %% of the answers come within %g ms\n", 100 * SHARE,
		       slo_ms);
		return;
	}
	if (f->client && (!f->fails || f->client < f->fails))
		printf("at least %.1f requests/s with p99 <= %g ms: the client was the bottleneck at %.1f, "
		       "so the "
		       "target may take more\n",
		       f->low, slo_ms, f->client);
	else if (!f->high)
		printf("at least %.1f requests/s with p99 <= %g ms\n", f->low, slo_ms);
	else
		print_interval(f, slo_ms);
	print_worth(f);
}

int replay_find_capacity(struct replay_options *o, struct plan *plan)
{
	static struct search f;
	uint64_t lag_ns = (uint64_t)((double)plan->replay_slo_ns / SLO_PARTS);
	double first = plan->replay_schedule.rate;
	int status;

	status = replay_recorded(o->input, &f.recorded, &f.busiest);
	if (status)
		return status;
	if (!first)
		first = f.recorded >= 1 ? f.recorded : 10;
	if (plan->replay_schedule.arrivals == ARRIVALS_RECORDED)
		plan->replay_schedule.arrivals = ARRIVALS_POISSON;
	plan->replay_schedule.loops = UINT32_MAX;
	plan->replay_speed = 1;
	plan->replay_uncompared = true;
	plan->replay_progress = PROGRESS_QUIET;
	if (lag_ns > plan->replay_max_lag_ns)
		plan->replay_max_lag_ns = lag_ns;
	if (mkdir(o->run, 0755) && access(o->run, W_OK)) {
		fprintf(stderr, "understudy: replay: %s cannot be made\n", o->run);
		return 3;
	}
	signal(SIGINT, on_interrupt); /* the run that is under way ends by it, and with it the search */
	status = search(&f, o, plan, first);
	signal(SIGINT, SIG_DFL);
	print_knee(&f, plan);
	return status;
}
