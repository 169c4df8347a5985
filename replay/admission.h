/*
 * admission.h - may this copy be sent to this candidate now? Its limits, its breaker and its warm-up in one.
 *
 * Pure but for the candidate's gauges (capture/page.h), which outlive a shadow that dies: a warm-up is not
 * done twice. A copy that is refused has an outcome and is not charged.
 */
#ifndef REPLAY_ADMISSION_H
#define REPLAY_ADMISSION_H

#include "capture/page.h"
#include "replay/breaker.h"
#include "replay/limit.h"

struct admission {
	const struct plan_candidate *plan;
	struct candidate_gauges *gauges;
	struct limit limit;
	struct breaker breaker;
};

struct admission_pass { /* of one copy that may go; handed back when it has ended */
	uint32_t epoch;
	size_t bytes;
	uint64_t tokens; /* charged already */
	bool warm_up;    /* sent, not compared */
};

void admission_init(struct admission *, const struct plan_candidate *, uint64_t seed,
                    struct candidate_gauges *);
/* 0 with a pass, or the outcome of a copy that may not be sent. */
uint8_t admission_ask(struct admission *, size_t bytes, uint64_t now_ns, struct admission_pass *pass_out);
/* `outcome`: 0 for a whole answer, else why there is none. `tokens`: that it took with its request; they
 * count from the size of the request on while the answer has not come. */
void admission_done(struct admission *, const struct admission_pass *, uint8_t outcome, uint64_t tokens,
                    uint64_t now_ns);
/* Tokens are counted of this candidate. */
bool admission_meters(const struct admission *);

#endif
