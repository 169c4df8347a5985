/*
 * usage.h - how many tokens an answer says it took, read from its bytes as they pass. Pure, a few bytes of
 * state.
 *
 * Members of that name count wherever they stand in JSON or in events of a stream, the last of each: OpenAI's
 * total_tokens or prompt_ and completion_tokens, Anthropic's input_ and output_tokens, Ollama's
 * prompt_eval_count and eval_count. Text inside strings is no member. An answer that tells none is taken for
 * a token in USAGE_BYTES bytes.
 */
#ifndef REPLAY_USAGE_H
#define REPLAY_USAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/span.h"

enum { USAGE_KEY_MAX = 24, USAGE_BYTES = 4 };

struct usage {
	uint64_t bytes, total, in, out;
	bool told;
	/* the scanner's */
	char key[USAGE_KEY_MAX];
	uint8_t key_len;
	bool string, escaped, keyed, valued, number;
	uint64_t value;
};

void usage_feed(struct usage *, struct span bytes);
/* Of request and answer together, when the answer is whole. */
uint64_t usage_tokens(struct usage *, uint64_t request_bytes);

#endif
