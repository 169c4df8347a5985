/*
 * safeguard.h - the judge's harm switch: it says on the control page when copies are made and when not, reads
 * what the workers counted (harm.h), and pauses all shadowing when that costs the live path more than
 * allowed.
 *
 * Once it has, it stays so until an operator resumes; then the measurement begins anew.
 */
#ifndef REPLAY_SAFEGUARD_H
#define REPLAY_SAFEGUARD_H

#include "capture/role.h"

void safeguard_begin(const struct role_env *);
/* Each turn; does nothing when no harm switch is declared. */
void safeguard_tick(const struct role_env *, uint64_t now_ns);
/* What shadowing costs the live path at the median, by the best that is known. */
struct safeguard_cost {
	bool known, switched_off;
	const char *
	        method; /* "blocks": with and without in turns; "exchanges": those that chance did not copy */
	double ns, low_ns, high_ns;
	uint64_t groups, limit_ns;
};
void safeguard_cost(const struct role_env *, struct safeguard_cost *out);

#endif
