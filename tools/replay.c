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
#include "tools/commands.h"
#include "tools/replay_batch.h"
#include "tools/where.h"

/* At recorded times a slow answer must not hold back the next request, nor one target another: there are
 * slots for all that may wait. At --speed max the slowest target is the pace: none has more to wait for it
 * than its queue holds. */
enum { IN_FLIGHT_TIMED = 1024, IN_FLIGHT_MAX_SPEED = 64, CONNECTIONS_MAX = 4096, SLOTS_MAX = 65536 };
enum { HASHED_MAX = 1 << 20 };
enum { LOOKED_AT_MAX = 4096 }; /* records, for the first request of each route */
enum { INTERRUPTED = 130 };

static struct replay_options options;
static struct plan file; /* --config; empty without it */

static int read_connections(struct replay_options *o, struct plan *plan)
{
	const char *text = o->connections;
	char *end = NULL;
	long n = text                       ? strtol(text, &end, 10)
	         : plan->replay_users.count ? (long)plan->replay_users.count
	         : plan->replay_speed > 0   ? IN_FLIGHT_TIMED
	                                    : IN_FLIGHT_MAX_SPEED;
	unsigned targets = o->target_count + (o->baseline || o->noise) + 1;

	if (text && (end == text || *end || n < 1 || n > CONNECTIONS_MAX))
		return command_wrong(&replay_command, "--connections %s: a number from 1 to %d", text,
		                     CONNECTIONS_MAX);
	o->in_flight = (uint32_t)n;
	plan->slots_each = (plan->replay_speed > 0 ? targets : 1) * ((uint32_t)n + REPLAY_QUEUE_MAX);
	if (plan->slots_each > SLOTS_MAX)
		plan->slots_each = SLOTS_MAX;
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

void replay_route_rules(const struct capfile_route *from, struct plan_route *to)
{
	to->protocol = from->protocol;
	to->tolerance_abs = from->tolerance_abs;
	to->tolerance_rel = from->tolerance_rel;
	snprintf(to->answer_after, sizeof to->answer_after, "%s", from->answer_after);
	to->output_count = from->output_count;
	memcpy(to->outputs, from->outputs, sizeof to->outputs);
	for (unsigned n = 0; n < from->ignore_count; n++)
		snprintf(to->ignore[to->ignore_count++], TEXT_MAX_BYTES, "%s", from->ignore[n]);
	for (unsigned n = 0; n < from->masked_count; n++)
		snprintf(to->masked_paths[to->masked_path_count++], TEXT_MAX_BYTES, "%s", from->masked[n]);
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
		const struct capfile_policy *policy;

		snprintf(to->name, sizeof to->name, "%s", from->name);
		policy = &capfile_facts(reader)->policies[from->policy_number];
		snprintf(plan->replay_input.routes[i].policy, NAME_MAX_BYTES, "%s", policy->name);
		memcpy(plan->replay_input.routes[i].hash, policy->hash, 32);
		if (!strcmp(from->name, "gor") || !strcmp(from->name, "har"))
			plan->replay_choice.foreign_routes |= 1u << i;
		replay_route_rules(from, to);
		to->max_body_bytes = 8u << 20;
	}
	status = look(path, reader, plan);
	capfile_reader_free(&reader);
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
			plan_gate_write(plan->routes[r].name, &plan->routes[r].gates[i], &text);
	sha256(&text, plan->gates_hash);
	buf_init(&text, HASHED_MAX);
	buf_printf(&text, "speed %.17g\nin flight %u\nmax lag %llu ns\nbaseline %s\nhttp %s\n",
	           plan->replay_speed, o->in_flight, (unsigned long long)plan->replay_max_lag_ns,
	           o->baseline ? o->baseline : "", o->http ? o->http : "");
	buf_printf(&text,
	           "arrivals %u\nrate %.17g\nmax gap %llu ns\nloops %u\nsample %u\nseed %llu\nwhere %s\n",
	           plan->replay_schedule.arrivals, plan->replay_schedule.rate,
	           (unsigned long long)plan->replay_schedule.max_gap_ns, plan->replay_schedule.loops,
	           plan->replay_choice.sample_ppm, (unsigned long long)plan->seed,
	           plan->replay_choice.where.text);
	buf_printf(&text, "cv %.17g\nprofile %u to %.17g in %llu ns\ncopies %u\nfrom %llu until %llu ns\n",
	           plan->replay_schedule.cv, plan->replay_schedule.profile, plan->replay_schedule.rate_to,
	           (unsigned long long)plan->replay_schedule.period_ns, plan->replay_schedule.copies,
	           (unsigned long long)plan->replay_choice.from_ns,
	           (unsigned long long)plan->replay_choice.until_ns);
	buf_printf(&text, "late %s\nall %d\ntimeout %u ms\ncompare %d\nslo %llu ns\n",
	           plan->replay_drop_late ? "drop" : "send", o->allow_all, o->timeout_ms,
	           !plan->replay_uncompared, (unsigned long long)plan->replay_slo_ns);
	buf_printf(&text, "users %u session %s think %d %llu ns\n", plan->replay_users.count,
	           plan->replay_users.session, plan->replay_users.think_fixed,
	           (unsigned long long)plan->replay_users.think_ns);
	for (unsigned i = 0; i < o->allow_count; i++)
		buf_printf(&text, "allow %s\n", o->allows[i]);
	for (unsigned i = 0; i < o->target_count; i++)
		buf_printf(&text, "to %s\n", o->targets[i]);
	if (o->move)
		buf_printf(&text, "move %s\n", o->move);
	if (o->noise)
		buf_printf(&text, "noise %s\n", o->noise);
	if (o->reference)
		buf_printf(&text, "reference %s\n", o->reference);
	for (unsigned r = 0; r < plan->route_count; r++)
		for (unsigned i = 0; i < plan->routes[r].candidate_count; i++)
			buf_put(&text, &plan->routes[r].candidates[i].rewrite, sizeof(struct plan_rewrite));
	buf_put(&text, plan->gates_hash, sizeof plan->gates_hash);
	buf_put(&text, plan->replay_input.hash, sizeof plan->replay_input.hash);
	buf_put(&text, file->config_hash, sizeof file->config_hash);
	sha256(&text, plan->config_hash);
}

/* A batch file that is not there is to be written. */
static bool batch_is_written(const struct replay_options *o)
{
	return o->batch_file && access(o->batch_file, F_OK) != 0;
}

/* Answers are masked by the policy that masked their requests, where that is the built-in one or stands in
 * the configuration; else heads are masked, and bodies stay as the recorded ones may have. */
static void take_masks(const struct plan *file, struct plan *plan)
{
	uint32_t heads;

	if (file->mask_count) {
		plan->mask_count = file->mask_count;
		memcpy(plan->masks, file->masks, sizeof plan->masks);
		memcpy(plan->mask_key_file, file->mask_key_file, sizeof plan->mask_key_file);
	}
	heads = plan->mask_count < MASKS_MAX ? plan->mask_count++ : 0;
	plan->masks[heads] = (struct plan_mask){.name = "heads"};
	config_hash(plan);
	for (unsigned r = 0; r < plan->route_count; r++) {
		const uint8_t *hash = plan->replay_input.routes[r].hash;
		uint32_t m = 0;

		while (m < plan->mask_count && memcmp(plan->masks[m].hash, hash, 32) != 0)
			m++;
		plan->routes[r].mask = m < plan->mask_count ? m : heads;
		if (m < plan->mask_count && plan->mask_key_file[0]) /* both sides get the same surrogates */
			plan->routes[r].masked_path_count = 0;
	}
}

static void tell_masks(const struct replay_options *o, const struct plan *plan)
{
	for (unsigned r = 0; r < plan->route_count; r++)
		if (memcmp(plan->masks[plan->routes[r].mask].hash, plan->replay_input.routes[r].hash, 32) !=
		    0)
			fprintf(stderr,
			        "understudy: replay: of answers of route '%s' only heads are masked: its "
			        "policy, '%s', is not in %s\n",
			        plan->routes[r].name, plan->replay_input.routes[r].policy,
			        o->config ? o->config : "a --config");
}

/* What is held against what, beside pairs. */
static void fill_drift(const struct replay_options *o, struct plan_route *r)
{
	if (o->reference)
		snprintf(r->drift.reference, sizeof r->drift.reference, "%s", o->reference);
	r->drift.outputs = o->reference != NULL;
	for (uint32_t i = 0; i < r->gate_count; i++)
		r->drift.outputs |= r->gates[i].metric == GATE_OUTPUT_DRIFT;
}

static int fill(struct replay_options *o, struct plan *plan)
{
	int status = replay_read_schedule(o, plan);

	if (status < 0)
		status = read_connections(o, plan);
	if (status < 0)
		status = replay_read_move(o, &plan->replay_move);
	plan->replay_progress = o->quiet ? PROGRESS_QUIET : o->progress ? PROGRESS_JSON : PROGRESS_AUTO;
	plan->replay_uncompared = o->no_compare;
	if (o->no_compare && o->gate_count)
		return command_wrong(&replay_command, "--gate: nothing is compared by --no-compare");
	if (!o->seed)
		plan->seed = file.seed;
	plan->withdrawn = file.withdrawn;
	if (status < 0)
		status = routes_of(o->input, plan);
	for (unsigned r = 0; r < plan->route_count && status < 0 && o->against; r++)
		plan->routes[r].live.endpoint_count =
		        !endpoint_from_url(o->against, &plan->routes[r].live.endpoints[0]);
	if (status < 0)
		take_masks(&file, plan);
	for (unsigned r = 0; r < plan->route_count && status < 0; r++)
		status = replay_fill_route(o, &file, &plan->routes[r]);
	for (unsigned r = 0; r < plan->route_count; r++)
		fill_drift(o, &plan->routes[r]);
	if (status < 0)
		status = replay_guard(o, &file, plan);
	if (status < 0 && o->dry_run)
		return replay_dry_run(o->input, plan);
	if (status < 0 && batch_is_written(o))
		return replay_batch_write(o->input, o->batch_file, plan);
	if (status < 0 && replay_hash_input(o->input, &plan->replay_input)) {
		fprintf(stderr, "understudy: %s: %s\n", o->input, err_text(ERR_SYS));
		status = 3;
	}
	if (status < 0)
		hash_options(o, &file, plan);
	if (status < 0 && o->resume)
		status = replay_resume(o->resume, plan);
	if (status < 0 && o->again)
		status = replay_again_check(o, plan);
	if (status < 0)
		replay_keep_words(o, plan);
	if (status < 0 && !o->quiet)
		tell_masks(o, plan);
	return status;
}

enum { SHELTER_BYTES = 40 };

/* Where the sockets of its sandboxes lie: a folder that is gone after the run. 0, or an exit status. */
static int shelter(struct plan *plan, char folder[SHELTER_BYTES])
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
	snprintf(folder, SHELTER_BYTES, "/tmp/understudy-replay-XXXXXX");
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
	config_builtin(&plan->masks[0]);
	config_hash(plan);
	snprintf(plan->run_name, NAME_MAX_BYTES, "replay");
}

/* A capture that comes through a pipe, or compressed, is read from its beginning again: into a file. */
static int spool(struct source *source, const char *path)
{
	static char chunk[SOURCE_BEGIN_BYTES];
	FILE *f = fopen(path, "wbe");
	long n = f ? 1 : ERR_SYS;

	while (n > 0) {
		n = source_read(source, chunk, sizeof chunk);
		if (n > 0 && fwrite(chunk, 1, (size_t)n, f) != (size_t)n)
			n = ERR_SYS;
	}
	if (f && fclose(f) && !n)
		n = ERR_SYS;
	if (!n)
		return -1;
	fprintf(stderr, "understudy: %s: %s\n", source->name,
	        n == ERR_SYS ? strerror(errno) : err_text((int)n));
	return 3;
}

/* What is no capture becomes one, which the run reads instead. */
static int take_source(struct replay_options *o, struct source *source)
{
	static char path[PATH_MAX_BYTES];
	bool is_capture = source->kind == SOURCE_CAPTURE;

	if (source->kind == SOURCE_UNKNOWN) {
		fprintf(stderr, "understudy: %s: %s\n", source->name, source_hint(source));
		return 3;
	}
	if (o->batch_file && !batch_is_written(o) && (source->kind != SOURCE_LINES || o->against))
		return command_wrong(&replay_command,
		                     "--batch-file %s is there: its answers go with the batch of "
		                     "requests as INPUT, without --against",
		                     o->batch_file);
	if (is_capture && o->against && !o->again)
		return command_wrong(&replay_command, "--against: a capture has its answers");
	if (is_capture && !source->piped)
		return -1;
	if (source->kind == SOURCE_LINES && !o->against && (!o->batch_file || batch_is_written(o)))
		return command_wrong(&replay_command,
		                     "%s has requests without answers: --against URL is expected", o->input);
	if (source->kind == SOURCE_LINES && !o->speed && !o->rate) {
		o->speed = "max";
		if (!o->quiet && !o->dry_run)
			fprintf(stderr,
			        "understudy: %s has no times: sent as fast as targets take it; see --rate\n",
			        source->name);
	}
	if (snprintf(path, sizeof path, "%s.cap", o->run) >= (int)sizeof path)
		return command_wrong(&replay_command, "--run is too long");
	o->input = path; /* o->given stays: what lies beside it tells whose it is */
	return is_capture ? spool(source, path) : replay_import(o, source, path);
}

static int take_input(struct replay_options *o)
{
	static struct source source;
	int err = source_open(&source, o->input), status = 3;

	if (err)
		fprintf(stderr, "understudy: %s: %s\n", o->input,
		        err == ERR_SYS ? strerror(errno) : err_text(err));
	else
		status = take_source(o, &source);
	source_close(&source);
	return status;
}

/* What can be wrong with the words alone, before anything is asked or written. */
static int check_words(struct replay_options *o)
{
	static struct plan plan;
	int status = replay_read_schedule(o, &plan);

	if (status < 0 && o->config && config_read(o->config, &file, stderr))
		status = 2;
	plan.route_count = 1;
	if (status < 0)
		status = replay_fill_route(o, &file, &plan.routes[0]);
	return status < 0 ? replay_guard_against(o, &plan) : status;
}

static int run(const struct words *words)
{
	static struct plan plan;
	struct replay_options *o = &options;
	char folder[SHELTER_BYTES];
	int status, judged;

	if (!words->count == !o->again)
		return command_wrong(&replay_command, o->again ? "--again RUN knows its input"
		                                               : "INPUT is expected, or --again RUN");
	if (words->count)
		o->input = o->given = words->at[0];
	else if ((status = replay_again(o)) >= 0)
		return status;
	if (!o->target_count && !o->dry_run && !batch_is_written(o))
		return command_wrong(&replay_command, "--to NAME=URL is expected");
	prepare(o, &plan);
	status = check_words(o);
	if (status < 0)
		status = take_input(o);
	if (status < 0)
		status = fill(o, &plan);
	if (status < 0 && o->find_capacity)
		return replay_find_capacity(o, &plan);
	if (status >= 0 || (status = shelter(&plan, folder)))
		return status;
	status = start_roles(&plan, o->run, o->input, NULL);
	if (folder[0])
		rmdir(folder);
	if (status && status != INTERRUPTED)
		return status;
	judged = replay_verdict(
	        o, plan.replay_speed > 0 ||
	                   plan.replay_users.count); /* of what was played, also when that is not all */
	if (o->again)
		replay_again_diff(o);
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
         .sentence = "asked for the answers, of what has none",
         .to = &options.against},
        {.name = "--ca-file",
         .argument = "FILE",
         .sentence = "certificates to believe https:// by",
         .value = "the system's",
         .to = &options.ca_file},
        {.name = "--path",
         .argument = "PATH",
         .sentence = "where bodies go that do not tell",
         .to = &options.path},
        {.name = "--config",
         .letter = "-c",
         .argument = "FILE",
         .sentence = "targets called like its candidates take over their 'rewrite', credential, timeout, "
                     "http, tls and faults",
         .to = &options.config},
        {.name = "--move",
         .argument = "P+N:SCORE",
         .sentence = "path P by N: SCORE must not fall (-SCORE: rise)",
         .to = &options.move},
        {.name = "--noise",
         .argument = "P",
         .sentence = "ask live a share again: noise without a twin",
         .to = &options.noise},
        {.name = "--reference",
         .argument = "FILE.cap",
         .sentence = "drift of requests from that capture's",
         .to = &options.reference},
        {.name = "--baseline",
         .argument = "URL",
         .sentence = "a copy of live: noise floor, for masked inputs",
         .to = &options.baseline},
        {.name = "--header",
         .argument = "FIELD",
         .sentence = "of requests to targets; no value: it goes",
         .to = options.headers,
         .most = REWRITES_MAX,
         .count = &options.header_count},
        {.name = "--host",
         .argument = "NAME|keep",
         .sentence = "Host of requests to targets",
         .value = "the target's",
         .to = &options.host},
        {.name = "--rewrite-path",
         .argument = "OLD=NEW",
         .sentence = "of requests to targets",
         .to = options.paths,
         .most = REWRITES_MAX,
         .count = &options.path_count},
        {.name = "--model",
         .argument = "NAME",
         .sentence = "the same as --set $.model=NAME",
         .to = &options.model},
        {.name = "--set",
         .argument = "PATH=VALUE",
         .sentence = "of their JSON bodies, e.g. $.temperature=0",
         .to = options.sets,
         .most = REWRITES_MAX - 1,
         .count = &options.set_count},
        {.name = "--credential",
         .argument = "FILE",
         .sentence = "a line, mode 0600: their Authorization",
         .to = &options.credential},
        {.name = "--allow",
         .argument = "RULE",
         .sentence = "e.g. 'PUT /v1': send these too",
         .to = options.allows,
         .most = ALLOWS_MAX,
         .count = &options.allow_count},
        {.name = "--allow-side-effects", .sentence = "send whatever was recorded", .set = &options.allow_all},
        {.name = "--yes-really",
         .sentence = "a target may be the live endpoint of the capture",
         .set = &options.yes_really},
        {.name = "--http",
         .argument = "2|1.1",
         .sentence = "what targets are sent; left out: ALPN, gRPC: 2",
         .to = &options.http},
        {.name = "--speed",
         .argument = "X|max",
         .sentence = "1 = as recorded, max = as they take it",
         .value = "1",
         .to = &options.speed},
        {.name = "--rate",
         .argument = "N/s",
         .sentence = "at that rate instead of at recorded times",
         .to = &options.rate},
        {.name = "--arrivals",
         .argument = "KIND",
         .sentence = "of --rate: constant, poisson, burst:CV",
         .value = "constant",
         .to = &options.arrivals},
        {.name = "--profile",
         .argument = "KIND",
         .sentence = "of --rate: ramp:N/s:D, step:N/s:D, sine:N/s:D",
         .to = &options.profile},
        {.name = "--from",
         .argument = "D",
         .sentence = "leave out what was recorded before that",
         .to = &options.from},
        {.name = "--until", .argument = "D", .sentence = "... and from then on", .to = &options.until},
        {.name = "--amplify",
         .argument = "N",
         .sentence = "each request N times, with keys of their own",
         .value = "1",
         .to = &options.amplify},
        {.name = "--users",
         .argument = "N",
         .sentence = "a closed loop: each asks when it has thought about its answer",
         .to = &options.users},
        {.name = "--think",
         .argument = "D",
         .sentence = "of --users: how long",
         .value = "as recorded",
         .to = &options.think},
        {.name = "--session",
         .argument = "KEY",
         .sentence = "of --users: a header, or $.member, that says who asks",
         .to = &options.session},
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
         .sentence = "a share by sampling key, e.g. 10%",
         .value = "100%",
         .to = &options.sample},
        {.name = "--seed", .argument = "N", .sentence = "of all that is drawn", .to = &options.seed},
        {.name = "--gate",
         .argument = "EXPR",
         .sentence = "e.g. 'divergence_rate<=2%': the exit status",
         .to = options.gates,
         .most = GATES_MAX - 2,
         .count = &options.gate_count},
        {.name = "--max-lag",
         .argument = "D",
         .sentence = "with a lag p99 over it a replay is void",
         .value = "1ms",
         .to = &options.max_lag},
        {.name = "--timeout",
         .argument = "D",
         .sentence = "of a request to a target",
         .value = "10s",
         .to = &options.timeout},
        {.name = "--late",
         .argument = "send|drop",
         .sentence = "what a target cannot take in time is ...",
         .value = "send",
         .to = &options.late},
        {.name = "--spin",
         .argument = "D",
         .sentence = "before each time, at most 1ms: more exact",
         .value = "0us",
         .to = &options.spin},
        {.name = "--connections",
         .argument = "N",
         .sentence = "at most N requests in flight to each target",
         .to = &options.connections},
        {.name = "--resume",
         .argument = "RUN",
         .sentence = "send what that run, of the same words, did not",
         .to = &options.resume},
        {.name = "--batch-file",
         .argument = "FILE",
         .sentence = "of OpenAI: a new one is written and nothing sent; of one that came back, the answers "
                     "to INPUT",
         .to = &options.batch_file},
        {.name = "--again",
         .argument = "RUN",
         .sentence = "play what that run played, as it did, and tell what differs; instead of INPUT and all "
                     "flags but --run, --quiet, --progress, --dry-run",
         .to = &options.again},
        {.name = "--no-compare",
         .sentence = "time and count answers, look into none",
         .set = &options.no_compare},
        {.name = "--slo",
         .argument = "p99=D",
         .sentence = "answers within that are good ones (goodput)",
         .to = &options.slo},
        {.name = "--find-capacity",
         .sentence = "raise the rate until too few answers are within --slo",
         .set = &options.find_capacity},
        {.name = "--step",
         .argument = "D",
         .sentence = "of --find-capacity: how long each rate is tried",
         .value = "5s",
         .to = &options.step},
        {.name = "--stop-when",
         .argument = "saturated",
         .sentence = "end when fewer answers are good than are asked for",
         .to = &options.stop_when},
        {.name = "--dry-run", .sentence = "print what would be sent", .set = &options.dry_run},
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
        .usage = "INPUT --to NAME=URL... [flags]\n"
                 "--again RUN [flags]",
        .about = "Sends the input's requests to each target and compares with live's answers: those\n"
                 "recorded in it, or those of --against. INPUT is a capture (.cap), a file of\n"
                 "GoReplay (.gor), a HAR, an OpenAI batch or lines of JSON bodies, each also in\n"
                 "gzip; - is standard input. All but a capture is masked on the way in; lines have no times "
                 "and are sent as with --speed max. Ctrl-C ends it "
                 "early: what is in flight "
                 "is finished, the run is partial.",
        .flags = flags,
        .words = "[INPUT]",
        .manual = where_manual,
        .status = "0 done, 2 usage, 3 could not run or void, 130 interrupted;\n"
                  "with --gate 0 pass, 1 fail, 4 undecided",
        .examples = "understudy replay runs/demo/capture/FILE.cap --to svc=http://127.0.0.1:9002\n"
                    "understudy replay prompts.jsonl --against http://127.0.0.1:9001 \\\n"
                    "      --to new=http://127.0.0.1:9002\n"
                    "understudy replay day.cap --to new=http://127.0.0.1:9002 --speed max \\\n"
                    "      --gate 'divergence_rate<=5%'\n"
                    "understudy replay day.cap --to new=http://127.0.0.1:9002 --find-capacity \\\n"
                    "      --slo p99=200ms\n"
                    "understudy replay chats.cap --to new=http://127.0.0.1:9002 --users 50 \\\n"
                    "      --session '$.user' --think 2s\n"
                    "understudy replay --again last",
        .run = run,
};
