/*
 * fuzz_carry.c - whatever stands in RUN/carry: nothing that the plan does not have is taken from it, and what
 * was taken is written as it is read again.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/carry.h"

enum { STAGES = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct plan *the_plan(void)
{
	static struct plan plan;

	if (plan.route_count)
		return &plan;
	plan.route_count = 2;
	for (unsigned r = 0; r < 2; r++) {
		snprintf(plan.routes[r].name, NAME_MAX_BYTES, "route%u", r);
		plan.routes[r].stop.on = r == 0;
		plan.routes[r].candidate_count = 2;
		for (unsigned c = 0; c < 2; c++) {
			snprintf(plan.routes[r].candidates[c].name, NAME_MAX_BYTES, "c%u", c);
			plan.routes[r].candidates[c].ramp.stage_count = STAGES;
		}
	}
	return &plan;
}

static void read_into(struct page *page, struct span text)
{
	memset(page->standings, 0, sizeof page->standings);
	memset(page->candidates, 0, sizeof page->candidates);
	carry_read(the_plan(), page, text, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct page page;
	struct buf first, second;

	read_into(&page, (struct span){(const char *)data, size});
	for (unsigned r = 0; r < ROUTES_MAX; r++)
		for (unsigned c = 0; c < CANDIDATES_MAX; c++) {
			const struct standing *s = &page.standings[r][c];

			if (s->stage > STAGES || s->stopped > (r == 0 ? CARRY_STOPS : 0))
				abort();
			if ((r > 1 || c > 1) && (s->falls || page.candidates[r][c].spent_tokens))
				abort();
		}
	buf_init(&first, CARRY_MAX_BYTES);
	buf_init(&second, CARRY_MAX_BYTES);
	carry_write(the_plan(), &page, &first);
	read_into(&page, buf_span(&first));
	carry_write(the_plan(), &page, &second);
	if (!span_eq(buf_span(&first), buf_span(&second)))
		abort();
	buf_fini(&first);
	buf_fini(&second);
	return 0;
}
