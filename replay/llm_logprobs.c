/*
 * llm_logprobs.c - log probabilities of tokens, and other small parts that several APIs share.
 *
 * Sources: OpenAI API reference (chat: logprobs.content; completions: logprobs), Ollama docs/api.md
 * (logprobs), Text Generation Inference (token, top_tokens).
 */
#include "replay/llm_inside.h"

uint64_t llm_hash(struct span value)
{
	uint64_t h = 0xcbf29ce484222325u;
	struct buf text;

	if (value.len < 2 || value.data[0] != '"')
		return 0;
	buf_init(&text, value.len);
	json_unescape(value, &text);
	for (size_t i = 0; i < buf_len(&text); i++)
		h = (h ^ (unsigned char)buf_span(&text).data[i]) * 0x100000001b3u;
	buf_fini(&text);
	return h ? h : 1;
}

int llm_content(struct buf *to, struct span value)
{
	static const char *const names[] = {"text"};
	struct json_elements e;
	struct span part, text;
	int err;

	if (!value.len || value.data[0] != '[') {
		llm_append(to, value);
		return 0;
	}
	json_elements_init(&e, value, JSON_NONFINITE);
	while ((err = json_elements_next(&e, &part)) > 0) {
		if (part.len && part.data[0] == '"') {
			llm_append(to, part);
			continue;
		}
		err = json_pick(part, JSON_NONFINITE, names, 1, &text);
		if (err)
			break;
		llm_append(to, text);
	}
	return err;
}

void llm_think(struct llm_answer *a, struct span value)
{
	if (value.len > 2 && value.data[0] == '"')
		a->thought += value.len - 2;
}

/* Behind the token at `at`, whose count grows. */
static void add_token(struct llm_answer *a, struct llm_choice *c, size_t at, struct span text,
                      struct span logprob)
{
	struct llm_token t = {.token = llm_hash(text)};
	struct llm_token *of;

	if (!t.token || !logprob.len || logprob.data[0] == '"' || json_double(logprob, &t.logprob) ||
	    !a->token_room)
		return;
	a->token_room--;
	buf_put(&c->tokens, &t, sizeof t);
	if (c->tokens.err || at == buf_len(&c->tokens) - sizeof t)
		return;
	of = (struct llm_token *)(void *)(c->tokens.base + c->tokens.head + at);
	of->top++;
}

static int add_top(struct llm_answer *a, struct llm_choice *c, size_t at, struct span top)
{
	static const char *const names[] = {"token", "text", "logprob"};
	struct json_elements e;
	struct span item, m[3];
	int err;

	if (!top.len || top.data[0] != '[' || buf_len(&c->tokens) == at)
		return 0;
	json_elements_init(&e, top, JSON_NONFINITE);
	while ((err = json_elements_next(&e, &item)) > 0) {
		err = json_pick(item, JSON_NONFINITE, names, 3, m);
		if (err)
			break;
		add_token(a, c, at, m[0].len ? m[0] : m[1], m[2]);
	}
	return err;
}

int llm_logprob(struct llm_answer *a, struct llm_choice *c, struct span item, struct span top)
{
	static const char *const names[] = {"token", "text", "logprob", "top_logprobs"};
	size_t at = buf_len(&c->tokens);
	struct span m[4];
	int err = json_pick(item, JSON_NONFINITE, names, 4, m);

	if (err)
		return err;
	add_token(a, c, at, m[0].len ? m[0] : m[1], m[2]);
	return add_top(a, c, at, top.len ? top : m[3]);
}

int llm_logprobs(struct llm_answer *a, struct llm_choice *c, struct span list)
{
	struct json_elements e;
	struct span item;
	int err;

	if (!list.len || list.data[0] != '[')
		return 0;
	json_elements_init(&e, list, JSON_NONFINITE);
	while ((err = json_elements_next(&e, &item)) > 0) {
		err = item.len && item.data[0] == '{' ? llm_logprob(a, c, item, SPAN("")) : 0;
		if (err)
			break;
	}
	return err;
}

/* {"token": logprob, ...} */
static int add_named(struct llm_answer *a, struct llm_choice *c, size_t at, struct span object)
{
	enum json_token token = JSON_OBJECT;
	struct span key = {NULL, 0};
	struct json_reader r;
	int err;

	if (!object.len || object.data[0] != '{' || buf_len(&c->tokens) == at)
		return 0;
	json_reader_init(&r, object, JSON_NONFINITE);
	while (!(err = json_next(&r, &token)) && token != JSON_END) {
		if (token == JSON_KEY)
			key = r.text;
		else if (token == JSON_NUMBER)
			add_token(a, c, at, key, r.text);
	}
	return err;
}

int llm_logprobs_by_list(struct llm_answer *a, struct llm_choice *c, struct span lists)
{
	static const char *const names[] = {"tokens", "token_logprobs", "top_logprobs"};
	struct json_elements tokens, logprobs, tops;
	struct span m[3], token, logprob, top;
	int err = json_pick(lists, JSON_NONFINITE, names, 3, m);

	if (err || !m[0].len || !m[1].len)
		return err;
	json_elements_init(&tokens, m[0], JSON_NONFINITE);
	json_elements_init(&logprobs, m[1], JSON_NONFINITE);
	json_elements_init(&tops, m[2].len ? m[2] : SPAN("[]"), JSON_NONFINITE);
	while ((err = json_elements_next(&tokens, &token)) > 0 &&
	       (err = json_elements_next(&logprobs, &logprob)) > 0) {
		size_t at = buf_len(&c->tokens);
		int has_top = json_elements_next(&tops, &top);

		add_token(a, c, at, token, logprob);
		err = has_top < 0 ? has_top : has_top ? add_named(a, c, at, top) : 0;
		if (err)
			break;
	}
	return err;
}
