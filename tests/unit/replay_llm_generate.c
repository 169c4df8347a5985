/* OpenAI's responses, TGI's and Triton's generate, as their references show them: whole, and in every
 * chunking. */
#include "tests/unit/llm_case.h"

/* --- responses --- */

#define TYPE(type) "{\"type\":\"response." type "\",\"sequence_number\":3,\"output_index\":"

static void response_text(const char *json)
{
	event("response.output_text.delta",
	      TYPE("output_text.delta") "1,\"item_id\":\"msg_1\",\"content_index\":0,\"delta\":%s}", json);
}

static void response_arguments(const char *json)
{
	event("response.function_call_arguments.delta",
	      TYPE("function_call_arguments.delta") "2,\"item_id\":\"fc_1\",\"delta\":%s}", json);
}

#define MESSAGE                                                                                              \
	"{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":"              \
	"\"output_text\",\"text\":\"a \\\"b\\\"\",\"annotations\":[]},{\"type\":\"output_text\",\"text\":"   \
	"\"\\n{c}\"}]}"
#define CALL(arguments)                                                                                      \
	"{\"id\":\"fc_1\",\"type\":\"function_call\",\"call_id\":\"call_1\",\"name\":\"f\",\"arguments\":"   \
	"\"" arguments "\"}"
#define RESPONSE(status, output)                                                                             \
	"{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"" status "\",\"error\":null,\"model\":"     \
	"\"m\",\"output\":[" output "],\"usage\":{\"input_tokens\":7,\"output_tokens\":9}}"

static const char WHOLE[] = RESPONSE("completed", "{\"type\":\"reasoning\",\"summary\":[]}," MESSAGE
                                                  "," CALL("{\\\"n\\\": [1]}"));

static void responses_stream(unsigned cuts)
{
	event("response.created", "{\"type\":\"response.created\",\"response\":%s}",
	      RESPONSE("in_progress", ""));
	event("response.output_item.added", TYPE("output_item.added") "0,\"item\":{\"id\":\"rs_1\",\"type\":"
	                                                              "\"reasoning\",\"summary\":[]}}");
	event("response.output_item.added",
	      TYPE("output_item.added") "1,\"item\":{\"id\":\"msg_1\",\"type\":\"message\",\"content\":[]}}");
	in_pieces(TEXT, cuts, response_text);
	event("response.output_text.done", TYPE("output_text.done") "1,\"text\":\"all of it\"}");
	event("response.output_item.added", TYPE("output_item.added") "2,\"item\":" CALL("") "}");
	in_pieces(ARGUMENTS, cuts, response_arguments);
	event("response.output_item.done", TYPE("output_item.done") "2,\"item\":" CALL("again") "}");
	buf_printf(&body,
	           "event: response.completed%sdata: {\"type\":\"response.completed\",\"response\":%s}%s%s",
	           end_of_line, WHOLE, end_of_line, end_of_line);
}

static void responses(void **state)
{
	(void)state;
	every_chunking(LLM_OPENAI, responses_stream, "completed");
	assert_int_equal(decode(LLM_OPENAI, WHOLE), 0);
	holds(TEXT, "completed", "f", ARGUMENTS);
	assert_true(got.tokens_in == 7 && got.tokens_out == 9);
	/* no delta came */
	buf_reset(&body);
	event("response.completed", "{\"type\":\"response.completed\",\"response\":%s}",
	      RESPONSE("completed", MESSAGE));
	assert_int_equal(decode_span(LLM_OPENAI, buf_span(&body)), 0);
	holds(TEXT, "completed", NULL, NULL);
}

static void responses_that_end_otherwise(void **state)
{
	(void)state;
	assert_int_equal(decode(LLM_OPENAI, "{\"object\":\"response\",\"status\":\"incomplete\",\"output\":[{"
	                                    "\"type\":\"message\",\"content\":[{\"type\":\"refusal\","
	                                    "\"refusal\":\"no\"}]}],\"incomplete_details\":{\"reason\":"
	                                    "\"max_output_tokens\"}}"),
	                 0);
	holds("no", "max_output_tokens", NULL, NULL);
	response_text("\"x\"");
	event("response.failed",
	      "{\"type\":\"response.failed\",\"response\":{\"object\":\"response\",\"status\":"
	      "\"failed\",\"error\":{\"code\":\"server_error\"}}}");
	assert_int_equal(decode_span(LLM_OPENAI, buf_span(&body)), 0);
	assert_true(got.failed);
	buf_reset(&body);
	response_text("\"x\"");
	event(NULL, "{\"type\":\"error\",\"code\":\"ERR\",\"message\":\"m\",\"sequence_number\":1}");
	assert_int_equal(decode_span(LLM_OPENAI, buf_span(&body)), 0);
	assert_true(got.failed);
}

/* --- generate --- */

static unsigned tokens;

static void tgi_token(const char *json)
{
	event(NULL,
	      "{\"index\":%u,\"token\":{\"id\":5,\"text\":%s,\"logprob\":-0.5,\"special\":false},"
	      "\"generated_text\":null,\"details\":null}",
	      ++tokens, json);
}

static void tgi_stream(unsigned cuts)
{
	tokens = 0;
	in_pieces(TEXT, cuts, tgi_token);
	if (cuts & 1)
		event(NULL,
		      "{\"index\":9,\"token\":{\"id\":2,\"text\":\"</s>\",\"logprob\":-0.1,\"special\":true}"
		      ",\"generated_text\":\"a \\\"b\\\"\\n{c}\",\"details\":{\"finish_reason\":"
		      "\"eos_token\",\"generated_tokens\":9,\"seed\":null,\"input_length\":7}}");
	else
		event(NULL,
		      "{\"index\":9,\"token\":{\"id\":2,\"text\":\"</s>\",\"logprob\":-0.1,\"special\":true}"
		      ",\"generated_text\":null,\"details\":{\"finish_reason\":\"eos_token\","
		      "\"generated_tokens\":9,\"seed\":null,\"input_length\":7}}");
}

static void tgi(void **state)
{
	(void)state;
	for (unsigned cuts = 0; cuts < 1u << (sizeof TEXT - 2); cuts++) {
		end_of_line = ENDS[cuts % 3];
		buf_reset(&body);
		tgi_stream(cuts);
		assert_int_equal(decode_span(LLM_TGI, buf_span(&body)), 0);
		holds(TEXT, "eos_token", NULL, NULL);
		assert_true(got.tokens_in == 7 && got.tokens_out == 9);
	}
	assert_int_equal(
	        decode(LLM_TGI,
	               "{\"generated_text\":\"hi\",\"details\":{\"finish_reason\":\"length\",\"generated_"
	               "tokens\":2,"
	               "\"seed\":42,\"prefill\":[{\"id\":0,\"text\":\"q\",\"logprob\":null}],\"tokens\":[{"
	               "\"id\":1,\"text\":\"hi\",\"logprob\":-1,\"special\":false}]}}"),
	        0);
	holds("hi", "length", NULL, NULL);
	assert_int_equal(decode(LLM_TGI, "[{\"generated_text\":\"1\"},{\"generated_text\":\"2\"}]"), 0);
	assert_int_equal(got.choice_count, 2);
	same(&got.choices[1].text, "2");
	/* an empty whole text is one, too */
	buf_reset(&body);
	tgi_token("\"x\"");
	event(NULL, "{\"token\":{\"text\":\"y\",\"special\":false},\"generated_text\":\"\"}");
	assert_int_equal(decode_span(LLM_TGI, buf_span(&body)), 0);
	holds("", "", NULL, NULL);
	buf_reset(&body);
	tgi_token("\"x\"");
	event(NULL, "{\"error\":\"Request failed during generation\",\"error_type\":\"generation\"}");
	assert_int_equal(decode_span(LLM_TGI, buf_span(&body)), 0);
	assert_true(got.failed);
}

static void triton(void **state)
{
	(void)state;
	assert_int_equal(
	        decode(LLM_TGI, "{\"model_name\":\"m\",\"model_version\":\"1\",\"text_output\":\"hi\"}"), 0);
	holds("hi", "", NULL, NULL);
	event(NULL, "{\"model_name\":\"m\",\"text_output\":\"h\"}");
	event(NULL, "{\"model_name\":\"m\",\"text_output\":\"i\"}");
	assert_int_equal(decode_span(LLM_TGI, buf_span(&body)), 0);
	holds("hi", "", NULL, NULL);
	event(NULL, "{\"error\":\"gone\"}");
	assert_int_equal(decode_span(LLM_TGI, buf_span(&body)), 0);
	assert_true(got.failed);
}

static void whose(void **state)
{
	static const struct {
		const char *target, *body;
		enum llm_api api;
	} cases[] = {
	        {"/v1/responses", "{}", LLM_OPENAI},
	        {"/x", RESPONSE("completed", ""), LLM_OPENAI},
	        {"/x", "data: {\"type\":\"response.created\"}\n\n", LLM_OPENAI},
	        {"/generate", "{}", LLM_TGI},
	        {"/generate_stream?x", "", LLM_TGI},
	        {"/api/generate", "", LLM_OLLAMA},
	        {"/x", "[{\"generated_text\":\"\"}]", LLM_TGI},
	        {"/x", "data: {\"token\":{\"text\":\"a\"}}\n\n", LLM_TGI},
	        {"/x", "{\"token\":1}", LLM_APIS},
	        {"/x", "[1]", LLM_APIS},
	        {"/x", "[]", LLM_APIS},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(llm_api_of(span_of(cases[i].target), span_of(cases[i].body)), cases[i].api);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        CASE(responses), CASE(responses_that_end_otherwise), CASE(tgi), CASE(triton), CASE(whose),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
