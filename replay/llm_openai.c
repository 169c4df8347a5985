/*
 * llm_openai.c - OpenAI's chat completions, completions and embeddings, and the chunks of the first two
 * (responses: llm_responses.c).
 *
 * A chunk has the form of an answer with "delta" in place of "message"; what it holds is appended.
 */
#include "replay/llm_inside.h"

static int add_tool(struct llm_answer *a, uint64_t choice, uint64_t index, struct span function)
{
	static const char *const names[] = {"name", "arguments"};
	struct llm_tool *t = llm_tool(a, choice, index);
	struct span m[2];
	int err;

	if (!t)
		return ERR_LIMIT;
	err = json_pick(function, JSON_NONFINITE, names, 2, m);
	if (err)
		return err;
	llm_append(&t->name, m[0]);
	if (m[1].len && m[1].data[0] == '"')
		llm_append(&t->arguments, m[1]);
	else
		buf_span_put(&t->arguments, m[1]);
	return 0;
}

/* The call that a delta goes on with, or a new one. Servers that give no index tell calls apart by their ids,
 * and leave the id out where they go on with one. */
static uint64_t place_of(struct llm_answer *a, uint64_t choice, struct span index, struct span id,
                         uint64_t at)
{
	uint64_t hash = id.len > 2 ? llm_hash(id) : 0, last = at;
	bool any = false;

	for (unsigned i = 0; !index.len && i < a->tool_count; i++) {
		if (a->tools[i].choice != choice)
			continue;
		if (hash && a->tools[i].id == hash)
			return a->tools[i].index;
		last = a->tools[i].index;
		any = true;
	}
	at = index.len ? llm_number(index, at) : !any ? at : hash ? last + 1 : last;
	if (hash && llm_tool(a, choice, at))
		llm_tool(a, choice, at)->id = hash;
	return at;
}

static int add_tools(struct llm_answer *a, uint64_t choice, struct span calls)
{
	static const char *const names[] = {"index", "function", "id"};
	struct json_elements e;
	struct span call, m[3];
	uint64_t at = 0;
	int err;

	json_elements_init(&e, calls, JSON_NONFINITE);
	while ((err = json_elements_next(&e, &call)) > 0) {
		err = json_pick(call, JSON_NONFINITE, names, 3, m);
		if (!err && m[1].len)
			err = add_tool(a, choice, place_of(a, choice, m[0], m[2], at), m[1]);
		if (err)
			break;
		at++;
	}
	return err;
}

/* A refusal is the text that is shown. "function_call" came before "tool_calls" and is a single one. */
static int add_message(struct llm_answer *a, uint64_t at, struct span message)
{
	static const char *const names[] = {"content",       "refusal",           "tool_calls",
	                                    "function_call", "reasoning_content", "reasoning"};
	struct llm_choice *c = llm_choice(a, at);
	struct span m[6];
	int err = json_pick(message, JSON_NONFINITE, names, 6, m);

	if (!err)
		err = llm_content(&c->text, m[0]);
	llm_append(&c->text, m[1]);
	c->refused = c->refused || m[1].len > 2;
	llm_think(a, m[4].len ? m[4] : m[5]);
	if (!err && m[2].len)
		err = add_tools(a, at, m[2]);
	if (!err && m[3].len)
		err = add_tool(a, at, 0, m[3]);
	return err;
}

/* Of chat, of a refusal, of completions. */
static int add_logprobs(struct llm_answer *a, struct llm_choice *c, struct span logprobs)
{
	static const char *const names[] = {"content", "refusal"};
	struct span m[2];
	int err = json_pick(logprobs, JSON_NONFINITE, names, 2, m);

	if (!err)
		err = llm_logprobs(a, c, m[0]);
	if (!err)
		err = llm_logprobs(a, c, m[1]);
	return err ? err : llm_logprobs_by_list(a, c, logprobs);
}

static int add_choice(struct llm_answer *a, struct span choice, uint64_t position)
{
	static const char *const names[] = {"index", "text", "message", "delta", "finish_reason", "logprobs"};
	struct llm_choice *c;
	struct span m[6];
	uint64_t at;
	int err = json_pick(choice, JSON_NONFINITE, names, 6, m);

	if (err)
		return err;
	at = llm_number(m[0], position);
	c = llm_choice(a, at);
	if (!c)
		return ERR_LIMIT;
	llm_append(&c->text, m[1]);
	for (unsigned i = 2; i < 4 && !err; i++)
		if (m[i].len)
			err = add_message(a, at, m[i]);
	llm_replace(&c->finish, m[4]);
	return !err && m[5].len ? add_logprobs(a, c, m[5]) : err;
}

static int add_choices(struct llm_answer *a, struct span choices)
{
	struct json_elements e;
	struct span choice;
	uint64_t at = 0;
	int err;

	json_elements_init(&e, choices, JSON_NONFINITE);
	while ((err = json_elements_next(&e, &choice)) > 0) {
		err = add_choice(a, choice, at++);
		if (err)
			break;
	}
	a->told = true;
	return err;
}

/* In the order of their index, which is that of the list. */
static int add_embeddings(struct llm_answer *a, struct span data)
{
	static const char *const names[] = {"embedding"};
	struct json_elements e;
	struct span one, m[1];
	int err;

	json_elements_init(&e, data, JSON_NONFINITE);
	while ((err = json_elements_next(&e, &one)) > 0) {
		err = json_pick(one, JSON_NONFINITE, names, 1, m);
		if (!err)
			err = llm_vector(a, m[0]);
		if (err)
			break;
	}
	return err;
}

static int add_usage(struct llm_answer *a, struct span usage)
{
	static const char *const names[] = {"prompt_tokens", "completion_tokens"};
	struct span m[2];
	int err = json_pick(usage, JSON_NONFINITE, names, 2, m);

	if (err)
		return err;
	a->tokens_in = llm_number(m[0], a->tokens_in);
	a->tokens_out = llm_number(m[1], a->tokens_out);
	return 0;
}

int llm_openai(struct llm_answer *a, struct span document)
{
	static const char *const names[] = {"error", "choices", "data", "usage", "object", "type"};
	struct span m[6];
	int err = json_pick(document, JSON_NONFINITE, names, 6, m);

	if (err)
		return err;
	if (llm_is_response(m[4], m[5]))
		return llm_responses(a, document);
	a->failed = a->failed || m[0].len || json_string_eq(m[5], SPAN("error")) ||
	            json_string_eq(m[4], SPAN("error")); /* of vLLM's, whose answer is one */
	if (m[1].len)
		err = add_choices(a, m[1]);
	if (!err && m[2].len)
		err = add_embeddings(a, m[2]);
	if (!err && m[3].len)
		err = add_usage(a, m[3]);
	return err;
}
