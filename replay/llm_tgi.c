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
	int err = json_pick(token, 0, names, 2, m);

	if (!err && !span_eq(m[1], SPAN("true")))
		llm_append(&c->text, m[0]);
	return err;
}

static int add_details(struct llm_answer *a, struct llm_choice *c, struct span details)
{
	static const char *const names[] = {"finish_reason", "generated_tokens", "input_length"};
	struct span m[3];
	int err = json_pick(details, 0, names, 3, m);

	if (err)
		return err;
	llm_replace(&c->finish, m[0]);
	a->tokens_out = llm_number(m[1], a->tokens_out);
	a->tokens_in = llm_number(m[2], a->tokens_in);
	return 0;
}

static int add_answer(struct llm_answer *a, uint64_t at, struct span document)
{
	static const char *const names[] = {"error", "token", "generated_text", "details", "text_output"};
	struct llm_choice *c;
	struct span m[5];
	int err = json_pick(document, 0, names, 5, m);

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
	if (m[2].len) {
		buf_consume(&c->text, buf_len(&c->text));
		llm_append(&c->text, m[2]);
	}
	llm_append(&c->text, m[4]);
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
	json_elements_init(&e, document, 0);
	while ((err = json_elements_next(&e, &one)) > 0) {
		err = add_answer(a, at++, one);
		if (err)
			break;
	}
	return err;
}
