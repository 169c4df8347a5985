/* Which version answered, as each protocol's reference shows where it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "replay/version.h"

static void is_answered(const char *target, const char *head, const char *body, const char *want)
{
	struct answer a = {.status = 200, .target = span_of(target), .body = span_of(body)};
	struct version got;

	version_answered(&a, span_of(head), "", false, &got);
	assert_string_equal(got.text, want);
	a.status = 500;
	version_answered(&a, span_of(head), "", false, &got);
	assert_string_equal(got.text, "");
}

static void bodies_urls_headers(void **state)
{
	(void)state;
	is_answered("/v2/models/d/infer", "200",
	            "{\"model_name\":\"d\",\"model_version\":\"3\",\"outputs\":[]}", "d@3");
	is_answered("/v2/models/d/versions/3/infer", "200", "{\"model_name\":\"d\",\"outputs\":[]}", "d 3");
	is_answered("/v1/models/d/versions/12:predict", "200", "{\"predictions\":[1]}", "12");
	is_answered("/v1/models/d/labels/stable:predict?x=/versions/9", "200", "{\"predictions\":[1]}",
	            "stable");
	is_answered("/v1/models/d:predict", "200", "{\"predictions\":[1]}", "");
	is_answered("/v1/models/d:classify", "200",
	            "{\"model_spec\":{\"name\":\"d\",\"version\":5,\"signature_name\":\"s\"},\"result\":{}}",
	            "d@5");
	is_answered(
	        "/v1/chat/completions", "200",
	        "{\"id\":\"c\",\"object\":\"chat.completion\",\"model\":\"gpt-4o-2024-08-06\",\"choices\":[],"
	        "\"system_fingerprint\":\"fp_1\"}",
	        "gpt-4o-2024-08-06 fp_1");
	is_answered("/v1/chat/completions", "200",
	            ": hello\r\n\r\ndata:{\"choices\":[],\"prompt_filter_results\":[]}\r\n\r\n"
	            "data:{\"model\":\"m-1\",\"system_fingerprint\":null}\r\n\r\n",
	            "m-1");
	is_answered("/v1/messages", "200",
	            "event: message_start\ndata: "
	            "{\"type\":\"message_start\",\"message\":{\"model\":\"claude-x\"}}\n\n",
	            "claude-x");
	is_answered("/v1/responses", "200",
	            "data: {\"type\":\"response.created\",\"response\":{\"model\":\"o-1\"}}\n\n", "o-1");
	is_answered("/api/chat", "200",
	            "{\"model\":\"llama3:8b\",\"done\":false}\n{\"model\":\"x\",\"done\":true}", "llama3:8b");
	is_answered("/x", "200", "{\"modelVersion\":\"gemini-1.5-pro-002\"}", "gemini-1.5-pro-002");
	is_answered("/x", "200\nx-model-version: 7\nx-amzn-invoked-production-variant: blue", "[1]",
	            "7 blue");
	is_answered("/x", "200", "{\"model\":{\"a\":1},\"model_version\":[2]}", "");
	is_answered("/x", "200", "{\"model\":\"a b\\u0041\\n<c>\"}", "a?b?u0041?n?c?");
	is_answered("/x", "200", "plain text", "");
	is_answered("/x", "200", "", "");
}

static void the_route_names_a_header(void **state)
{
	struct answer a = {.status = 200, .target = SPAN("/x"), .body = SPAN("{}")};
	struct version got;

	(void)state;
	version_answered(&a, SPAN("200\nx-build: 8f3a"), "x-build", false, &got);
	assert_string_equal(got.text, "8f3a");
	a.target = SPAN("/v2/models/d/versions/3/infer");
	version_answered(&a, SPAN("200"), "", true, &got); /* it was asked elsewhere */
	assert_string_equal(got.text, "");
	memset(got.text, 'x', sizeof got.text);
	a.body = SPAN("{\"model\":"
	              "\"0123456789012345678901234567890123456789012345678901234567890123456789012345678901"
	              "23456789012345678901234567890123456789\"}");
	version_answered(&a, SPAN("200"), "", true, &got);
	assert_int_equal(strlen(got.text), VERSION_BYTES - 1);
}

#define MESSAGE(bytes)                                                                                       \
	{                                                                                                    \
		"\0\0\0\0" bytes, sizeof("\0\0\0\0" bytes) - 1                                               \
	}

static void is_called(const char *target, struct span body, const char *want)
{
	struct answer a = {.grpc = true, .target = span_of(target), .body = body};
	struct version got;

	version_answered(&a, SPAN(""), "", false, &got);
	assert_string_equal(got.text, want);
	for (size_t n = 0; n < body.len; n++) { /* cut anywhere: nothing, or what is there */
		a.body.len = n;
		version_answered(&a, SPAN(""), "", false, &got);
		assert_true(!got.text[0] || strstr(want, got.text) == want);
	}
}

static void calls(void **state)
{
	(void)state;
	is_called("/inference.GRPCInferenceService/ModelInfer",
	          (struct span)MESSAGE("\x06\x0a\x01"
	                               "d\x12\x01"
	                               "2"),
	          "d@2");
	is_called("/inference.GRPCInferenceService/ModelStreamInfer",
	          (struct span)MESSAGE("\x08\x12\x06\x0a\x01"
	                               "d\x12\x01"
	                               "2"),
	          "d@2");
	is_called("/tensorflow.serving.PredictionService/Predict",
	          (struct span)MESSAGE("\x0a\x12\x08\x0a\x01"
	                               "d\x12\x03\x08\xac\x02"),
	          "d@300");
}

static void what_was_asked(void **state)
{
	struct answer a = {.target = SPAN("/v2/models/d/versions/3/infer")};
	struct version got;

	(void)state;
	version_asked(&a, SPAN("{\"model\":\"x\"}"), &got);
	assert_string_equal(got.text, "d");
	a.target = SPAN("/v1/models/e:predict");
	version_asked(&a, SPAN(""), &got);
	assert_string_equal(got.text, "e");
	a.target = SPAN("/v1/chat/completions");
	version_asked(&a, SPAN("{\"messages\":[],\"model\":\"gpt-4o\"}"), &got);
	assert_string_equal(got.text, "gpt-4o");
	version_asked(&a, SPAN("{"), &got);
	assert_string_equal(got.text, "");
	a = (struct answer){.grpc = true, .target = SPAN("/inference.GRPCInferenceService/ModelInfer")};
	version_asked(&a,
	              (struct span)MESSAGE("\x03\x0a\x01"
	                                   "d"),
	              &got);
	assert_string_equal(got.text, "d");
	a.target = SPAN("/tensorflow.serving.PredictionService/Predict");
	version_asked(&a,
	              (struct span)MESSAGE("\x05\x0a\x03\x0a\x01"
	                                   "d"),
	              &got);
	assert_string_equal(got.text, "d");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(bodies_urls_headers),
	                                   cmocka_unit_test(the_route_names_a_header),
	                                   cmocka_unit_test(calls), cmocka_unit_test(what_was_asked)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
