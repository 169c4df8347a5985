#include "tools/replay.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "capture/capfile.h"
#include "capture/head.h"
#include "proto/base/clock.h"
#include "proto/grpc.h"
#include "proxy/config.h"
#include "proxy/config_endpoint.h"
#include "replay/gate.h"
#include "replay/judge.h"
#include "tools/commands.h"
#include "tools/gate.h"
#include "tools/run.h"
#include "tools/where.h"

/* At recorded times a slow answer must not hold back the next request; at --speed max the slots are the pace.
 */
enum { SLOTS_TIMED = 1024, SLOTS_MAX_SPEED = 64, CONNECTIONS_MAX = 4096, HASHED_MAX = 1 << 20 };
enum { LOOKED_AT_MAX = 4096 }; /* records, for the first request of each route */
enum { INTERRUPTED = 130 };

static struct replay_options options;

/* NAME=URL, or NAME: where that one is, the configuration says. */
static int read_target(const char *text, struct plan_candidate *out)
{
	size_t n = strcspn(text, "=");
	const char *why = n && n < NAME_MAX_BYTES ? NULL : "NAME=URL is expected";

	if (!why && text[n])
		why = endpoint_from_url(text + n + 1, &out->endpoint);
	if (why)
		return command_wrong(&replay_command, "--to %s: %s", text, why);
	snprintf(out->name, sizeof out->name, "%.*s", (int)n, text);
	out->sample_ppm = 1000000;
	out->timeout_ms = 10000;
	out->verify = true;
	return -1;
}

static int read_http(const char *text, uint32_t *out)
{
	static const char *const names[] = {
	        [PLAN_HTTP_AUTO] = "auto", [PLAN_HTTP_1] = "1.1", [PLAN_HTTP_2] = "2"};

	for (uint32_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (text && strcmp(text, names[i]))
			continue;
		*out = text ? i : PLAN_HTTP_AUTO;
		return -1;
	}
	return command_wrong(&replay_command, "--http %s: 2, 1.1 or auto", text);
}

/* A target that is called like a candidate of the file is sent what that candidate would be. */
static int adopt(const struct plan *file, const char *route, struct plan_candidate *to)
{
	const struct plan_candidate *from = NULL;

	for (unsigned r = 0; r < file->route_count; r++)
		for (unsigned c = 0; c < file->routes[r].candidate_count; c++)
			if (!strcmp(file->routes[r].candidates[c].name, to->name) &&
			    (!from || !strcmp(file->routes[r].name, route)))
				from = &file->routes[r].candidates[c];
	if (!from && !to->endpoint.url[0])
		return command_wrong(&replay_command,
		                     "--to %s: NAME=URL is expected, or a candidate of --config", to->name);
	if (!from)
		return -1;
	if (!to->endpoint.url[0]) {
		to->endpoint = from->endpoint;
		to->sandbox = from->sandbox;
	}
	to->rewrite = from->rewrite;
	to->fault_count = from->fault_count;
	memcpy(to->faults, from->faults, sizeof to->faults);
	to->models_ignored = from->models_ignored;
	to->timeout_ms = from->timeout_ms;
	to->http = options.http ? to->http : from->http;
	to->verify = from->verify;
	memcpy(to->ca_file, from->ca_file, sizeof to->ca_file);
	memcpy(to->credential_file, from->credential_file, sizeof to->credential_file);
	memcpy(to->credential_header, from->credential_header, sizeof to->credential_header);
	return -1;
}

static int read_connections(const char *text, const struct plan *plan, uint32_t *out)
{
	char *end = NULL;
	long n = text ? strtol(text, &end, 10) : 0;

	*out = plan->replay_speed > 0 ? SLOTS_TIMED : SLOTS_MAX_SPEED;
	if (!text)
		return -1;
	if (end == text || *end || n < 1 || n > CONNECTIONS_MAX) {
		return command_wrong(&replay_command, "--connections %s: a number from 1 to %d", text,
		                     CONNECTIONS_MAX);
	}
	*out = (uint32_t)n;
	return -1;
}

/* What the first requests are: gRPC knows no version but HTTP/2. A run of nothing would have no verdict and
 * say nothing about why. */
static int look(const char *path, struct capfile_reader *reader, struct plan *plan)
{
	bool known[ROUTES_MAX] = {false};
	unsigned records = 0;
	const void *payload;
	struct record r;

	while (records < LOOKED_AT_MAX && capfile_next(reader, &r, &payload) == 0) {
		struct span head = {payload, r.payload_len};

		records++;
		if (r.leg != LEG_CLIENT || r.type != RECORD_HEAD || r.route >= ROUTES_MAX || known[r.route])
			continue;
		known[r.route] = true;
		if (grpc_is(head_field(head, SPAN("content-type"))))
			plan->routes[r.route].live.http = PLAN_HTTP_2;
	}
	if (records)
		return -1;
	fprintf(stderr, "understudy: %s: it holds no exchange to replay; see understudy capture info\n",
	        path);
	return 3;
}

static int routes_of(const char *path, struct plan *plan)
{
	struct capfile_reader *reader;
	const char *why = NULL;
	int err = capfile_open(path, &reader, &why), status;

	if (err) {
		fprintf(stderr, "understudy: %s: %s\n", path,
		        err == ERR_SYS ? strerror(errno)
		        : why          ? why
		                       : err_text(err));
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
	status = look(path, reader, plan);
	capfile_reader_free(&reader);
	return status;
}

static int names_differ(const struct plan_route *route)
{
	for (unsigned i = 0; i < route->candidate_count; i++) {
		for (unsigned k = 0; k < i; k++) {
			if (strcmp(route->candidates[i].name, route->candidates[k].name))
				continue;
			return command_wrong(&replay_command, "--to: there are two targets '%s'",
			                     route->candidates[i].name);
		}
	}
	return -1;
}

static int fill_route(const struct replay_options *o, const struct plan *plan, const struct plan *file,
                      struct plan_route *route)
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
	for (unsigned i = 0; i < route->candidate_count; i++) {
		route->candidates[i].max_in_flight = plan->slots_each;
		if (status < 0)
			status = read_http(o->http, &route->candidates[i].http);
		if (status < 0)
			status = adopt(file, route->name, &route->candidates[i]);
		if (!o->http && !route->candidates[i].http && !route->candidates[i].endpoint.tls)
			route->candidates[i].http = route->live.http;
	}
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
static void hash_options(const struct replay_options *o, const struct plan *file, struct plan *plan)
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
	buf_printf(&text, "speed %.17g\nslots %u\nmax lag %llu ns\nbaseline %s\nhttp %s\n",
	           plan->replay_speed, plan->slots_each, (unsigned long long)plan->replay_max_lag_ns,
	           o->baseline ? o->baseline : "", o->http ? o->http : "");
	buf_printf(&text,
	           "arrivals %u\nrate %.17g\nmax gap %llu ns\nloops %u\nsample %u\nseed %llu\nwhere %s\n",
	           plan->replay_schedule.arrivals, plan->replay_schedule.rate,
	           (unsigned long long)plan->replay_schedule.max_gap_ns, plan->replay_schedule.loops,
	           plan->replay_choice.sample_ppm, (unsigned long long)plan->seed,
	           plan->replay_choice.where.text);
	for (unsigned i = 0; i < o->target_count; i++)
		buf_printf(&text, "to %s\n", o->targets[i]);
	buf_put(&text, plan->gates_hash, sizeof plan->gates_hash);
	buf_put(&text, plan->replay_input.hash, sizeof plan->replay_input.hash);
	buf_put(&text, file->config_hash, sizeof file->config_hash);
	sha256(&text, plan->config_hash);
}

static int fill(const struct replay_options *o, struct plan *plan)
{
	static struct plan file; /* empty without --config */
	int status = replay_read_schedule(o, plan);

	if (status < 0)
		status = read_connections(o->connections, plan, &plan->slots_each);
	plan->replay_progress = o->quiet ? PROGRESS_QUIET : o->progress ? PROGRESS_JSON : PROGRESS_AUTO;
	if (status < 0 && o->config && config_read(o->config, &file, stderr))
		status = 2;
	if (!o->seed)
		plan->seed = file.seed;
	if (status < 0)
		status = routes_of(o->input, plan);
	for (unsigned r = 0; r < plan->route_count && status < 0; r++)
		status = fill_route(o, plan, &file, &plan->routes[r]);
	if (status < 0 && o->dry_run)
		return replay_dry_run(o->input, plan);
	if (status < 0 && replay_hash_input(o->input, &plan->replay_input)) {
		fprintf(stderr, "understudy: %s: %s\n", o->input, err_text(ERR_SYS));
		status = 3;
	}
	if (status < 0)
		hash_options(o, &file, plan);
	return status;
}

/* Where the sockets of its sandboxes lie: a folder that is gone after the run. 0, or an exit status. */
static int shelter(struct plan *plan, char folder[PATH_MAX_BYTES])
{
	unsigned count = 0, r, c;

	folder[0] = '\0';
	while (plan_sandboxed(plan, count, &r, &c))
		count++;
	if (count > SANDBOXES_MAX)
		return command_wrong(&replay_command,
		                     "%u sandboxes are needed, one for each route; at most %d", count,
		                     SANDBOXES_MAX);
	if (!count)
		return 0;
	snprintf(folder, PATH_MAX_BYTES, "/tmp/understudy-replay-XXXXXX");
	if (!mkdtemp(folder)) {
		fprintf(stderr, "understudy: replay: %s: %s\n", folder, strerror(errno));
		return 3;
	}
	snprintf(plan->control_socket, sizeof plan->control_socket, "%s/s", folder);
	return 0;
}

static void prepare(struct replay_options *o, struct plan *plan)
{
	if (o->run_given)
		snprintf(o->run, sizeof o->run, "%s", o->run_given);
	else
		snprintf(o->run, sizeof o->run, "runs/replay-%llu",
		         (unsigned long long)(clock_wall_ns() / 1000000u));
	plan->version = plan->generation = 1;
	plan->replay = true;
	plan->workers = 1;
	plan->memory_bytes = 512u << 20;
	plan->drain_timeout_ms = 30000;
	plan->mask_count = 1;
	snprintf(plan->masks[0].name, NAME_MAX_BYTES, "builtin");
	snprintf(plan->run_name, NAME_MAX_BYTES, "replay");
}

/* Print the gate table. 3: the run is void; 130: it was interrupted (not: its capture ends
 * early); else 0 without --gate, or the verdict's
 * exit status. */
static int verdict(const struct replay_options *o)
{
	char state[16];
	int status = gate_print(o->run);
	bool ends_early;
	struct run run;

	if (status == 3 || run_open(o->run, &run))
		return 3;
	snprintf(state, sizeof state, "%s", doc_text(run.summary, "state"));
	ends_early = span_starts(span_of(doc_text(run.summary, "reason")), SPAN(REPLAY_ENDS_EARLY));
	run_close(&run);
	if (!strcmp(state, "void")) {
		fprintf(stderr,
		        "understudy: the replay is void; lower --speed or allow more with --max-lag\n");
		return 3;
	}
	if (!strcmp(state, "partial") && !ends_early)
		return INTERRUPTED;
	return o->gate_count ? status : 0;
}

/* What is no capture becomes one, which the run reads instead. */
static int take_input(struct replay_options *o)
{
	static char path[PATH_MAX_BYTES];
	bool is_stdin = !strcmp(o->input, "-");
	FILE *f = is_stdin ? stdin : fopen(o->input, "rbe");
	int status = -1;

	if (f && replay_is_lines(f)) {
		if (!o->against)
			status = command_wrong(&replay_command,
			                       "%s has requests without answers: --against URL is expected",
			                       o->input);
		else if (snprintf(path, sizeof path, "%s.cap", o->run) >= (int)sizeof path)
			status = command_wrong(&replay_command, "--run is too long");
		else
			status = replay_import(o, f, path);
		o->input = path;
	} else if (f && o->against) {
		status = command_wrong(&replay_command,
		                       "--against goes with JSON lines; a capture has its answers");
	} else if (is_stdin) {
		status = command_wrong(&replay_command, "-: JSON lines are expected there");
	}
	if (f && !is_stdin)
		fclose(f);
	return status;
}

static int run(const struct words *words)
{
	static struct plan plan;
	struct replay_options *o = &options;
	char folder[PATH_MAX_BYTES];
	int status, judged;

	o->input = words->at[0];
	if (!o->target_count && !o->dry_run)
		return command_wrong(&replay_command, "--to NAME=URL is expected");
	prepare(o, &plan);
	status = take_input(o);
	if (status < 0)
		status = fill(o, &plan);
	if (status >= 0 || (status = shelter(&plan, folder)))
		return status;
	status = start_roles(&plan, o->run, o->input, NULL);
	if (folder[0])
		rmdir(folder);
	if (status && status != INTERRUPTED)
		return status;
	judged = verdict(o); /* of what was played, also when that is not all */
	return status ? status : judged;
}

static const struct command_flag flags[] = {
        {.name = "--to",
         .argument = "NAME=URL",
         .sentence = "a target; may be given again; NAME alone: as --config has it, a sandbox too",
         .to = options.targets,
         .most = CANDIDATES_MAX - 1,
         .count = &options.target_count},
        {.name = "--against",
         .argument = "URL",
         .sentence = "of JSON lines: what is asked for the answers to compare with",
         .to = &options.against},
        {.name = "--path",
         .argument = "PATH",
         .sentence = "where bodies go that have no messages, prompt or input",
         .to = &options.path},
        {.name = "--config",
         .letter = "-c",
         .argument = "FILE",
         .sentence = "targets called like its candidates take over their 'rewrite', credential, timeout, "
                     "http, tls and faults",
         .to = &options.config},
        {.name = "--baseline",
         .argument = "URL",
         .sentence = "a copy of live: noise floor, other side of masked inputs",
         .to = &options.baseline},
        {.name = "--http",
         .argument = "2|1.1",
         .sentence = "what targets are sent; left out: what ALPN agrees on over TLS, else 2 where the "
                     "capture begins with gRPC, else 1.1",
         .to = &options.http},
        {.name = "--speed",
         .argument = "X|max",
         .sentence = "1 = as recorded, 2 = twice as fast, max = as fast as the targets take it",
         .value = "1",
         .to = &options.speed},
        {.name = "--rate",
         .argument = "N/s",
         .sentence = "at that rate instead of at recorded times",
         .to = &options.rate},
        {.name = "--arrivals",
         .argument = "constant|poisson",
         .sentence = "gaps of --rate: even, or drawn with --seed",
         .value = "constant",
         .to = &options.arrivals},
        {.name = "--max-gap",
         .argument = "D",
         .sentence = "longer recorded gaps are cut to it, e.g. 2s",
         .to = &options.max_gap},
        {.name = "--loop",
         .argument = "N",
         .sentence = "passes over the capture",
         .value = "1",
         .to = &options.loop},
        WHERE_FLAG(&options.where),
        {.name = "--sample",
         .argument = "P",
         .sentence = "a share by sampling key, e.g. 10%; a smaller one is a part of a larger",
         .value = "100%",
         .to = &options.sample},
        {.name = "--seed", .argument = "N", .sentence = "of all that is drawn", .to = &options.seed},
        {.name = "--gate",
         .argument = "EXPR",
         .sentence = "e.g. 'divergence_rate<=2%'; may be given again; the exit status is the verdict",
         .to = options.gates,
         .most = GATES_MAX - 2,
         .count = &options.gate_count},
        {.name = "--max-lag",
         .argument = "D",
         .sentence = "with a lag p99 over it a replay is void; not with max",
         .value = "1ms",
         .to = &options.max_lag},
        {.name = "--connections",
         .argument = "N",
         .sentence = "at most N requests in flight to each target",
         .to = &options.connections},
        {.name = "--dry-run",
         .sentence = "print counts, duration, rates and methods; send nothing",
         .set = &options.dry_run},
        {.name = "--progress",
         .argument = "json",
         .sentence = "JSON lines on stderr",
         .to = &options.progress},
        {.name = "--quiet", .sentence = "no progress", .set = &options.quiet},
        {.name = "--run",
         .argument = "DIR",
         .sentence = "where the run goes",
         .value = "runs/replay-TIME",
         .to = &options.run_given},
        {0},
};

const struct command replay_command = {
        .name = "replay",
        .does = "play a capture against candidates and compare",
        .usage = "INPUT --to NAME=URL... [flags]",
        .about = "Sends the input's requests to each target and compares with live's answers: those\n"
                 "recorded in a capture (.cap), or those of --against to JSON lines (a body or an\n"
                 "OpenAI batch request a line; - is standard input). Ctrl-C ends it early: what is in flight "
                 "is finished, the run is partial.",
        .flags = flags,
        .words = "INPUT",
        .manual = where_manual,
        .status = "0 done, 2 usage, 3 could not run or void, 130 interrupted;\n"
                  "with --gate 0 pass, 1 fail, 4 undecided",
        .examples = "understudy replay runs/demo/capture/*.cap --to svc=http://127.0.0.1:9002\n"
                    "understudy replay prompts.jsonl --against http://127.0.0.1:9001 \\\n"
                    "      --to new=http://127.0.0.1:9002\n"
                    "understudy replay day.cap --to new=http://127.0.0.1:9002 --speed max \\\n"
                    "      --gate 'divergence_rate<=5%'",
        .run = run,
};
