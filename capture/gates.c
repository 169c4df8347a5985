#include "capture/gates.h"

static const struct gate_metric_row table[GATE_METRICS] = {
#define X(id, name, unit, direction, standing, limit, meaning)                                               \
	[GATE_##id] = {name, unit, meaning, GATE_##direction, standing, limit},
        GATE_TABLE(X)
#undef X
};

const struct gate_metric_row *gate_metric_row(uint32_t metric)
{
	return &table[metric];
}

int gate_metric_by_name(struct span name)
{
	for (int i = 0; i < GATE_METRICS; i++)
		if (span_eq(name, span_of(table[i].name)))
			return i;
	return -1;
}

bool gate_metric_share(uint32_t metric)
{
	static const char *const others[] = {"ratio", "bits", "ms"};

	for (unsigned i = 0; i < 3; i++)
		if (span_eq(span_of(table[metric].unit), span_of(others[i])))
			return false;
	return true;
}
