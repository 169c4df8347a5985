/* Answers of language models, as each API's reference shows them: whole, and streamed in every chunking. */
#include "replay/compare.h"
#include "replay/text.h"
#include "tests/unit/llm_case.h"

/* --- OpenAI --- */

#define CHUNK "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":"

static void openai_text(const char *json)
{
	event(NULL, CHUNK "[{\"index\":0,\"delta\":{\"content\":%s},\"finish_reason\":null}],\"usage\":null}",
	      json);
}

static void openai_arguments(const char *json)
{
	event(NULL,
	      CHUNK
	      "[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":%s}}]}}]}",
	      json);
}

static void openai_stream(unsigned cuts)
{
	event(NULL,
	      CHUNK "[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}}]}");
	buf_printf(&body, ": keep-alive%s%s", end_of_line, end_of_line);
	in_pieces(TEXT, cuts, openai_text);
	event(NULL, CHUNK
	      "[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"call_1\",\"type\":\"function\","
	      "\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}}]}");
	in_pieces(ARGUMENTS, cuts, openai_arguments);
	event(NULL, CHUNK "[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}");
	event(NULL, CHUNK "[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":9,\"total_tokens\":16}}");
	event(NULL, "[DONE]");
}

static const char OPENAI[] =
        "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"m\",\"choices\":[{"
        "\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"a \\\"b\\\"\\n{c}\",\"refusal\":null,"
        "\"tool_calls\":[{\"id\":\"call_9\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":"
        "\"{\\\"n\\\": [1]}\"}}]},\"logprobs\":null,\"finish_reason\":\"tool_calls\"}],\"usage\":{"
        "\"prompt_tokens\":7,\"completion_tokens\":9,\"total_tokens\":16}}";

static void openai(void **state)
{
	(void)state;
	every_chunking(LLM_OPENAI, openai_stream, "tool_calls");
	assert_int_equal(decode(LLM_OPENAI, OPENAI), 0);
	holds(TEXT, "tool_calls", "f", ARGUMENTS);
	assert_int_equal(got.tokens_out, 9);
	/* parts, a refusal, the call of before, completions, choices in any order */
	assert_int_equal(decode(LLM_OPENAI,
	                        "{\"choices\":[{\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"x\"},"
	                        "{\"type\":\"text\",\"text\":\"y\"}],\"function_call\":{\"name\":\"g\","
	                        "\"arguments\":\"{}\"}},\"finish_reason\":\"function_call\"}]}"),
	                 0);
	holds("xy", "function_call", "g", "{}");
	assert_int_equal(
	        decode(LLM_OPENAI, "{\"choices\":[{\"message\":{\"content\":null,\"refusal\":\"no\"}}]}"), 0);
	holds("no", "", NULL, NULL);
	assert_int_equal(decode(LLM_OPENAI,
	                        "{\"object\":\"text_completion\",\"choices\":[{\"text\":\"2\",\"index\":1,"
	                        "\"finish_reason\":\"length\"},{\"text\":\"1\",\"index\":0}]}"),
	                 0);
	assert_int_equal(got.choice_count, 2);
	same(&got.choices[0].text, "1");
	same(&got.choices[1].text, "2");
	same(&got.choices[1].finish, "length");
}

static void embeddings(void **state)
{
	(void)state;
	assert_int_equal(
	        decode(LLM_OPENAI,
	               "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,"
	               "\"embedding\":[1,-2.5]},{\"index\":1,\"embedding\":[0,3]}],\"model\":\"m\"}"),
	        0);
	assert_int_equal(got.vectors, 2);
	assert_int_equal(got.width, 2);
	assert_true(got.embedding[1] == -2.5 && got.embedding[3] == 3);
	/* struct.pack("<2f", 1, -2.5) and struct.pack("<3f", 1, -2.5, 0.5) */
	assert_int_equal(decode(LLM_OPENAI, "{\"data\":[{\"embedding\":\"AACAPwAAIMA=\"}]}"), 0);
	assert_true(got.width == 2 && got.embedding[0] == 1 && got.embedding[1] == -2.5);
	assert_int_equal(decode(LLM_OPENAI, "{\"data\":[{\"embedding\":\"AACAPwAAIMAAAAA/\"}]}"), 0);
	assert_true(got.width == 3 && got.embedding[2] == 0.5);
	assert_int_equal(decode(LLM_OPENAI, "{\"data\":[{\"embedding\":\"AACA\"}]}"), ERR_PROTO);
	assert_int_equal(decode(LLM_OPENAI, "{\"data\":[{\"embedding\":\"*ACAPwAAIMA=\"}]}"), ERR_PROTO);
	assert_int_equal(decode(LLM_OPENAI, "{\"data\":[{\"embedding\":[1]},{\"embedding\":[1,2]}]}"),
	                 ERR_PROTO);
	assert_int_equal(decode(LLM_OPENAI, "{\"data\":[{\"embedding\":[]}]}"), ERR_PROTO);
	assert_int_equal(decode(LLM_OLLAMA, "{\"model\":\"m\",\"embeddings\":[[1,2,3],[4,5,6]]}"), 0);
	assert_true(got.vectors == 2 && got.width == 3 && got.embedding[5] == 6);
	assert_int_equal(decode(LLM_OLLAMA, "{\"embedding\":[0.5]}"), 0);
	assert_true(got.vectors == 1 && got.width == 1);
}

/* --- Anthropic --- */

static void anthropic_text(const char *json)
{
	event("content_block_delta",
	      "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":%s}"
	      "}",
	      json);
}

static void anthropic_input(const char *json)
{
	event("content_block_delta",
	      "{\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\","
	      "\"partial_json\":%s}}",
	      json);
}

static void anthropic_stream(unsigned cuts)
{
	event("message_start",
	      "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":"
	      "\"assistant\",\"content\":[],\"model\":\"m\",\"stop_reason\":null,\"stop_sequence\":null,"
	      "\"usage\":{\"input_tokens\":7,\"output_tokens\":1}}}");
	event("content_block_start",
	      "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\","
	      "\"thinking\":\"\"}}");
	event("content_block_delta",
	      "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\","
	      "\"thinking\":\"hm\"}}");
	event("content_block_start", "{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{"
	                             "\"type\":\"text\",\"text\":\"\"}}");
	event("ping", "{\"type\": \"ping\"}");
	in_pieces(TEXT, cuts, anthropic_text);
	event("content_block_stop", "{\"type\":\"content_block_stop\",\"index\":1}");
	event("content_block_start",
	      "{\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":\"tool_use\","
	      "\"id\":\"toolu_1\",\"name\":\"f\",\"input\":{}}}");
	in_pieces(ARGUMENTS, cuts, anthropic_input);
	event("message_delta",
	      "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_sequence\":null},"
	      "\"usage\":{\"output_tokens\":9}}");
	event("message_stop", "{\"type\":\"message_stop\"}");
}

static void anthropic(void **state)
{
	(void)state;
	every_chunking(LLM_ANTHROPIC, anthropic_stream, "tool_use");
	assert_int_equal(decode(LLM_ANTHROPIC,
	                        "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":"
	                        "\"m\",\"content\":[{\"type\":"
	                        "\"text\",\"text\":\"a "
	                        "\\\"b\\\"\"},{\"type\":\"text\",\"text\":\"\\n{c}\"},{\"type\":\"tool_use\","
	                        "\"id\":\"toolu_2\",\"name\":\"f\",\"input\":{\"n\": "
	                        "[1]}}],\"stop_reason\":\"tool_use\","
	                        "\"stop_sequence\":null,\"usage\":{\"input_tokens\":7,\"output_tokens\":9}}"),
	                 0);
	holds(TEXT, "tool_use", "f", ARGUMENTS);
	assert_int_equal(got.tokens_in, 7);
}

/* --- Ollama --- */

static void ollama_text(const char *json)
{
	buf_printf(
	        &body,
	        "{\"model\":\"m\",\"created_at\":\"x\",\"message\":{\"role\":\"assistant\",\"content\":%s},"
	        "\"done\":false}%s",
	        json, end_of_line);
}

static void ollama_stream(unsigned cuts)
{
	in_pieces(TEXT, cuts, ollama_text);
	buf_printf(&body,
	           "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{"
	           "\"function\":{\"name\":\"f\",\"arguments\":%s}}]},\"done\":false}%s",
	           ARGUMENTS, end_of_line);
	buf_printf(&body, "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done_"
	                  "reason\":\"stop\","
	                  "\"done\":true,\"total_duration\":5,\"prompt_eval_count\":7,\"eval_count\":9}");
}

static void ollama(void **state)
{
	(void)state;
	every_chunking(LLM_OLLAMA, ollama_stream, "stop");
	assert_int_equal(decode(LLM_OLLAMA, "{\n \"model\":\"m\",\n \"response\":\"hi\",\n \"done\":true,\n"
	                                    " \"done_reason\":\"length\",\n \"context\":[1,2]\n}\n"),
	                 0);
	holds("hi", "length", NULL, NULL);
}

/* --- errors, limits --- */

static void errors(void **state)
{
	(void)state;
	assert_int_equal(
	        decode(LLM_OPENAI,
	               "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n"
	               "data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\"}}\n\n"),
	        0);
	assert_true(got.failed);
	assert_int_equal(decode(LLM_OPENAI, "event: error\ndata: it broke\n\n"), 0);
	assert_true(got.failed);
	assert_int_equal(decode(LLM_OPENAI, "{\"error\":null,\"choices\":[]}"), 0);
	assert_false(got.failed);
	assert_int_equal(decode(LLM_ANTHROPIC, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":"
	                                       "\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n"),
	                 0);
	assert_true(got.failed);
	assert_int_equal(
	        decode(LLM_OLLAMA,
	               "{\"model\":\"m\",\"response\":\"x\",\"done\":false}\n{\"error\":\"gone\"}\n"),
	        0);
	assert_true(got.failed);
	for (enum llm_api api = 0; api < LLM_APIS; api++) {
		assert_int_equal(decode(api, ""), ERR_PROTO);
		assert_int_equal(decode(api, "{}"), ERR_PROTO);
		assert_int_equal(decode(api, "[1]"), ERR_PROTO);
		assert_int_equal(decode(api, "plain\n\n"), ERR_PROTO);
		assert_int_equal(decode(api, "data: {\n\n"), ERR_PROTO);
		assert_int_equal(decode(api, "{\"choices\":[{\"message\":{\"content\":\"x\"}}]"), ERR_PROTO);
	}
}

static void limits(void **state)
{
	(void)state;
	assert_int_equal(decode(LLM_OPENAI, "{\"choices\":[{\"index\":63,\"text\":\"x\"}]}"), 0);
	assert_int_equal(got.choice_count, LLM_CHOICES_MAX);
	assert_int_equal(decode(LLM_OPENAI, "{\"choices\":[{\"index\":64,\"text\":\"x\"}]}"), ERR_LIMIT);
	for (unsigned i = 0; i <= LLM_TOOLS_MAX; i++)
		event("x",
		      "{\"type\":\"content_block_delta\",\"index\":%u,\"delta\":{\"type\":\"input_json_"
		      "delta\","
		      "\"partial_json\":\"1\"}}",
		      i);
	assert_int_equal(decode_span(LLM_ANTHROPIC, buf_span(&body)), ERR_LIMIT);
	llm_fini(&got);
	assert_int_equal(llm_read(LLM_OPENAI, SPAN("{\"choices\":[]}"), 1000, &got), ERR_NOMEM);
}

static void whose(void **state)
{
	static const struct {
		const char *target, *body;
		enum llm_api api;
	} cases[] = {
	        {"/v1/chat/completions?x=/api/chat", "{}", LLM_OPENAI},
	        {"/openai/deployments/d/completions", "", LLM_OPENAI},
	        {"/v1/embeddings", "", LLM_OPENAI},
	        {"/v1/messages", "", LLM_ANTHROPIC},
	        {"/api/embeddings", "", LLM_OLLAMA},
	        {"/api/generate", "", LLM_OLLAMA},
	        {"/x", OPENAI, LLM_OPENAI},
	        {"/x", "data: {\"object\":\"chat.completion.chunk\",\"choices\":[]}\n\n", LLM_OPENAI},
	        {"/x", "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\n",
	         LLM_ANTHROPIC},
	        {"/x", "{\"model\":\"m\",\"response\":\"\",\"done\":false}\n{", LLM_OLLAMA},
	        {"/x", "{\"choices\":[1]}", LLM_APIS},
	        {"/x", "{\"type\":\"message\"}", LLM_APIS},
	        {"/x", "", LLM_APIS},
	        {"/x", "text\n\n", LLM_APIS},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(llm_api_of(span_of(cases[i].target), span_of(cases[i].body)), cases[i].api);
}

/* --- pairs --- */

static struct comparison pair;
static struct plan_route route;

static void compare_bodies(uint32_t protocol, struct span live, struct span candidate)
{
	struct answer a = {.status = 200, .body = live, .target = SPAN("/x")};
	struct answer b = {.status = 200, .body = candidate, .target = SPAN("/x")};

	comparison_fini(&pair);
	route.protocol = protocol;
	assert_int_equal(compare_pair(&route, &a, &b, SIZE_MAX, &pair), 0);
}

static void compare(const char *live, const char *candidate)
{
	compare_bodies(PROTOCOL_OPENAI, span_of(live), span_of(candidate));
}

static void only(enum divergence class, const char *where)
{
	for (int i = 0; i < DIVERGENCES; i++)
		assert_int_equal(pair.counts[i], i == (int)class ? 1 : 0);
	assert_true(pair.diverged);
	assert_int_equal(pair.rows_diverged, 1);
	assert_string_equal(pair.where, where);
}

#define ANSWER(text, finish, calls)                                                                          \
	"{\"object\":\"chat.completion\",\"choices\":[{\"message\":{\"content\":\"" text                     \
	"\",\"tool_calls\":[" calls "]},\"finish_reason\":\"" finish "\"}]}"
#define CALL(name, arguments) "{\"function\":{\"name\":\"" name "\",\"arguments\":\"" arguments "\"}}"

static void pairs(void **state)
{
	const char *live = ANSWER("The cat sat", "stop", CALL("f", "{\\\"a\\\":1,\\\"b\\\":2}"));

	(void)state;
	compare(live, live);
	assert_false(pair.diverged);
	assert_true(pair.rows[0].has_text && pair.rows[0].edit_distance == 0 && pair.rows[0].token_f1 == 1);
	compare(live, ANSWER("The cat sat", "stop", CALL("f", "{ \\\"b\\\": 2, \\\"a\\\": 1.0 }")));
	assert_false(pair.diverged);
	compare(live, ANSWER("The cat ran", "stop", CALL("f", "{\\\"a\\\":1,\\\"b\\\":2}")));
	only(DIVERGENCE_ANSWER_TEXT, "choice 0: text differs from byte 8");
	assert_true(pair.rows[0].edit_distance == 2.0 / 11 && pair.rows[0].token_f1 == 0.5);
	compare(live, ANSWER("The cat sat", "length", CALL("f", "{\\\"a\\\":1,\\\"b\\\":2}")));
	only(DIVERGENCE_FINISH_REASON, "choice 0: finish reason differs");
	compare(live, ANSWER("The cat sat", "stop", CALL("f", "{\\\"a\\\":1,\\\"b\\\":3}")));
	only(DIVERGENCE_TOOL_CALLS, "choice 0: tool call 0 differs");
	compare(live, ANSWER("The cat sat", "stop", CALL("g", "{\\\"a\\\":1,\\\"b\\\":2}")));
	only(DIVERGENCE_TOOL_CALLS, "choice 0: tool call 0 differs");
	compare(live, ANSWER("The cat sat", "stop", ""));
	only(DIVERGENCE_TOOL_CALLS, "choice 0: tool call 0 missing");
	compare(ANSWER("", "stop", CALL("f", "")), ANSWER("", "stop", CALL("f", "{}")));
	assert_false(pair.diverged);
	compare(live, "{\"choices\":[]}");
	only(DIVERGENCE_STRUCTURE, "choices: 1 -> 0");
	compare(live, "data: {\"choices\":[{\"delta\":{\"content\":\"The\"}}]}\n\ndata: "
	              "{\"error\":{\"code\":500}}\n\n");
	only(DIVERGENCE_STATUS, "an error in the answer of the candidate alone");
	compare("{\"data\":[{\"embedding\":[1,2]},{\"embedding\":[3,4]}]}",
	        "{\"data\":[{\"embedding\":[1,2]},{\"embedding\":[3,5]}]}");
	only(DIVERGENCE_VALUE, "outputs[0] row 1: element 1: 4 -> 5");
	assert_int_equal(pair.row_count, 2);
	compare("{\"data\":[{\"embedding\":[1,2]}]}", "{\"data\":[{\"embedding\":[1,2,3]}]}");
	only(DIVERGENCE_STRUCTURE, "outputs[0]: shape differs");
	compare(live, "{\"data\":[{\"embedding\":[1,2,3]}]}");
	only(DIVERGENCE_STRUCTURE, "an embedding from the candidate alone");
	comparison_fini(&pair);
}

/* A streamed answer is the whole one; what was chosen is said; what is nobody's is JSON or bytes. */
static void chosen(void **state)
{
	(void)state;
	openai_stream(0x155);
	compare_bodies(PROTOCOL_AUTO, span_of(OPENAI), buf_span(&body));
	assert_false(pair.diverged);
	assert_int_equal(pair.read_as, PROTOCOL_OPENAI);
	buf_reset(&body);
	anthropic_stream(0x2a);
	compare_bodies(PROTOCOL_AUTO, buf_span(&body), buf_span(&body));
	assert_int_equal(pair.read_as, PROTOCOL_ANTHROPIC);
	compare_bodies(PROTOCOL_AUTO, span_of(OPENAI), SPAN("{\"x\":1}"));
	assert_true(pair.diverged);
	assert_int_equal(pair.read_as, PROTOCOL_JSON);
	compare_bodies(PROTOCOL_AUTO, SPAN("data: x"), SPAN("data: y"));
	assert_int_equal(pair.read_as, PROTOCOL_BYTES);
	comparison_fini(&pair);
}

/* --- measures --- */

static double naive(struct span a, struct span b)
{
	static size_t d[301][301];

	for (size_t i = 0; i <= a.len; i++)
		for (size_t j = 0; j <= b.len; j++) {
			size_t best = i + j;

			if (i && j) {
				best = d[i - 1][j - 1] + (a.data[i - 1] != b.data[j - 1]);
				best = d[i - 1][j] + 1 < best ? d[i - 1][j] + 1 : best;
				best = d[i][j - 1] + 1 < best ? d[i][j - 1] + 1 : best;
			}
			d[i][j] = best;
		}
	return a.len + b.len ? (double)d[a.len][b.len] / (double)(a.len > b.len ? a.len : b.len) : 0;
}

static void edit_distance(void **state)
{
	static char a[300], b[300], long_one[TEXT_EDIT_MAX + 2];
	double there, back;
	uint32_t seed = 1;

	(void)state;
	assert_int_equal(text_edit_distance(SPAN("kitten"), SPAN("sitting"), SIZE_MAX, &there), 0);
	assert_true(there == 3.0 / 7);
	for (unsigned round = 0; round < 300; round++) {
		struct span x = {a, round}, y = {b, (round * 37) % 300};

		for (unsigned i = 0; i < 300; i++) {
			seed = seed * 1664525 + 1013904223;
			a[i] = (char)("abcd"[seed >> 30]);
			b[i] = seed >> 24 & 3 ? a[i] : (char)('\xc3');
		}
		assert_int_equal(text_edit_distance(x, y, SIZE_MAX, &there), 0);
		assert_int_equal(text_edit_distance(y, x, SIZE_MAX, &back), 0);
		assert_true(there == naive(x, y) && back == there);
	}
	memset(long_one, 'x', sizeof long_one);
	assert_int_equal(
	        text_edit_distance((struct span){long_one, TEXT_EDIT_MAX + 1}, SPAN("y"), SIZE_MAX, &there),
	        ERR_LIMIT);
	assert_int_equal(text_edit_distance(SPAN("abc"), SPAN("xyz"), 100, &there), ERR_NOMEM);
}

static void token_f1(void **state)
{
	static const struct {
		const char *a, *b;
		double f1;
	} cases[] = {{"", "", 1},
	             {"x", "", 0},
	             {"the", "a", 1},
	             {"The Cat!", "cat", 1},
	             {"a b c d", "b c x", 2.0 * 2 / 6},
	             {"x x y", "x y y", 2.0 * 2 / 6},
	             {"it's  42", "its 42.", 1}};
	double got_f1;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(text_token_f1(span_of(cases[i].a), span_of(cases[i].b), SIZE_MAX, &got_f1),
		                 0);
		assert_true(got_f1 == cases[i].f1);
	}
	assert_int_equal(text_token_f1(SPAN("a"), SPAN("b"), 10, &got_f1), ERR_NOMEM);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        CASE(openai), CASE(embeddings), CASE(anthropic),     CASE(ollama),
	        CASE(errors), CASE(limits),     CASE(whose),         CASE(pairs),
	        CASE(chosen), CASE(token_f1),   CASE(edit_distance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
