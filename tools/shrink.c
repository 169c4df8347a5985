/*
 * shrink.c - `understudy shrink`: the smallest request that two endpoints still answer otherwise.
 *
 * It starts from a stored pair that diverged, and asks both endpoints about ever smaller parts of its body
 * (proto/json_shrink.h). A smaller one counts when its answers diverge in one of the classes of the first;
 * what is refused by one side alone is another story. Asked is what a replay would send, one after the other,
 * at most
 * --calls times each; what is smallest is printed as curl also when that ends it, or Ctrl-C does.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/head.h"
#include "proto/base/clock.h"
#include "proto/json_shrink.h"
#include "replay/effects.h"
#include "tools/commands.h"
#include "tools/run.h"
#include "tools/shrink.h"

enum { CALLS_MAX = 100000, CALLS = 200, ASK_MS = 120000, INTERRUPTED = 130, WORK_BYTES = 256 << 20 };
static const uint64_t TOLD_NS = 10000000000u, TOLD_TTY_NS = 200000000u;

static struct {
	const char *against, *to, *calls, *ca_file, *config, *candidate, *protocol, *body_file;
	const char *headers[SHRINK_HEADERS_MAX], *allows[ALLOWS_MAX];
	unsigned header_count, allow_count;
	bool allow_all, yes_really, quiet;
} options;

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

struct job {
	struct shrink_pair pair;
	struct shrink_side sides[2]; /* against, to */
	struct plan_route route;     /* how they are compared */
	unsigned calls, most;
	bool classes[DIVERGENCES]; /* of the first comparison */
	struct buf request, best;
	char where[COMPARE_WHERE_MAX]; /* of the smallest */
	size_t smallest;
	uint64_t told_ns;
	const char *failed; /* which endpoint did not answer */
};

/* --- asking --- */

static void tell(struct job *j, bool end)
{
	bool terminal = isatty(STDERR_FILENO);
	uint64_t now = clock_mono_ns();

	if (options.quiet || (!end && now - j->told_ns < (terminal ? TOLD_TTY_NS : TOLD_NS)))
		return;
	j->told_ns = now;
	fprintf(stderr, "%sunderstudy: shrink: %zu bytes of %zu still diverge, %u of %u calls to each%s",
	        terminal ? "\r" : "", j->smallest, buf_len(&j->pair.body), j->calls, j->most,
	        end || !terminal ? "\n" : "");
}

static int compare(struct job *j, struct comparison *out)
{
	struct answer answers[2];

	for (unsigned i = 0; i < 2; i++)
		answers[i] = shrink_answer(&j->sides[i], buf_span(&j->pair.head));
	return compare_pair(&j->route, &answers[0], &answers[1], WORK_BYTES, out);
}

/* Whether it diverges as the first did; the first says how that is. */
static bool diverges_alike(struct job *j, const struct comparison *c)
{
	bool alike = false;

	for (unsigned i = 0; i < DIVERGENCES; i++) {
		if (j->calls == 1)
			j->classes[i] = c->counts[i];
		alike |= c->counts[i] && j->classes[i];
	}
	return c->diverged && alike;
}

/* A json_shrink_test. */
static int still_diverges(void *arg, struct span body)
{
	struct job *j = arg;
	struct comparison c = {0};
	int rc = 0;

	if (interrupted || j->calls == j->most)
		return interrupted ? ERR_CLOSED : ERR_LIMIT;
	j->calls++;
	for (unsigned i = 0; i < 2 && !rc; i++) {
		rc = shrink_ask(&j->sides[i], buf_span(&j->pair.head), body, options.headers,
		                options.header_count, &j->request);
		if (rc && !interrupted)
			j->failed = j->sides[i].endpoint.url;
	}
	if (rc)
		return interrupted ? ERR_CLOSED : rc;
	rc = compare(j, &c);
	if (rc == ERR_PROTO) /* no answer that can be read */
		return 0;
	if (!rc && diverges_alike(j, &c)) {
		memcpy(j->where, c.where, sizeof j->where);
		j->smallest = body.len;
		rc = 1;
	}
	comparison_fini(&c);
	tell(j, false);
	return rc;
}

static int shrink(struct job *j)
{
	struct span body = buf_span(&j->pair.body);
	int rc = body.len ? json_shrink(body, still_diverges, j, &j->best) : ERR_PROTO;

	if (rc == ERR_PROTO && !j->calls) { /* no JSON: asked as it is, and told */
		rc = still_diverges(j, body);
		buf_reset(&j->best);
		buf_span_put(&j->best, body);
		rc = rc == 1 ? 0 : rc == 0 ? ERR_AGAIN : rc;
	}
	return rc;
}

/* --- what must not be sent --- */

static int guard(const struct run *run, const struct job *j)
{
	struct plan_choice choice = {.allow_all = options.allow_all,
	                             .allow_count = options.allow_count,
	                             .foreign_routes = j->pair.foreign};
	struct span head = buf_span(&j->pair.head);

	for (unsigned i = 0; i < options.allow_count; i++)
		if (effects_rule(options.allows[i], &choice.allow[i]))
			return command_wrong(&shrink_command, "--allow %s: METHOD or 'METHOD /PREFIX'",
			                     options.allows[i]);
	if (!effects_may_send(&choice, 0, head_method(head), head_target(head)))
		return command_wrong(
		        &shrink_command,
		        "%.*s may have side effects, and would be sent many times; --allow says it "
		        "may",
		        (int)head_method(head).len, head_method(head).data);
	if (!options.yes_really && shrink_is_live(run, &j->sides[1].endpoint))
		return command_wrong(
		        &shrink_command,
		        "--to %s: that is a live endpoint of this run; --yes-really sends to it all "
		        "the same",
		        options.to);
	return -1;
}

/* --- all of it --- */

static int conclude(struct job *j, int rc)
{
	struct span head = buf_span(&j->pair.head), best = buf_span(&j->best);

	tell(j, true);
	if (j->failed)
		fprintf(stderr, "understudy: shrink: %s does not answer: %s\n", j->failed,
		        rc == ERR_SYS ? strerror(errno) : err_text(rc));
	if (rc == ERR_AGAIN)
		fprintf(stderr,
		        "understudy: shrink: its answers do not diverge, now that they were asked for "
		        "again\n");
	if (!j->smallest)
		return interrupted ? INTERRUPTED : 3;
	fprintf(stderr, "understudy: shrink: %s: %s\n",
	        rc == 0           ? "nothing more can be left out"
	        : rc == ERR_LIMIT ? "--calls ended it"
	        : interrupted     ? "interrupted"
	                          : "what was smallest until then",
	        j->where);
	for (unsigned i = 0; i < 2; i++)
		shrink_print_curl(&j->sides[i].endpoint, head, best, options.headers, options.header_count);
	if (options.body_file && shrink_write(options.body_file, best)) {
		fprintf(stderr, "understudy: shrink: %s: %s\n", options.body_file, strerror(errno));
		return 3;
	}
	return interrupted ? INTERRUPTED : rc && rc != ERR_LIMIT ? 3 : 0;
}

static int read_calls(unsigned *out)
{
	char *end = NULL;
	long n = options.calls ? strtol(options.calls, &end, 10) : CALLS;

	*out = (unsigned)n;
	if (options.calls && (*end || end == options.calls || n < 1 || n > CALLS_MAX))
		return command_wrong(&shrink_command, "--calls %s: a number from 1 to %d", options.calls,
		                     CALLS_MAX);
	return -1;
}

static int prepare(struct job *j, const struct run *run, const char *id)
{
	int status = read_calls(&j->most);

	if (status < 0)
		status = shrink_find(run, id, options.candidate, &j->pair);
	if (status < 0)
		status = shrink_rules(run, options.config, options.protocol, &j->pair, &j->route);
	if (status < 0)
		status = shrink_aim(&j->sides[0], "--against", options.against, options.ca_file, ASK_MS);
	if (status < 0)
		status = shrink_aim(&j->sides[1], "--to", options.to, options.ca_file, ASK_MS);
	return status < 0 ? guard(run, j) : status;
}

static int run_words(const struct words *words)
{
	static struct job j;
	struct sigaction action = {.sa_handler = on_signal};
	struct run run;
	int status;

	if (!options.against || !options.to)
		return command_wrong(&shrink_command, "--against URL and --to URL are expected");
	if (run_open(words->count == 2 ? words->at[0] : NULL, &run))
		return 3;
	shrink_pair_init(&j.pair);
	buf_init(&j.request, (size_t)1 << 22);
	buf_init(&j.best, (size_t)1 << 22);
	sigemptyset(&action.sa_mask);
	status = prepare(&j, &run, words->at[words->count - 1]);
	if (status < 0) {
		sigaction(SIGINT, &action, NULL);
		sigaction(SIGTERM, &action, NULL);
		status = conclude(&j, shrink(&j));
	}
	for (unsigned i = 0; i < 2; i++)
		shrink_leave(&j.sides[i]);
	buf_fini(&j.best);
	buf_fini(&j.request);
	shrink_pair_fini(&j.pair);
	run_close(&run);
	return status;
}

static const struct command_flag flags[] = {
        {.name = "--against",
         .argument = "URL",
         .sentence = "live, or what stands for it",
         .to = &options.against},
        {.name = "--to", .argument = "URL", .sentence = "the candidate", .to = &options.to},
        {.name = "--calls",
         .argument = "N",
         .sentence = "at most so many requests to each",
         .value = "200",
         .to = &options.calls},
        {.name = "--candidate",
         .argument = "NAME",
         .sentence = "whose pair it is, where several diverged",
         .to = &options.candidate},
        {.name = "--protocol",
         .argument = "P",
         .sentence = "how answers are read",
         .value = "as the run's input says, else told by them",
         .to = &options.protocol},
        {.name = "--config",
         .letter = "-c",
         .argument = "FILE",
         .sentence = "its route of that name says how answers are compared; runs are found by it too",
         .to = &options.config},
        {.name = "--header",
         .argument = "FIELD",
         .sentence = "of each request, e.g. 'authorization: Bearer ...'",
         .to = options.headers,
         .most = SHRINK_HEADERS_MAX,
         .count = &options.header_count},
        {.name = "--ca-file",
         .argument = "FILE",
         .sentence = "certificates to believe https:// by",
         .value = "the system's",
         .to = &options.ca_file},
        {.name = "--allow",
         .argument = "RULE",
         .sentence = "e.g. 'PUT /v1': this may be sent",
         .to = options.allows,
         .most = ALLOWS_MAX,
         .count = &options.allow_count},
        {.name = "--allow-side-effects", .sentence = "send it, whatever it is", .set = &options.allow_all},
        {.name = "--yes-really",
         .sentence = "--to may be a live endpoint of the run",
         .set = &options.yes_really},
        {.name = "--output",
         .letter = "-o",
         .argument = "FILE",
         .sentence = "where the smallest body goes too",
         .to = &options.body_file},
        {.name = "--quiet", .sentence = "no progress", .set = &options.quiet},
        {0},
};

const struct command shrink_command = {
        .name = "shrink",
        .does = "the smallest request that still diverges, as curl",
        .usage = "[RUN] ID --against URL --to URL [flags]",
        .about = "Takes the request of a pair that diverged and leaves out of its JSON body what it can: "
                 "messages, members, elements, parts of texts, as long as the two endpoints answer "
                 "otherwise as they did at first. ID is an exchange's id, or its beginning, as reports "
                 "print it. The request is the masked one that the run has stored, 16 KiB of it at most. "
                 "Ctrl-C ends it early, with what was smallest.",
        .flags = flags,
        .words = "[RUN] ID",
        .status = "0 done, 2 usage, 3 there is no such pair, it does not diverge any more, or an "
                  "endpoint does not answer; 130 interrupted",
        .examples = "understudy shrink 2a --against http://127.0.0.1:9001 \\\n"
                    "      --to http://127.0.0.1:9002\n"
                    "understudy shrink runs/replay-17 2a --against http://127.0.0.1:9001 \\\n"
                    "      --to http://127.0.0.1:9002 --calls 1000 -o smallest.json",
        .run = run_words,
};
