/* Answers to :predict, as TensorFlow Serving's RESTful API and KServe's V1 protocol show them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "replay/compare.h"
#include "replay/predictions.h"

static struct oip_answer got;
static struct comparison pair;

static int done(void **state)
{
	(void)state;
	oip_fini(&got);
	comparison_fini(&pair);
	return 0;
}

static int decode(const char *body)
{
	oip_fini(&got);
	return predictions_read(span_of(body), 1 << 20, &got);
}

static void holds(unsigned at, const char *name, const char *datatype, unsigned rank, uint64_t a, uint64_t b)
{
	const struct oip_tensor *t = &got.tensors[at];

	assert_true(at < got.count);
	assert_true(span_eq(t->name, span_of(name)));
	assert_true(span_eq(t->datatype, span_of(datatype)));
	assert_int_equal(t->rank, rank);
	if (rank > 0)
		assert_int_equal(t->shape[0], a);
	if (rank > 1)
		assert_int_equal(t->shape[1], b);
	assert_int_equal(t->count, rank ? rank > 1 ? a * b : a : 1);
	assert_true((t->values != NULL) == !strcmp(datatype, "FP64"));
}

static void rows(void **state)
{
	(void)state;
	assert_int_equal(decode("{\"predictions\": [[0.1, 0.9], [1, 0]]}"), 0);
	assert_int_equal(got.count, 1);
	holds(0, "", "FP64", 2, 2, 2);
	assert_true(got.tensors[0].values[1] == 0.9 && got.tensors[0].values[2] == 1);
	assert_int_equal(decode("{\"model_name\":\"m\",\"predictions\":[1,0,1]}"), 0);
	holds(0, "", "FP64", 1, 3, 0);
	assert_int_equal(decode("{\"predictions\":[NaN,-Infinity,Infinity,1e3]}"), 0);
	holds(0, "", "FP64", 1, 4, 0);
	assert_true(isnan(got.tensors[0].values[0]) && got.tensors[0].values[1] == -INFINITY);
	assert_int_equal(decode("{\"predictions\":[{\"scores\":[1,2],\"class\":\"a\"},{\"class\":\"b\","
	                        "\"scores\":[3,4]}]}"),
	                 0);
	assert_int_equal(got.count, 2);
	holds(0, "\"scores\"", "FP64", 2, 2, 2);
	assert_true(got.tensors[0].values[3] == 4);
	holds(1, "\"class\"", "BYTES", 1, 2, 0);
	assert_true(span_eq(got.tensors[1].texts[1], SPAN("\"b\"")));
	assert_int_equal(decode("{\"predictions\":[{\"b64\":\"AA==\"},\"x\"]}"), 0);
	holds(0, "", "BYTES", 1, 2, 0);
	assert_true(span_eq(got.tensors[0].texts[0], SPAN("\"AA==\"")));
	assert_int_equal(decode("{\"predictions\":[{\"i\":{\"b64\":\"AA==\"}}]}"), 0);
	holds(0, "\"i\"", "BYTES", 1, 1, 0);
	assert_int_equal(decode("{\"predictions\":[]}"), 0);
	holds(0, "", "FP64", 1, 0, 0);
	assert_int_equal(decode("{\"predictions\":[true,false]}"), 0);
	holds(0, "", "BYTES", 1, 2, 0);
	assert_int_equal(decode("{\"predictions\":[9007199254740993]}"), 0);
	holds(0, "", "BYTES", 1, 1, 0);
}

static void columns(void **state)
{
	(void)state;
	assert_int_equal(decode("{\"outputs\":{\"p\":[[1,2,3],[4,5,6]],\"s\":2.5}}"), 0);
	assert_int_equal(got.count, 2);
	holds(0, "\"p\"", "FP64", 2, 2, 3);
	holds(1, "\"s\"", "FP64", 0, 0, 0);
	assert_int_equal(decode("{\"outputs\":[[1],[2]]}"), 0);
	holds(0, "", "FP64", 2, 2, 1);
	assert_int_equal(decode("{\"outputs\":7}"), 0);
	holds(0, "", "FP64", 0, 0, 0);
}

static void wrong(void **state)
{
	static const char *const bad[] = {
	        "",
	        "{}",
	        "[]",
	        "{\"predictions\":[[1],[1,2]]}",
	        "{\"predictions\":[1,[2]]}",
	        "{\"predictions\":[[2],1]}",
	        "{\"predictions\":[[],[1]]}",
	        "{\"predictions\":[[],[[]]]}",
	        "{\"predictions\":[1,{\"a\":1}]}",
	        "{\"predictions\":[{\"a\":1},1]}",
	        "{\"predictions\":[{\"a\":1},{\"b\":1}]}",
	        "{\"predictions\":[{\"a\":1,\"b\":1},{\"a\":1}]}",
	        "{\"predictions\":[{\"a\":1},{\"a\":1,\"\\u0061\":1}]}",
	        "{\"predictions\":[{\"a\":[1]},{\"a\":[1,2]}]}",
	        "{\"predictions\":[{\"a\":{\"c\":1}}]}",
	        "{\"predictions\":[[{\"b64\":1}]]}",
	        "{\"predictions\":[[{\"b64\":\"\",\"c\":1}]]}",
	        "{\"outputs\":{\"a\":1,\"a\":2}}",
	        "{\"predictions\":[1]",
	        "{\"predictions\":[1]}x",
	};
	static char deep[200];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(decode(bad[i]), ERR_PROTO);
	strcpy(deep, "{\"outputs\":");
	memset(deep + strlen(deep), '[', OIP_RANK_MAX + 1);
	memset(deep + strlen(deep), ']', OIP_RANK_MAX + 1);
	strcat(deep, "}");
	assert_int_equal(decode(deep), ERR_LIMIT);
	assert_int_equal(predictions_read(SPAN("{\"outputs\":[1]}"), 100, &got), ERR_NOMEM);
}

static void compare(uint32_t protocol, const char *live, const char *candidate)
{
	struct plan_route route = {.protocol = protocol, .tolerance_abs = 0.01};
	struct answer a = {
	        .status = 200, .body = span_of(live), .target = SPAN("/v1/models/m/versions/2:predict?x")};
	struct answer b = a;

	b.body = span_of(candidate);
	comparison_fini(&pair);
	assert_int_equal(compare_pair(&route, &a, &b, SIZE_MAX, &pair), 0);
}

static void pairs(void **state)
{
	static const uint32_t protocols[] = {PROTOCOL_AUTO, PROTOCOL_TFSERVING, PROTOCOL_KSERVE_V1};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		compare(protocols[i], "{\"predictions\":[[0.2,0.8],[0.6,0.4]]}",
		        "{\"predictions\":[[0.2,0.8],[0.4,0.6]]}");
		assert_int_equal(pair.read_as, i ? protocols[i] : PROTOCOL_TFSERVING);
		assert_int_equal(pair.counts[DIVERGENCE_LABEL_FLIP], 1);
		assert_int_equal(pair.row_count, 2);
		assert_true(fabs(pair.rows[1].tv - 0.2) < 1e-12);
		compare(protocols[i], "{\"predictions\":[NaN,5]}", "{\"predictions\":[NaN, 5.001]}");
		assert_false(pair.diverged);
		compare(protocols[i], "{\"outputs\":{\"a\":[1],\"b\":[\"x\"]}}",
		        "{\"outputs\":{\"b\":[\"\\u0078\"],\"a\":[2]}}");
		assert_int_equal(pair.counts[DIVERGENCE_VALUE], 1);
		assert_int_equal(pair.counts[DIVERGENCE_STRUCTURE], 0);
		compare(protocols[i], "{\"predictions\":[[1,2]]}", "{\"predictions\":[[1,2,3]]}");
		assert_int_equal(pair.counts[DIVERGENCE_STRUCTURE], 1);
		compare(protocols[i], "{\"results\":[[[\"a\",0.5]]]}", "{\"results\":[[[\"a\",0.505]]]}");
		assert_false(pair.diverged);
		compare(protocols[i], "{\"predictions\":[{\"a\":{\"c\":1}}]}",
		        "{\"predictions\":[{\"a\":{\"c\":2}}]}");
		assert_int_equal(pair.counts[DIVERGENCE_VALUE], 1);
	}
}

#define CASE(name) cmocka_unit_test_teardown(name, done)

int main(void)
{
	const struct CMUnitTest tests[] = {CASE(rows), CASE(columns), CASE(wrong), CASE(pairs)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
