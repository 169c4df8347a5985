/*
 * mask_call.c - gRPC calls: by what names records and rules know them, and how the messages of each are read.
 */
#include "capture/head.h"
#include "capture/mask_grpc_inside.h"
#include "capture/mask_rules_inside.h"
#include "capture/mask_schema.h"
#include "proto/base/siphash.h"

bool mask_by_message(struct span head)
{
	return grpc_is(head_field(head, SPAN("content-type")));
}

/* "SERVICE/METHOD" of a target; empty: it is none. */
static struct span name_of(struct span target)
{
	struct span service, method;

	if (!grpc_call(target, &service, &method))
		return SPAN("");
	return (struct span){service.data, service.len + 1 + method.len};
}

static bool ends(struct span text, struct span with)
{
	return text.len >= with.len &&
	       span_eq((struct span){text.data + text.len - with.len, with.len}, with);
}

bool mask_call_is_tensor(struct span name)
{
	return ends(name, SPAN("GRPCInferenceService/ModelInfer")) ||
	       ends(name, SPAN("GRPCInferenceService/ModelStreamInfer"));
}

/* The key is no secret: the name is none. */
uint32_t mask_call_named(struct span name)
{
	static const uint8_t key[16] = "calls by name";

	return name.len ? ((uint32_t)siphash(key, name) & ~1u) | 2 | mask_call_is_tensor(name) : 0;
}

uint32_t mask_call_id(struct span target)
{
	return mask_call_named(name_of(target));
}

/* Under path rules what they do not know must not pass. */
static bool guesses(const struct mask_rules *rules)
{
	return rules->finder && !rules->policy->allow && !rules->count;
}

static struct span ruled_name(const struct mask_rules *rules, uint32_t id)
{
	for (unsigned i = 0; i < rules->count; i++) {
		struct span call = rules->rules[i].call;

		if (call.len && mask_call_named(call) == id)
			return call;
	}
	return SPAN("");
}

struct mask_call mask_call_of(const struct mask_rules *rules, struct span head, uint32_t id)
{
	struct mask_call c = {.how = MASK_BY_BODY};
	const struct mask_call *typed;
	struct span asked = SPAN("");

	if (!mask_by_message(head))
		return c;
	if (!head_status(head)) {
		asked = name_of(head_target(head));
		id = mask_call_named(asked);
	}
	typed = mask_schema_call(rules->schema, id);
	c.name = typed ? typed->name : ruled_name(rules, id);
	if (asked.len && c.name.len && !span_eq(asked, c.name)) { /* of the same id by chance */
		typed = NULL;
		c.name = SPAN("");
	}
	if (id & 1)
		c.how = MASK_BY_TENSOR;
	else if (typed)
		c = *typed;
	else if (c.name.len)
		c.how = MASK_BY_NUMBER;
	else
		c.how = guesses(rules) ? MASK_BY_GUESS : MASK_UNREAD;
	return c;
}
