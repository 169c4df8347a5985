/*
 * llm_responses.c - OpenAI's responses API: the response whole, and the named events of a streamed one.
 *
 * A streamed answer is the sum of its deltas; the response that its last event carries is read for its status
 * and usage, and for its output when no delta came. Output items that are neither a message nor a call of a
 * function, as reasoning, are skipped. Source: OpenAI API reference (responses, streaming events).
 */
#include "replay/llm_inside.h"

static int add_parts(struct llm_answer *a, struct span parts)
{
	static const char *const names[] = {"text", "refusal", "logprobs"};
	struct llm_choice *c = llm_choice(a, 0);
	struct json_elements e;
	struct span part, m[3];
	int err;

	json_elements_init(&e, parts, JSON_NONFINITE);
	while ((err = json_elements_next(&e, &part)) > 0) {
		err = json_pick(part, JSON_NONFINITE, names, 3, m);
		if (!err)
			err = llm_logprobs(a, c, m[2]);
		if (err)
			break;
		llm_append(&c->text, m[0]);
		llm_append(&c->text, m[1]);
		c->refused = c->refused || m[1].len > 2;
	}
	return err;
}

static int add_item(struct llm_answer *a, uint64_t at, struct span item)
{
	static const char *const names[] = {"type", "content", "name", "arguments"};
	struct llm_tool *t;
	struct span m[4];
	int err = json_pick(item, JSON_NONFINITE, names, 4, m);

	if (err)
		return err;
	if (m[1].len && json_string_eq(m[0], SPAN("message")))
		return add_parts(a, m[1]);
	if (!json_string_eq(m[0], SPAN("function_call")))
		return 0;
	t = llm_tool(a, 0, at);
	if (!t)
		return ERR_LIMIT;
	llm_append(&t->name, m[2]);
	llm_append(&t->arguments, m[3]);
	return 0;
}

static int add_output(struct llm_answer *a, struct span output)
{
	struct json_elements e;
	struct span item;
	uint64_t at = 0;
	int err;

	json_elements_init(&e, output, JSON_NONFINITE);
	while ((err = json_elements_next(&e, &item)) > 0) {
		err = add_item(a, at++, item);
		if (err)
			break;
	}
	return err;
}

/* An incomplete one says why. */
static int add_status(struct llm_answer *a, struct span status, struct span details)
{
	static const char *const names[] = {"reason"};
	struct span reason = {NULL, 0};
	int err = details.len ? json_pick(details, JSON_NONFINITE, names, 1, &reason) : 0;

	llm_replace(&llm_choice(a, 0)->finish, reason.len ? reason : status);
	a->failed = a->failed || json_string_eq(status, SPAN("failed"));
	return err;
}

static int add_usage(struct llm_answer *a, struct span usage)
{
	static const char *const names[] = {"input_tokens", "output_tokens"};
	struct span m[2];
	int err = json_pick(usage, JSON_NONFINITE, names, 2, m);

	if (err)
		return err;
	a->tokens_in = llm_number(m[0], a->tokens_in);
	a->tokens_out = llm_number(m[1], a->tokens_out);
	return 0;
}

static int add_response(struct llm_answer *a, struct span response)
{
	static const char *const names[] = {"error", "status", "incomplete_details", "output", "usage"};
	struct span m[5];
	int err = json_pick(response, JSON_NONFINITE, names, 5, m);

	if (err)
		return err;
	a->told = true;
	a->failed = a->failed || m[0].len;
	err = add_status(a, m[1], m[2]);
	if (!err && m[3].len && !buf_len(&a->choices[0].text) && !a->tool_count)
		err = add_output(a, m[3]);
	if (!err && m[4].len)
		err = add_usage(a, m[4]);
	return err;
}

static bool ends_response(struct span type)
{
	return json_string_eq(type, SPAN("response.completed")) ||
	       json_string_eq(type, SPAN("response.incomplete")) ||
	       json_string_eq(type, SPAN("response.failed"));
}

/* A call begins when its item is added; of a message nothing is known then. */
static int add_arguments(struct llm_answer *a, uint64_t at, struct span delta)
{
	struct llm_tool *t = llm_tool(a, 0, at);

	if (!t)
		return ERR_LIMIT;
	llm_append(&t->arguments, delta);
	return 0;
}

int llm_responses(struct llm_answer *a, struct span document)
{
	static const char *const names[] = {"type", "delta", "output_index", "item", "response", "logprobs"};
	struct span m[6], type;
	uint64_t at;
	int err = json_pick(document, JSON_NONFINITE, names, 6, m);

	if (err)
		return err;
	type = m[0];
	if (!type.len)
		return add_response(a, document);
	a->told = true;
	at = llm_number(m[2], 0);
	if (json_string_eq(type, SPAN("response.refusal.delta")))
		llm_choice(a, 0)->refused = true;
	if (json_string_eq(type, SPAN("response.output_text.delta")) ||
	    json_string_eq(type, SPAN("response.refusal.delta"))) {
		llm_append(&llm_choice(a, 0)->text, m[1]);
		return llm_logprobs(a, llm_choice(a, 0), m[5]);
	}
	if (span_starts(type, SPAN("\"response.reasoning")) && m[1].len)
		llm_think(a, m[1]);
	else if (json_string_eq(type, SPAN("response.function_call_arguments.delta")))
		return add_arguments(a, at, m[1]);
	else if (m[3].len && json_string_eq(type, SPAN("response.output_item.added")))
		return add_item(a, at, m[3]);
	else if (m[4].len && ends_response(type))
		return add_response(a, m[4]);
	a->failed = a->failed || json_string_eq(type, SPAN("error"));
	return 0;
}

bool llm_is_response(struct span object, struct span type)
{
	return json_string_eq(object, SPAN("response")) || span_starts(type, SPAN("\"response."));
}
