#define _GNU_SOURCE
#include "capture/page.h"

#include <string.h>

#include "capture/sealed.h"
#include "proto/base/log.h"

const char *reject_name(unsigned rule)
{
	static const char *const names[] = {
#define X(name, text, meaning) text,
	        REJECT_TABLE(X)
#undef X
	};

	if (rule < REJECT_H1)
		return names[rule];
	return rule < REJECT_H2 ? h1_rule_name((enum h1_rule)(rule - REJECT_H1))
	                        : h2_rule_name((enum h2_rule)(rule - REJECT_H2));
}

const char *live_error_name(unsigned error)
{
	static const char *const names[] = {
#define X(name, text, meaning) text,
	        LIVE_ERROR_TABLE(X)
#undef X
	};

	return error < LIVE_ERRORS ? names[error] : "?";
}

void gauges_reject(struct worker_gauges *g, enum reject_rule rule)
{
	gauge_add(&g->rejected, 1);
	gauge_add(&g->rejected_rule[rule < RULES_MAX ? rule : REJECT_H1], 1);
}

void gauges_live_error(struct worker_gauges *g, enum live_error error)
{
	gauge_add(&g->live_errors, 1);
	gauge_add(&g->live_error[error], 1);
}

void gauges_response(struct worker_gauges *g, enum origin origin, unsigned status)
{
	gauge_add(&g->responses[origin][status / 100 < STATUS_CLASSES ? status / 100 : 0], 1);
}

void standing_gate_set(struct standing *s, const char *name)
{
	uint64_t words[STANDING_GATE_WORDS] = {0};

	memcpy(words, name, strnlen(name, sizeof words));
	for (unsigned i = 0; i < STANDING_GATE_WORDS; i++)
		atomic_store(&s->gate[i], words[i]);
}

void standing_gate(const struct standing *s, char name_out[STANDING_GATE_BYTES + 1])
{
	for (unsigned i = 0; i < STANDING_GATE_WORDS; i++) {
		uint64_t word = atomic_load(&s->gate[i]);

		memcpy(name_out + 8 * i, &word, 8);
	}
	name_out[STANDING_GATE_BYTES] = '\0';
}

int page_create(int *memfd_out)
{
	struct page *p;
	int fd, err = sealed_create("understudy-page", sizeof *p, SPAN(""), 0, &fd);

	if (err)
		return err;
	err = page_map(fd, &p);
	if (err) {
		close(fd);
		return err;
	}
	for (unsigned r = 0; r < ROUTES_MAX; r++)
		for (unsigned c = 0; c < CANDIDATES_MAX; c++) {
			atomic_store(&p->sample_ppm[r][c], SAMPLE_ALL_PPM);
			atomic_store(&p->standings[r][c].sample_ppm, SAMPLE_ALL_PPM);
			atomic_store(&p->guard_ppm[r][c], SAMPLE_ALL_PPM);
		}
	atomic_store(&p->log_level, LOG_INFO);
	munmap(p, sizeof *p);
	*memfd_out = fd;
	return 0;
}

int page_map(int memfd, struct page **page_out)
{
	size_t bytes = 0;
	void *p;
	int err = sealed_size(memfd, &bytes);

	if (err)
		return err;
	if (bytes != sizeof(struct page))
		return ERR_PROTO;
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	if (p == MAP_FAILED)
		return ERR_SYS;
	*page_out = p;
	return 0;
}

uint32_t page_drills(const struct page *p)
{
	uint32_t count = atomic_load_explicit(&p->drill_count, memory_order_acquire);

	return count < DRILLS_MAX ? count : DRILLS_MAX;
}

bool page_drilled(const struct page *p, const struct plan *plan, uint16_t route, unsigned candidate)
{
	uint32_t count = page_drills(p);

	for (uint32_t i = 0; i < count; i++)
		if (p->drills[i].route == route && p->drills[i].candidate == candidate)
			return true;
	return plan->routes[route].candidates[candidate].fault_count > 0;
}

bool page_paused(const struct page *p, uint16_t route, unsigned candidate)
{
	return atomic_load_explicit(&p->paused, memory_order_relaxed) ||
	       (atomic_load_explicit(&p->paused_candidates[route], memory_order_relaxed) |
	        atomic_load_explicit(&p->guard_pauses[route], memory_order_relaxed)) >>
	                       candidate &
	               1;
}

static uint32_t least(uint32_t a, const _Atomic uint32_t *b)
{
	uint32_t other = atomic_load_explicit(b, memory_order_relaxed);

	return a < other ? a : other;
}

uint32_t page_sample_ppm(const struct page *p, uint16_t route, unsigned candidate, uint32_t configured_ppm)
{
	uint32_t ppm = least(configured_ppm, &p->sample_ppm[route][candidate]);

	ppm = least(ppm, &p->standings[route][candidate].sample_ppm);
	return least(ppm, &p->guard_ppm[route][candidate]);
}
