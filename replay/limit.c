#include "replay/limit.h"

#include <stdbool.h>

static const uint64_t BURST_NS = LIMIT_BURST_MS * 1000000u;
static const double LONGEST_NS = 1e18; /* a debt of thirty years is one for ever */

static bool has_room(double rate, uint64_t full_ns, uint64_t now_ns)
{
	return rate <= 0 || full_ns <= now_ns + BURST_NS;
}

static void charge(double rate, double amount, uint64_t *full_ns, uint64_t now_ns)
{
	double cost_ns = rate > 0 ? amount * 1e9 / rate : 0;

	if (*full_ns < now_ns)
		*full_ns = now_ns;
	*full_ns += (uint64_t)(cost_ns < LONGEST_NS ? cost_ns : LONGEST_NS);
}

enum limit_answer limit_take(struct limit *l, size_t bytes, uint64_t now_ns)
{
	if (l->queue_bytes && (bytes > l->queue_bytes || l->queued_bytes > l->queue_bytes - bytes))
		return LIMIT_QUEUE;
	if (!has_room(l->requests, l->requests_full_ns, now_ns) ||
	    !has_room(l->bytes, l->bytes_full_ns, now_ns) || !has_room(l->tokens, l->tokens_full_ns, now_ns))
		return LIMIT_RATE;
	charge(l->requests, 1, &l->requests_full_ns, now_ns);
	charge(l->bytes, (double)bytes, &l->bytes_full_ns, now_ns);
	l->queued_bytes += bytes;
	return LIMIT_PASS;
}

void limit_tokens(struct limit *l, uint64_t tokens, uint64_t now_ns)
{
	charge(l->tokens, (double)tokens, &l->tokens_full_ns, now_ns);
}

void limit_give(struct limit *l, size_t bytes)
{
	l->queued_bytes -= bytes < l->queued_bytes ? bytes : l->queued_bytes;
}
