/* What a replay found, for people: the gate table, and its times by the schedule and by the send. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "replay/judge.h"
#include "tools/gate.h"
#include "tools/replay.h"
#include "tools/run.h"

enum { INTERRUPTED = 130, LINE_BYTES = 4096 };

static void print_quantiles(const struct node *latency, const char *key, const char *what)
{
	static const char *const columns[] = {"p50", "p90", "p99", "max"};
	const struct node *q = doc_get(latency, key);

	printf("  %-32s", what);
	for (unsigned i = 0; i < sizeof columns / sizeof *columns; i++) {
		double us = doc_number(q, columns[i]);

		if (isfinite(us))
			printf(" %10.3f", us / 1e3);
		else
			printf(" %10s", "-");
	}
	puts("");
}

/* Of streamed answers that were compared: what the model and the network did. */
static void print_stream(const struct node *stream)
{
	static const struct {
		const char *key, *what;
	} rows[] = {{"ttft", "time to the first token"}, {"token_gap", "between tokens, p95 of an answer"}};
	const struct node *speed = doc_get(stream, "tokens_per_second");

	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
		if (isfinite(doc_number(doc_get(stream, rows[i].key), "p50")))
			print_quantiles(stream, rows[i].key, rows[i].what);
	if (isfinite(doc_number(speed, "p50")))
		printf("  tokens a second, after the first: p50 %.1f\n", doc_number(speed, "p50"));
}

/* The target of that number in the summary. */
static const struct node *nth(const struct node *list, unsigned n)
{
	const struct node *at = list ? list->child : NULL;

	while (at && n--)
		at = at->next;
	return at;
}

static void print_goodput(const struct node *target, double seconds)
{
	double answered = doc_number(target, "answered"), good = doc_number(target, "good"),
	       slo_ms = doc_number(target, "slo_us") / 1e3;

	printf("  answered %.0f, %.0f with a status below 400", answered, doc_number(target, "usable"));
	if (slo_ms > 0)
		printf("; goodput %.0f within %g ms (%.2f %%)", good, slo_ms,
		       answered > 0 ? 100 * good / answered : 0);
	if (slo_ms > 0 && seconds > 0)
		printf(", %.1f/s", good / seconds);
	puts("");
}

static void print_fidelity(const struct run *run)
{
	const struct node *lag = doc_get(run->summary, "lag_us"), *late = doc_get(run->summary, "late");
	double error = doc_number(run->summary, "time_error");

	printf("fidelity: lag p50 %.3f, p99 %.3f, max %.3f ms over %.0f sent", doc_number(lag, "p50") / 1e3,
	       doc_number(lag, "p99") / 1e3, doc_number(lag, "max") / 1e3, doc_number(lag, "count"));
	if (isfinite(error))
		printf("; total time %+.4f %%", error * 100);
	printf("; over the bound: by the source %.0f, this client %.0f, a target %.0f, connections %.0f\n",
	       doc_number(late, "source"), doc_number(late, "client"), doc_number(late, "target"),
	       doc_number(late, "connection"));
}

/* Response is the headline: what a user who comes by the schedule waits for. Service leaves out how long the
 * request itself had to wait. Both are of all answers, compared or not. */
static void print_times(const struct run *run, bool keeps_time)
{
	static const struct {
		const char *key, *what;
	} rows[] = {{"response", "response (from intended time)"},
	            {"service", "service (uncorrected)"},
	            {"first_byte", "first byte, from sent"},
	            {"chunk_gap", "between chunks"},
	            {"lag", "lag (sent late)"}};
	const struct node *candidates = doc_get(run->summary, "candidates"),
	                  *targets = doc_get(run->summary, "targets");
	double seconds = doc_number(run->summary, "seconds");
	unsigned n = 0;

	printf("\n%-34s %10s %10s %10s %10s\n", "times in ms", "p50", "p90", "p99", "max");
	for (const struct node *c = candidates ? candidates->child : NULL; c; c = c->next, n++) {
		const struct node *target = nth(targets, n), *times = doc_get(target, "times_us");
		char who[160];

		puts(run_who(run, c, who));
		for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
			if (isfinite(doc_number(doc_get(times, rows[i].key), "p50")))
				print_quantiles(times, rows[i].key, rows[i].what);
		print_stream(doc_get(doc_get(c, "stream"), "candidate"));
		print_goodput(target, seconds);
	}
	if (doc_number(run->summary, "saturated_at") > 0)
		printf("stopped, as the targets were saturated: they were asked %.0f times a second and gave "
		       "fewer "
		       "good answers\n",
		       doc_number(run->summary, "saturated_at"));
	if (keeps_time)
		print_fidelity(run);
}

/* What became of each request, when no answer was looked into. */
static void print_counts(const struct run *run)
{
	struct buf line;

	buf_init(&line, LINE_BYTES);
	run_counts_line(doc_get(run->summary, "counts"), &line);
	printf("run %s: %.*s\n", doc_text(run->summary, "run"), (int)buf_len(&line), buf_span(&line).data);
	buf_fini(&line);
}

int replay_verdict(const struct replay_options *o, bool keeps_time)
{
	int status = o->no_compare ? 0 : gate_print(o->run);
	bool ends_early, is_void, is_partial;
	struct run run;

	if (run_open(o->run, &run))
		return 3;
	is_void = !strcmp(doc_text(run.summary, "state"), "void");
	is_partial = !strcmp(doc_text(run.summary, "state"), "partial");
	ends_early = span_starts(span_of(doc_text(run.summary, "reason")), SPAN(REPLAY_ENDS_EARLY));
	if (o->no_compare)
		print_counts(&run);
	print_times(&run, keeps_time);
	if (is_void)
		fprintf(stderr, "understudy: the replay is void: %s\n", doc_text(run.summary, "reason"));
	run_close(&run);
	if (status == 3 || is_void)
		return 3;
	if (is_partial && !ends_early)
		return INTERRUPTED;
	return o->gate_count ? status : 0;
}
