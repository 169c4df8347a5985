/* `understudy rehearse`: the same request directly and through the proxy, and what differs. */
#include "tools/rehearse.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/clock.h"
#include "proxy/config.h"
#include "tools/commands.h"
#include "tools/reach.h"
#include "tools/rehearse_compare.h"
#include "tools/rehearse_print.h"

enum { PAIRS_WANTED = 100, PAIRS_MAX = 1000000, ASK_MS = 60000 };

static struct {
	const char *config, *requests, *repeat, *format, *ignore[IGNORED_MAX];
	unsigned ignore_count;
	bool copies;
} options;

/* One side of the comparison: a connection that is kept while the same endpoint is asked. */
struct side {
	const struct plan_endpoint *to;
	struct tls_context *context;
	struct reach reach;
	struct reach_answer answer;
	uint64_t took_ns;
};

struct rehearsal {
	struct plan *plan;
	struct rehearse_requests requests;
	struct rehearse_proxy proxy;
	struct tls_context *contexts[ROUTES_MAX]; /* of https live endpoints */
	struct side direct, through;
	struct rehearse_outcome outcome;
};

static volatile sig_atomic_t interrupted;

static bool as_json(void)
{
	return options.format && !strcmp(options.format, "json");
}

static void interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

/* --- asking --- */

/* A used connection may have been closed meanwhile: then once more on a fresh one. */
static int ask(struct side *s, const struct rehearse_request *r)
{
	bool used = s->reach.fd != -1;
	uint64_t begun;
	int rc = 0;

	if (!used)
		rc = reach_open(&s->reach, s->to, s->context, ASK_MS);
	begun = clock_mono_ns();
	if (!rc)
		rc = reach_ask(&s->reach, buf_span(&r->bytes), r->is_head, &s->answer);
	s->took_ns = clock_mono_ns() - begun;
	if (rc || !s->answer.keep_alive)
		reach_close(&s->reach);
	return rc && used && !interrupted ? ask(s, r) : rc;
}

static void aim(struct side *s, const struct plan_endpoint *to, struct tls_context *context)
{
	if (s->to != to)
		reach_close(&s->reach);
	s->to = to;
	s->context = context;
}

static int direct_failed(const struct side *s, const struct rehearse_request *r, int rc)
{
	fprintf(stderr, "understudy: rehearse: %s: %s does not answer: %s\n", r->label, s->to->url,
	        rc == ERR_SYS ? strerror(errno) : err_text(rc));
	return 3;
}

static int __attribute__((format(printf, 3, 4)))
differs(struct rehearsal *h, const struct rehearse_request *r, const char *format, ...)
{
	va_list args;

	h->outcome.differs = r->label;
	va_start(args, format);
	vsnprintf(h->outcome.why, sizeof h->outcome.why, format, args);
	va_end(args);
	return 1;
}

/* Live is asked again: does it say the same twice? An exit status, or -1: it does, and the proxy differs. */
static int judge_difference(struct rehearsal *h, const struct rehearse_request *r, const char *why)
{
	struct reach_answer first = h->direct.answer;
	char again[DIFFERENCE_MAX];
	int rc, same;

	reach_answer_init(&h->direct.answer);
	rc = ask(&h->direct, r);
	same = rc ? 0 : compare_answers(&h->outcome.ignored, &first, &h->direct.answer, again);
	if (rc || same) {
		reach_answer_fini(&first);
		if (rc)
			return direct_failed(&h->direct, r, rc);
		return differs(h, r, "%s", why);
	}
	reach_answer_fini(&first);
	h->outcome.unsteady++;
	return -1;
}

/* One pair, the first side alternating. An exit status, or -1: go on. */
static int ask_both(struct rehearsal *h, const struct rehearse_request *r, bool proxy_first, bool timed)
{
	struct side *sides[2] = {&h->direct, &h->through};
	char why[DIFFERENCE_MAX];
	int rc[2];

	aim(&h->direct, &h->plan->routes[r->route].live.endpoints[0], h->contexts[r->route]);
	for (int i = 0; i < 2; i++)
		rc[proxy_first ^ i] = ask(sides[proxy_first ^ i], r);
	if (interrupted)
		return 130;
	if (rc[0])
		return direct_failed(&h->direct, r, rc[0]);
	h->outcome.pairs++;
	if (rc[1])
		return differs(h, r, "live answers %u, through the proxy no whole answer came: %s",
		               h->direct.answer.status, rc[1] == ERR_SYS ? strerror(errno) : err_text(rc[1]));
	if (!compare_answers(&h->outcome.ignored, &h->direct.answer, &h->through.answer, why))
		return judge_difference(h, r, why);
	h->outcome.identical++;
	if (timed)
		h->outcome.added_ns[h->outcome.timed++] =
		        (int64_t)h->through.took_ns - (int64_t)h->direct.took_ns;
	return -1;
}

/* The first round opens connections and fills caches: compared, not timed. */
static int send_all(struct rehearsal *h)
{
	int status = -1;

	for (unsigned round = 0; round < h->outcome.repeat && status < 0; round++)
		for (unsigned i = 0; i < h->requests.count && status < 0; i++)
			status = ask_both(h, &h->requests.list[i], (round + i) & 1, round > 0);
	return status;
}

/* What came out, and the exit status. */
static int tell_outcome(struct rehearsal *h, int status)
{
	h->outcome.status = status < 0 && !h->outcome.identical ? 3 : status < 0 ? 0 : status;
	if (as_json())
		rehearse_json(&h->outcome, stdout);
	else
		rehearse_text(&h->outcome, stdout);
	if (status < 0 && !h->outcome.identical)
		fprintf(stderr, "understudy: rehearse: nothing could be compared\n");
	return h->outcome.status;
}

/* --- before and after --- */

/* As a worker would believe live, and show itself to it. */
static int context_of(const struct plan_live *live, struct tls_context **out)
{
	struct buf ca, cert, key;
	struct tls_client_config config = {.insecure = !live->verify};
	char why[TLS_WHY_BYTES] = "";
	int rc;

	config.ca_pem = reach_slurp(live->ca_file[0] ? live->ca_file : tls_system_ca_file(), &ca);
	config.pair.chain_pem = reach_slurp(live->client.certificate_file, &cert);
	config.pair.key_pem = reach_slurp(live->client.key_file, &key);
	rc = tls_client_context(&config, why, sizeof why, out);
	if (rc)
		fprintf(stderr, "understudy: rehearse: %s: %s\n", live->endpoints[0].url, why);
	if (buf_len(&key))
		explicit_bzero(key.base, key.tail);
	buf_fini(&key);
	buf_fini(&cert);
	buf_fini(&ca);
	return rc;
}

static int make_contexts(struct rehearsal *h)
{
	int rc = 0;

	for (uint32_t i = 0; i < h->plan->route_count && !rc; i++)
		if (h->plan->routes[i].live.endpoint_count && h->plan->routes[i].live.endpoints[0].tls)
			rc = context_of(&h->plan->routes[i].live, &h->contexts[i]);
	return rc;
}

static void choose_ignored(struct rehearsal *h)
{
	static const char *const ours[] = {
	        "date", "age", "connection", "keep-alive", "transfer-encoding", "x-request-id", "via"};

	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		ignore_field(&h->outcome.ignored, ours[i]);
	for (uint32_t r = 0; r < h->plan->route_count; r++)
		for (uint32_t i = 0; i < h->plan->routes[r].response_headers.count; i++)
			ignore_field(&h->outcome.ignored, h->plan->routes[r].response_headers.edits[i].name);
	for (unsigned i = 0; i < options.ignore_count; i++)
		ignore_field(&h->outcome.ignored, options.ignore[i]);
}

/* How often each request is sent: as asked, or what makes PAIRS_WANTED pairs and a round more. */
static int choose_repeat(struct rehearsal *h)
{
	char *end = NULL;
	long n = options.repeat ? strtol(options.repeat, &end, 10) : 0;

	if (options.repeat && (end == options.repeat || *end || n < 1 || n > PAIRS_MAX))
		return command_wrong(&rehearse_command, "--repeat %s: a number from 1 to %d is expected",
		                     options.repeat, PAIRS_MAX);
	if (!h->requests.count) {
		fprintf(stderr, "understudy: rehearse: no request that a route takes; see --requests\n");
		return 3;
	}
	h->outcome.repeat = n ? (unsigned)n : (PAIRS_WANTED + h->requests.count - 1) / h->requests.count + 1;
	h->outcome.added_ns =
	        calloc((size_t)h->outcome.repeat * h->requests.count, sizeof *h->outcome.added_ns);
	if (!h->outcome.added_ns || (uint64_t)h->outcome.repeat * h->requests.count > PAIRS_MAX) {
		fprintf(stderr, "understudy: rehearse: %u requests %u times are too many\n",
		        h->requests.count, h->outcome.repeat);
		return 3;
	}
	return -1;
}

static int rehearse(struct rehearsal *h)
{
	struct sigaction act = {.sa_handler = interrupt};
	struct rehearse_outcome *o = &h->outcome;
	int status;

	if (rehearse_read(options.requests, h->plan, h->proxy.at.port, &h->requests))
		return 3;
	status = choose_repeat(h);
	if (status >= 0)
		return status;
	choose_ignored(h);
	if (make_contexts(h) || rehearse_start(h->plan, &h->proxy))
		return 3;
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	aim(&h->through, &h->proxy.at, NULL);
	o->requests = h->requests.count;
	o->unrouted = h->requests.unrouted;
	o->proxy = h->proxy.at.authority;
	o->copies = options.copies;
	if (!as_json())
		rehearse_begin(o, stdout);
	return tell_outcome(h, send_all(h));
}

static int run(const struct words *words)
{
	static struct plan plan;
	static struct rehearsal h = {.plan = &plan, .direct.reach.fd = -1, .through.reach.fd = -1};
	int status;

	(void)words;
	if (!options.config)
		return command_wrong(&rehearse_command, "-c FILE is expected");
	if (config_read(options.config, &plan, stderr))
		return 2;
	if (rehearse_prepare(&plan, options.copies, &h.proxy)) {
		fprintf(stderr, "understudy: rehearse: no port or temporary folder: %s\n", strerror(errno));
		return 3;
	}
	reach_answer_init(&h.direct.answer);
	reach_answer_init(&h.through.answer);
	status = rehearse(&h);
	reach_close(&h.direct.reach);
	reach_close(&h.through.reach);
	rehearse_stop(&h.proxy);
	reach_answer_fini(&h.direct.answer);
	reach_answer_fini(&h.through.answer);
	for (uint32_t i = 0; i < plan.route_count; i++)
		if (h.contexts[i])
			tls_context_unref(&h.contexts[i]);
	rehearse_free(&h.requests);
	free(h.outcome.added_ns);
	return status;
}

static const struct command_flag flags[] = {
        {.name = "--config",
         .letter = "-c",
         .argument = "FILE",
         .sentence = "the configuration that is rehearsed",
         .to = &options.config},
        {.name = "--requests",
         .argument = "FILE",
         .sentence = "a .cap file, or JSON lines {\"method\", \"path\", \"headers\": {}, "
                     "\"body\" or \"body_base64\"}; - is standard input; left out: "
                     "GET of each route's prefix and health path",
         .to = &options.requests},
        {.name = "--repeat",
         .argument = "N",
         .sentence = "how often each is sent; the first is not timed",
         .value = "for 100 pairs",
         .to = &options.repeat},
        {.name = "--ignore",
         .argument = "HEADER",
         .sentence = "a header field that may differ; may be given again",
         .to = options.ignore,
         .most = IGNORED_MAX / 2,
         .count = &options.ignore_count},
        {.name = "--format",
         .argument = "text|json",
         .sentence = "json: one object with the figures, when all is done",
         .value = "text",
         .to = &options.format},
        {.name = "--copies", .sentence = "mirror to the candidates as well", .set = &options.copies},
        {0},
};

const struct command rehearse_command = {
        .name = "rehearse",
        .does = "each request directly and through the proxy: equal answers?",
        .usage = "-c FILE [--requests FILE] [--repeat N]\n"
                 " [--ignore HEADER...] [--format text|json] [--copies]",
        .about = "Sends each request to its route's first live endpoint and through a proxy that is\n"
                 "started for it from that configuration (a free port, clear text, a temporary run).\n"
                 "Live answers all of them, twice. Prints identical answers N/N and the added time,\n"
                 "or the first byte that differs. What live answers differently itself is left out.",
        .flags = flags,
        .status = "0 identical, 1 something differs, 2 usage or configuration,\n"
                  "3 could not run, 130 interrupted",
        .examples = "understudy rehearse -c understudy.yaml\n"
                    "understudy rehearse -c understudy.yaml --requests runs/demo/capture/00001.cap",
        .run = run,
};
