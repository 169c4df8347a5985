#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "replay/evidence.h"
#include "tests/lib/draw.h"

static void averages(void **state)
{
	const double some[] = {log(1), log(4), log(0.5), log(2.5)}, huge[] = {900, 900}, none[] = {-INFINITY};

	(void)state;
	assert_true(fabs(evidence_average(some, 4) - log(2)) < 1e-12);
	assert_true(fabs(evidence_average(huge, 2) - 900) < 1e-12);
	assert_true(isinf(evidence_average(none, 1)) && evidence_average(none, 0) == 0);
	assert_true(evidence_p(log(40)) == exp(-log(40)) && evidence_p(-3) == 1);
}

/* Benjamini and Hochberg, JRSS B 1995, section 3.2: fifteen p-values of a myocardial infarction trial, four
 * found at 5 %. Their procedure is e-BH on 1/p (Wang and Ramdas 2022). */
static void bh_published(void **state)
{
	static const double p[] = {0.0459, 0.0001, 0.4262, 0.0004, 0.0298, 0.0019, 1.0,   0.0095,
	                           0.0201, 0.5719, 0.0278, 0.7590, 0.0344, 0.3240, 0.6528};
	enum { COUNT = sizeof p / sizeof *p };
	double log_e[COUNT], least;

	(void)state;
	for (unsigned i = 0; i < COUNT; i++)
		log_e[i] = -log(p[i]);
	assert_int_equal(evidence_bh(log_e, COUNT, 0.05, &least), 4);
	assert_true(least <= -log(0.0095) && least > -log(0.0201));
	assert_int_equal(evidence_bh(log_e + 2, 1, 0.05, &least), 0);
	assert_true(isinf(least));
	assert_int_equal(evidence_bh(log_e, 0, 0.05, &least), 0);
}

/* Against the definition, over every k. */
static void bh_by_hand(void **state)
{
	enum { COUNT = 30 };

	(void)state;
	draw_seed(2009);
	for (unsigned round = 0; round < 500; round++) {
		double log_e[COUNT], least;
		unsigned best = 0;

		for (unsigned i = 0; i < COUNT; i++)
			log_e[i] = draw() * (draw() < 0.4 ? 9 : 3);
		for (unsigned k = 1; k <= COUNT; k++) {
			unsigned count = 0;

			for (unsigned i = 0; i < COUNT; i++)
				count += log_e[i] >= log(COUNT / (0.05 * k));
			best = count >= k ? count : best;
		}
		assert_int_equal(evidence_bh(log_e, COUNT, 0.05, &least), best);
	}
}

/* NIST/SEMATECH e-Handbook of Statistical Methods, 6.2.6: p1 = 0.01, p2 = 0.10, alpha = 0.05, beta = 0.10
 * give the lines -0.939 + 0.0397 n and 1.205 + 0.0397 n; at n = 24 none accepts and three reject. */
static void sprt_published(void **state)
{
	(void)state;
	for (uint64_t n = 1; n < 200; n++) {
		double accept = -0.939 + 0.0397 * (double)n, reject = 1.205 + 0.0397 * (double)n;

		for (uint64_t k = 0; k <= n; k++) {
			enum evidence_choice choice =
			        evidence_sprt_choice(evidence_sprt(k, n, 0.01, 0.10), 0.05, 0.10);

			if (fabs((double)k - accept) < 0.02 || fabs((double)k - reject) < 0.02)
				continue; /* the handbook's digits do not tell */
			assert_int_equal(choice, (double)k < accept   ? EVIDENCE_LOW
			                         : (double)k > reject ? EVIDENCE_HIGH
			                                              : EVIDENCE_GO_ON);
		}
	}
	assert_int_equal(evidence_sprt_choice(evidence_sprt(0, 24, 0.01, 0.10), 0.05, 0.10), EVIDENCE_LOW);
	assert_int_equal(evidence_sprt_choice(evidence_sprt(0, 23, 0.01, 0.10), 0.05, 0.10), EVIDENCE_GO_ON);
	assert_int_equal(evidence_sprt_choice(evidence_sprt(3, 24, 0.01, 0.10), 0.05, 0.10), EVIDENCE_HIGH);
}

/* Both of its errors, counted. */
static void sprt_errors(void **state)
{
	unsigned wrong[2] = {0, 0};

	(void)state;
	draw_seed(1945);
	for (unsigned run = 0; run < 4000; run++) {
		double rate = run % 2 ? 0.06 : 0.02;
		enum evidence_choice choice = EVIDENCE_GO_ON;
		uint64_t k = 0;

		for (uint64_t n = 1; choice == EVIDENCE_GO_ON && n < 20000; n++) {
			k += draw() < rate;
			choice = evidence_sprt_choice(evidence_sprt(k, n, 0.02, 0.06), 0.05, 0.10);
		}
		wrong[run % 2] += choice != (run % 2 ? EVIDENCE_HIGH : EVIDENCE_LOW);
	}
	print_message("of 2000 each: high although low %u, low although high %u\n", wrong[0], wrong[1]);
	assert_true(wrong[0] <= 2000 * 6 / 100 && wrong[1] <= 2000 * 11 / 100);
	assert_true(wrong[0] > 0 && wrong[1] > 0);
}

/* Fay, R Journal 2010 2(1), "Two-sided exact tests and matching confidence intervals for discrete data": 9
 * and 2 discordant pairs, exact p 0.06543. */
static void mcnemar_published(void **state)
{
	(void)state;
	assert_true(fabs(evidence_mcnemar_once(9, 2) - 0.06543) < 5e-6);
	assert_true(fabs(evidence_mcnemar_once(2, 9) - 134.0 / 2048) < 1e-14);
	assert_true(evidence_mcnemar_once(0, 0) == 1 && evidence_mcnemar_once(5, 5) == 1);
	assert_true(fabs(evidence_mcnemar_once(0, 1) - 1) < 1e-12 && evidence_mcnemar_once(0, 10) < 0.002);
	assert_true(evidence_mcnemar_once(0, 2000000) == 0);
}

/* 1,319 questions of GSM8K with the recorded answers of models: discordant pairs as in grade-school-math. */
static void mcnemar_of_models(void **state)
{
	struct interval change = evidence_mcnemar_change(260, 88, 1319, 0.05, 1000);
	double change_seen = (88 - 260) / 1319.0;

	(void)state;
	assert_true(change.low < change_seen && change_seen < change.high && change.high < 0);
	assert_true(evidence_mcnemar(260, 88, 1000) > log(20) && evidence_mcnemar(88, 88, 1000) < 0);
	assert_true(fabs(evidence_mcnemar(260, 88, 1000) - evidence_mcnemar(88, 260, 1000)) < 1e-9);
	assert_true(evidence_mcnemar(260, 88, 1000) < -log(evidence_mcnemar_once(260, 88)));
	change = evidence_mcnemar_change(0, 0, 0, 0.05, 1000);
	assert_true(change.low == -1 && change.high == 1);
}

/* Two models of one accuracy, looked at after every pair: the watched test, and the exact one, which is not
 * made to be looked at twice. */
static void mcnemar_false_alarms(void **state)
{
	unsigned runs = 400, watched = 0, once = 0;

	(void)state;
	draw_seed(1947);
	for (unsigned run = 0; run < runs; run++) {
		uint64_t lost = 0, won = 0;
		unsigned e = 0, exact = 0;

		for (unsigned n = 0; n < 3000; n++) {
			double x = draw();

			if (x >= 0.1)
				continue;
			lost += x < 0.05;
			won += x >= 0.05;
			e |= evidence_mcnemar(lost, won, 500) >= log(20);
			exact |= evidence_mcnemar_once(lost, won) <= 0.05;
		}
		watched += e;
		once += exact;
	}
	print_message("false alarms of %u runs: watched %u, the exact test %u\n", runs, watched, once);
	assert_true(watched <= runs * 5 / 100);
	assert_true(once > runs * 15 / 100);
}

/* A slice and the rest at one rate, looked at after every pair; then a slice that is worse. */
static void more_often(void **state)
{
	const unsigned runs = 300, pairs = 1500;
	unsigned alarms = 0, found = 0;

	(void)state;
	assert_true(evidence_more_often(5, 100, 50, 900, 1000) == 0);
	assert_true(evidence_more_often(0, 0, 50, 900, 1000) == 0);
	assert_true(evidence_more_often(40, 100, 20, 900, 1000) > log(20));
	for (unsigned run = 0; run < 2 * runs; run++) {
		uint64_t k[2] = {0}, n[2] = {0};
		bool out = false, worse = run >= runs;

		for (unsigned i = 0; i < pairs && !out; i++) {
			unsigned rest = draw() >= 0.2;

			n[rest]++;
			k[rest] += draw() < (worse && !rest ? 0.25 : 0.05);
			out = i % 5 == 0 && evidence_more_often(k[0], n[0], k[1], n[1], 1000) >= log(20);
		}
		*(worse ? &found : &alarms) += out;
	}
	print_message("slices: %u of %u alarms without cause, %u of %u found\n", alarms, runs, found, runs);
	assert_true(alarms <= runs * 5 / 100 && found >= runs * 95 / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(averages),          cmocka_unit_test(bh_published),
	        cmocka_unit_test(bh_by_hand),        cmocka_unit_test(sprt_published),
	        cmocka_unit_test(sprt_errors),       cmocka_unit_test(mcnemar_published),
	        cmocka_unit_test(mcnemar_of_models), cmocka_unit_test(mcnemar_false_alarms),
	        cmocka_unit_test(more_often),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
