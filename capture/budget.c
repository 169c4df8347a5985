#include "capture/budget.h"

enum { PARTS = 16 };

static const uint8_t parts[BUDGETS] = {
#define X(name, sixteenths, text, what) sixteenths,
        BUDGET_TABLE(X)
#undef X
};

#define X(name, sixteenths, text, what) +sixteenths
_Static_assert(BUDGET_TABLE(X) == PARTS, "the shares are all of the memory");
#undef X

static uint64_t share(const struct plan *p, enum budget of)
{
	return p->memory_bytes / PARTS * parts[of];
}

static uint64_t ring_count(uint32_t workers)
{
	return (uint64_t)BUDGET_SHARED_RINGS + workers;
}

uint64_t budget_ring_bytes(const struct plan *p)
{
	uint64_t most = share(p, BUDGET_RINGS) / ring_count(p->workers), bytes = 64 << 10;

	while (bytes * 2 <= most)
		bytes *= 2;
	return bytes;
}

uint64_t budget_bytes(const struct plan *p, enum budget of)
{
	uint64_t rings = budget_ring_bytes(p) * ring_count(p->workers), whole = share(p, BUDGET_RINGS);

	if (of == BUDGET_RINGS)
		return rings;
	return share(p, of) + (of == BUDGET_JUDGE && rings < whole ? whole - rings : 0);
}

/* The rings of workers and recorder stay empty. */
uint64_t budget_player_bytes(const struct plan *p)
{
	return share(p, BUDGET_MASKER) + budget_ring_bytes(p) * (p->workers + 1);
}

uint64_t budget_live_bytes(const struct plan *p)
{
	uint64_t each = p->memory_bytes / 2 / p->workers;

	return each < BUDGET_LIVE_MIN ? BUDGET_LIVE_MIN : each;
}

uint64_t budget_least_bytes(uint32_t workers)
{
	return (uint64_t)BUDGET_RING_MIN * ring_count(workers) * PARTS / parts[BUDGET_RINGS];
}
