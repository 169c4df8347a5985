#include "replay/usage.h"

#include <stddef.h>

static const uint64_t TOKENS_MAX = 1000000000000u; /* what an answer says is held to that */

static void note(struct usage *u)
{
	static const struct {
		const char *key;
		size_t offset;
	} members[] = {
	        {"total_tokens", offsetof(struct usage, total)},
	        {"prompt_tokens", offsetof(struct usage, in)},
	        {"input_tokens", offsetof(struct usage, in)},
	        {"prompt_eval_count", offsetof(struct usage, in)},
	        {"completion_tokens", offsetof(struct usage, out)},
	        {"output_tokens", offsetof(struct usage, out)},
	        {"eval_count", offsetof(struct usage, out)},
	};

	for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
		if (!span_eq((struct span){u->key, u->key_len}, span_of(members[i].key)))
			continue;
		*(uint64_t *)((char *)u + members[i].offset) = u->value;
		u->told = true;
	}
}

static void in_string(struct usage *u, char c)
{
	if (u->escaped) {
		u->escaped = false;
		u->key_len = USAGE_KEY_MAX; /* no name that is looked for has one */
	} else if (c == '\\') {
		u->escaped = true;
	} else if (c == '"') {
		u->string = false;
		u->keyed = true;
	} else if (u->key_len < USAGE_KEY_MAX) {
		u->key[u->key_len++] = c;
	}
}

static void outside(struct usage *u, char c)
{
	bool digit = c >= '0' && c <= '9';

	if (digit && (u->number || u->valued)) {
		u->value = u->value < TOKENS_MAX ? u->value * 10 + (uint64_t)(c - '0') : TOKENS_MAX;
		u->number = true;
		u->valued = false;
		return;
	}
	if (u->number)
		note(u);
	u->number = false;
	u->value = 0;
	if (c == '"') {
		u->string = true;
		u->key_len = 0;
		u->keyed = u->valued = false;
	} else if (c == ':') {
		u->valued = u->keyed;
		u->keyed = false;
	} else if (c != ' ') {
		u->keyed = u->valued = false;
	}
}

void usage_feed(struct usage *u, struct span bytes)
{
	u->bytes += bytes.len;
	for (size_t i = 0; i < bytes.len; i++)
		if (u->string)
			in_string(u, bytes.data[i]);
		else
			outside(u, bytes.data[i]);
}

uint64_t usage_tokens(struct usage *u, uint64_t request_bytes)
{
	uint64_t parts = u->in + u->out;

	if (!u->told)
		return (request_bytes + u->bytes) / USAGE_BYTES;
	return u->total > parts ? u->total : parts;
}
