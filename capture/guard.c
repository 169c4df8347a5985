#include "capture/guard.h"

const struct guard_row *guard_row(uint32_t metric)
{
	static const struct guard_row rows[] = {
#define X(id, name, unit, scope, meaning) {name, GUARD_##unit, GUARD_##scope, meaning},
	        GUARD_TABLE(X)
#undef X
	};

	return &rows[metric];
}

const char *guard_action_name(uint32_t action)
{
	static const char *const names[] = {
#define X(id, name, meaning) name,
	        GUARD_ACTION_TABLE(X)
#undef X
	};

	return action < GUARD_ACTIONS ? names[action] : "?";
}
