#include "proxy/overload.h"

void overload_tick(struct overload *o, uint64_t cpu_ns, uint64_t now_ns)
{
	uint64_t turns = o->turns - o->turns_before;

	o->mean_ns = turns ? (cpu_ns - o->cpu_before_ns) / turns : 0;
	o->turns_before = o->turns;
	o->cpu_before_ns = cpu_ns;
	o->long_ticks = o->mean_ns > OVERLOAD_TURN_NS ? o->long_ticks + 1 : 0;
	if (o->long_ticks >= OVERLOAD_TICKS)
		o->until_ns = now_ns + OVERLOAD_HOLD_NS;
}
