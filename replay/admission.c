#include "replay/admission.h"

#include <string.h>

#include "proto/base/clock.h"
#include "proto/base/siphash.h"
#include "replay/usage.h"

static const uint64_t MS_NS = 1000000u, DAY_NS = 86400 * UINT64_C(1000000000);

/* Each candidate's own, from the run's. */
static uint64_t seed_of(const struct plan_candidate *p, uint64_t seed)
{
	uint8_t key[16] = "breaker";

	memcpy(key + 8, &seed, sizeof seed);
	return siphash(key, span_of(p->name));
}

static void tell_breaker(struct admission *a)
{
	atomic_store_explicit(&a->gauges->breaker, a->breaker.state, memory_order_relaxed);
}

void admission_init(struct admission *a, const struct plan_candidate *p, uint64_t seed,
                    struct candidate_gauges *gauges)
{
	const struct plan_breaker *b = &p->breaker;
	struct breaker_rule rule = {.failures_ppm = b->on ? b->failures_ppm : 0,
	                            .minimum = b->minimum,
	                            .window_ms = b->window_ms,
	                            .pause_ms = b->pause_ms,
	                            .probes = b->probes,
	                            .seed = seed_of(p, seed)};

	*a = (struct admission){
	        .plan = p,
	        .gauges = gauges,
	        .limit = {.requests = p->max_rate,
	                  .bytes = (double)p->max_bytes,
	                  .tokens = p->max_tokens,
	                  .queue_bytes = p->max_queue},
	};
	breaker_init(&a->breaker, &rule);
	atomic_store(&gauges->queued_bytes_open, 0);
	tell_breaker(a);
}

/* The first copies of a run, by number or by time since the first: they are to wake the candidate up. */
static bool is_warm_up(const struct admission *a, uint64_t now_ns)
{
	struct candidate_gauges *g = a->gauges;
	uint64_t sent = atomic_load_explicit(&g->sent, memory_order_relaxed);

	if (!sent)
		atomic_store(&g->first_ns, now_ns);
	return sent < a->plan->warmup_count ||
	       (a->plan->warmup_ms && now_ns - atomic_load(&g->first_ns) < a->plan->warmup_ms * MS_NS);
}

bool admission_meters(const struct admission *a)
{
	return a->plan->max_tokens > 0 || a->plan->per_day > 0;
}

/* Both may be less than was charged before: what was reserved and not taken goes back. */
static void spend(struct admission *a, uint64_t tokens, uint64_t reserved, uint64_t now_ns)
{
	struct candidate_gauges *g = a->gauges;
	uint64_t today = clock_wall_ns() / DAY_NS, spent = atomic_load(&g->spent_tokens);

	if (atomic_exchange(&g->spent_day, today) != today)
		spent = reserved = 0;
	spent += tokens;
	atomic_store(&g->spent_tokens, spent > reserved ? spent - reserved : 0);
	limit_tokens(&a->limit, tokens > reserved ? tokens - reserved : 0, now_ns);
}

static bool spent_up(const struct admission *a)
{
	const struct candidate_gauges *g = a->gauges;

	return a->plan->per_day > 0 && atomic_load(&g->spent_day) == clock_wall_ns() / DAY_NS &&
	       (double)atomic_load(&g->spent_tokens) * a->plan->per_million / 1e6 >= a->plan->per_day;
}

uint8_t admission_ask(struct admission *a, size_t bytes, uint64_t now_ns, struct admission_pass *pass)
{
	enum limit_answer answer;

	*pass = (struct admission_pass){.bytes = bytes};
	if (!breaker_asks(&a->breaker, now_ns, &pass->epoch))
		return OUTCOME_BREAKER_OPEN;
	answer = spent_up(a) ? LIMIT_RATE : limit_take(&a->limit, bytes, now_ns);
	if (answer != LIMIT_PASS) {
		breaker_told(&a->breaker, pass->epoch, BREAKER_NEITHER, now_ns);
		return answer == LIMIT_RATE ? OUTCOME_RATE : OUTCOME_IN_FLIGHT;
	}
	pass->warm_up = is_warm_up(a, now_ns);
	if (admission_meters(a)) {
		pass->tokens = bytes / USAGE_BYTES;
		spend(a, pass->tokens, 0, now_ns);
	}
	gauge_add(&a->gauges->sent, 1);
	gauge_add(&a->gauges->queued_bytes_open, bytes);
	tell_breaker(a);
	return 0;
}

void admission_done(struct admission *a, const struct admission_pass *pass, uint8_t outcome, uint64_t tokens,
                    uint64_t now_ns)
{
	enum breaker_result result = BREAKER_NEITHER;
	uint64_t opened = a->breaker.opened;

	if (!outcome)
		result = BREAKER_GOOD;
	else if (outcome >= OUTCOME_CANDIDATE_CONNECT && outcome <= OUTCOME_CANDIDATE_TOO_LARGE)
		result = BREAKER_BAD;
	limit_give(&a->limit, pass->bytes);
	if (admission_meters(a)) {
		spend(a, tokens, pass->tokens, now_ns);
		gauge_add(&a->gauges->tokens, tokens);
	}
	gauge_add(&a->gauges->queued_bytes_open, -(uint64_t)pass->bytes);
	breaker_told(&a->breaker, pass->epoch, result, now_ns);
	gauge_add(&a->gauges->breaker_opened, a->breaker.opened - opened);
	tell_breaker(a);
}
