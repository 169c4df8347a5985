#define _GNU_SOURCE
#include "proxy/generations.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "proto/base/clock.h"
#include "proxy/config_inside.h"

bool generations_serve(const struct parent *p)
{
	return p->serving->open && p->serving->phase == PHASE_RUN && !p->stops && !p->succeeded;
}

bool generations_busy(const struct parent *p)
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

void generations_refuse(struct parent *p, const char *why)
{
	settle(p, true, "%s\n", why);
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
	if (generations_busy(p)) {
		atomic_store(&w->waiting, 1);
		fprintf(stderr, "understudy: a reload waits until the older generation has drained\n");
	}
	return true;
}

void generations_hear(struct parent *p, uint64_t now)
{
	if (!generations_serve(p) || !take_wish(p) || generations_busy(p))
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
	size_t n_folder = strlen(plan->run_directory);
	const char *slash = n_folder && plan->run_directory[n_folder - 1] == '/' ? "" : "/";

	if (!p->job->run)
		snprintf(out, DIRECTORY_BYTES, "%s%s%s-%llu", plan->run_directory, slash, plan->run_name,
		         (unsigned long long)(clock_wall_ns() / 1000000u));
	else
		snprintf(out, DIRECTORY_BYTES, "%s", p->job->run);
	for (unsigned n = 2; p->job->run && !first && access(out, F_OK) == 0; n++)
		snprintf(out, DIRECTORY_BYTES, "%s-%u", p->job->run, n);
}

struct house *generations_build(struct parent *p, const struct plan *plan)
{
	char directory[DIRECTORY_BYTES];
	struct house *h;

	choose_directory(p, plan, directory);
	h = house_new(plan, directory, p->job->input, (struct starter){p->self_fd, &p->launcher});
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

void generations_hear_reread(struct parent *p, int status)
{
	static char words[WISH_WORDS_BYTES];

	reread_words(&p->reread, words, sizeof words);
	if (!generations_serve(p)) {
		settle(p, true, "the proxy drains\n");
	} else if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		settle(p, true, "%s%s", words, words[0] ? "" : "the configuration was not read to its end\n");
	} else {
		fputs(words, stderr); /* warnings */
		complete(p, p->reread.plan);
		p->coming = generations_build(p, p->reread.plan);
		if (!p->coming)
			settle(p, true, "the new generation cannot be made; the log says why\n");
	}
	reread_end(&p->reread);
}

static void carry_candidate(struct page *from, unsigned s, unsigned d, struct page *to, unsigned r,
                            unsigned c)
{
	atomic_store(&to->sample_ppm[r][c], atomic_load(&from->sample_ppm[s][d]));
	atomic_store(&to->candidates[r][c].spent_day, atomic_load(&from->candidates[s][d].spent_day));
	atomic_store(&to->candidates[r][c].spent_tokens, atomic_load(&from->candidates[s][d].spent_tokens));
	if (atomic_load(&from->paused_candidates[s]) >> d & 1)
		atomic_fetch_or(&to->paused_candidates[r], 1u << c);
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
						carry_candidate(page_of(from), s, d, page_of(to), r, c);
}

/* One switch stops all shadowing until `resume`. A file PAUSE stays behind in its run's directory. */
void generations_pause(struct page *to, bool paused)
{
	if (paused == !!atomic_load(&to->paused))
		return;
	atomic_store(&to->paused_at_ns, clock_mono_ns());
	atomic_store(&to->paused, paused ? PAUSED_BY_OPERATOR : 0);
}

static void carry_switches(const struct house *from, const struct house *to)
{
	generations_pause(page_of(to), atomic_load(&page_of(from)->paused));
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
	house_hand_over(former, next);
	p->serving = next;
	p->leaving = former;
	p->coming = NULL;
	p->run_closed = plan_of(next)->run_closed;
	if (p->wish.what == WISH_RUN_START)
		snprintf(p->run_name, sizeof p->run_name, "%s", p->wish.name);
	settle(p, false, "generation %u serves, %s%s\n", plan_of(next)->generation,
	       p->run_closed ? "no run is open" : "run in ", p->run_closed ? "" : next->directory);
	house_go(next);
	house_retire(former);
}

void generations_turn(struct parent *p)
{
	if (p->coming && !generations_serve(p))
		house_give_up(p->coming);
	if (p->coming && house_ready(p->coming))
		take_over(p);
	if (p->coming && p->coming->failed && house_empty(p->coming)) {
		house_discard(&p->coming);
		settle(p, true, "%s\n",
		       generations_serve(p)
		               ? "a role of the new generation did not get ready; the log says which"
		               : "the proxy drains");
	}
	if (!p->leaving)
		return;
	generations_pause(page_of(p->leaving), atomic_load(&page_of(p->serving)->paused));
	if (house_empty(p->leaving)) {
		fprintf(stderr, "understudy: generation %u has drained\n", plan_of(p->leaving)->generation);
		house_free(&p->leaving);
	}
}
