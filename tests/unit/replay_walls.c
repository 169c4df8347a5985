/* The canary: what a policy masks is nowhere behind it, what it does not mask is seen; and what the judge
 * makes of rounds that are whole, unmasked or lost. */
#define _GNU_SOURCE /* memmem */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "capture/canary.h"
#include "capture/mask.h"
#include "replay/walls.h"

#define WAIT ((uint64_t)10)

static const char *const paths[] = {"$.user.email", "$.a[*].b",     "$.a[3]",
                                    "$.a[2][1].c",  "$..deep.name", "$.x[1000].y"};

static struct plan_mask policy_of(unsigned count, bool header)
{
	struct plan_mask p = {.name = "test"};

	for (unsigned i = 0; i < count; i++) {
		p.fields[p.field_count].with = i % 2 ? MASK_DROP : MASK_TOKEN;
		snprintf(p.fields[p.field_count++].where, TEXT_MAX_BYTES, "%s", paths[i]);
	}
	if (header) {
		p.fields[p.field_count].place = MASK_HEADER;
		snprintf(p.fields[p.field_count++].where, TEXT_MAX_BYTES, "x-secret");
	}
	return p;
}

/* Is the mark of a canary made for `made` to be seen behind `policy`? */
static bool seen_behind(const struct plan_mask *made, const struct plan_mask *policy, bool request)
{
	static const uint8_t secret[32] = "a key";
	char mark[CANARY_MARK_BYTES];
	struct mask_key *key;
	struct mask_rules *rules;
	struct buf raw, out;
	uint32_t count = 0;
	bool input, seen;

	canary_mark(0x1234, mark);
	buf_init(&raw, 1 << 20);
	buf_init(&out, 1 << 20);
	assert_int_equal(mask_key_new(secret, &key), 0);
	assert_int_equal(canary_head(made, request, mark, &raw), 0);
	assert_true(canary_seen(mark, buf_span(&raw)));
	assert_int_equal(mask_head(policy, NULL, key, buf_span(&raw), &out, &count), 0);
	seen = canary_seen(mark, buf_span(&out));
	buf_reset(&raw);
	buf_reset(&out);
	assert_int_equal(canary_body(made, mark, &raw), 0);
	assert_int_equal(canary_seen(mark, buf_span(&raw)), mask_wants_body(made));
	assert_int_equal(mask_rules_new(policy, &rules), 0);
	assert_int_equal(mask_json(rules, key, buf_span(&raw), &out, &count, &input), 0);
	seen |= canary_seen(mark, buf_span(&out));
	mask_rules_free(&rules);
	mask_key_free(&key);
	buf_fini(&raw);
	buf_fini(&out);
	return seen;
}

static void a_policy_masks_its_own_canary(void **state)
{
	(void)state;
	for (unsigned n = 0; n <= sizeof paths / sizeof *paths; n++)
		for (unsigned side = 0; side < 4; side++) {
			struct plan_mask p = policy_of(n, side & 1);

			assert_false(seen_behind(&p, &p, side & 2));
		}
}

static void rule(struct plan_mask *p, enum mask_place place, const char *where, enum mask_operator with,
                 double by)
{
	struct plan_mask_field *f = &p->fields[p->field_count++];

	f->place = place;
	f->with = with;
	f->by.amount = by;
	snprintf(f->where, sizeof f->where, "%s", where);
}

/* Rules that keep what they name, or ask for the end of a copy, are no reason to pause. */
static void what_a_rule_does_not_hide_is_not_planted(void **state)
{
	static const uint8_t secret[32] = "a key";
	static const enum mask_operator operators[] = {MASK_KEEP,     MASK_BLOCK,      MASK_DROP_RECORD,
	                                               MASK_TRUNCATE, MASK_CHARACTERS, MASK_TOKEN};

	(void)state;
	for (unsigned i = 0; i < 2 * sizeof operators / sizeof *operators; i++) {
		enum mask_operator with = operators[i / 2];
		struct plan_mask p = {.name = "test"};
		char mark[CANARY_MARK_BYTES];
		struct mask_key *key;
		struct mask_rules *rules;
		struct buf raw, out;
		uint32_t count;
		bool input, planted;

		rule(&p, MASK_HEADER, "x-a", with, 40);
		rule(&p, MASK_HEADER, "X-A", MASK_TOKEN, 0);
		rule(&p, MASK_COOKIE, "id", with, 40);
		rule(&p, MASK_COOKIE, "canary0", with, 40);
		rule(&p, MASK_QUERY, "secret", with, 40);
		rule(&p, MASK_QUERY, "canary0", with, 40);
		rule(&p, MASK_SEGMENT, "1", with, 40);
		rule(&p, MASK_PATH, "$.a", with, 40);
		rule(&p, MASK_PATH, "$..b", with, 40);
		rule(&p, MASK_PATH, "$.c.b", MASK_TOKEN, 0);
		rule(&p, MASK_PATH, "$.d[0]", with, 40);
		rule(&p, MASK_PATH, "$.d[2]", MASK_TOKEN, 0);
		rule(&p, MASK_PATH, "$.d[*]", MASK_TOKEN, 0);
		rule(&p, MASK_PATH, "$.e", MASK_TOKEN, 0);
		canary_mark(0x1234, mark);
		buf_init(&raw, 1 << 20);
		buf_init(&out, 1 << 20);
		assert_int_equal(mask_key_new(secret, &key), 0);
		assert_int_equal(mask_rules_new(&p, &rules), 0);
		assert_int_equal(canary_head(&p, i % 2, mark, &raw), 0);
		assert_true(canary_seen(mark, buf_span(&raw)));
		assert_int_equal(mask_head(&p, NULL, key, buf_span(&raw), &out, &count), 0);
		assert_false(canary_seen(mark, buf_span(&out)));
		buf_reset(&raw);
		buf_reset(&out);
		assert_int_equal(canary_body(&p, mark, &raw), 0);
		assert_non_null(memmem(raw.base, buf_len(&raw), "\"e\":", 4));
		planted = memmem(raw.base, buf_len(&raw), "\"a\":", 4) != NULL;
		assert_int_equal(planted, with == MASK_TOKEN);
		assert_int_equal(mask_json(rules, key, buf_span(&raw), &out, &count, &input), 0);
		assert_false(canary_seen(mark, buf_span(&out)));
		assert_int_equal(mask_asked(key), 0);
		mask_rules_free(&rules);
		mask_key_free(&key);
		buf_fini(&raw);
		buf_fini(&out);
	}
}

static void what_is_not_masked_is_seen(void **state)
{
	struct plan_mask whole = policy_of(5, true), less = policy_of(4, true), bare = policy_of(5, false);

	(void)state;
	assert_true(seen_behind(&whole, &less, true)); /* a path is missing */
	assert_true(seen_behind(&whole, &bare, true)); /* a header is */
	assert_true(seen_behind(&whole, &bare, false));
}

static void hear_round(struct walls *w, uint64_t round, unsigned routes, uint8_t last_leg, bool seen)
{
	for (uint16_t route = 0; route < routes; route++)
		for (uint8_t leg = LEG_CLIENT; leg <= last_leg; leg++) {
			struct record r = {.id = round, .route = route, .leg = leg, .type = RECORD_HEAD};

			walls_hear(w, &r, seen && leg == last_leg);
			r.type = RECORD_END;
			walls_hear(w, &r, false);
		}
}

static void a_whole_round_says_that_they_hold(void **state)
{
	struct walls w = {.routes = 3};
	bool again;

	(void)state;
	assert_int_equal(walls_step(&w, WALLS_UNKNOWN, 0, 0, 99, WAIT, &again), WALLS_UNKNOWN);
	hear_round(&w, 1, 1, LEG_CANDIDATE, false); /* one route of two */
	assert_int_equal(walls_step(&w, WALLS_UNKNOWN, 1, 0, 1, WAIT, &again), WALLS_UNKNOWN);
	hear_round(&w, 1, 2, LEG_CANDIDATE, false);
	assert_int_equal(walls_step(&w, WALLS_UNKNOWN, 1, 0, 1, WAIT, &again), WALLS_INTACT);
	hear_round(&w, 2, 2, LEG_LIVE, false); /* the candidate's side does not come */
	assert_int_equal(walls_step(&w, WALLS_INTACT, 2, 100, 109, WAIT, &again), WALLS_INTACT);
	assert_false(again);
	assert_int_equal(walls_step(&w, WALLS_INTACT, 2, 100, 110, WAIT, &again), WALLS_INTACT);
	assert_true(again);
	assert_int_equal(walls_step(&w, WALLS_INTACT, 2, 100, 120, WAIT, &again), WALLS_INTACT);
	assert_false(again); /* once a round */
	assert_int_equal(walls_step(&w, WALLS_INTACT, 3, 200, 210, WAIT, &again), WALLS_INTACT);
	assert_int_equal(walls_step(&w, WALLS_INTACT, 4, 300, 310, WAIT, &again), WALLS_GONE);
	hear_round(&w, 5, 2, LEG_CANDIDATE, false);
	assert_int_equal(walls_step(&w, WALLS_GONE, 5, 400, 401, WAIT, &again), WALLS_INTACT);
}

static void a_mark_that_is_seen_breaks_them_at_once(void **state)
{
	struct walls w = {.routes = 1};
	bool again;

	(void)state;
	hear_round(&w, 7, 1, LEG_LIVE, true);
	assert_int_equal(walls_step(&w, WALLS_INTACT, 7, 0, 1, WAIT, &again), WALLS_LEAKED);
	hear_round(&w, 7, 1, LEG_CANDIDATE, false); /* the rest of it mends nothing */
	assert_int_equal(walls_step(&w, WALLS_LEAKED, 7, 0, 2, WAIT, &again), WALLS_LEAKED);
	hear_round(&w, 8, 1, LEG_CANDIDATE, false);
	assert_int_equal(walls_step(&w, WALLS_LEAKED, 8, 0, 2, WAIT, &again), WALLS_INTACT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_policy_masks_its_own_canary),
	        cmocka_unit_test(what_a_rule_does_not_hide_is_not_planted),
	        cmocka_unit_test(what_is_not_masked_is_seen),
	        cmocka_unit_test(a_whole_round_says_that_they_hold),
	        cmocka_unit_test(a_mark_that_is_seen_breaks_them_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
