#include "replay/spread.h"

#include <math.h>

void spread_add(struct spread *s, double k, double n, double together, double alpha, double t_opt)
{
	struct interval ci = stat_rate_weighted(k / together, n / together, alpha, t_opt);

	s->groups++;
	s->low = fmin(s->low, k / n);
	s->high = fmax(s->high, k / n);
	s->lowest = (struct interval){fmin(s->lowest.low, ci.low), fmin(s->lowest.high, ci.high)};
	s->highest = (struct interval){fmax(s->highest.low, ci.low), fmax(s->highest.high, ci.high)};
}

double spread_value(const struct spread *s)
{
	return s->groups > 1 ? s->high - s->low : (double)NAN;
}

struct interval spread_interval(const struct spread *s)
{
	if (s->groups < 2)
		return (struct interval){0, 1};
	return (struct interval){fmax(0, s->highest.low - s->lowest.high), s->highest.high - s->lowest.low};
}
