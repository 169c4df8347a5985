#include "capture/guard.h"

#include <string.h>

const struct guard_row *guard_row(uint32_t metric)
{
	static const struct guard_row rows[] = {
#define X(id, name, unit, scope, meaning) {name, GUARD_##unit, GUARD_##scope, meaning},
	        GUARD_TABLE(X)
#undef X
	};

	return &rows[metric];
}

static const struct guard_unit_row units[] = {[GUARD_MS] = {"ms", " ms", 1},
                                              [GUARD_SHARE] = {"share", " %", 100},
                                              [GUARD_NUMBER] = {"number", "", 1}};

const struct guard_unit_row *guard_unit_row(enum guard_unit unit)
{
	return &units[unit];
}

const struct guard_unit_row *guard_unit_named(const char *name)
{
	unsigned unit = 0;

	while (unit < GUARD_NUMBER && strcmp(units[unit].name, name) != 0)
		unit++;
	return &units[unit];
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
