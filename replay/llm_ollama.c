/*
 * llm_ollama.c - Ollama's chat, generate, embed and embeddings; a streamed answer is one document a piece.
 *
 * A tool call comes whole, in any piece: each is one behind those before it.
 */
#include "replay/llm_inside.h"

static int add_tools(struct llm_answer *a, struct span calls)
{
	static const char *const function[] = {"function"}, *const names[] = {"name", "arguments"};
	struct json_elements e;
	struct span call, f, m[2];
	int err;

	json_elements_init(&e, calls, JSON_NONFINITE);
	while ((err = json_elements_next(&e, &call)) > 0) {
		struct llm_tool *t = llm_tool(a, 0, a->tool_count);

		if (!t)
			return ERR_LIMIT;
		err = json_pick(call, JSON_NONFINITE, function, 1, &f);
		if (!err)
			err = json_pick(f, JSON_NONFINITE, names, 2, m);
		if (err)
			break;
		llm_append(&t->name, m[0]);
		buf_span_put(&t->arguments, m[1]);
	}
	return err;
}

static int add_message(struct llm_answer *a, struct span message)
{
	static const char *const names[] = {"content", "tool_calls", "thinking"};
	struct span m[3];
	int err = json_pick(message, JSON_NONFINITE, names, 3, m);

	if (err)
		return err;
	llm_think(a, m[2]);
	llm_append(&llm_choice(a, 0)->text, m[0]);
	return m[1].len ? add_tools(a, m[1]) : 0;
}

static int add_embeddings(struct llm_answer *a, struct span vectors)
{
	struct json_elements e;
	struct span one;
	int err;

	json_elements_init(&e, vectors, JSON_NONFINITE);
	while ((err = json_elements_next(&e, &one)) > 0) {
		err = llm_vector(a, one);
		if (err)
			break;
	}
	return err;
}

int llm_ollama(struct llm_answer *a, struct span document)
{
	static const char *const names[] = {"error",      "message",   "response",          "done_reason",
	                                    "embeddings", "embedding", "prompt_eval_count", "eval_count",
	                                    "thinking",   "logprobs"};
	struct span m[10];
	int err = json_pick(document, JSON_NONFINITE, names, 10, m);

	if (err)
		return err;
	a->failed = a->failed || m[0].len;
	a->tokens_in = llm_number(m[6], a->tokens_in);
	a->tokens_out = llm_number(m[7], a->tokens_out);
	if (m[1].len || m[2].len) {
		a->told = true;
		llm_append(&llm_choice(a, 0)->text, m[2]);
		llm_think(a, m[8]);
		llm_replace(&llm_choice(a, 0)->finish, m[3]);
	}
	if (m[1].len || m[2].len)
		err = llm_logprobs(a, llm_choice(a, 0), m[9]);
	if (!err && m[1].len)
		err = add_message(a, m[1]);
	if (!err && m[4].len)
		err = add_embeddings(a, m[4]);
	if (!err && m[5].len)
		err = llm_vector(a, m[5]);
	return err;
}
