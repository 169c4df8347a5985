/* A planted fault is found by a comparison that works, whatever is tolerated and ignored; and only by one
 * that does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "replay/plant.h"

static const struct {
	const char *body;
	uint32_t protocol;
	double abs, rel;
	const char *ignore;
	bool in_body; /* it has something to plant in */
} cases[] = {
        {"{\"outputs\":[{\"name\":\"p\",\"datatype\":\"FP64\",\"shape\":[2,3],\"data\":[0.1,0.8,0.1,0.6,0.2,"
         "0.2]}]}",
         PROTOCOL_OPENINFERENCE, 0, 0, NULL, true},
        {"{\"outputs\":[{\"name\":\"p\",\"datatype\":\"FP64\",\"shape\":[1,2],\"data\":[0.5,0.5]}]}",
         PROTOCOL_AUTO, 0, 0, NULL, true},
        {"{\"outputs\":[{\"name\":\"y\",\"datatype\":\"FP32\",\"shape\":[2],\"data\":[-1e6,3.25]}]}",
         PROTOCOL_OPENINFERENCE, 5, 0.5, NULL, true},
        {"{\"outputs\":[{\"name\":\"y\",\"datatype\":\"UINT8\",\"shape\":[2],\"data\":[3,4]}]}",
         PROTOCOL_OPENINFERENCE, 0, 0, NULL, true},
        {"{\"outputs\":[{\"name\":\"y\",\"datatype\":\"BYTES\",\"shape\":[1],\"data\":[\"cat\"]}]}",
         PROTOCOL_OPENINFERENCE, 0, 0, NULL, true},
        {"{\"predictions\":[[0.2,0.8],[0.9,0.1]]}", PROTOCOL_TFSERVING, 0, 0, NULL, true},
        {"{\"predictions\":[0.7],\"took_ms\":0}", PROTOCOL_TFSERVING, 0, 0, NULL, true},
        {"{\"predictions\":[9007199254740992]}", PROTOCOL_TFSERVING, 0, 0, NULL, false},
        {"{\"id\":7,\"score\":0.25,\"of\":{\"id\":1e9}}", PROTOCOL_JSON, 10, 0.1, "$..id", true},
        {"{\"id\":\"seven\",\"text\":\"yes\",\"list\":[true,null]}", PROTOCOL_JSON, 0, 0, "$.id", true},
        {"[[1,[2]],{\"a\":[{\"b\":3}]},4]", PROTOCOL_JSON, 0, 0, "$[1].a[*].b", true},
        {"{\"id\":7}", PROTOCOL_JSON, 0, 0, "$.id", false},
        {"plain", PROTOCOL_BYTES, 0, 0, NULL, false},
        {"", PROTOCOL_AUTO, 0, 0, NULL, false},
};

static void every_fault_is_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct answer live = {.status = 200, .body = span_of(cases[i].body), .target = SPAN("/")};
		struct plan_route route = {.protocol = cases[i].protocol,
		                           .tolerance_abs = cases[i].abs,
		                           .tolerance_rel = cases[i].rel};
		struct comparison c;
		unsigned in_body = 0;

		if (cases[i].ignore)
			snprintf(route.ignore[route.ignore_count++], TEXT_MAX_BYTES, "%s", cases[i].ignore);
		assert_int_equal(compare_pair(&route, &live, &live, 1 << 20, &c), 0);
		assert_false(c.diverged); /* an answer is no divergence from itself */
		for (uint64_t seed = 0; seed < 64; seed++) {
			struct answer planted = live;
			struct comparison found;
			struct buf body;

			buf_init(&body, 1 << 16);
			plant(&route, c.read_as, seed, &planted, &body);
			assert_int_equal(compare_pair(&route, &live, &planted, 1 << 20, &found), 0);
			assert_true(found.diverged);
			assert_int_equal(planted.status != 200, buf_len(&body) == 0);
			in_body += buf_len(&body) > 0;
			comparison_fini(&found);
			buf_fini(&body);
		}
		assert_int_equal(in_body > 16 && in_body < 48, cases[i].in_body);
		comparison_fini(&c);
	}
}

/* It is the comparison that is told about: one that ignores everything finds no fault in a body. */
static void a_blind_comparison_is_told(void **state)
{
	struct plan_route sees = {.protocol = PROTOCOL_JSON}, blind = sees;
	struct answer live = {.status = 200, .body = SPAN("{\"a\":1}")};
	unsigned missed = 0;

	(void)state;
	strcpy(blind.ignore[blind.ignore_count++], "$..a");
	for (uint64_t seed = 0; seed < 64; seed++) {
		struct answer planted = live;
		struct comparison c;
		struct buf body;

		buf_init(&body, 1 << 16);
		plant(&sees, PROTOCOL_JSON, seed, &planted, &body);
		assert_int_equal(compare_pair(&blind, &live, &planted, 1 << 20, &c), 0);
		missed += !c.diverged;
		comparison_fini(&c);
		buf_fini(&body);
	}
	assert_true(missed > 16);
}

/* A share that the seed decides, about one in PLANT_ONE_IN. */
static void a_seeded_share(void **state)
{
	unsigned chosen = 0, both = 0;

	(void)state;
	for (uint64_t id = 0; id < 64000; id++) {
		chosen += plant_chosen(1, id);
		both += plant_chosen(1, id) && plant_chosen(2, id);
	}
	assert_true(chosen > 1800 && chosen < 2200);
	assert_true(both < 120);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_fault_is_found),
	        cmocka_unit_test(a_blind_comparison_is_told),
	        cmocka_unit_test(a_seeded_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
