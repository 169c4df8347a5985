#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "replay/compare.h"
#include "replay/jsondiff.h"
#include "replay/oip.h"

static struct comparison got;
static struct plan_route route;

static int reset(void **state)
{
	(void)state;
	memset(&route, 0, sizeof(route));
	return 0;
}

static int done(void **state)
{
	(void)state;
	comparison_fini(&got);
	return 0;
}

static void ignore(const char *path)
{
	snprintf(route.ignore[route.ignore_count++], TEXT_MAX_BYTES, "%s", path);
}

static size_t work_bytes = SIZE_MAX;

static int compare_with(unsigned live_status, const char *live, unsigned candidate_status,
                        const char *candidate)
{
	struct answer a = {.status = live_status, .body = span_of(live)};
	struct answer b = {.status = candidate_status, .body = span_of(candidate)};

	comparison_fini(&got);
	return compare_pair(&route, &a, &b, work_bytes, &got);
}

static int compare(const char *live, const char *candidate)
{
	return compare_with(200, live, 200, candidate);
}

/* One output "y" in an answer. */
static const char *one(unsigned slot, const char *type, const char *shape, const char *data)
{
	static char text[2][4096];

	snprintf(
	        text[slot], sizeof(text[slot]),
	        "{\"id\":\"%u\",\"model_name\":\"m%u\",\"outputs\":[{\"data\":%s,\"name\":\"y\",\"shape\":%s,"
	        "\"datatype\":\"%s\",\"parameters\":{\"p\":%u}}]}",
	        slot, slot, data, shape, type, slot);
	return text[slot];
}

static int tensors(const char *type, const char *shape, const char *live, const char *candidate)
{
	return compare(one(0, type, shape, live), one(1, type, shape, candidate));
}

static void identical_and_nested(void **state)
{
	(void)state;
	assert_int_equal(tensors("FP32", "[2,2]", "[[0.25,0.75],[0.5,0.5]]", "[0.25,0.75,0.5,0.5]"), 0);
	assert_false(got.diverged);
	assert_int_equal(got.row_count, 2);
	assert_int_equal(got.rows_diverged, 0);
	assert_true(got.rows[0].has_measures && got.rows[0].js_bits == 0 && got.rows[0].tv == 0);
	assert_int_equal(got.rows[0].live_label, 1);
	assert_int_equal(got.rows[1].live_label, 0); /* the first maximum */
	assert_string_equal(got.where, "");
}

static void flips(void **state)
{
	(void)state;
	assert_int_equal(tensors("FP32", "[3,2]", "[1,0, 0.4,0.6, 0.5,0.5]", "[0,1, 0.4,0.6, 0.25,0.75]"), 0);
	assert_true(got.diverged);
	assert_int_equal(got.counts[DIVERGENCE_LABEL_FLIP], 2);
	assert_int_equal(got.counts[DIVERGENCE_VALUE], 0);
	assert_int_equal(got.rows_diverged, 2);
	assert_string_equal(got.where, "outputs[0] row 0: 0 -> 1");
	assert_true(fabs(got.rows[0].js_bits - 1) < 1e-12 && fabs(got.rows[0].tv - 1) < 1e-12);
	assert_true(fabs(got.rows[2].tv - 0.25) < 1e-12);
	/* scipy.spatial.distance.jensenshannon([.5,.5],[.25,.75],2)**2 */
	assert_true(fabs(got.rows[2].js_bits - 0.04879494069539847) < 1e-9);
}

static void ranks(void **state)
{
	(void)state;
	assert_int_equal(tensors("FP32", "[2]", "[1,0]", "[0,1]"), 0);
	assert_int_equal(got.row_count, 1);
	assert_int_equal(got.counts[DIVERGENCE_LABEL_FLIP], 1);
	assert_int_equal(tensors("FP32", "[2,2,2]", "[1,0,1,0,1,0,1,0]", "[1,0,1,0,1,0,0,1]"), 0);
	assert_int_equal(got.row_count, 4);
	assert_int_equal(got.rows_diverged, 1);
	assert_true(got.rows[3].flipped);
	assert_int_equal(tensors("FP32", "[3,2]", "[1,2,3,4,5,6]", "[1,2,3,4,5,7]"),
	                 0); /* not a classification */
	assert_int_equal(got.row_count, 3);
	assert_int_equal(got.counts[DIVERGENCE_VALUE], 1);
	assert_false(got.rows[2].has_measures);
	assert_string_equal(got.where, "outputs[0] row 2: element 1: 6 -> 7");
	assert_int_equal(tensors("FP32", "[]", "5", "5"), 0);
	assert_int_equal(got.row_count, 1);
	assert_int_equal(tensors("FP32", "[0,4]", "[]", "[]"), 0);
	assert_int_equal(got.row_count, 0);
	assert_false(got.diverged);
}

static void candidate_is_no_distribution(void **state)
{
	static const char *const bad[] = {"[8,3]", "[NaN,1]", "[1.5,-0.5]", "[Infinity,0]"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(tensors("FP32", "[1,2]", "[0.9,0.1]", bad[i]), 0);
		assert_int_equal(got.counts[DIVERGENCE_VALUE], 1);
		assert_int_equal(got.rows_diverged, 1);
		assert_false(got.rows[0].has_measures);
	}
}

static void structure(void **state)
{
	static const char *const two =
	        "{\"outputs\":[{\"name\":\"y\",\"shape\":[2],\"datatype\":\"FP32\",\"data\":[5,6]},"
	        "{\"name\":\"z\",\"shape\":[2],\"datatype\":\"BYTES\",\"data\":[\"a\",\"b\"]}]}";
	static const char *const swapped =
	        "{\"outputs\":[{\"name\":\"z\",\"shape\":[2],\"datatype\":\"BYTES\",\"data\":[\"\\u0061\","
	        "\"b\"]},"
	        "{\"name\":\"\\u0079\",\"shape\":[2],\"datatype\":\"FP32\",\"data\":[5.0,6]}]}";

	(void)state;
	assert_int_equal(
	        compare(one(0, "FP32", "[2,3]", "[1,2,3,4,5,6]"), one(1, "FP32", "[3,2]", "[1,2,3,4,5,6]")),
	        0);
	assert_int_equal(got.counts[DIVERGENCE_STRUCTURE], 1);
	assert_int_equal(got.counts[DIVERGENCE_VALUE], 0);
	assert_int_equal(got.row_count, 2);
	assert_int_equal(got.rows_diverged, 2);
	assert_string_equal(got.where, "outputs[0]: shape differs");
	assert_int_equal(compare(one(0, "FP32", "[1]", "[1]"), one(1, "FP64", "[1]", "[1]")), 0);
	assert_int_equal(got.counts[DIVERGENCE_STRUCTURE], 1);
	assert_int_equal(compare(two, swapped), 0);
	assert_false(got.diverged);
	assert_int_equal(compare(two, one(1, "FP32", "[2]", "[5,7]")), 0);
	assert_int_equal(got.counts[DIVERGENCE_STRUCTURE], 1);
	assert_int_equal(got.counts[DIVERGENCE_VALUE], 1);
	assert_int_equal(got.row_count, 2);
	assert_int_equal(compare(one(0, "FP32", "[2]", "[5,6]"), two), 0);
	assert_string_equal(got.where, "outputs[1]: extra");
	ignore("$.outputs[1]");
	assert_int_equal(compare(one(0, "FP32", "[2]", "[5,6]"), two), 0);
	assert_false(got.diverged);
}

static void values(void **state)
{
	(void)state;
	assert_int_equal(tensors("FP32", "[3]", "[NaN,Infinity,-Infinity]", "[NaN,Infinity,-Infinity]"), 0);
	assert_false(got.diverged);
	route.tolerance_abs = route.tolerance_rel = 1e9;
	assert_int_equal(tensors("FP32", "[3]", "[NaN,Infinity,1]", "[1,-Infinity,Infinity]"), 0);
	assert_int_equal(got.rows_diverged, 3);
	route.tolerance_abs = 0.5;
	route.tolerance_rel = 0;
	assert_int_equal(tensors("FP64", "[4]", "[8,8,8,8]", "[8.5,7.5,8.500001,7.499999]"), 0);
	assert_int_equal(got.rows_diverged, 2);
	route.tolerance_rel = 0.25; /* 0.5 + 2 */
	assert_int_equal(tensors("FP64", "[4]", "[8,-8,8,-8]", "[10.5,-10.5,10.6,-10.6]"), 0);
	assert_int_equal(got.rows_diverged, 2);
	assert_true(got.rows[2].diverged && got.rows[3].diverged);
}

static void exact_types(void **state)
{
	(void)state;
	route.tolerance_abs = 100;
	assert_int_equal(tensors("INT64", "[2]", "[9007199254740993,1]", "[9007199254740992,1]"), 0);
	assert_int_equal(got.counts[DIVERGENCE_VALUE], 1);
	assert_int_equal(tensors("BOOL", "[2]", "[true,false]", "[true,true]"), 0);
	assert_int_equal(got.counts[DIVERGENCE_VALUE], 1);
	assert_int_equal(tensors("BYTES", "[2]", "[\"a\\n\",\"b\"]", "[\"a\\u000a\",\"c\"]"), 0);
	assert_int_equal(got.counts[DIVERGENCE_VALUE], 1);
	assert_true(got.rows[1].diverged);
	assert_int_equal(tensors("BYTES", "[1]", "[\"\\\\\"]", "[5]"), 0);
	assert_int_equal(got.counts[DIVERGENCE_VALUE], 1);
}

static void statuses(void **state)
{
	const char *live = one(0, "FP32", "[3,2]", "[1,0,1,0,1,0]");

	(void)state;
	assert_int_equal(compare_with(200, live, 503, "busy"), 0);
	assert_int_equal(got.counts[DIVERGENCE_STATUS], 1);
	assert_int_equal(got.row_count, 3);
	assert_int_equal(got.rows_diverged, 3);
	assert_string_equal(got.where, "status 200 -> 503");
	route.protocol = PROTOCOL_OPENINFERENCE;
	assert_int_equal(compare_with(500, "x", 200, live), 0);
	assert_int_equal(got.row_count, 1);
	assert_int_equal(compare_with(400, "{\"error\":\"a\",\"b\":1}", 400, "{\"b\":1.0,\"error\":\"a\"}"),
	                 0);
	assert_false(got.diverged);
	assert_int_equal(compare_with(400, "{\"error\":\"a\"}", 400, "{\"error\":\"b\"}"), 0);
	assert_int_equal(got.counts[DIVERGENCE_VALUE], 1);
	assert_int_equal(compare_with(404, "no", 404, "no"), 0);
	assert_false(got.diverged);
	assert_int_equal(compare_with(404, "no", 404, "nope"), 0);
	assert_true(got.diverged);
	assert_string_equal(got.where, "bytes differ from offset 2");
}

static void undecodable(void **state)
{
	static const char *const bad[] = {
	        "",
	        "[]",
	        "{}",
	        "x",
	        "{\"outputs\":5}",
	        "{\"outputs\":[5]}",
	        "{\"outputs\":[{}]}",
	        "{\"outputs\":[]",
	        "{\"outputs\":[],\"outputs\":[]}",
	        "{\"outputs\":[{\"name\":\"y\",\"shape\":[1],\"datatype\":\"FP32\"}]}",
	        "{\"outputs\":[{\"name\":\"y\",\"shape\":[1.5],\"datatype\":\"FP32\",\"data\":[1]}]}",
	        "{\"outputs\":[{\"name\":\"y\",\"shape\":[-1],\"datatype\":\"FP32\",\"data\":[1]}]}",
	        "{\"outputs\":[{\"name\":\"y\",\"shape\":[2],\"datatype\":\"FP32\",\"data\":[1]}]}",
	        "{\"outputs\":[{\"name\":\"y\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1,2]}]}",
	        "{\"outputs\":[{\"name\":\"y\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[\"1\"]}]}",
	        "{\"outputs\":[{\"name\":\"y\",\"shape\":[1],\"datatype\":\"BYTES\",\"data\":[null]}]}",
	        "{\"outputs\":[{\"name\":\"y\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":{\"a\":1}}]}",
	        "{\"outputs\":[{\"name\":\"y\",\"name\":\"y\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":["
	        "1]}]}",
	        "{\"outputs\":[{\"name\":\"y\",\"shape\":[1],\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1]"
	        "}]}",
	        "{\"outputs\":[{\"name\":\"y\",\"shape\":[0],\"datatype\":\"FP32\",\"data\":[]},"
	        "{\"name\":\"y\",\"shape\":[0],\"datatype\":\"FP32\",\"data\":[]}]}",
	};
	const char *good = one(0, "FP32", "[1]", "[1]");

	(void)state;
	route.protocol = PROTOCOL_OPENINFERENCE;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(compare(good, bad[i]), ERR_PROTO);
		assert_int_equal(compare(bad[i], good), ERR_PROTO);
		assert_null(got.rows);
	}
	route.protocol = PROTOCOL_JSON;
	assert_int_equal(compare("{}", "{"), ERR_PROTO);
}

static void hostile(void **state)
{
	static char deep[8192], many[1 << 16];
	size_t at;

	(void)state;
	route.protocol = PROTOCOL_OPENINFERENCE;
	assert_int_equal(tensors("FP32", "[4294967296,4294967296]", "[1]", "[1]"), ERR_LIMIT);
	assert_int_equal(tensors("FP32", "[99999999999999999999999999]", "[1]", "[1]"), ERR_LIMIT);
	assert_int_equal(tensors("FP32", "[4000000,4000000,4000000]", "[1]", "[1]"), ERR_LIMIT);
	assert_int_equal(tensors("FP32", "[0,4194304,4194304,4194304,4194304]", "[]", "[]"), 0);
	assert_int_equal(tensors("FP32", "[4194304]", "[1]", "[1]"), ERR_PROTO);
	assert_int_equal(tensors("FP32", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[1]", "[1]"), ERR_LIMIT);
	memset(deep, '[', 4000);
	assert_int_equal(tensors("FP32", "[1]", "[1]", deep), ERR_LIMIT);
	at = (size_t)sprintf(many, "{\"outputs\":[");
	for (unsigned i = 0; i <= OIP_TENSORS_MAX; i++)
		at += (size_t)sprintf(many + at,
		                      "%s{\"name\":\"%u\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1]}",
		                      i ? "," : "", i);
	sprintf(many + at, "]}");
	assert_int_equal(compare(many, many), ERR_LIMIT);
	route.protocol = PROTOCOL_JSON;
	assert_int_equal(compare(deep, "1"), ERR_LIMIT);
	route.protocol = PROTOCOL_AUTO;
	assert_int_equal(compare(deep, deep), 0);
	assert_false(got.diverged);
}

static void too_many_rows(void **state)
{
	static char text[65536];
	size_t at = (size_t)sprintf(
	        text, "{\"outputs\":[{\"name\":\"y\",\"shape\":[4097],\"datatype\":\"FP32\",\"data\":[1");

	(void)state;
	for (unsigned i = 1; i < 4097; i++)
		at += (size_t)sprintf(text + at, ",1");
	sprintf(text + at, "]}]}");
	assert_int_equal(compare(text, text), ERR_LIMIT);
	assert_int_equal(compare_with(200, text, 500, ""), 0);
	assert_int_equal(got.row_count, COMPARE_ROWS_MAX);
}

static void json_documents(void **state)
{
	(void)state;
	route.protocol = PROTOCOL_JSON;
	assert_int_equal(
	        compare("{\"a\":[1,{\"b\":2}],\"c\":null}", "{\"c\":null,\"\\u0061\":[1.0,{\"b\":2}]}"), 0);
	assert_false(got.diverged);
	assert_int_equal(got.row_count, 1);
	assert_int_equal(compare("{\"a\":[1,{\"b\":2}]}", "{\"a\":[1,{\"b\":3}]}"), 0);
	assert_int_equal(got.counts[DIVERGENCE_VALUE], 1);
	assert_string_equal(got.where, "$.a[1].b: value differs");
	assert_int_equal(compare("{\"a\":1}", "{\"a\":\"1\"}"), 0);
	assert_int_equal(got.counts[DIVERGENCE_STRUCTURE], 1);
	assert_string_equal(got.where, "$.a: type differs");
	assert_int_equal(compare("[1,2]", "[1]"), 0);
	assert_string_equal(got.where, "$[1]: missing");
	assert_int_equal(compare("{}", "{\"z\\n\":1}"), 0);
	assert_string_equal(got.where, "$.z?: extra");
	assert_true(got.diverged && got.rows_diverged == 1);
	assert_int_equal(compare("9007199254740993", "9007199254740992"), 0);
	assert_true(got.diverged);
	assert_int_equal(compare("{\"\":1}", "{}"), 0);
	assert_int_equal(got.counts[DIVERGENCE_STRUCTURE], 1);
	assert_int_equal(compare("[true,NaN]", "[false,NaN]"), 0);
	assert_int_equal(got.counts[DIVERGENCE_VALUE], 1);
	assert_int_equal(got.counts[DIVERGENCE_STRUCTURE], 0);
}

static void json_ignored(void **state)
{
	(void)state;
	route.protocol = PROTOCOL_JSON;
	ignore("$.a.b[*].c");
	ignore("$..id");
	ignore("$.list[1]");
	ignore("nonsense");
	assert_int_equal(compare("{\"id\":1,\"a\":{\"b\":[{\"c\":1},{\"c\":2,\"id\":0}]},\"list\":[1,2]}",
	                         "{\"id\":{},\"a\":{\"b\":[{\"c\":\"x\"},{\"id\":5}]},\"list\":[1]}"),
	                 0);
	assert_false(got.diverged);
	assert_int_equal(compare("{\"a\":{\"b\":[{\"cc\":1}]}}", "{\"a\":{\"b\":[{\"cc\":2}]}}"), 0);
	assert_true(got.diverged);
	assert_int_equal(compare("{\"list\":[1,2,3]}", "{\"list\":[1,5,4]}"), 0);
	assert_string_equal(got.where, "$.list[2]: value differs");
}

static void protocol_auto(void **state)
{
	(void)state;
	assert_int_equal(compare("{\"id\":\"1\",\"outputs\":[]}", "{\"id\":\"2\",\"outputs\":[]}"), 0);
	assert_false(got.diverged);
	assert_int_equal(compare("{\"outputs\":[[1,2]]}", "{\"outputs\":[[1,3]]}"),
	                 0); /* TensorFlow Serving columns */
	assert_string_equal(got.where, "$.outputs[0][1]: value differs");
	assert_int_equal(compare("plain", "plain"), 0);
	assert_false(got.diverged);
	assert_int_equal(compare("plain", "plane"), 0);
	assert_int_equal(got.counts[DIVERGENCE_VALUE], 1);
	assert_int_equal(compare("", ""), 0);
	assert_false(got.diverged);
	route.protocol = PROTOCOL_BYTES;
	assert_int_equal(compare("[1]", "[1.0]"), 0);
	assert_true(got.diverged);
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(divergence_name(DIVERGENCE_LABEL_FLIP), "label_flip");
	assert_string_equal(divergence_unit(DIVERGENCE_STATUS), "pair");
}

/* A pattern of many ".." over a deep document: tried one by one this would outlast the universe. */
static void ignore_is_not_exponential(void **state)
{
	char deep[1024] = "", candidate[1024], path[TEXT_MAX_BYTES] = "$";

	(void)state;
	for (unsigned i = 0; i < 60; i++)
		strcat(deep, "{\"a\":");
	strcpy(candidate, deep);
	strcat(deep, "1");
	strcat(candidate, "2");
	for (unsigned i = 0; i < 60; i++) {
		strcat(deep, "}");
		strcat(candidate, "}");
	}
	for (unsigned i = 0; i < 30; i++)
		strcat(path, "..a");
	strcat(path, "..b");
	ignore(path);
	route.protocol = PROTOCOL_JSON;
	assert_int_equal(compare(deep, candidate), 0);
	assert_true(got.diverged);
	*strrchr(path, '.') = '\0';
	*strrchr(path, '.') = '\0';
	ignore(path);
	assert_int_equal(compare(deep, candidate), 0);
	assert_false(got.diverged);
}

/* One output "y" whose data lies behind the JSON. */
static struct answer binary(char to[512], const char *type, unsigned count, const void *data, size_t bytes)
{
	int n = snprintf(to, 512,
	                 "{\"outputs\":[{\"name\":\"y\",\"datatype\":\"%s\",\"shape\":[%u],"
	                 "\"parameters\":{\"binary_data_size\":%zu}}]}",
	                 type, count, bytes);

	memcpy(to + n, data, bytes);
	return (struct answer){.status = 200, .body = {to, (size_t)n + bytes}, .binary_from = (size_t)n};
}

static int compare_binary(struct answer live, const char *candidate)
{
	struct answer b = {.status = 200, .body = span_of(candidate)};
	int err;

	comparison_fini(&got);
	err = compare_pair(&route, &b, &live, work_bytes, &got);
	if (err || got.diverged)
		return err;
	comparison_fini(&got);
	return compare_pair(&route, &live, &b, work_bytes, &got);
}

/* The same values as binary tensor data and as JSON, for each datatype. */
static void binary_data(void **state)
{
	static const struct {
		const char *type, *raw;
		unsigned bytes, count;
		const char *json;
	} cases[] = {
	        {"BOOL", "\1\0", 2, 2, "[true,false]"},
	        {"INT8", "\377\2", 2, 2, "[-1,2]"},
	        {"UINT16", "\377\1", 2, 1, "[511]"},
	        {"INT32", "\376\377\377\377", 4, 1, "[-2]"},
	        {"INT64", "\1\0\0\0\0\0\40\0", 8, 1, "[9007199254740993]"},
	        {"UINT64", "\377\377\377\377\377\377\377\377", 8, 1, "[18446744073709551615]"},
	        {"FP16", "\0\74\0\302", 4, 2, "[1,-3]"},
	        {"BF16", "\200\77\40\300", 4, 2, "[1,-2.5]"},
	        {"FP32", "\0\0\200\77\0\0\40\300", 8, 2, "[1,-2.5]"},
	        {"FP64", "\0\0\0\0\0\0\4\300", 8, 1, "[-2.5]"},
	        {"BYTES", "\2\0\0\0\"a\0\0\0\0\1\0\0\0x", 15, 3, "[\"\\\"a\",\"\",\"x\"]"},
	        {"FP32", "", 0, 0, "[]"},
	};
	char text[512], other[512], shape[16];
	struct answer a;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		snprintf(shape, sizeof shape, "[%u]", cases[i].count);
		a = binary(text, cases[i].type, cases[i].count, cases[i].raw, cases[i].bytes);
		assert_int_equal(compare_binary(a, one(0, cases[i].type, shape, cases[i].json)), 0);
		assert_false(got.diverged);
		if (!cases[i].bytes)
			continue;
		memcpy(other, text, sizeof other);
		other[a.body.len - 1] ^= 1;
		a.body.data = other;
		assert_int_equal(compare_binary(a, one(0, cases[i].type, shape, cases[i].json)), 0);
		assert_int_equal(got.counts[DIVERGENCE_VALUE], 1);
		a.body.len--;
		assert_int_equal(compare_binary(a, one(0, cases[i].type, shape, cases[i].json)), ERR_PROTO);
		a.body.len += 2;
		assert_int_equal(compare_binary(a, one(0, cases[i].type, shape, cases[i].json)), ERR_PROTO);
	}
	a = binary(text, "BYTES", 1, "\5\0\0\0x", 5);
	assert_int_equal(compare_binary(a, one(0, "BYTES", "[1]", "[\"x\"]")), ERR_PROTO);
	a = binary(text, "FP32", 2, "\0\0\0\0", 4);
	assert_int_equal(compare_binary(a, one(0, "FP32", "[2]", "[0,0]")), ERR_PROTO);
	a.binary_from = 10000;
	assert_int_equal(compare_binary(a, one(0, "FP32", "[2]", "[0,0]")), ERR_PROTO);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, reset, done)

/* The same answers with and without the memory to read them; bytes need none. */
static void work_is_bounded(void **state)
{
	static char a[8192], b[8192];
	static const char *const heads[] = {
	        "[0", "{\"outputs\":[{\"name\":\"y\",\"datatype\":\"FP32\",\"shape\":[1001],\"data\":[0"};
	static const char *const tails[] = {"]", "]}]}"};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		char *end = a + sprintf(a, "%s", heads[i]);

		for (unsigned n = 0; n < 1000; n++)
			end += sprintf(end, ",%u", n % 7);
		sprintf(end, "%s", tails[i]);
		strcpy(b, a);
		b[end - a - 1]++;
		if (i == 0) /* of one shape they would be read in step, with no memory */
			strcpy(b + (end - a), ",1]");
		route.protocol = i ? PROTOCOL_OPENINFERENCE : PROTOCOL_JSON;
		work_bytes = 1 << 20;
		assert_int_equal(compare(a, b), 0);
		assert_true(got.diverged);
		work_bytes = 2 * 1000 * sizeof(double);
		assert_int_equal(compare(a, b), ERR_NOMEM);
		route.protocol = PROTOCOL_BYTES;
		assert_int_equal(compare(a, b), 0);
		assert_true(got.diverged);
	}
	work_bytes = SIZE_MAX;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        CASE(identical_and_nested),
	        CASE(flips),
	        CASE(ranks),
	        CASE(candidate_is_no_distribution),
	        CASE(structure),
	        CASE(values),
	        CASE(exact_types),
	        CASE(statuses),
	        CASE(undecodable),
	        CASE(hostile),
	        CASE(too_many_rows),
	        CASE(json_documents),
	        CASE(json_ignored),
	        CASE(ignore_is_not_exponential),
	        CASE(protocol_auto),
	        CASE(names),
	        CASE(work_is_bounded),
	        CASE(binary_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
