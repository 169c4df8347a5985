/*
 * llm_tgi.c - the generate and generate_stream of Hugging Face's Text Generation Inference and of Triton.
 *
 * A streamed answer is the sum of its tokens, special ones left out, until the last event says the whole
 * text. Sources: huggingface/text-generation-inference, docs/openapi.json; triton-inference-server/server,
 * docs/protocol/extension_generate.md ("text_output", whole or piece by piece).
 */
#include "replay/llm_inside.h"

static int add_token(struct llm_choice *c, struct span token)
{
	static const char *const names[] = {"text", "special"};
	struct span m[2];
	int err = json_pick(token, JSON_NONFINITE, names, 2, m);

	if (!err && !span_eq(m[1], SPAN("true")))
		llm_append(&c->text, m[0]);
	return err;
}

/* The tokens of a whole answer, beside each what else it could have been. */
static int add_tokens(struct llm_answer *a, struct llm_choice *c, struct span tokens, struct span tops)
{
	struct json_elements e, t;
	struct span one, top;
	int err, has_top;

	json_elements_init(&e, tokens, JSON_NONFINITE);
	json_elements_init(&t, tops.len ? tops : SPAN("[]"), JSON_NONFINITE);
	while ((err = json_elements_next(&e, &one)) > 0) {
		has_top = json_elements_next(&t, &top);
		err = has_top < 0 ? has_top : llm_logprob(a, c, one, has_top ? top : SPAN(""));
		if (err)
			break;
	}
	return err;
}

static int add_details(struct llm_answer *a, struct llm_choice *c, struct span details)
{
	static const char *const names[] = {"finish_reason", "generated_tokens", "input_length", "tokens",
	                                    "top_tokens"};
	struct span m[5];
	int err = json_pick(details, JSON_NONFINITE, names, 5, m);

	if (err)
		return err;
	llm_replace(&c->finish, m[0]);
	a->tokens_out = llm_number(m[1], a->tokens_out);
	a->tokens_in = llm_number(m[2], a->tokens_in);
	return m[3].len ? add_tokens(a, c, m[3], m[4]) : 0;
}

/* A text, or one for each of a batch. */
static int add_output(struct llm_answer *a, uint64_t at, struct span output)
{
	struct json_elements e;
	struct llm_choice *c;
	struct span one;
	int err;

	if (output.data[0] != '[') {
		llm_append(&llm_choice(a, at)->text, output);
		return 0;
	}
	json_elements_init(&e, output, JSON_NONFINITE);
	while ((err = json_elements_next(&e, &one)) > 0) {
		c = llm_choice(a, at++);
		if (!c)
			return ERR_LIMIT;
		llm_append(&c->text, one);
	}
	return err;
}

static int add_answer(struct llm_answer *a, uint64_t at, struct span document)
{
	static const char *const names[] = {"error",   "token",       "generated_text",
	                                    "details", "text_output", "top_tokens"};
	struct llm_choice *c;
	struct span m[6];
	int err = json_pick(document, JSON_NONFINITE, names, 6, m);

	if (err)
		return err;
	a->failed = a->failed || m[0].len;
	if (!m[1].len && !m[2].len && !m[4].len)
		return 0;
	c = llm_choice(a, at);
	if (!c)
		return ERR_LIMIT;
	a->told = true;
	if (m[1].len)
		err = add_token(c, m[1]);
	if (!err && m[1].len)
		err = llm_logprob(a, c, m[1], m[5]);
	if (m[2].len) {
		buf_consume(&c->text, buf_len(&c->text));
		llm_append(&c->text, m[2]);
	}
	if (!err && m[4].len)
		err = add_output(a, at, m[4]);
	if (!err && m[3].len)
		err = add_details(a, c, m[3]);
	return err;
}

int llm_tgi(struct llm_answer *a, struct span document)
{
	struct json_elements e;
	struct span one;
	uint64_t at = 0;
	int err;

	if (document.data[0] != '[')
		return add_answer(a, 0, document);
	json_elements_init(&e, document, JSON_NONFINITE);
	while ((err = json_elements_next(&e, &one)) > 0) {
		err = add_answer(a, at++, one);
		if (err)
			break;
	}
	return err;
}
