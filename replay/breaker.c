#include "replay/breaker.h"

#include <string.h>

#include "proto/base/siphash.h"

enum { PAUSES_DOUBLED = 5, MILLION = 1000000 };

void breaker_init(struct breaker *b, const struct breaker_rule *rule)
{
	*b = (struct breaker){.rule = *rule, .epoch = 1};
}

static void enter(struct breaker *b, enum breaker_state state)
{
	b->state = state;
	b->epoch++;
	b->good = 0;
	b->probing = false;
	memset(b->parts, 0, sizeof b->parts);
}

/* Between three and five quarters of the pause: the n-th of this seed. */
static uint64_t pause_ns(const struct breaker *b)
{
	uint8_t key[16] = {0};
	uint64_t doubled = b->pauses < PAUSES_DOUBLED ? b->pauses : PAUSES_DOUBLED;
	uint64_t ns = ((uint64_t)b->rule.pause_ms * MILLION) << doubled, hash;

	memcpy(key, &b->rule.seed, sizeof b->rule.seed);
	hash = siphash(key, (struct span){(const char *)&b->opened, sizeof b->opened});
	return ns / 4 * 3 + (uint64_t)((unsigned __int128)hash * (ns / 2) >> 64);
}

static void open_now(struct breaker *b, uint64_t now_ns)
{
	b->open_ns = now_ns + pause_ns(b);
	b->opened++;
	b->pauses++;
	enter(b, BREAKER_OPEN);
}

bool breaker_asks(struct breaker *b, uint64_t now_ns, uint32_t *epoch_out)
{
	if (b->state == BREAKER_OPEN && now_ns >= b->open_ns)
		enter(b, BREAKER_HALF_OPEN);
	if (b->state == BREAKER_OPEN || (b->state == BREAKER_HALF_OPEN && b->probing))
		return false;
	b->probing = b->state == BREAKER_HALF_OPEN;
	*epoch_out = b->epoch;
	return true;
}

/* Parts of the window that have passed since the last result are empty. */
static void move_window(struct breaker *b, uint64_t now_ns)
{
	uint64_t part = now_ns / ((uint64_t)b->rule.window_ms * MILLION / BREAKER_SLOTS + 1);

	for (unsigned n = 0; b->part < part && n < BREAKER_SLOTS; n++) {
		b->part++;
		memset(&b->parts[b->part % BREAKER_SLOTS], 0, sizeof b->parts[0]);
	}
	if (b->part < part)
		b->part = part;
}

static bool too_many(const struct breaker *b)
{
	uint64_t results = 0, failures = 0;

	for (unsigned i = 0; i < BREAKER_SLOTS; i++) {
		results += b->parts[i].results;
		failures += b->parts[i].failures;
	}
	return b->rule.failures_ppm && results >= b->rule.minimum && failures &&
	       failures * MILLION >= results * b->rule.failures_ppm;
}

static void told_probe(struct breaker *b, enum breaker_result result, uint64_t now_ns)
{
	b->probing = false;
	if (result == BREAKER_BAD) {
		open_now(b, now_ns);
	} else if (result == BREAKER_GOOD && ++b->good >= b->rule.probes) {
		b->pauses = 0;
		enter(b, BREAKER_CLOSED);
	}
}

void breaker_told(struct breaker *b, uint32_t epoch, enum breaker_result result, uint64_t now_ns)
{
	if (epoch != b->epoch)
		return;
	if (b->state == BREAKER_HALF_OPEN) {
		told_probe(b, result, now_ns);
		return;
	}
	if (result == BREAKER_NEITHER)
		return;
	move_window(b, now_ns);
	b->parts[b->part % BREAKER_SLOTS].results++;
	b->parts[b->part % BREAKER_SLOTS].failures += result == BREAKER_BAD;
	if (too_many(b))
		open_now(b, now_ns);
}
