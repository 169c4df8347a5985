#include "capture/carry.h"

#include <inttypes.h>
#include <stdio.h>

struct line {
	char route[NAME_MAX_BYTES], name[NAME_MAX_BYTES];
	uint32_t stage, falls, stopped;
	uint64_t day, tokens;
};

void carry_write(const struct plan *plan, const struct page *page, struct buf *out)
{
	for (unsigned r = 0; r < plan->route_count; r++)
		for (unsigned c = 0; c < plan->routes[r].candidate_count; c++) {
			const struct standing *s = &page->standings[r][c];
			const struct candidate_gauges *g = &page->candidates[r][c];

			buf_printf(out, "candidate %s %s %u %u %u %llu %llu\n", plan->routes[r].name,
			           plan->routes[r].candidates[c].name, atomic_load(&s->stage),
			           atomic_load(&s->falls), atomic_load(&s->stopped),
			           (unsigned long long)atomic_load(&g->spent_day),
			           (unsigned long long)atomic_load(&g->spent_tokens));
		}
}

static void apply(const struct plan *plan, struct page *page, const struct line *l, bool same_run)
{
	for (unsigned r = 0; r < plan->route_count; r++)
		for (unsigned c = 0; c < plan->routes[r].candidate_count; c++) {
			const struct plan_candidate *k = &plan->routes[r].candidates[c];
			struct standing *s = &page->standings[r][c];

			if (strcmp(plan->routes[r].name, l->route) || strcmp(k->name, l->name))
				continue;
			atomic_store(&page->candidates[r][c].spent_day, l->day);
			atomic_store(&page->candidates[r][c].spent_tokens, l->tokens);
			if (!same_run || l->stage > k->ramp.stage_count || l->stopped > CARRY_STOPS)
				continue;
			atomic_store(&s->stage, l->stage);
			atomic_store(&s->falls, l->falls);
			atomic_store(&s->stopped, plan->routes[r].stop.on ? l->stopped : 0);
			atomic_store(&page->carried, 1);
		}
}

void carry_read(const struct plan *plan, struct page *page, struct span text, bool same_run)
{
	while (text.len) {
		const char *end = memchr(text.data, '\n', text.len);
		size_t n = end ? (size_t)(end - text.data) : text.len;
		char copy[4 * NAME_MAX_BYTES];
		struct line l;
		int used = 0;

		snprintf(copy, sizeof copy, "%.*s", (int)(n < sizeof copy ? n : 0), text.data);
		if (end &&
		    sscanf(copy,
		           "candidate %63s %63s %" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNu64 " %" SCNu64
		           "%n",
		           l.route, l.name, &l.stage, &l.falls, &l.stopped, &l.day, &l.tokens, &used) == 7 &&
		    !copy[used])
			apply(plan, page, &l, same_run);
		text = (struct span){text.data + n + (end != NULL), text.len - n - (end != NULL)};
	}
}
