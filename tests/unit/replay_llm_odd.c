/* What servers send beside their reference: as recorded shapes of vLLM, Azure, DeepSeek, Gemini, Ollama, TGI,
 * Triton and proxies in front of them show; log probabilities, content rules and schemas of texts. */
#include <math.h>

#include "replay/compare.h"
#include "tests/unit/llm_case.h"

/* --- OpenAI and those who speak like it --- */

#define DELTA(...)                                                                                           \
	"data: {\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{" __VA_ARGS__      \
	"}}]}\n\n"

static void tool_calls_without_an_index(void **state)
{
	(void)state;
	/* by id, which only the first delta of a call has */
	assert_int_equal(decode(LLM_OPENAI,
	                        DELTA("\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":"
	                              "\"f\",\"arguments\":\"{\\\"x\\\":\"}}]")
	                                DELTA("\"tool_calls\":[{\"function\":{\"arguments\":\"1}\"}}]")
	                                        DELTA("\"tool_calls\":[{\"id\":\"b\",\"function\":{"
	                                              "\"name\":\"g\",\"arguments\":\"{}\"}}]")),
	                 0);
	assert_int_equal(got.tool_count, 2);
	same(&got.tools[0].name, "f");
	same(&got.tools[0].arguments, "{\"x\":1}");
	same(&got.tools[1].name, "g");
	/* by id in every delta, calls told in turn */
	assert_int_equal(
	        decode(LLM_OPENAI,
	               DELTA("\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"[\"}"
	                     "},"
	                     "{\"id\":\"b\",\"function\":{\"name\":\"g\",\"arguments\":\"{\"}}]")
	                       DELTA("\"tool_calls\":[{\"id\":\"b\",\"function\":{\"arguments\":\"}\"}}]")
	                               DELTA("\"tool_calls\":[{\"id\":\"a\",\"function\":{\"arguments\":\"]"
	                                     "\"}}]")),
	        0);
	assert_int_equal(got.tool_count, 2);
	same(&got.tools[0].arguments, "[]");
	same(&got.tools[1].arguments, "{}");
	/* by index, told in turn, without ids later on; nulls where nothing is new */
	assert_int_equal(
	        decode(LLM_OPENAI,
	               DELTA("\"tool_calls\":[{\"index\":1,\"id\":\"b\",\"function\":{\"name\":"
	                     "\"g\",\"arguments\":\"\"}}]")
	                       DELTA("\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{"
	                             "\"name\":\"f\",\"arguments\":null}}]")
	                               DELTA("\"tool_calls\":[{\"index\":1,\"id\":null,\"function\":"
	                                     "{\"name\":null,\"arguments\":\"1\"}}]")
	                                       DELTA("\"tool_calls\":[{\"index\":0,\"id\":\"\","
	                                             "\"function\":{\"name\":\"\",\"arguments\":\"2\"}}]")
	                                               DELTA("\"tool_calls\":null")),
	        0);
	assert_int_equal(got.tool_count, 2);
	same(&got.tools[0].arguments, "1");
	same(&got.tools[1].arguments, "2");
	/* arguments as an object, as some local servers give them */
	assert_int_equal(
	        decode(LLM_OPENAI,
	               "{\"choices\":[{\"message\":{\"content\":null,\"tool_calls\":[{\"function\":{"
	               "\"name\":\"f\",\"arguments\":{\"x\":1}}}]},\"finish_reason\":\"tool_calls\"}]}"),
	        0);
	holds("", "tool_calls", "f", "{\"x\":1}");
}

static void openai_streams(void **state)
{
	(void)state;
	/* Azure: filters first, role only, usage last, no blank behind the colon, CRLF, [DONE] with a blank
	 */
	assert_int_equal(
	        decode(LLM_OPENAI,
	               "data:{\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\","
	               "\"prompt_filter_results\":"
	               "[{\"prompt_index\":0}]}\r\n\r\n"
	               "data:{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null},\"finish_"
	               "reason\":null,"
	               "\"index\":0,\"logprobs\":null,\"content_filter_results\":{}}]}\r\n\r\n"
	               ": ping\r\n\r\n"
	               "id: 3\r\nretry: "
	               "10\r\ndata:{\"choices\":[{\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"\","
	               "\"index\":0}]}\r\n\r\n"
	               "data:{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\",\"index\":0}],\"usage\":"
	               "null}\r\n\r\n"
	               "data:{\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":9}}\r\n\r\n"
	               "data: [DONE] \r\n\r\n"),
	        0);
	holds("hi", "stop", NULL, NULL);
	assert_true(got.tokens_in == 7 && got.tokens_out == 9);
	/* data in several lines, a null list, a stray value where nobody looks */
	assert_int_equal(
	        decode(LLM_OPENAI,
	               "data: {\"choices\":\ndata: [{\"index\":0,\"delta\":\ndata: {\"content\":\"x\"}}]}\n\n"
	               "data: {\"choices\":null}\n\n"
	               "data: {\"choices\":[{\"index\":0,\"delta\":null,\"x\":NaN}]}\n\n"),
	        0);
	holds("x", "", NULL, NULL);
	/* what a model thinks is no part of what it says, but a piece */
	assert_int_equal(decode(LLM_OPENAI, DELTA("\"reasoning_content\":\"hm\",\"content\":null")
	                                            DELTA("\"reasoning\":\"so\"") DELTA("\"content\":\"x\"")),
	                 0);
	holds("x", "", NULL, NULL);
	assert_int_equal(got.thought, 4);
	size_t pieces;
	assert_non_null(llm_pieces(&got, &pieces));
	assert_int_equal(pieces, 3);
	/* several choices in turn */
	assert_int_equal(
	        decode(LLM_OPENAI,
	               "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"b\"}}]}\n\n"
	               "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}},"
	               "{\"index\":1,\"delta\":{\"content\":\"c\"},\"finish_reason\":\"length\"}]}\n\n"),
	        0);
	assert_int_equal(got.choice_count, 2);
	same(&got.choices[0].text, "a");
	same(&got.choices[1].text, "bc");
	/* parts of a list; those that are thought have no text */
	assert_int_equal(decode(LLM_OPENAI,
	                        DELTA("\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\","
	                              "\"text\":\"hm\"}]},{\"type\":\"text\",\"text\":\"x\"},\"y\"]")),
	                 0);
	holds("xy", "", NULL, NULL);
}

static void errors_in_place_of_answers(void **state)
{
	static const struct {
		enum llm_api api;
		const char *body;
	} cases[] = {
	        {LLM_OPENAI,
	         "{\"object\":\"error\",\"message\":\"too long\",\"type\":\"BadRequestError\",\"code\":400}"},
	        {LLM_OPENAI,
	         DELTA("\"content\":\"x\"") "data: {\"object\":\"error\",\"message\":\"gone\"}\n\n"},
	        {LLM_OPENAI, "data: {\"error\":{\"message\":\"m\"}}\n\ndata: [DONE]\n\n"},
	        {LLM_OPENAI, "event: error\r\ndata: {\"code\":500}\r\n\r\n"},
	        {LLM_OPENAI, "{\"error\":\"unknown model\"}"},
	        {LLM_ANTHROPIC,
	         "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}"},
	        {LLM_OLLAMA, "{\"error\":\"model not found\"}"},
	        {LLM_TGI, "data:{\"error\":\"Input validation error\",\"error_type\":\"validation\"}\n\n"},
	        {LLM_TGI, "{\"error\":\"failed to infer\"}"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(decode(cases[i].api, cases[i].body), 0);
		assert_true(got.failed);
	}
}

/* --- the others --- */

static void others(void **state)
{
	(void)state;
	assert_int_equal(
	        decode(LLM_ANTHROPIC,
	               "{\"type\":\"message\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\","
	               "\"signature\":\"s\"},"
	               "{\"type\":\"redacted_thinking\",\"data\":\"x\"},{\"type\":\"text\",\"text\":\"a\","
	               "\"citations\":null},"
	               "{\"type\":\"server_tool_use\",\"id\":\"s\",\"name\":\"web_search\",\"input\":{}},"
	               "{\"type\":\"text\",\"text\":\"b\"}],\"stop_reason\":\"end_turn\"}"),
	        0);
	holds("ab", "end_turn", NULL, NULL);
	assert_int_equal(decode(LLM_ANTHROPIC,
	                        "{\"type\":\"message\",\"content\":\"plain\",\"stop_reason\":\"end_turn\"}"),
	                 0);
	holds("plain", "end_turn", NULL, NULL);
	assert_int_equal(
	        decode(LLM_OLLAMA,
	               "{\"message\":{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"hm\"},"
	               "\"done\":false}\n{\"message\":{\"content\":\"x\"},\"done\":true,\"done_reason\":"
	               "\"stop\",\"eval_count\":4}\n"),
	        0);
	holds("x", "stop", NULL, NULL);
	assert_int_equal(got.thought, 2);
	/* Triton: one text, a batch of them, a stream */
	assert_int_equal(
	        decode(LLM_TGI, "{\"model_name\":\"m\",\"model_version\":\"1\",\"text_output\":\"x\"}"), 0);
	holds("x", "", NULL, NULL);
	assert_int_equal(decode(LLM_TGI, "{\"text_output\":[\"x\",\"y\"]}"), 0);
	assert_int_equal(got.choice_count, 2);
	same(&got.choices[1].text, "y");
	assert_int_equal(
	        decode(LLM_TGI, "data: {\"text_output\":\"x\"}\n\ndata: {\"text_output\":\"y\"}\n\n"), 0);
	holds("xy", "", NULL, NULL);
}

/* --- log probabilities --- */

static const struct llm_token *tokens(size_t *count)
{
	*count = buf_len(&got.choices[0].tokens) / sizeof(struct llm_token);
	return (const void *)buf_span(&got.choices[0].tokens).data;
}

/* Two tokens, the first with two that it could have been: the same of every API. */
static void log_probabilities_are_read(void **state)
{
	static const struct {
		enum llm_api api;
		const char *body;
	} cases[] = {
	        {LLM_OPENAI, "{\"choices\":[{\"message\":{\"content\":\"ab\"},\"logprobs\":{\"content\":[{"
	                     "\"token\":\"a\","
	                     "\"logprob\":-0.5,\"bytes\":[97],\"top_logprobs\":[{\"token\":\"a\",\"logprob\":"
	                     "-0.5,\"bytes\":[97]},"
	                     "{\"token\":\"\\u0078\",\"logprob\":-1.5,\"bytes\":null}]},{\"token\":\"b\","
	                     "\"logprob\":-0.25,"
	                     "\"top_logprobs\":[]}],\"refusal\":null}}]}"},
	        {LLM_OPENAI,
	         "data: "
	         "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"logprobs\":{\"content\":[{"
	         "\"token\":"
	         "\"a\",\"logprob\":-0.5,\"top_logprobs\":[{\"token\":\"a\",\"logprob\":-0.5},{\"token\":"
	         "\"x\","
	         "\"logprob\":-1.5}]}]}}]}\n\ndata: "
	         "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"},\"logprobs\":"
	         "{\"content\":[{\"token\":\"b\",\"logprob\":-0.25,\"top_logprobs\":[]}]}}]}\n\n"},
	        {LLM_OPENAI, "{\"object\":\"text_completion\",\"choices\":[{\"text\":\"ab\",\"logprobs\":{"
	                     "\"tokens\":[\"a\",\"b\"],"
	                     "\"token_logprobs\":[-0.5,-0.25],\"top_logprobs\":[{\"a\":-0.5,\"x\":-1.5},null]"
	                     ",\"text_offset\":"
	                     "[0,1]}}]}"},
	        {LLM_OPENAI,
	         "{\"object\":\"response\",\"status\":\"completed\",\"output\":[{\"type\":\"message\","
	         "\"content\":[{"
	         "\"type\":\"output_text\",\"text\":\"ab\",\"logprobs\":[{\"token\":\"a\",\"logprob\":-0.5,"
	         "\"top_logprobs\":[{\"token\":\"a\",\"logprob\":-0.5},{\"token\":\"x\",\"logprob\":-1.5}]},{"
	         "\"token\":"
	         "\"b\",\"logprob\":-0.25,\"top_logprobs\":[]}]}]}]}"},
	        {LLM_OLLAMA, "{\"response\":\"a\",\"done\":false,\"logprobs\":[{\"token\":\"a\",\"logprob\":-"
	                     "0.5,\"top_logprobs\":"
	                     "[{\"token\":\"a\",\"logprob\":-0.5},{\"token\":\"x\",\"logprob\":-1.5}]}]}\n{"
	                     "\"response\":\"b\","
	                     "\"done\":true,\"logprobs\":[{\"token\":\"b\",\"logprob\":-0.25}]}"},
	        {LLM_TGI, "{\"generated_text\":\"ab\",\"details\":{\"finish_reason\":\"length\",\"tokens\":[{"
	                  "\"id\":1,\"text\":\"a\","
	                  "\"logprob\":-0.5,\"special\":false},{\"id\":2,\"text\":\"b\",\"logprob\":-0.25,"
	                  "\"special\":false}],"
	                  "\"top_tokens\":[[{\"id\":1,\"text\":\"a\",\"logprob\":-0.5},{\"id\":9,\"text\":"
	                  "\"x\",\"logprob\":-1.5}]]}}"},
	        {LLM_TGI, "data:{\"token\":{\"id\":1,\"text\":\"a\",\"logprob\":-0.5,\"special\":false},"
	                  "\"top_tokens\":[{\"text\":"
	                  "\"a\",\"logprob\":-0.5},{\"text\":\"x\",\"logprob\":-1.5}]}\n\ndata:{\"token\":{"
	                  "\"id\":2,\"text\":\"b\","
	                  "\"logprob\":-0.25,\"special\":false},\"generated_text\":\"ab\"}\n\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct llm_token *t;
		size_t n;

		assert_int_equal(decode(cases[i].api, cases[i].body), 0);
		same(&got.choices[0].text, "ab");
		t = tokens(&n);
		assert_int_equal(n, 4);
		assert_int_equal(t[0].top, 2);
		assert_true(t[0].logprob == -0.5 && t[2].logprob == -1.5 && t[3].logprob == -0.25);
		assert_int_equal(t[0].token, t[1].token);
		assert_true(t[2].token != t[0].token && t[3].top == 0);
	}
	assert_int_equal(
	        decode(LLM_OPENAI,
	               "{\"choices\":[{\"text\":\"a\",\"logprobs\":{\"tokens\":[\"a\"],\"token_logprobs\":"
	               "[-Infinity],\"top_logprobs\":[{\"a\":NaN}]}}]}"),
	        0);
}

static struct comparison pair;
static struct plan_route route;

static void compare(const char *live, const char *candidate)
{
	struct answer a = {.status = 200, .body = span_of(live), .target = SPAN("/x")};
	struct answer b = {.status = 200, .body = span_of(candidate), .target = SPAN("/x")};

	comparison_fini(&pair);
	route.protocol = PROTOCOL_OPENAI;
	assert_int_equal(compare_pair(&route, &a, &b, SIZE_MAX, &pair), 0);
}

#define SAID(tokens, probabilities, tops)                                                                    \
	"{\"choices\":[{\"text\":\"same\",\"logprobs\":{\"tokens\":[" tokens                                 \
	"],\"token_logprobs\":[" probabilities "],\"top_logprobs\":[" tops "]}}]}"

/* scipy.stats.entropy([0.5, 0.5], [0.75, 0.25], base=2) = 0.20751874963942185 */
static void log_probabilities_are_compared(void **state)
{
	const char *even = SAID("\"a\",\"b\"", "-0.6931471805599453,-1",
	                        "{\"a\":-0.6931471805599453,\"x\":-0.6931471805599453},{\"b\":-1,\"y\":-1}");

	(void)state;
	compare(even, even);
	assert_true(pair.rows[0].has_logprobs && fabs(pair.rows[0].logprob_kl) < 1e-12);
	/* the second position is another token's: compared, too, and the last one */
	compare(even, SAID("\"a\",\"y\",\"z\"", "-0.2876820724517809,-1,-1",
	                   "{\"a\":-0.2876820724517809,\"x\":-1.3862943611198906},{\"b\":-1,\"y\":-1},{\"z\":"
	                   "-9,\"b\":-1}"));
	assert_true(fabs(pair.rows[0].logprob_kl - 0.20751874963942185 / 2) < 1e-12);
	assert_false(pair.diverged);
	/* after a first token that differs nothing is */
	compare(even, SAID("\"x\",\"b\"", "-0.6931471805599453,-1",
	                   "{\"a\":-0.6931471805599453,\"x\":-0.6931471805599453},{\"b\":-50,\"y\":-0.1}"));
	assert_true(fabs(pair.rows[0].logprob_kl) < 1e-12);
	/* only tokens that both tell; past one bit it is one */
	compare(even, SAID("\"a\"", "-0.1", "{\"a\":-0.1,\"z\":-3}"));
	assert_false(pair.rows[0].has_logprobs);
	compare(even, SAID("\"a\"", "-0.0001", "{\"a\":-0.0001,\"x\":-30}"));
	assert_true(pair.rows[0].logprob_kl == 1);
	compare(even, "{\"choices\":[{\"text\":\"same\"}]}");
	assert_false(pair.rows[0].has_logprobs);
	comparison_fini(&pair);
}

/* --- rules and schemas --- */

#define TEXT_OF(text) "{\"choices\":[{\"message\":{\"content\":\"" text "\"}}]}"

static unsigned flagged(const char *live, const char *candidate)
{
	compare(live, candidate);
	return pair.counts[DIVERGENCE_CONTENT_FLAGGED];
}

static void content_rules(void **state)
{
	(void)state;
	route.content_count = 2;
	strcpy(route.content[0].name, "words");
	strcpy(route.content[0].terms[0], "kill the cat");
	strcpy(route.content[0].terms[1], "ass");
	route.content[0].term_count = 2;
	strcpy(route.content[1].name, "links");
	strcpy(route.content[1].pattern, "https?://[^ ]+\\.example\\b");
	assert_int_equal(flagged(TEXT_OF("nice"), TEXT_OF("nice enough")), 0);
	assert_int_equal(flagged(TEXT_OF("nice"), TEXT_OF("Kill The CAT.")), 1);
	assert_string_equal(pair.where, "row 0: the candidate's text has what 'words' forbids");
	assert_int_equal(flagged(TEXT_OF("an ass"), TEXT_OF("such an ass")), 0); /* live's has it, too */
	assert_int_equal(flagged(TEXT_OF("nice"), TEXT_OF("an assessment, a bass")), 0);
	assert_int_equal(flagged(TEXT_OF("such an ass"), TEXT_OF("nice")), 0);
	assert_int_equal(flagged(TEXT_OF("nice"), TEXT_OF("see http://x.example/y")), 1);
	assert_int_equal(flagged(TEXT_OF("an ass"), TEXT_OF("see http://x.example")), 1); /* another rule */
	memset(&route, 0, sizeof route);
	comparison_fini(&pair);
}

static unsigned broken(const char *live, const char *candidate)
{
	compare(live, candidate);
	return pair.counts[DIVERGENCE_SCHEMA_BROKEN];
}

static void schemas(void **state)
{
	(void)state;
	strcpy(route.json_schema,
	       "{\"type\":\"object\",\"required\":[\"n\"],\"properties\":{\"n\":{\"type\":\"integer\"}}}");
	assert_int_equal(broken(TEXT_OF("{\\\"n\\\":1}"), TEXT_OF("{\\\"n\\\":2}")), 0);
	assert_int_equal(broken(TEXT_OF("{\\\"n\\\":1}"), TEXT_OF("{\\\"n\\\":1.5}")), 1);
	assert_int_equal(pair.counts[DIVERGENCE_JSON_BROKEN], 0);
	assert_int_equal(broken(TEXT_OF("{\\\"n\\\":1}"), TEXT_OF("{\\\"n\\\":1")), 1);
	assert_int_equal(pair.counts[DIVERGENCE_JSON_BROKEN], 1);
	assert_int_equal(broken(TEXT_OF("{}"), TEXT_OF("[]")), 0);
	assert_int_equal(broken(TEXT_OF("{}"), TEXT_OF("{\\\"n\\\":1}")), 0);
	memset(&route, 0, sizeof route);
	comparison_fini(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(tool_calls_without_an_index, begin, done),
	        cmocka_unit_test_setup_teardown(openai_streams, begin, done),
	        cmocka_unit_test_setup_teardown(errors_in_place_of_answers, begin, done),
	        cmocka_unit_test_setup_teardown(others, begin, done),
	        cmocka_unit_test_setup_teardown(log_probabilities_are_read, begin, done),
	        cmocka_unit_test(log_probabilities_are_compared),
	        cmocka_unit_test(content_rules),
	        cmocka_unit_test(schemas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
