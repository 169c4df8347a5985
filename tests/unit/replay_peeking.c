/*
 * replay_peeking.c - how often somebody who looks after every pair is told something false.
 *
 * Runs whose true rate is exactly the limit: a pass or a fail is a false alarm each. PEEKING_PAIRS is how
 * long a run is; the long form is 20000.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "replay/gate.h"
#include "tests/lib/draw.h"

enum { RUNS = 2000, PAIRS = 20000, CORRELATED_PAIRS = 4000, FIRST_LOOK = 100 };
static const double RATE = 0.02, NAIVE = 1.959963984540054; /* the 97.5 % quantile of the normal */

/* Draws whether the next pair diverges; at the true rate in the long run. */
typedef bool stream(void *state);

struct alarms {
	unsigned watched, naive, at_the_end; /* runs */
};

/* Wilson's interval leaves the true rate out (Wilson, JASA 1927). */
static bool wilson_leaves_out(double k, double n)
{
	return fabs(k - n * RATE) > NAIVE * sqrt(n * RATE * (1 - RATE));
}

static struct alarms peek(stream *next, void *state, size_t state_size, unsigned runs, unsigned pairs)
{
	struct alarms out = {0};

	for (unsigned run = 0; run < runs; run++) {
		struct stat_watch w;
		bool naive = false;
		double k = 0;

		stat_watch_init(&w, RATE, GATE_T_OPT);
		for (size_t i = 0; i < state_size; i++)
			((char *)state)[i] = 0;
		for (unsigned n = 1; n <= pairs; n++) {
			bool hit = next(state);

			k += hit;
			stat_watch_add(&w, hit);
			naive |= n >= FIRST_LOOK && wilson_leaves_out(k, n);
		}
		out.watched += w.highest >= log(1 / GATE_ALPHA);
		out.naive += naive;
		out.at_the_end += wilson_leaves_out(k, pairs);
	}
	return out;
}

static unsigned pairs_of_a_run(void)
{
	const char *text = getenv("PEEKING_PAIRS");

	return text && atoi(text) >= FIRST_LOOK ? (unsigned)atoi(text) : PAIRS;
}

static void told(const char *what, struct alarms a, unsigned runs, unsigned pairs)
{
	print_message(
	        "%s, %u runs of %u pairs: false alarms %.2f %%; of a Wilson interval %.2f %% (of one look "
	        "at the end %.2f %%)\n",
	        what, runs, pairs, 100.0 * a.watched / runs, 100.0 * a.naive / runs,
	        100.0 * a.at_the_end / runs);
}

static bool independent(void *state)
{
	(void)state;
	return draw() < RATE;
}

static void at_the_limit(void **state)
{
	unsigned pairs = pairs_of_a_run();
	struct alarms a;

	(void)state;
	draw_seed(20261001);
	a = peek(independent, NULL, 0, RUNS, pairs);
	told("at the limit", a, RUNS, pairs);
	assert_true(a.watched <= RUNS * 5 / 100);
	assert_true(a.watched > 0);             /* it looks at all */
	assert_true(a.naive > RUNS * 20 / 100); /* and the looking matters */
	assert_true(a.at_the_end < RUNS * 8 / 100);
}

/* What the gate says is what the simulation counts. */
static void gate_says_the_same(void **state)
{
	const struct plan_gate gate = {.metric = GATE_DIVERGENCE_RATE, .limit = RATE};
	unsigned decided = 0;

	(void)state;
	draw_seed(8);
	for (unsigned run = 0; run < 40; run++) {
		struct gate_input in = {0};
		struct stat_watch w;

		stat_watch_init(&w, RATE, GATE_T_OPT);
		while (in.pairs < 1500) {
			struct gate_result result;
			bool hit = draw() < RATE * (run % 3), out;

			in.pairs++;
			in.diverged += hit;
			stat_watch_add(&w, hit);
			if (in.pairs % 25)
				continue;
			gate_evaluate(&gate, &in, &result);
			out = w.log_e >= log(1 / GATE_ALPHA);
			assert_int_equal(out, result.state != GATE_UNDECIDED);
			decided += out;
		}
	}
	assert_true(decided > 0);
}

/* Ten sessions after another, each of ten pairs that diverge together or not at all. */
static bool clustered(void *state)
{
	unsigned *left = state, hit = *left & 1, rest = *left >> 1;

	if (rest == 0) {
		rest = 10;
		hit = draw() < RATE;
	}
	*left = (rest - 1) << 1 | hit;
	return hit;
}

/* A pair is as the one before it with a chance of 0.3. */
static bool autocorrelated(void *state)
{
	unsigned *last = state; /* 0: none, else 1 + hit */
	bool hit = *last && draw() < 0.3 ? *last - 1 : draw() < RATE;

	*last = 1 + hit;
	return hit;
}

/* The same looks, `together` pairs as one observation: runs with a false alarm. */
static unsigned peek_together(stream *next, void *state, size_t state_size, unsigned runs, unsigned pairs,
                              double together)
{
	unsigned alarms = 0;

	for (unsigned run = 0; run < runs; run++) {
		bool alarm = false;
		double k = 0;

		memset(state, 0, state_size);
		for (unsigned n = 1; n <= pairs && !alarm; n++) {
			k += next(state);
			alarm = stat_rate_log_e(k / together, n / together, RATE, GATE_T_OPT) >=
			        log(1 / GATE_ALPHA);
		}
		alarms += alarm;
	}
	return alarms;
}

/* Not independent: what the plain sequence then costs, and what the sequence of a `session` or of blocks
 * does. */
static void what_breaks_it(void **state)
{
	static const struct {
		const char *what;
		stream *next;
		double together;
	} rows[] = {{"sessions of ten", clustered, 10}, {"autocorrelated by 0.3", autocorrelated, 32}};

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		unsigned memory = 0, together;
		struct alarms a;

		draw_seed(31 + i);
		a = peek(rows[i].next, &memory, sizeof memory, RUNS / 4, CORRELATED_PAIRS);
		told(rows[i].what, a, RUNS / 4, CORRELATED_PAIRS);
		assert_true(a.watched > RUNS / 4 * 5 / 100); /* or the warning about it is wrong */
		together = peek_together(rows[i].next, &memory, sizeof memory, RUNS / 8, CORRELATED_PAIRS,
		                         rows[i].together);
		print_message("%s, %.0f pairs as one observation: false alarms in %.1f %% of %d runs\n",
		              rows[i].what, rows[i].together, 100.0 * together / (RUNS / 8), RUNS / 8);
		assert_true(together <= RUNS / 8 * 5 / 100);
	}
}

/* From half of the rate to one and a half: which interval keeps the average of the true rates so far? */
static void drifting(void **state)
{
	unsigned runs = RUNS / 10, rate_left = 0, mean_left = 0, last_left = 0;

	(void)state;
	draw_seed(77);
	for (unsigned run = 0; run < runs; run++) {
		struct stat_mean mean = {0};
		bool rate_out = false, mean_out = false, last_out = false;
		double k = 0, true_sum = 0;

		for (unsigned n = 1; n <= CORRELATED_PAIRS; n++) {
			double now = RATE * (0.5 + (double)n / CORRELATED_PAIRS), average;
			bool hit = draw() < now;
			struct interval ci;

			k += hit;
			true_sum += now;
			average = true_sum / n;
			stat_mean_add(&mean, hit, GATE_ALPHA);
			ci = stat_mean_ci(&mean, GATE_ALPHA);
			rate_out |= stat_rate_log_e(k, n, average, GATE_T_OPT) >= log(1 / GATE_ALPHA);
			last_out |= stat_rate_log_e(k, n, now, GATE_T_OPT) >= log(1 / GATE_ALPHA);
			mean_out |= ci.low > average || ci.high < average;
		}
		rate_left += rate_out;
		mean_left += mean_out;
		last_left += last_out;
	}
	print_message("drifting from 1 to 3 %%, %u runs of %u pairs: the average so far left out by the "
	              "rate's sequence "
	              "in %.1f %%, by the mean's in %.1f %%; the present rate in %.1f %%\n",
	              runs, CORRELATED_PAIRS, 100.0 * rate_left / runs, 100.0 * mean_left / runs,
	              100.0 * last_left / runs);
	assert_true(rate_left <= runs * 5 / 100);
	assert_true(last_left > runs * 20 / 100); /* or the warning about it is wrong */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(at_the_limit),
	        cmocka_unit_test(gate_says_the_same),
	        cmocka_unit_test(what_breaks_it),
	        cmocka_unit_test(drifting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
