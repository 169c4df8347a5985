/*
 * bench_stat.c - what statistics cost a pair: the e-value at each of 200 gates' limits carried along, and a
 * running mean with its confidence sequence. Prints ns of CPU a pair, the best of several rounds; the figures
 * mean something only beside each other.
 */
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "replay/gate.h"
#include "tests/lib/draw.h"

enum { ROUNDS = 7, PAIRS = 2000, METRICS = 200 };

static struct stat_watch watches[METRICS];
static struct stat_mean means[METRICS];

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void watch_all(bool hit)
{
	for (int m = 0; m < METRICS; m++)
		stat_watch_add(&watches[m], hit);
}

static void mean_all(bool hit)
{
	for (int m = 0; m < METRICS; m++)
		stat_mean_add(&means[m], hit, GATE_ALPHA);
}

static void time_it(const char *what, void add(bool))
{
	double best = INFINITY;

	for (int round = 0; round < ROUNDS; round++) {
		double from = now_ns();

		for (int i = 0; i < PAIRS; i++)
			add(draw() < 0.02);
		best = fmin(best, (now_ns() - from) / PAIRS);
	}
	printf("%-28s %8.0f ns a pair\n", what, best);
}

int main(void)
{
	draw_seed(1);
	for (int m = 0; m < METRICS; m++)
		stat_watch_init(&watches[m], 0.01 + 0.001 * m, GATE_T_OPT);
	time_it("e-values of 200 gates", watch_all);
	time_it("means of 200 measures", mean_all);
	return 0;
}
