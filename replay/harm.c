#include "replay/harm.h"

#include <math.h>
#include <string.h>

#include "proto/base/siphash.h"

enum { MILLION = 1000000, SETTLING = 5 };

void harm_init(struct harm *h, const struct harm_rule *rule)
{
	memset(h, 0, sizeof *h);
	h->rule = *rule;
}

static uint64_t group_blocks(const struct harm_rule *r)
{
	uint64_t n = MILLION / (r->off_ppm ? r->off_ppm : 1);

	return n > 1 ? n : 2;
}

bool harm_is_off(const struct harm_rule *r, uint64_t index)
{
	uint8_t key[16] = "harm";
	uint64_t n = group_blocks(r), group = index / n, hash;

	memcpy(key + 8, &r->seed, sizeof r->seed);
	hash = siphash(key, (struct span){(const char *)&group, sizeof group});
	return index % n == (uint64_t)((unsigned __int128)hash * n >> 64);
}

/* Within its bucket by rank: a bucket is 3 % wide, which may be more than the limit. */
static double median(const struct hist_view *v)
{
	uint64_t below = 0, low, high, rank = v->count / 2;
	unsigned i = 0;

	while (i + 1 < HIST_BUCKETS && below + v->buckets[i] <= rank)
		below += v->buckets[i++];
	hist_bounds(i, &low, &high);
	if (!v->buckets[i] || high == UINT64_MAX)
		return (double)low;
	return (double)low + (double)(high - low) * ((double)(rank - below) + 0.5) / (double)v->buckets[i];
}

static void subtract(struct hist_view *from, const struct hist_view *base)
{
	from->count -= base->count;
	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		from->buckets[i] -= base->buckets[i];
}

static void end_group(struct harm *h, harm_read *read, void *arg)
{
	static struct hist_view now[HARM_SIDES], part[HARM_SIDES];
	double range = (double)h->rule.max_ns * HARM_RANGE, difference;

	memset(now, 0, sizeof now);
	read(arg, now);
	memcpy(part, now, sizeof part);
	for (unsigned s = 0; s < HARM_SIDES; s++) {
		subtract(&part[s], &h->base[s]);
		if (part[s].count < HARM_LEAST)
			return;
	}
	memcpy(h->base, now, sizeof now);
	difference = median(&part[HARM_WITH]) - median(&part[HARM_WITHOUT]);
	difference = fmax(-range, fmin(range, difference));
	stat_mean_add(&h->mean, 0.5 + difference / (2 * range), HARM_ALPHA);
	h->groups++;
}

enum harm_block harm_step(struct harm *h, uint64_t now_ns, harm_read *read, void *arg)
{
	uint64_t block_ns = (uint64_t)h->rule.block_ms * MILLION;
	bool off, settling;

	if (!h->begun) {
		h->begun = true;
		h->block_ns = now_ns;
		read(arg, h->base);
	} else if (now_ns - h->block_ns >= block_ns) {
		if (++h->index % group_blocks(&h->rule) == 0)
			end_group(h, read, arg);
		h->block_ns = now_ns;
	}
	off = harm_is_off(&h->rule, h->index);
	settling = now_ns - h->block_ns < block_ns / SETTLING;
	return off ? settling ? HARM_SETTLES_OFF : HARM_OFF : settling ? HARM_SETTLES_ON : HARM_ON;
}

/* From 0 to 1 back to nanoseconds. */
static double unmoved(const struct harm *h, double x)
{
	return (x - 0.5) * 2 * HARM_RANGE * (double)h->rule.max_ns;
}

bool harm_cost(const struct harm *h, double *ns_out, struct interval *out)
{
	struct interval ci = stat_mean_ci(&h->mean, HARM_ALPHA);

	if (!h->groups)
		return false;
	*ns_out = unmoved(h, h->mean.sum / (double)h->mean.n);
	*out = (struct interval){unmoved(h, ci.low), unmoved(h, ci.high)};
	return true;
}

bool harm_over(const struct harm *h)
{
	struct interval ci;
	double at;

	return harm_cost(h, &at, &ci) && ci.low > (double)h->rule.max_ns;
}
