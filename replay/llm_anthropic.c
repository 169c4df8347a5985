/*
 * llm_anthropic.c - Anthropic's messages, whole and as events.
 *
 * The message is the one choice; its text is that of all text blocks, thinking is left out, and each tool_use
 * block is a call under the block's index.
 */
#include "replay/llm_inside.h"

/* A block as it is whole, or as it starts: then what it holds is empty, and deltas follow. */
static int add_block(struct llm_answer *a, struct span block, uint64_t index, bool starts)
{
	static const char *const names[] = {"type", "text", "name", "input"};
	struct llm_choice *c = llm_choice(a, 0);
	struct llm_tool *t;
	struct span m[4];
	int err = json_pick(block, JSON_NONFINITE, names, 4, m);

	if (err)
		return err;
	if (json_string_eq(m[0], SPAN("text")))
		llm_append(&c->text, m[1]);
	if (!json_string_eq(m[0], SPAN("tool_use")))
		return 0;
	t = llm_tool(a, 0, index);
	if (!t)
		return ERR_LIMIT;
	llm_append(&t->name, m[2]);
	if (!starts)
		buf_span_put(&t->arguments, m[3]);
	return 0;
}

static int add_delta(struct llm_answer *a, struct span delta, uint64_t index)
{
	static const char *const names[] = {"type", "text", "partial_json", "thinking"};
	struct llm_tool *t;
	struct span m[4];
	int err = json_pick(delta, JSON_NONFINITE, names, 4, m);

	if (err)
		return err;
	llm_think(a, m[3]);
	if (json_string_eq(m[0], SPAN("text_delta")))
		llm_append(&llm_choice(a, 0)->text, m[1]);
	if (!json_string_eq(m[0], SPAN("input_json_delta")))
		return 0;
	t = llm_tool(a, 0, index);
	if (!t)
		return ERR_LIMIT;
	llm_append(&t->arguments, m[2]);
	return 0;
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

static int add_message(struct llm_answer *a, struct span message)
{
	static const char *const names[] = {"content", "stop_reason", "usage"};
	struct json_elements e;
	struct span block, m[3];
	uint64_t at = 0;
	int err = json_pick(message, JSON_NONFINITE, names, 3, m);

	if (err)
		return err;
	a->told = true;
	llm_replace(&llm_choice(a, 0)->finish, m[1]);
	if (m[0].len && m[0].data[0] == '"') { /* of servers that only speak like it */
		llm_append(&llm_choice(a, 0)->text, m[0]);
		m[0] = SPAN("[]");
	}
	json_elements_init(&e, m[0].len ? m[0] : SPAN("[]"), JSON_NONFINITE);
	while ((err = json_elements_next(&e, &block)) > 0) {
		err = add_block(a, block, at++, false);
		if (err)
			break;
	}
	return !err && m[2].len ? add_usage(a, m[2]) : err;
}

int llm_anthropic(struct llm_answer *a, struct span document)
{
	static const char *const names[] = {"type", "message", "index", "content_block", "delta", "usage"};
	static const char *const stop[] = {"stop_reason"};
	struct span m[6], reason;
	uint64_t index;
	int err = json_pick(document, JSON_NONFINITE, names, 6, m);

	if (err)
		return err;
	index = llm_number(m[2], 0);
	if (json_string_eq(m[0], SPAN("error")))
		a->failed = true;
	else if (json_string_eq(m[0], SPAN("message")))
		err = add_message(a, document);
	else if (json_string_eq(m[0], SPAN("message_start")))
		err = add_message(a, m[1]);
	else if (json_string_eq(m[0], SPAN("content_block_start")))
		err = add_block(a, m[3], index, true);
	else if (json_string_eq(m[0], SPAN("content_block_delta")))
		err = add_delta(a, m[4], index);
	else if (json_string_eq(m[0], SPAN("message_delta"))) {
		err = json_pick(m[4], JSON_NONFINITE, stop, 1, &reason);
		if (!err)
			llm_replace(&llm_choice(a, 0)->finish, reason);
		if (!err && m[5].len)
			err = add_usage(a, m[5]);
	}
	return err;
}
