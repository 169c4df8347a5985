/*
 * fuzz_llm.c - a hostile answer of a language model: what is read stays within its bytes, and it never
 * diverges from itself.
 * Input: the API (1 byte), the body.
 */
#include <stdint.h>
#include <stdlib.h>

#include "replay/compare.h"
#include "replay/llm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_bounds(const struct llm_answer *a, size_t size)
{
	size_t text = 0;

	for (unsigned i = 0; i < a->choice_count; i++)
		text += buf_len(&a->choices[i].text);
	for (unsigned i = 0; i < a->tool_count; i++)
		text += buf_len(&a->tools[i].name) + buf_len(&a->tools[i].arguments);
	if (text > size || a->vectors * a->width > size)
		abort();
	if (!a->told && !a->failed)
		abort();
}

/* Against itself behind a comment or a blank: other bytes of the same meaning. */
static void check_self(uint32_t protocol, struct span body)
{
	struct plan_route route = {.protocol = protocol};
	struct answer live = {.status = 200, .body = body, .target = SPAN("/x")}, candidate = live;
	size_t at = 0;
	struct comparison c;
	struct buf other;
	int err;

	while (at < body.len && strchr(" \t\r\n", body.data[at]))
		at++;
	if (span_starts(body, SPAN("\xef")))
		return;
	buf_init(&other, body.len + 2);
	buf_puts(&other, at < body.len && strchr("{[", body.data[at]) ? " " : ":\n");
	buf_span_put(&other, body);
	candidate.body = buf_span(&other);
	err = compare_pair(&route, &live, &candidate, SIZE_MAX, &c);
	if (!err && (c.diverged || c.rows_diverged || c.where[0]))
		abort();
	for (uint32_t i = 0; !err && i < c.row_count; i++)
		if (c.rows[i].has_text && (c.rows[i].edit_distance != 0 || c.rows[i].token_f1 != 1))
			abort();
	comparison_fini(&c);
	if (err != compare_pair(&route, &candidate, &live, SIZE_MAX, &c))
		abort();
	comparison_fini(&c);
	buf_fini(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct llm_answer a;
	struct span body;

	if (size < 1 || size > 1 << 14)
		return 0;
	body = (struct span){(const char *)data + 1, size - 1};
	if (!llm_read(data[0] % LLM_APIS, body, SIZE_MAX, &a))
		check_bounds(&a, size);
	llm_fini(&a);
	(void)llm_api_of(SPAN("/x"), body);
	check_self(data[0] % LLM_APIS == LLM_TGI ? PROTOCOL_TGI : PROTOCOL_OPENAI + data[0] % LLM_APIS, body);
	return 0;
}
