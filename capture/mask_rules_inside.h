/*
 * mask_rules_inside.h - a policy's path rules once they are read: mask_rules.c reads and asks them,
 * mask_json.c walks a body with them.
 */
#ifndef CAPTURE_MASK_RULES_INSIDE_H
#define CAPTURE_MASK_RULES_INSIDE_H

#include "capture/mask_inside.h"

enum { PATH_STEPS_MAX = 31 };
enum step_kind { STEP_MEMBER, STEP_DEEP, STEP_INDEX, STEP_EACH, STEP_KINDS };

struct path_step {
	enum step_kind kind;
	struct span name;
	uint32_t number; /* that the name is, of a protobuf field; 0: none */
	uint64_t index;
};

struct path_rule {
	const struct plan_mask_field *field;
	struct span call; /* "SERVICE/METHOD": it is for messages of that call alone; or empty */
	unsigned count;
	uint32_t of_kind[STEP_KINDS]; /* bit i: step i is of that kind */
	struct path_step steps[PATH_STEPS_MAX];
};

struct mask_rules {
	const struct plan_mask *policy;
	const struct mask_finder *finder; /* NULL: none */
	const struct mask_schema *schema; /* the same */
	unsigned count;
	struct path_rule rules[];
};

/* Read a rule. *at_out: where the step begins that was read last. 0, ERR_CONFIG, ERR_LIMIT. */
int path_rule_parse(struct path_rule *, const struct plan_mask_field *, size_t *at_out) MUST_CHECK;

#endif
