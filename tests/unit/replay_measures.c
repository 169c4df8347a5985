/* Rankings, boxes, agreement, texts: against published values, plain definitions and, where it is there,
 * scipy. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "replay/boxes.h"
#include "replay/compare.h"
#include "replay/ranks.h"
#include "replay/text.h"

static bool near(double a, double b)
{
	return fabs(a - b) < 1e-12;
}

/* --- rankings --- */

static const double XS[] = {12, 2, 1, 12, 2}, YS[] = {1, 4, 7, 1, 0};

static void tau(void **state)
{
	const double up[] = {1, 2, 3, 4}, down[] = {4, 3, 2, 1}, flat[] = {1, 1, 1, 1};

	(void)state;
	/* the example of scipy.stats.kendalltau */
	assert_true(near(ranks_tau_b(XS, YS, 5), -0.47140452079103173));
	assert_true(ranks_tau_b(up, up, 4) == 1 && ranks_tau_b(up, down, 4) == -1);
	assert_true(isnan(ranks_tau_b(up, flat, 4)));
}

/* The same numbers here and there: a linear congruence. */
static void tau_as_scipy(void **state)
{
	static const char program[] =
	        "/usr/bin/python3 -c 'import scipy.stats\n"
	        "s = 7\n"
	        "def draw(n):\n"
	        "  global s\n"
	        "  s = (s * 1664525 + 1013904223) % 2**32\n"
	        "  return (s >> 16) % n\n"
	        "for r in range(40):\n"
	        "  v = [draw(5 + r) for i in range(60)]\n"
	        "  print(repr(float(scipy.stats.kendalltau(v[:30], v[30:])[0])))' 2>/dev/null";
	FILE *f = popen(program, "r");
	double want, v[60];
	uint32_t s = 7;
	unsigned rounds = 0;

	(void)state;
	assert_non_null(f);
	for (; fscanf(f, "%lf", &want) == 1; rounds++) {
		for (unsigned i = 0; i < 60; i++) {
			s = s * 1664525 + 1013904223;
			v[i] = (s >> 16) % (5 + rounds);
		}
		assert_true(near(ranks_tau_b(v, v + 30, 30), want));
	}
	pclose(f);
	print_message("%u rounds equal scipy's%s\n", rounds, rounds ? "" : ": it is not installed");
}

static void overlap_and_rbo(void **state)
{
	const uint32_t abc[] = {1, 2, 3}, acb[] = {1, 3, 2}, xyz[] = {7, 8, 9}, ab[] = {1, 2};

	(void)state;
	assert_true(ranks_overlap(abc, 3, acb, 3, 2) == 0.5 && ranks_overlap(abc, 3, acb, 3, 10) == 1);
	assert_true(ranks_overlap(abc, 3, xyz, 3, 2) == 0 && ranks_overlap(abc, 0, xyz, 0, 5) == 1);
	/* equation 30 by hand: agreements 1, 1/2, 1 at depths 1 to 3 */
	assert_true(near(ranks_rbo(abc, 3, acb, 3, 0.9), 0.729 + 0.1 / 0.9 * (0.9 + 0.81 / 2 + 0.729)));
	assert_true(near(ranks_rbo(abc, 3, abc, 3, 0.9), 1) && ranks_rbo(abc, 3, xyz, 3, 0.9) == 0);
	/* equation 32: a list that begins as the other is all of it as far as it goes */
	assert_true(near(ranks_rbo(abc, 3, ab, 2, 0.9), 1));
	assert_true(ranks_rbo(ab, 2, xyz, 3, 0.9) == ranks_rbo(xyz, 3, ab, 2, 0.9));
}

/* --- boxes --- */

static void boxes(void **state)
{
	const double live[] = {0, 0, 10, 10, 0.5, 1, 20, 20, 30, 30, 0.9, 1, 0, 0, 10, 10, 0.8, 2};
	const double moved[] = {20, 20, 30, 31, 0.9, 1, 10, 10, 0, 0, 0.1, 2, 0, 0, 10, 10, 0.7, 1};
	const double other[] = {5, 5, 15, 15, 0.9, 1, 0, 0, 0, 0, 1, 1};
	struct boxes_match m;

	(void)state;
	assert_true(near(boxes_iou(live, other), 25.0 / 175));
	assert_true(boxes_iou(other + 6, other + 6) == 0);
	assert_int_equal(boxes_match(live, 3, moved, 3, &m), 0);
	assert_true(m.matched == 3 && m.f1 == 1 && near(m.mean_iou, (2 + 10.0 / 11) / 3));
	assert_int_equal(boxes_match(live, 1, other, 2, &m), 0);
	assert_true(m.matched == 0 && m.live_alone == 1 && m.candidate_alone == 2 && m.f1 == 0);
	assert_int_equal(boxes_match(live, 0, other, 0, &m), 0);
	assert_true(m.f1 == 1);
	assert_int_equal(boxes_match(live, 3, moved, 1, &m), 0);
	assert_true(m.matched == 1 && near(m.f1, 0.5));
	assert_int_equal(boxes_match(live, BOXES_MAX + 1, other, 0, &m), ERR_LIMIT);
}

/* --- agreement --- */

/* Bland and Altman 1986, table 1: peak expiratory flow by the large and the mini Wright meter, l/min. Their
 * text: mean difference -2.1, standard deviation 38.8, limits -79.7 and 75.5 with 2 in place of 1.96. */
static void bland_altman(void **state)
{
	const double large[] = {494, 395, 516, 434, 476, 557, 413, 442, 650,
	                        433, 417, 656, 267, 478, 178, 423, 427};
	const double mini[] = {512, 430, 520, 428, 500, 600, 364, 380, 658,
	                       445, 432, 626, 260, 477, 259, 350, 451};
	struct agreement all = {0}, first = {0}, rest = {0};

	(void)state;
	for (unsigned i = 0; i < 17; i++) {
		agreement_add(&all, mini[i], large[i], 0, 0);
		agreement_add(i < 5 ? &first : &rest, mini[i], large[i], 0, 0);
	}
	assert_true(fabs(all.mean - -2.1) < 0.05 && fabs(agreement_sd(&all) - 38.8) < 0.05);
	assert_true(all.n == 17 && all.abs_max == 81 && near(all.rel_max, 81.0 / 259));
	agreement_merge(&first, &rest);
	assert_true(first.n == 17 && near(first.mean, all.mean) && fabs(first.squares - all.squares) < 1e-9 &&
	            first.abs_max == 81);
	agreement_add(&all, NAN, 1, 0, 0);
	assert_true(all.n == 17 && all.not_finite == 1);
	assert_true(isnan(agreement_sd(&(struct agreement){.n = 1})));
}

static void ulp(void **state)
{
	(void)state;
	for (float x = 1e-45f; x < 1e38f; x *= 3.7f) {
		float next = nextafterf(x, INFINITY);

		assert_true(agreement_ulp((double)x, (double)next, 24, -126) == 1);
		assert_true(agreement_ulp((double)-x, (double)-next, 24, -126) == 1);
	}
	for (double x = 5e-324; x < 1e300; x *= 1e3)
		assert_true(agreement_ulp(x, nextafter(x, 0), 53, -1022) == 1);
	assert_true(agreement_ulp(1, 1.0009765625, 11, -14) == 1);
	assert_true(agreement_ulp(1, 1.0078125, 8, -126) == 1);
	assert_true(agreement_ulp((double)-1e-45f, (double)1e-45f, 24, -126) == 2);
	/* more digits than the type has are the same value */
	assert_true(agreement_ulp(0.1, (double)0.1f, 24, -126) == 0);
}

/* --- texts --- */

static void rouge_l(void **state)
{
	double got;

	(void)state;
	/* the examples of Lin 2004, section 3.1 */
	assert_int_equal(text_rouge_l(SPAN("police killed the gunman"), SPAN("police kill the gunman"),
	                              SIZE_MAX, &got),
	                 0);
	assert_true(got == 0.75);
	assert_int_equal(text_rouge_l(SPAN("police killed the gunman"), SPAN("the gunman kill police"),
	                              SIZE_MAX, &got),
	                 0);
	assert_true(got == 0.5);
	assert_int_equal(text_rouge_l(SPAN("The Gunman, police!"), SPAN("the gunman police"), SIZE_MAX, &got),
	                 0);
	assert_true(got == 1);
	assert_int_equal(text_rouge_l(SPAN(""), SPAN("..."), SIZE_MAX, &got), 0);
	assert_true(got == 1);
	assert_int_equal(text_rouge_l(SPAN("a"), SPAN(""), SIZE_MAX, &got), 0);
	assert_true(got == 0);
	assert_int_equal(text_rouge_l(SPAN("a b c"), SPAN("d"), 8, &got), ERR_NOMEM);
}

/* By the definition: every n-gram of one is looked for in the other. ASCII without blanks. */
static double plain_chrf(struct span live, struct span other)
{
	double precision = 0, recall = 0;
	size_t n;

	for (n = 1; n <= 6 && n <= live.len && n <= other.len; n++) {
		bool used[64] = {false};
		size_t same = 0;

		for (size_t i = 0; i + n <= live.len; i++)
			for (size_t k = 0; k + n <= other.len; k++)
				if (!used[k] && memcmp(live.data + i, other.data + k, n) == 0) {
					used[k] = true;
					same++;
					break;
				}
		precision += (double)same / (double)(other.len - n + 1);
		recall += (double)same / (double)(live.len - n + 1);
	}
	n--;
	if (!n || precision + recall == 0)
		return 0;
	precision /= (double)n;
	recall /= (double)n;
	return 5 * precision * recall / (4 * precision + recall);
}

static void chrf(void **state)
{
	uint32_t seed = 1;
	double got;

	(void)state;
	assert_int_equal(text_chrf(SPAN("abc"), SPAN("abd"), SIZE_MAX, &got), 0);
	assert_true(near(got, (2.0 / 3 + 0.5) / 3));
	assert_int_equal(text_chrf(SPAN("a b c"), SPAN("ab c"), SIZE_MAX, &got), 0);
	assert_true(near(got, 1));
	/* characters, not bytes: one of two is shared */
	assert_int_equal(text_chrf(SPAN("\xc3\xa9x"), SPAN("\xc3\xa8x"), SIZE_MAX, &got), 0);
	assert_true(near(got, 0.25));
	for (unsigned round = 0; round < 400; round++) {
		char a[40], b[40];
		size_t x = round % 40, y = round * 7 % 40;

		for (unsigned i = 0; i < 40; i++) {
			seed = seed * 1664525 + 1013904223;
			a[i] = "abc"[(seed >> 24) % 3];
			b[i] = seed >> 20 & 3 ? a[i] : 'd';
		}
		assert_int_equal(text_chrf((struct span){a, x}, (struct span){b, y}, SIZE_MAX, &got), 0);
		if (x + y && !span_eq((struct span){a, x}, (struct span){b, y}))
			assert_true(near(got, plain_chrf((struct span){a, x}, (struct span){b, y})));
	}
	assert_int_equal(text_chrf(SPAN("abc"), SPAN("abd"), 8, &got), ERR_NOMEM);
}

static void starts(void **state)
{
	(void)state;
	assert_true(text_same_start(SPAN("one two three"), SPAN("one two four five")) == 0.5);
	assert_true(text_same_start(SPAN("One"), SPAN("one")) == 0 &&
	            text_same_start(SPAN(""), SPAN(" ")) == 1);
	assert_true(text_length_ratio(SPAN("abcd"), SPAN("a")) == 0.25 &&
	            text_length_ratio(SPAN(""), SPAN("")) == 1);
}

/* --- pairs of declared outputs --- */

static struct comparison got;

#define OUTPUT(type, shape, data)                                                                            \
	"{\"outputs\":[{\"name\":\"y\",\"datatype\":\"" type "\",\"shape\":" shape ",\"data\":" data "}]}"

static void compare(enum output_kind kind, const char *live, const char *candidate)
{
	struct plan_route route = {.protocol = PROTOCOL_OPENINFERENCE,
	                           .output_count = 1,
	                           .tolerance_abs = 0.01,
	                           .outputs = {{"y", kind}}};
	struct answer a = {.status = 200, .body = span_of(live)},
	              b = {.status = 200, .body = span_of(candidate)};

	comparison_fini(&got);
	assert_int_equal(compare_pair(&route, &a, &b, SIZE_MAX, &got), 0);
}

static unsigned diverged_by(enum divergence class)
{
	for (int i = 0; i < DIVERGENCES; i++)
		if (i != (int)class && !(i == DIVERGENCE_VALUE && class == DIVERGENCE_NONFINITE))
			assert_int_equal(got.counts[i], 0);
	return got.counts[class];
}

static void declared(void **state)
{
	(void)state;
	/* scores that sum to nothing are classes when they are said to be */
	compare(OUTPUT_CLASSIFICATION, OUTPUT("FP32", "[2,3]", "[1,5,2,9,0,1]"),
	        OUTPUT("FP32", "[2,3]", "[1,2,5,8,0,1]"));
	assert_int_equal(diverged_by(DIVERGENCE_LABEL_FLIP), 1);
	assert_true(got.row_count == 2 && got.rows_diverged == 1 && !got.rows[0].has_measures);
	/* P and Q of the usual example of Kullback-Leibler (Kullback 1959, table 2.1) */
	compare(OUTPUT_AUTO, OUTPUT("FP64", "[1,3]", "[0.36,0.48,0.16]"),
	        OUTPUT("FP64", "[1,3]", "[0.3333333333333333,0.3333333333333333,0.3333333333333333]"));
	assert_true(fabs(got.rows[0].hellinger -
	                 sqrt(1 - (sqrt(0.36 / 3) + sqrt(0.48 / 3) + sqrt(0.16 / 3)))) < 1e-9);
	assert_true(near(got.rows[0].flip_margin, 0.12) && isnan(got.rows[0].top_overlap));
	compare(OUTPUT_AUTO, OUTPUT("FP64", "[1,10]", "[0.3,0.2,0.15,0.1,0.1,0.05,0.05,0.03,0.01,0.01]"),
	        OUTPUT("FP64", "[1,10]", "[0.3,0.2,0.15,0.1,0.04,0.05,0.11,0.03,0.01,0.01]"));
	assert_true(near(got.rows[0].top_overlap, 4.0 / 6));
	compare(OUTPUT_REGRESSION, OUTPUT("FP32", "[2,1]", "[1,2]"), OUTPUT("FP32", "[2,1]", "[1.5,2.005]"));
	assert_int_equal(diverged_by(DIVERGENCE_VALUE), 1);
	assert_true(got.agreement.n == 2 && near(got.agreement.abs_max, 0.5) &&
	            got.agreement.ulp_max == 4194304);
	compare(OUTPUT_EMBEDDING, OUTPUT("FP32", "[1,2]", "[1,0]"), OUTPUT("FP32", "[1,2]", "[0,1]"));
	assert_true(got.rows[0].has_embedding && near(got.rows[0].cosine_distance, 0.5));
	compare(OUTPUT_EMBEDDING, OUTPUT("FP32", "[1,2]", "[1,0]"), OUTPUT("FP32", "[1,3]", "[1,0,0]"));
	assert_int_equal(diverged_by(DIVERGENCE_STRUCTURE), 1);
	compare(OUTPUT_VALUES, OUTPUT("FP32", "[3]", "[1,NaN,3]"), OUTPUT("FP32", "[3]", "[1,NaN,Infinity]"));
	assert_int_equal(diverged_by(DIVERGENCE_NONFINITE), 1);
	assert_int_equal(got.counts[DIVERGENCE_VALUE], 1);
}

static void declared_lists(void **state)
{
	(void)state;
	compare(OUTPUT_RANKING, OUTPUT("BYTES", "[2,3]", "[\"a\",\"b\",\"c\",\"a\",\"b\",\"c\"]"),
	        OUTPUT("BYTES", "[2,3]", "[\"a\",\"c\",\"b\",\"\\u0061\",\"b\",\"c\"]"));
	assert_int_equal(diverged_by(DIVERGENCE_ORDER), 1);
	assert_string_equal(got.where, "outputs[0] row 0: ranks differ from place 2");
	assert_true(near(got.rows[0].tau_distance, 1.0 / 3) && got.rows[0].rank_overlap == 1);
	assert_true(near(got.rows[0].rbo, 0.955) && got.rows[1].rbo == 1 && got.rows[1].tau_distance == 0);
	compare(OUTPUT_RANKING, OUTPUT("FP32", "[1,3]", "[0.9,0.5,0.1]"), OUTPUT("FP32", "[1,3]", "[7,6,5]"));
	assert_int_equal(diverged_by(DIVERGENCE_ORDER), 0);
	/* boxes in another order, and one more */
	compare(OUTPUT_DETECTION, OUTPUT("FP32", "[2,6]", "[0,0,9,9,0.9,1, 20,20,30,30,0.8,2]"),
	        OUTPUT("FP32", "[2,6]", "[20,20,30,30,0.8,2, 0,0,9,9,0.9,1]"));
	assert_true(!got.diverged && got.row_count == 1 && got.rows[0].mean_iou == 1);
	compare(OUTPUT_DETECTION, OUTPUT("FP32", "[1,6]", "[0,0,9,9,0.9,1]"),
	        OUTPUT("FP32", "[2,6]", "[20,20,30,30,0.8,2, 0,0,9,9,0.9,1]"));
	assert_int_equal(diverged_by(DIVERGENCE_DETECTION), 1);
	assert_true(near(got.rows[0].detection_f1, 2.0 / 3));
	compare(OUTPUT_DETECTION, OUTPUT("FP32", "[1,4]", "[0,0,9,9]"), OUTPUT("FP32", "[1,4]", "[0,0,9,8]"));
	assert_int_equal(diverged_by(DIVERGENCE_STRUCTURE), 1);
	comparison_fini(&got);
}

/* `count` numbers 0, 1, 2, ... of which the one at `at` is `value`. */
static const char *numbered(char *to, const char *shape, unsigned count, unsigned at, unsigned value)
{
	int n = sprintf(to, "{\"outputs\":[{\"name\":\"y\",\"datatype\":\"FP32\",\"shape\":%s,\"data\":[",
	                shape);

	for (unsigned i = 0; i < count; i++)
		n += sprintf(to + n, "%s%u", i ? "," : "", i == at ? value : i);
	sprintf(to + n, "]}]}");
	return to;
}

/* Nothing of a list is passed over because it is long. */
static void long_lists(void **state)
{
	static char live[100000], other[100000];

	(void)state;
	compare(OUTPUT_RANKING, numbered(live, "[1,1000]", 1000, 0, 0),
	        numbered(other, "[1,1000]", 1000, 900, 9000));
	assert_int_equal(got.rows_diverged, 1);
	compare(OUTPUT_DETECTION, numbered(live, "[300,6]", 1800, 0, 0),
	        numbered(other, "[300,6]", 1800, 0, 0));
	assert_false(got.diverged);
	compare(OUTPUT_DETECTION, numbered(live, "[300,6]", 1800, 0, 0),
	        numbered(other, "[1100,6]", 6600, 0, 0));
	assert_int_equal(diverged_by(DIVERGENCE_STRUCTURE), 1);
	comparison_fini(&got);
}

/* Whatever it is declared to be, and whatever it holds, an answer does not diverge from itself, nor from
 * itself in other bytes. */
static void itself(void **state)
{
	static const char *const bodies[] = {
	        OUTPUT("FP32", "[2,6]", "[1,NaN,-Infinity,0,0,1, 5,5,5,5,5,5]"),
	        OUTPUT("FP64", "[2,3]", "[0.2,0.3,0.5,0,0,1]"),
	        OUTPUT("BYTES", "[1,4]", "[\"a\",\"a\",\"\",\"\\u0000\"]"),
	        OUTPUT("INT64", "[3]", "[1,-1,9007199254740993]"),
	        OUTPUT("FP16", "[0]", "[]"),
	        OUTPUT("FP32", "[1,2]", "[0,0]"),
	};
	char other[256];

	(void)state;
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
		for (enum output_kind kind = 0; kind < OUTPUT_KINDS; kind++) {
			snprintf(other, sizeof other, " %s", bodies[i]);
			compare(kind, bodies[i], other);
			for (unsigned c = 0; c < DIVERGENCES; c++)
				if (c != DIVERGENCE_STRUCTURE || kind != OUTPUT_DETECTION)
					assert_int_equal(got.counts[c], 0);
		}
	comparison_fini(&got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(tau),
	        cmocka_unit_test(tau_as_scipy),
	        cmocka_unit_test(overlap_and_rbo),
	        cmocka_unit_test(boxes),
	        cmocka_unit_test(bland_altman),
	        cmocka_unit_test(ulp),
	        cmocka_unit_test(rouge_l),
	        cmocka_unit_test(chrf),
	        cmocka_unit_test(starts),
	        cmocka_unit_test(declared),
	        cmocka_unit_test(declared_lists),
	        cmocka_unit_test(long_lists),
	        cmocka_unit_test(itself),
	};

	return cmocka_run_group_tests_name("replay_measures", tests, NULL, NULL);
}
