#include "replay/schedule.h"

#include <math.h>
#include <string.h>

#include "proto/base/siphash.h"

static const double SECOND_NS = 1e9;

void schedule_init(struct schedule *s, const struct plan_schedule *rule, double speed, uint64_t seed)
{
	*s = (struct schedule){.rule = rule, .speed = speed, .seed = seed};
}

static uint64_t draw(const char what[8], uint64_t seed, uint64_t of)
{
	uint8_t key[16];

	memcpy(key, what, 8);
	memcpy(key + 8, &seed, sizeof seed);
	return siphash(key, (struct span){(const char *)&of, sizeof of});
}

bool schedule_draws(uint64_t seed, uint64_t sample_hash, uint32_t share_ppm)
{
	uint64_t hash = draw("sampling", seed, sample_hash);

	return (uint64_t)((unsigned __int128)hash * 1000000 >> 64) < share_ppm;
}

/* Inverse of the exponential distribution, of 53 bits in (0, 1]. */
static uint64_t gap_of_poisson(const struct schedule *s)
{
	double u = ((double)(draw("arrivals", s->seed, s->number) >> 11) + 1) / 9007199254740992.0;

	return (uint64_t)(-log(u) / s->rule->rate * SECOND_NS + 0.5);
}

static uint64_t mean_gap(const struct schedule *s)
{
	uint64_t gaps = s->number - s->pass_first;

	return gaps > 1 ? (s->at_ns - s->pass_ns) / (gaps - 1) : 0;
}

static void follow(struct schedule *s, uint64_t recorded_ns)
{
	uint64_t gap = recorded_ns > s->last_ns ? recorded_ns - s->last_ns : 0;

	if (s->joined)
		gap = mean_gap(s);
	else if (!s->number)
		gap = 0;
	else if (s->rule->max_gap_ns && gap > s->rule->max_gap_ns)
		gap = s->rule->max_gap_ns;
	s->at_ns += gap;
	if (s->joined) {
		s->pass_ns = s->at_ns;
		s->pass_first = s->number;
		s->joined = false;
	}
	s->last_ns = recorded_ns;
}

uint64_t schedule_next(struct schedule *s, uint64_t recorded_ns)
{
	double due = 0;

	follow(s, recorded_ns);
	if (s->rule->arrivals == ARRIVALS_POISSON)
		s->drawn_ns += s->number ? gap_of_poisson(s) : 0;
	if (s->rule->arrivals == ARRIVALS_CONSTANT)
		due = (double)s->number * SECOND_NS / s->rule->rate;
	else if (s->rule->arrivals == ARRIVALS_RECORDED && s->speed > 0)
		due = (double)s->at_ns / s->speed;
	s->number++;
	return s->rule->arrivals == ARRIVALS_POISSON ? s->drawn_ns : (uint64_t)due;
}

void schedule_again(struct schedule *s)
{
	s->joined = true;
}
