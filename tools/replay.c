#include "tools/replay.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "capture/capfile.h"
#include "proto/base/clock.h"
#include "proxy/config_endpoint.h"
#include "replay/gate.h"
#include "tools/commands.h"
#include "tools/gate.h"
#include "tools/run.h"

/* At recorded times a slow answer must not hold back the next request; at --speed max the slots are the pace.
 */
enum { SLOTS_TIMED = 1024, SLOTS_MAX_SPEED = 64, CONNECTIONS_MAX = 4096, HASHED_MAX = 1 << 20 };
static const uint64_t MAX_LAG_NS = 1000000u;

static const char help[] =
        "usage: understudy replay CAPTURE.cap --to NAME=URL... [flags]\n"
        "\n"
        "Sends the capture's requests to each target and compares with the recorded live answers.\n"
        "\n"
        "  --speed X|max     1 (default) = as recorded, 2 = twice as fast, max = as fast as the targets take "
        "it\n"
        "  --baseline URL    a copy of live: noise floor, and the other side of masked inputs\n"
        "  --gate EXPR       e.g. 'divergence_rate<=2%'; then the exit status is the verdict (0, 1, 4)\n"
        "  --max-lag D       e.g. 5ms; a replay whose lag p99 is over it is void (default 1ms; not with "
        "max)\n"
        "  --connections N   at most N requests in flight to each target\n"
        "  --dry-run         print counts, duration and rates; send nothing\n"
        "  --progress json   JSON lines on stderr; --quiet: nothing\n"
        "  --run DIR         where the run goes; default runs/replay-TIME\n"
        "\n"
        "Ctrl-C ends it early: what is in flight is finished, the run is partial.\n"
        "exit status: 0 done, 2 usage, 3 could not run or void, 130 interrupted; with --gate 0, 1 or 4\n"
        "\n"
        "examples:\n"
        "  understudy replay runs/demo/capture/*.cap --to svc=http://127.0.0.1:9002\n"
        "  understudy replay day.cap --to new=http://127.0.0.1:9002 --speed max --gate "
        "'divergence_rate<=5%'\n";

static bool parse_switch(const char *flag, struct replay_options *o)
{
	bool *to = !strcmp(flag, "--dry-run") ? &o->dry_run : !strcmp(flag, "--quiet") ? &o->quiet : NULL;

	if (to)
		*to = true;
	return to;
}

/* The place of a flag's value, or NULL. */
static const char **value_of(const char *flag, struct replay_options *o)
{
	const struct {
		const char *name;
		const char **to;
	} flags[] = {
	        {"--speed", &o->speed},       {"--baseline", &o->baseline},       {"--max-lag", &o->max_lag},
	        {"--progress", &o->progress}, {"--connections", &o->connections},
	};

	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		if (!strcmp(flag, flags[i].name))
			return flags[i].to;
	if (!strcmp(flag, "--to") && o->target_count < CANDIDATES_MAX - 1)
		return &o->targets[o->target_count++];
	if (!strcmp(flag, "--gate") && o->gate_count < GATES_MAX - 2)
		return &o->gates[o->gate_count++];
	return NULL;
}

static int parse(int argc, char **argv, struct replay_options *o)
{
	for (int i = 1; i < argc; i++) {
		const char **to = NULL;

		if ((argv[i][0] != '-' && !o->input) || parse_switch(argv[i], o)) {
			if (argv[i][0] != '-')
				o->input = argv[i];
			continue;
		}
		if (i + 1 < argc && !strcmp(argv[i], "--run")) {
			snprintf(o->run, sizeof o->run, "%s", argv[++i]);
			continue;
		}
		if (i + 1 < argc)
			to = value_of(argv[i], o);
		if (!to) {
			fprintf(stderr,
			        "understudy: replay: cannot use '%s' here; see understudy replay --help\n",
			        argv[i]);
			return 2;
		}
		*to = argv[++i];
	}
	if (!o->input || (!o->target_count && !o->dry_run)) {
		fprintf(stderr, "understudy: replay takes a capture file and --to NAME=URL; see understudy "
		                "replay --help\n");
		return 2;
	}
	return -1;
}

static int read_speed(const char *text, double *speed_out)
{
	char *end;

	*speed_out = text && !strcmp(text, "max") ? 0 : text ? strtod(text, &end) : 1;
	if (text && strcmp(text, "max") && (*end || !(*speed_out > 0) || *speed_out > 1e6)) {
		fprintf(stderr, "understudy: replay: --speed %s: a number above 0, or max\n", text);
		return 2;
	}
	return -1;
}

static int read_target(const char *text, struct plan_candidate *out)
{
	const char *equals = strchr(text, '='), *why = "NAME=URL is expected";

	if (equals && equals > text && equals - text < NAME_MAX_BYTES)
		why = endpoint_from_url(equals + 1, &out->endpoint);
	if (why) {
		fprintf(stderr, "understudy: replay: --to %s: %s\n", text, why);
		return 2;
	}
	snprintf(out->name, sizeof out->name, "%.*s", (int)(equals - text), text);
	out->sample_ppm = 1000000;
	out->timeout_ms = 10000;
	out->verify = true;
	return -1;
}

/* "5ms", "2s", "250us" */
static int read_lag(const char *text, uint64_t *ns_out)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = {{"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
	char *end = NULL;
	double value = text ? strtod(text, &end) : 0;

	*ns_out = MAX_LAG_NS;
	if (!text)
		return -1;
	for (int i = 0; i < 3; i++) {
		if (end != text && value >= 0 && value * units[i].ns < 1e15 && !strcmp(end, units[i].unit)) {
			*ns_out = (uint64_t)(value * units[i].ns);
			return -1;
		}
	}
	fprintf(stderr, "understudy: replay: --max-lag %s: a time with its unit, e.g. 5ms\n", text);
	return 2;
}

static int read_connections(const char *text, const struct plan *plan, uint32_t *out)
{
	char *end = NULL;
	long n = text ? strtol(text, &end, 10) : 0;

	*out = plan->replay_speed > 0 ? SLOTS_TIMED : SLOTS_MAX_SPEED;
	if (!text)
		return -1;
	if (end == text || *end || n < 1 || n > CONNECTIONS_MAX) {
		fprintf(stderr, "understudy: replay: --connections %s: a number from 1 to %d\n", text,
		        CONNECTIONS_MAX);
		return 2;
	}
	*out = (uint32_t)n;
	return -1;
}

static int read_progress(const struct replay_options *o, uint32_t *out)
{
	*out = o->quiet ? PROGRESS_QUIET : o->progress ? PROGRESS_JSON : PROGRESS_AUTO;
	if (!o->progress || !strcmp(o->progress, "json"))
		return -1;
	fprintf(stderr, "understudy: replay: --progress %s: json is the one form\n", o->progress);
	return 2;
}

static int routes_of(const char *path, struct plan *plan)
{
	struct capfile_reader *reader;
	const char *why = NULL;
	int err = capfile_open(path, &reader, &why);

	if (err) {
		fprintf(stderr, "understudy: %s: %s\n", path, why ? why : err_text(err));
		return 3;
	}
	plan->route_count = capfile_facts(reader)->route_count;
	for (unsigned i = 0; i < plan->route_count && i < ROUTES_MAX; i++) {
		const struct capfile_route *from = &capfile_facts(reader)->routes[i];
		struct plan_route *to = &plan->routes[i];

		snprintf(to->name, sizeof to->name, "%s", from->name);
		snprintf(plan->replay_input.routes[i].policy, NAME_MAX_BYTES, "%s", from->policy);
		memcpy(plan->replay_input.routes[i].hash, from->policy_hash, 32);
		to->protocol = from->protocol;
		to->tolerance_abs = from->tolerance_abs;
		to->tolerance_rel = from->tolerance_rel;
		to->max_body_bytes = 8u << 20;
		for (unsigned n = 0; n < from->ignore_count; n++)
			snprintf(to->ignore[to->ignore_count++], TEXT_MAX_BYTES, "%s", from->ignore[n]);
	}
	capfile_reader_free(&reader);
	return -1;
}

static int names_differ(const struct plan_route *route)
{
	for (unsigned i = 0; i < route->candidate_count; i++) {
		for (unsigned k = 0; k < i; k++) {
			if (strcmp(route->candidates[i].name, route->candidates[k].name))
				continue;
			fprintf(stderr, "understudy: replay: --to: there are two targets '%s'\n",
			        route->candidates[i].name);
			return 2;
		}
	}
	return -1;
}

static int fill_route(const struct replay_options *o, const struct plan *plan, struct plan_route *route)
{
	char baseline[TEXT_MAX_BYTES + 16];
	int status = -1;

	for (unsigned i = 0; i < o->target_count && status < 0; i++)
		status = read_target(o->targets[i], &route->candidates[route->candidate_count++]);
	if (status < 0 && o->baseline) {
		snprintf(baseline, sizeof baseline, "baseline=%s", o->baseline);
		route->candidates[route->candidate_count].baseline = true;
		status = read_target(baseline, &route->candidates[route->candidate_count++]);
	}
	for (unsigned i = 0; i < route->candidate_count; i++)
		route->candidates[i].max_in_flight = plan->slots_each;
	if (status < 0)
		status = names_differ(route);
	for (unsigned i = 0; i < o->gate_count && status < 0; i++)
		status = gate_read(o->gates[i], &route->gates[route->gate_count++]) ? 2 : -1;
	return status;
}

static void sha256(struct buf *text, uint8_t out[32])
{
	if (!EVP_Digest(buf_len(text) ? buf_span(text).data : "", buf_len(text), out, NULL, EVP_sha256(),
	                NULL))
		memset(out, 0, 32);
	buf_fini(text);
}

/* What the command line asks for takes the configuration file's place. */
static void hash_options(const struct replay_options *o, struct plan *plan)
{
	struct buf text;

	buf_init(&text, HASHED_MAX);
	for (unsigned r = 0; r < plan->route_count; r++)
		for (unsigned i = 0; i < plan->routes[r].gate_count; i++)
			buf_printf(&text, "%s\n%s\n%.17g\n\n", plan->routes[r].name,
			           gate_metric_row(plan->routes[r].gates[i].metric)->name,
			           plan->routes[r].gates[i].limit);
	sha256(&text, plan->gates_hash);
	buf_init(&text, HASHED_MAX);
	buf_printf(&text, "speed %.17g\nslots %u\nmax lag %llu ns\nbaseline %s\n", plan->replay_speed,
	           plan->slots_each, (unsigned long long)plan->replay_max_lag_ns,
	           o->baseline ? o->baseline : "");
	for (unsigned i = 0; i < o->target_count; i++)
		buf_printf(&text, "to %s\n", o->targets[i]);
	buf_put(&text, plan->gates_hash, sizeof plan->gates_hash);
	buf_put(&text, plan->replay_input.hash, sizeof plan->replay_input.hash);
	sha256(&text, plan->config_hash);
}

static int fill(const struct replay_options *o, struct plan *plan)
{
	int status = read_speed(o->speed, &plan->replay_speed);

	if (status < 0)
		status = read_lag(o->max_lag, &plan->replay_max_lag_ns);
	if (status < 0)
		status = read_connections(o->connections, plan, &plan->slots_each);
	if (status < 0)
		status = read_progress(o, &plan->replay_progress);
	if (status < 0)
		status = routes_of(o->input, plan);
	for (unsigned r = 0; r < plan->route_count && status < 0; r++)
		status = fill_route(o, plan, &plan->routes[r]);
	if (status < 0 && o->dry_run)
		return replay_dry_run(o->input, plan->replay_speed);
	if (status < 0 && replay_hash_input(o->input, &plan->replay_input)) {
		fprintf(stderr, "understudy: %s: %s\n", o->input, err_text(ERR_SYS));
		status = 3;
	}
	if (status < 0)
		hash_options(o, plan);
	return status;
}

int replay_options(int argc, char **argv, struct replay_options *o, struct plan *plan)
{
	int status;

	if (argc > 1 && !strcmp(argv[1], "--help")) {
		fputs(help, stdout);
		return 0;
	}
	snprintf(o->run, sizeof o->run, "runs/replay-%llu", (unsigned long long)(clock_wall_ns() / 1000000u));
	plan->version = plan->generation = 1;
	plan->replay = true;
	plan->workers = 1;
	plan->memory_bytes = 512u << 20;
	plan->drain_timeout_ms = 30000;
	plan->mask_count = 1;
	snprintf(plan->masks[0].name, NAME_MAX_BYTES, "builtin");
	snprintf(plan->run_name, NAME_MAX_BYTES, "replay");
	status = parse(argc, argv, o);
	return status < 0 ? fill(o, plan) : status;
}

int replay_verdict(const struct replay_options *o)
{
	char *argv[] = {"gate", (char *)o->run, NULL}, state[16];
	int status = gate_command(2, argv);
	struct run run;

	if (status == 3 || run_open(o->run, &run))
		return 3;
	snprintf(state, sizeof state, "%s", doc_text(run.summary, "state"));
	run_close(&run);
	if (!strcmp(state, "void"))
		return 3;
	if (!strcmp(state, "partial"))
		return 130;
	return o->gate_count ? status : 0;
}
