/* Calibration against published values, and labels counted pair by pair. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "replay/truth.h"

/* scikit-learn's documentation of log_loss: these four have 0.21616; of brier_score_loss: 0.1, 0.9, 0.8, 0.3
 * with truths 0, 1, 1, 0 have 0.037 in its form for two classes, which is half of Brier's first. */
static void published(void **state)
{
	static const float loss[4][2] = {{.1f, .9f}, {.9f, .1f}, {.8f, .2f}, {.35f, .65f}};
	static const float brier[4][2] = {{.9f, .1f}, {.1f, .9f}, {.2f, .8f}, {.7f, .3f}};
	static const unsigned spam[] = {1, 0, 0, 1}, truth[] = {0, 1, 1, 0};
	struct calibration one = {0}, two = {0};
	double sum = 0;

	(void)state;
	assert_true(isnan(calibration_error(&one)) && isnan(calibration_brier(&one)));
	for (int i = 0; i < 4; i++) {
		calibration_add(&one, loss[i], 2, spam[i]);
		sum += calibration_add(&two, brier[i], 2, truth[i]);
	}
	assert_true(fabs(calibration_log_loss(&one) - 0.21616) < 5e-6);
	assert_true(fabs(calibration_brier(&two) - 0.075) < 1e-6 && fabs(sum / 4 - 0.075) < 1e-6);
	/* all are right, alone in their bins but for the two of 0.9: (0.1 + 0.1 + 0.2 + 0.3) / 4 */
	assert_true(fabs(calibration_error(&two) - 0.175) < 1e-6);
}

/* Ten at 0.8 in one bin, of which six are right: 0.2 off. A true class that had no share is not infinite. */
static void overconfident(void **state)
{
	static const float shares[] = {.8f, .2f};
	static const float none[] = {0, 1};
	struct calibration c = {0};

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		calibration_add(&c, shares, 2, i >= 6);
	assert_true(fabs(calibration_error(&c) - 0.2) < 1e-6);
	c = (struct calibration){0};
	calibration_add(&c, none, 2, 0);
	calibration_add(&c, none, 2, 7);
	assert_true(fabs(calibration_log_loss(&c) + log(1e-15)) < 1e-9 && calibration_brier(&c) == 2);
}

static void add(struct truth *t, uint64_t pair, bool sampled, uint64_t live, uint64_t other, uint64_t label,
                const char *slice)
{
	truth_add(t, &(struct truth_row){.pair = pair,
	                                 .sampled = sampled,
	                                 .diverged = live != other,
	                                 .state = TRUTH_JOINED,
	                                 .given = {live, other},
	                                 .label = label,
	                                 .slice = slice});
}

/* A thousand rows in ten pairs say as much as ten pairs, not as a thousand. */
static void a_batch_is_one_observation(void **state)
{
	static struct truth batches, singles;
	struct interval wide, narrow;

	(void)state;
	memset(&batches, 0, sizeof batches);
	memset(&singles, 0, sizeof singles);
	for (unsigned i = 0; i < 1000; i++) {
		add(&batches, i / 100, true, 0, 1, 1, NULL);
		add(&singles, i, true, 0, 1, 1, NULL);
	}
	truth_end(&batches);
	truth_end(&singles);
	assert_true(batches.candidate_only == 1000 && batches.won == 10 && singles.won == 1000);
	assert_true(truth_mcnemar(&batches) < truth_mcnemar(&singles) / 10);
	wide = truth_change(&batches, 0.05, 1000);
	narrow = truth_change(&singles, 0.05, 1000);
	assert_true(wide.high - wide.low > 5 * (narrow.high - narrow.low));
}

static void what_was_kept_for_diverging_is_set_aside(void **state)
{
	static struct truth t;

	(void)state;
	memset(&t, 0, sizeof t);
	for (unsigned i = 0; i < 90; i++)
		add(&t, i, i % 3 > 0, i % 3 == 0, 0, 0, NULL);
	truth_end(&t);
	assert_true(t.rows == 60 && t.set_aside == 30 && t.right[TRUTH_LIVE] == 60 && t.pairs == 60);
}

/* Where the label is true it is given to 30 of 40 in a and to 10 of 40 in b: 0.5 apart. Where it is not, to 4
 * of 40 and to 2 of 40. c is too small to be told. */
static void equalised_odds(void **state)
{
	static const struct {
		const char *slice;
		unsigned given[2], of;
	} groups[] = {{"team=a", {4, 30}, 40},
	              {"team=b", {2, 10}, 40},
	              {"team=c", {0, 3}, 3},
	              {"other=d", {0, 0}, 40}};
	static struct truth t;
	struct truth_odds odds;
	uint64_t pair = 0;

	(void)state;
	memset(&t, 0, sizeof t);
	t.fairness.on = true;
	strcpy(t.fairness.slice, "team");
	t.fairness.label = 7;
	t.fairness.min_rows = 10;
	for (unsigned g = 0; g < 4; g++)
		for (unsigned is = 0; is < 2; is++)
			for (unsigned i = 0; i < groups[g].of; i++)
				add(&t, pair++, true, i < groups[g].given[is] ? 7 : 1, 7, is ? 7 : 2,
				    groups[g].slice);
	truth_end(&t);
	assert_int_equal(truth_odds(&t, TRUTH_LIVE, 0.05, &odds), 2);
	assert_true(fabs(odds.value - 0.5) < 1e-12 && odds.ci.low >= 0 && odds.ci.low < 0.5 &&
	            odds.ci.high > 0.5);
	assert_int_equal(truth_odds(&t, TRUTH_CANDIDATE, 0.05, &odds), 2);
	assert_true(odds.value == 0);
	t.group_count = 1;
	assert_int_equal(truth_odds(&t, TRUTH_LIVE, 0.05, &odds), 1);
	assert_true(isnan(odds.value) && odds.ci.low == 0 && odds.ci.high == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(published),
	        cmocka_unit_test(overconfident),
	        cmocka_unit_test(a_batch_is_one_observation),
	        cmocka_unit_test(what_was_kept_for_diverging_is_set_aside),
	        cmocka_unit_test(equalised_odds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
