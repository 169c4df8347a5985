/* What a replay found, for people: the gate table, and its times by the schedule and by the send. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "replay/judge.h"
#include "tools/gate.h"
#include "tools/replay.h"
#include "tools/run.h"

enum { INTERRUPTED = 130 };

static void print_quantiles(const struct node *latency, const char *key, const char *what)
{
	static const char *const columns[] = {"p50", "p90", "p99", "max"};
	const struct node *q = doc_get(latency, key);

	printf("  %-30s", what);
	for (unsigned i = 0; i < sizeof columns / sizeof *columns; i++) {
		double us = doc_number(q, columns[i]);

		if (isfinite(us))
			printf(" %12.3f", us / 1e3);
		else
			printf(" %12s", "-");
	}
	puts("");
}

/* Response is the headline: what a user who comes by the schedule waits for. Service leaves out how long the
 * request itself had to wait. */
static void print_times(const struct run *run)
{
	const struct node *candidates = doc_get(run->summary, "candidates"), *late;
	double error = doc_number(run->summary, "time_error");

	printf("\n%-32s %12s %12s %12s %12s\n", "times in ms", "p50", "p90", "p99", "max");
	for (const struct node *c = candidates ? candidates->child : NULL; c; c = c->next) {
		const struct node *latency = doc_get(c, "latency_us");
		char who[160];

		puts(run_who(run, c, who));
		print_quantiles(latency, "response", "response (from intended time)");
		print_quantiles(latency, "candidate", "service (uncorrected)");
		print_quantiles(latency, "first_byte", "first byte, from sent");
		print_quantiles(latency, "lag", "lag (sent late)");
	}
	late = doc_get(run->summary, "late");
	printf("fidelity: lag p50 %.3f, p99 %.3f, max %.3f ms over %.0f sent",
	       doc_number(doc_get(run->summary, "lag_us"), "p50") / 1e3,
	       doc_number(doc_get(run->summary, "lag_us"), "p99") / 1e3,
	       doc_number(doc_get(run->summary, "lag_us"), "max") / 1e3,
	       doc_number(doc_get(run->summary, "lag_us"), "count"));
	if (isfinite(error))
		printf("; total time %+.4f %%", error * 100);
	printf("; over the bound: by the source %.0f, this client %.0f, a target %.0f, connections %.0f\n",
	       doc_number(late, "source"), doc_number(late, "client"), doc_number(late, "target"),
	       doc_number(late, "connection"));
}

int replay_verdict(const struct replay_options *o, bool keeps_time)
{
	int status = gate_print(o->run);
	bool ends_early, is_void, is_partial;
	struct run run;

	if (run_open(o->run, &run))
		return 3;
	is_void = !strcmp(doc_text(run.summary, "state"), "void");
	is_partial = !strcmp(doc_text(run.summary, "state"), "partial");
	ends_early = span_starts(span_of(doc_text(run.summary, "reason")), SPAN(REPLAY_ENDS_EARLY));
	if (keeps_time)
		print_times(&run);
	if (is_void)
		fprintf(stderr, "understudy: the replay is void: %s\n", doc_text(run.summary, "reason"));
	run_close(&run);
	if (status == 3 || is_void)
		return 3;
	if (is_partial && !ends_early)
		return INTERRUPTED;
	return o->gate_count ? status : 0;
}
