#define _GNU_SOURCE
#include "replay/schedule.h"

#include <math.h>
#include <string.h>

#include "proto/base/siphash.h"

enum { SCHEDULE_STEPS = 5 };
static const double SECOND_NS = 1e9;

void schedule_init(struct schedule *s, const struct plan_schedule *rule, double speed, uint64_t seed)
{
	*s = (struct schedule){.rule = rule, .speed = speed, .seed = seed};
}

static uint64_t draw_by(const char what[8], uint64_t seed, struct span of)
{
	uint8_t key[16];

	memcpy(key, what, 8);
	memcpy(key + 8, &seed, sizeof seed);
	return siphash(key, of);
}

static uint64_t draw(const char what[8], uint64_t seed, uint64_t of)
{
	return draw_by(what, seed, (struct span){(const char *)&of, sizeof of});
}

uint64_t schedule_session(uint64_t seed, struct span session, uint64_t users)
{
	return draw_by("sessions", seed, session) % users;
}

bool schedule_draws(uint64_t seed, uint64_t sample_hash, uint32_t share_ppm)
{
	uint64_t hash = draw("sampling", seed, sample_hash);

	return (uint64_t)((unsigned __int128)hash * 1000000 >> 64) < share_ppm;
}

uint64_t schedule_copy(uint64_t sample_hash, unsigned copy)
{
	return copy ? draw("the copy", copy, sample_hash) : sample_hash;
}

/* --- gaps whose mean is 1 --- */

enum { DRAWS_A_GAP = 256 };

/* The `which`-th of this request, in (0, 1]. */
static double uniform(const struct schedule *s, unsigned which)
{
	uint64_t hash = draw("arrivals", s->seed, s->number * DRAWS_A_GAP + which);

	return ((double)(hash >> 11) + 1) / 9007199254740992.0;
}

static double normal(const struct schedule *s, unsigned which)
{
	return sqrt(-2 * log(uniform(s, which))) * cos(2 * M_PI * uniform(s, which + 1));
}

/* Marsaglia and Tsang's: of a shape from 1 on; nearly all first tries are taken. */
static double gamma_from_one(const struct schedule *s, double shape)
{
	double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d), v = 1;

	for (unsigned at = 1; at + 3 <= DRAWS_A_GAP; at += 3) {
		double x = normal(s, at);

		v = (1 + c * x) * (1 + c * x) * (1 + c * x);
		if (v > 0 && log(uniform(s, at + 2)) < x * x / 2 + d - d * v + d * log(v))
			break;
	}
	return d * fmax(v, 0);
}

static double gap(const struct schedule *s)
{
	double shape = 1 / (s->rule->cv * s->rule->cv);

	if (s->rule->arrivals == ARRIVALS_CONSTANT)
		return 1;
	if (s->rule->arrivals == ARRIVALS_POISSON)
		return -log(uniform(s, 0));
	if (shape >= 1)
		return gamma_from_one(s, shape) / shape;
	return gamma_from_one(s, shape + 1) * pow(uniform(s, 0), 1 / shape) / shape;
}

/* --- the rate of the moment: after how many seconds is its integral `count`? --- */

static double after_ramp(const struct plan_schedule *r, double count)
{
	double period = (double)r->period_ns / SECOND_NS, slope = (r->rate_to - r->rate) / period,
	       all = (r->rate + r->rate_to) / 2 * period;

	if (count >= all)
		return period + (count - all) / r->rate_to;
	return 2 * count / (r->rate + sqrt(r->rate * r->rate + 2 * slope * count));
}

static double after_steps(const struct plan_schedule *r, double count)
{
	double step = (double)r->period_ns / SECOND_NS / SCHEDULE_STEPS, at = 0, rate = r->rate;

	for (int i = 0; i < SCHEDULE_STEPS && count >= rate * step; i++) {
		count -= rate * step;
		at += step;
		rate += (r->rate_to - r->rate) / SCHEDULE_STEPS;
	}
	return at + count / rate;
}

/* The rate swings between 2 rate - rate_to and rate_to. */
static double after_sine(const struct plan_schedule *r, double count)
{
	double period = (double)r->period_ns / SECOND_NS,
	       swing = (r->rate_to - r->rate) * period / (2 * M_PI), high = count / r->rate,
	       low = high - 2 * swing / r->rate;

	for (int i = 0; i < 100; i++) {
		double t = (low + high) / 2;

		if (r->rate * t + swing * (1 - cos(2 * M_PI * t / period)) < count)
			low = t;
		else
			high = t;
	}
	return high > 0 ? high : 0;
}

static double ns_of(const struct plan_schedule *r, double count)
{
	switch (r->profile) {
	case PROFILE_RAMP:
		return after_ramp(r, count) * SECOND_NS;
	case PROFILE_STEP:
		return after_steps(r, count) * SECOND_NS;
	case PROFILE_SINE:
		return after_sine(r, count) * SECOND_NS;
	default:
		return count * SECOND_NS / r->rate;
	}
}

/* --- as recorded --- */

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
	if (s->rule->arrivals == ARRIVALS_RECORDED)
		due = s->speed > 0 ? (double)s->at_ns / s->speed : 0;
	else if (s->number)
		due = ns_of(s->rule, s->drawn += gap(s));
	s->number++;
	return (uint64_t)due;
}

void schedule_again(struct schedule *s)
{
	s->joined = true;
}
