#include "replay/stability.h"

#include <math.h>
#include <string.h>

static const uint64_t MILLION = 1000000u;

static uint64_t sum(const uint64_t bins[STABILITY_BINS])
{
	uint64_t all = 0;

	for (unsigned i = 0; i < STABILITY_BINS; i++)
		all += bins[i];
	return all;
}

/* The older half of the window goes when half of its time is over; both when nothing came for longer. */
static void turn(struct stability *s, uint32_t window_ms, uint64_t now_ns)
{
	uint64_t half = window_ms * MILLION / 2, since = now_ns - s->turned_ns;

	if (since < half)
		return;
	if (since < 2 * half)
		memcpy(s->window[0], s->window[1], sizeof s->window[0]);
	else
		memset(s->window[0], 0, sizeof s->window[0]);
	memset(s->window[1], 0, sizeof s->window[1]);
	s->turned_ns = now_ns;
}

void stability_note(struct stability *s, uint32_t window_ms, uint32_t label, uint64_t now_ns)
{
	unsigned bin = label < STABILITY_BINS ? label : STABILITY_BINS - 1;

	if (!s->begun_ns)
		s->begun_ns = now_ns;
	if (!s->whole && now_ns - s->begun_ns >= window_ms * MILLION &&
	    sum(s->reference) >= STABILITY_LEAST) {
		s->whole = true;
		s->turned_ns = now_ns;
	}
	if (!s->whole) {
		s->reference[bin]++;
		return;
	}
	turn(s, window_ms, now_ns);
	s->window[1][bin]++;
}

static double index_of(const uint64_t a[STABILITY_BINS], const uint64_t b[STABILITY_BINS])
{
	double n = (double)sum(a), m = (double)sum(b), labels = 0, index = 0;

	for (unsigned i = 0; i < STABILITY_BINS; i++)
		labels += a[i] + b[i] > 0;
	for (unsigned i = 0; i < STABILITY_BINS; i++) {
		double p = ((double)a[i] + 0.5) / (n + labels / 2),
		       q = ((double)b[i] + 0.5) / (m + labels / 2);

		if (a[i] + b[i] > 0)
			index += (p - q) * log(p / q);
	}
	return fmax(0, index - (labels - 1) * (1 / n + 1 / m));
}

double stability_index(struct stability *s, uint32_t window_ms, uint64_t now_ns)
{
	uint64_t window[STABILITY_BINS];

	if (!s->whole)
		return NAN;
	turn(s, window_ms, now_ns);
	for (unsigned i = 0; i < STABILITY_BINS; i++)
		window[i] = s->window[0][i] + s->window[1][i];
	return sum(window) < STABILITY_LEAST ? NAN : index_of(s->reference, window);
}
