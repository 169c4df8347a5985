/* What a plan means, in words. */
#include <string.h>
#include <sys/resource.h>
#include "capture/budget.h"
#include "capture/fault.h"
#include "capture/mask.h"
#include "capture/names.h"
#include "proxy/config.h"
#include "proxy/config_inside.h"

/* A number in the largest unit that leaves it whole. */
static const char *in_units(uint64_t value, const char *const *names, const uint64_t *steps, char out[32])
{
	unsigned unit = 0;

	while (names[unit + 1] && value && value % steps[unit] == 0)
		value /= steps[unit++];
	snprintf(out, 32, "%llu%s", (unsigned long long)value, names[unit]);
	return out;
}

static const char *bytes_text(uint64_t bytes, char out[32])
{
	static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", NULL};
	static const uint64_t steps[] = {1024, 1024, 1024, 1024};

	return in_units(bytes, names, steps, out);
}

static const char *time_text(uint32_t ms, char out[32])
{
	static const char *const names[] = {"ms", "s", "m", "h", NULL};
	static const uint64_t steps[] = {1000, 60, 60};

	return in_units(ms, names, steps, out);
}

static void print_listen(const struct plan_listen *l, FILE *f)
{
	fprintf(f, "listen %s (%s): %s", l->at.authority, l->at.address, l->tls ? "TLS " : "clear text");
	if (l->tls)
		fprintf(f, "1.%d or later, %u certificate%s, %s", l->tls_1_3_only ? 3 : 2,
		        l->certificate_count, l->certificate_count == 1 ? "" : "s picked by name",
		        l->client_ca_file[0] ? "clients must show one too" : "clients show none");
	fprintf(f, "%s\n", l->proxy_protocol ? ", behind a PROXY header" : "");
}

static void print_limits(const struct plan *p, FILE *f)
{
	const struct plan_limits *l = &p->limits;
	struct rlimit files;
	char a[32], b[32], c[32], d[32];

	fprintf(f, "limits: head within %s, idle %s, send %s, bodies ", time_text(l->header_timeout_ms, a),
	        time_text(l->idle_timeout_ms, b), time_text(l->send_timeout_ms, c));
	if (l->body_min_rate)
		fprintf(f, "at least %s a second\n", bytes_text(l->body_min_rate, d));
	else
		fprintf(f, "as slow as they come\n");
	fprintf(f, "  line %s, field %s, head %s, %u fields; a worker: %u connections, %u open requests\n",
	        bytes_text(l->line_bytes, a), bytes_text(l->field_bytes, b), bytes_text(l->fields_bytes, c),
	        l->fields, l->max_connections, l->max_requests);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_max < 2 * (rlim_t)l->max_connections)
		fprintf(f,
		        "  a worker may need %u descriptors and can have %llu: accepting waits before that\n",
		        2 * l->max_connections, (unsigned long long)files.rlim_max);
	fprintf(f, "forwarded: %s\n",
	        p->forwarded ? "X-Forwarded-* and x-request-id are set on the way to live, Forwarded and "
	                       "traceparent "
	                       "where the client sent them"
	                     : "no: live does not learn who asked");
}

static void print_harm(const struct plan_harm *h, FILE *f)
{
	char text[32];

	if (h->on)
		fprintf(f,
		        "harm switch: blocks of %s, %.4g%% of them without shadowing; over %.4g ms it pauses "
		        "itself until ctl resume\n",
		        time_text(h->block_ms, text), h->off_ppm / 1e4, h->max_us / 1e3);
	else
		fprintf(f, "harm switch: not declared: shadowing is not paused for what it costs\n");
}

static void print_names(const struct plan *p, FILE *f)
{
	char text[32];

	if (names_needed(p))
		fprintf(f, "names of endpoints: looked up again every %s\n",
		        time_text(p->resolve_every_ms, text));
}

static void print_match(const struct plan_route *r, FILE *f)
{
	fprintf(f, "route %s: %s", r->name, r->path_prefix);
	if (r->match_host[0])
		fprintf(f, ", host %s", r->match_host);
	if (r->match_methods[0])
		fprintf(f, ", methods%.*s", (int)strlen(r->match_methods) - 1, r->match_methods);
	if (r->match_header[0])
		fprintf(f, ", header %s: %s", r->match_header, r->match_value);
	if (r->match_port)
		fprintf(f, ", port %u", r->match_port);
	fprintf(f, " (answers read as %s)%s\n", config_protocols[r->protocol],
	        r->upgrade ? ", websockets tunnelled" : "");
}

static void print_health(const struct plan_health *h, FILE *f)
{
	char a[32], b[32];

	if (h->path[0])
		fprintf(f, "    health: GET %s every %s within %s; out after %u, back after %u\n", h->path,
		        time_text(h->interval_ms, a), time_text(h->timeout_ms, b), h->fall, h->rise);
	else if (h->grpc)
		fprintf(f,
		        "    health: grpc.health.v1 of %s every %s within %s; out after %u, back after "
		        "%u\n",
		        h->grpc_service[0] ? h->grpc_service : "the server", time_text(h->interval_ms, a),
		        time_text(h->timeout_ms, b), h->fall, h->rise);
	else
		fprintf(f, "    health: no path declared: nobody asks\n");
	if (h->max_fails)
		fprintf(f, "    out for %s after %u failed requests in a row\n",
		        time_text(h->fail_timeout_ms, a), h->max_fails);
}

static void print_trust(bool verify, const char *ca_file, const char *more, FILE *f)
{
	fprintf(f, "    tls: %s%s%s\n",
	        !verify      ? "certificates are NOT verified"
	        : ca_file[0] ? "verified against "
	                     : "verified against the system's authorities",
	        verify ? ca_file : "", more);
}

static void print_live(const struct plan_live *l, FILE *f)
{
	char a[32], b[32], c[32];
	bool tls = false;

	fprintf(f, "  live:");
	for (uint32_t i = 0; i < l->endpoint_count; i++) {
		fprintf(f, " %s", l->endpoints[i].url);
		tls |= l->endpoints[i].tls;
	}
	fprintf(f, " (http %s, %s, silent %s, connect %s, kept %s, %u connections, %u tries)\n",
	        config_https[l->http], config_balances[l->balance], time_text(l->timeout_ms, a),
	        time_text(l->connect_timeout_ms, b), time_text(l->idle_timeout_ms, c), l->max_connections,
	        l->tries);
	if (l->try_timeout_ms)
		fprintf(f, "    a try: %s from the request's end to an answer's head\n",
		        time_text(l->try_timeout_ms, a));
	if (l->total_timeout_ms)
		fprintf(f, "    all tries: %s from the request's end to the answer's\n",
		        time_text(l->total_timeout_ms, a));
	if (tls)
		print_trust(l->verify, l->ca_file, l->client.key_file[0] ? ", we show a certificate" : "", f);
	print_health(&l->health, f);
}

static void print_edits(const char *which, const struct plan_header_edits *e, FILE *f)
{
	for (uint32_t i = 0; i < e->count; i++)
		fprintf(f, "  %s header %s: %s%s\n", which, e->edits[i].name,
		        e->edits[i].remove ? "removed" : "set to ", e->edits[i].value);
}

static void print_gate(const struct plan_gate *g, FILE *f)
{
	const struct gate_metric_row *row = gate_metric_row(g->metric);
	bool share = gate_metric_share(g->metric);

	fprintf(f, "  gate %s%s%s%s%s %s %.6g%s%s", row->name, g->candidate[0] ? " of " : "", g->candidate,
	        g->slice[0] ? " in " : "", g->slice, row->direction == GATE_MIN ? "min" : "max",
	        share ? g->limit * 100 : g->limit,
	        share                      ? "%"
	        : !strcmp(row->unit, "ms") ? " ms"
	                                   : "",
	        g->advisory & 1 ? ", not critical" : "");
	if (g->min_pairs)
		fprintf(f, ", from %u pairs on", g->min_pairs);
	fprintf(f, "%s%s\n", g->because[0] ? ": " : "", g->because);
}

static void print_outputs(const struct plan_route *r, FILE *f)
{
	static const char *const kinds[] = {
#define X(id, name) name,
	        OUTPUT_TABLE(X)
#undef X
	};

	for (uint32_t i = 0; i < r->output_count; i++)
		fprintf(f, "    output %s: %s\n", r->outputs[i].name, kinds[r->outputs[i].kind]);
	if (r->answer_after[0])
		fprintf(f, "    of a text, what follows '%s' on its last such line\n", r->answer_after);
}

static void print_compare(const struct plan_route *r, FILE *f)
{
	fprintf(f, "  compare:");
	for (uint32_t i = 0; i < r->ignore_count; i++)
		fprintf(f, "%s %s", i ? "," : " without", r->ignore[i]);
	if (r->tolerance_abs > 0 || r->tolerance_rel > 0)
		fprintf(f, "%s tolerance abs %g, rel %g\n", r->ignore_count ? ";" : "", r->tolerance_abs,
		        r->tolerance_rel);
	else
		fprintf(f, "%s no tolerance declared: numbers must be equal\n", r->ignore_count ? ";" : "");
	print_outputs(r, f);
}

static void print_faults(const struct plan_candidate *k, FILE *f)
{
	char text[FAULT_TEXT_BYTES];

	for (uint32_t i = 0; i < k->fault_count; i++) {
		fault_write(&k->faults[i], text);
		fprintf(f, "    drill: %s: of our own making; the run decides nothing about it\n", text);
	}
}

static void print_breaker(const struct plan_breaker *b, FILE *f)
{
	char a[32], c[32];

	if (b->on)
		fprintf(f,
		        "    breaker: %.4g%% of at least %u requests fail within %s: left alone for %s, then "
		        "%u probes\n",
		        b->failures_ppm / 1e4, b->minimum, time_text(b->window_ms, a),
		        time_text(b->pause_ms, c), b->probes);
	else
		fprintf(f, "    breaker: not declared: a candidate that fails is asked all the same\n");
}

static void print_rewrite(const struct plan_rewrite *r, FILE *f)
{
	for (uint32_t i = 0; i < r->path_count; i++)
		fprintf(f, "    path %s becomes %s\n", r->paths[i].from, r->paths[i].to);
	if (r->host[0] || r->keep_host)
		fprintf(f, "    host: %s\n", r->keep_host ? "the client's" : r->host);
	for (uint32_t i = 0; i < r->headers.count; i++)
		fprintf(f, "    header %s: %s%s\n", r->headers.edits[i].name,
		        r->headers.edits[i].remove ? "removed" : "set to ", r->headers.edits[i].value);
	for (uint32_t i = 0; i < r->body_count; i++)
		fprintf(f, "    body %s becomes %s\n", r->body[i].path, r->body[i].value);
}

/* Of a candidate; what is not declared has no limit. */
static void print_limits_of(const struct plan_candidate *k, FILE *f)
{
	char text[32];

	if (k->shares_live)
		fprintf(f, "    it may be a live endpoint\n");
	if (k->max_rate > 0)
		fprintf(f, "    at most %.4g requests a second\n", k->max_rate);
	if (k->max_bytes)
		fprintf(f, "    at most %s of requests a second\n", bytes_text(k->max_bytes, text));
	if (k->max_queue)
		fprintf(f, "    at most %s of requests wait for an answer\n", bytes_text(k->max_queue, text));
	if (k->max_tokens > 0)
		fprintf(f, "    at most %.4g tokens a second\n", k->max_tokens);
	if (k->per_day > 0)
		fprintf(f, "    at most %.6g a day, at %.6g for a million tokens\n", k->per_day,
		        k->per_million);
	if (k->ramp.stage_count) {
		fprintf(f, "    ramp:");
		for (uint32_t i = 0; i < k->ramp.stage_count; i++)
			fprintf(f, " %.4g%%", k->ramp.stages[i] / 1e4);
		fprintf(f, ", each for %u pairs and %s at least\n", k->ramp.pairs,
		        time_text(k->ramp.hold_ms, text));
	}
	if (k->warmup_count)
		fprintf(f, "    warm-up: the first %u copies are not compared\n", k->warmup_count);
	if (k->warmup_ms)
		fprintf(f, "    warm-up: copies of the first %s are not compared\n",
		        time_text(k->warmup_ms, text));
	print_breaker(&k->breaker, f);
	print_faults(k, f);
	print_rewrite(&k->rewrite, f);
	if (k->models_ignored)
		fprintf(f, "    models: not asked which it serves\n");
	if (k->credential_file[0])
		fprintf(f, "    credential: %s from %s\n", k->credential_header, k->credential_file);
}

static void print_sandbox(const struct plan_sandbox *s, FILE *f)
{
	char a[32], b[32];

	if (!s->on)
		return;
	fprintf(f, "    sandbox:");
	for (const char *at = plan_words_next(&s->command, NULL); at; at = plan_words_next(&s->command, at))
		fprintf(f, " %s", at);
	fprintf(f, "\n      memory %s, %u processes, /tmp %s, ", bytes_text(s->memory_bytes, a), s->pids,
	        bytes_text(s->tmp_bytes, b));
	if (s->cpu_percent)
		fprintf(f, "%.4g cores", s->cpu_percent / 100.0);
	else
		fprintf(f, "all cores");
	if (s->time_ms)
		fprintf(f, ", %s at most", time_text(s->time_ms, a));
	fprintf(f, "; ready when %s%s%s\n", s->health[0] ? "GET " : "it takes connections", s->health,
	        s->health[0] ? " is well" : "");
	for (const char *at = plan_words_next(&s->ro, NULL); at; at = plan_words_next(&s->ro, at))
		fprintf(f, "      reads %s\n", at);
}

static void print_stop(const struct plan_stop *s, FILE *f)
{
	char text[32];

	if (!s->on)
		return;
	fprintf(f, "  stop: %.4g%% once", s->watch_ppm / 1e4);
	if (s->after_ms)
		fprintf(f, " %s have passed%s", time_text(s->after_ms, text),
		        s->pairs || s->decided ? " or" : "");
	if (s->pairs)
		fprintf(f, " %u pairs are there%s", s->pairs, s->decided ? " or" : "");
	fprintf(f, "%s\n", s->decided ? " every gate is decided" : "");
}

static void print_safeguard(const struct plan_safeguard *s, FILE *f)
{
	const struct guard_row *row = guard_row(s->metric);
	double scale = guard_unit_row(row->unit)->scale;
	const char *unit = row->unit == GUARD_SHARE ? "%" : guard_unit_row(row->unit)->sign;
	char window[32], held[32], hold[32];

	fprintf(f, "  safeguard: %s over %.4g%s for %s", row->name, s->max * scale, unit,
	        time_text(s->for_ms, held));
	if (row->scope != GUARD_HOST)
		fprintf(f, ", of the last %s", time_text(s->window_ms, window));
	fprintf(f, ": %s", guard_action_name(s->action));
	if (s->action == GUARD_LOWER)
		fprintf(f, " to %.4g%%", s->to_ppm / 1e4);
	if (s->action == GUARD_STOP)
		fprintf(f, ", until ctl resume and ctl run start\n");
	else
		fprintf(f, ", until at most %.4g%s for %s\n", s->leave * scale, unit,
		        time_text(s->hold_ms, hold));
}

static void print_route(const struct plan *p, const struct plan_route *r, FILE *f)
{
	char text[32];

	print_match(r, f);
	print_live(&r->live, f);
	print_edits("request", &r->request_headers, f);
	print_edits("response", &r->response_headers, f);
	if (!r->mirror) {
		fprintf(f, "  mirror: not declared: nothing is copied\n");
		return;
	}
	fprintf(f, "  mirror: %.4g%% of%sby %s, up to %s a body, mask %s\n", r->sample_ppm / 1e4, r->methods,
	        r->sample_header[0] ? r->sample_header : "request id", bytes_text(r->max_body_bytes, text),
	        p->masks[r->mask].name);
	for (uint32_t i = 0; i < r->candidate_count; i++) {
		const struct plan_candidate *k = &r->candidates[i];

		fprintf(f, "  %s %s: %s (http %s, %.4g%%, timeout %s, %u in flight)\n",
		        k->baseline ? "baseline" : "candidate", k->name, k->endpoint.url,
		        config_https[k->http], k->sample_ppm / 1e4, time_text(k->timeout_ms, text),
		        k->max_in_flight);
		print_sandbox(&k->sandbox, f);
		print_limits_of(k, f);
		if (k->endpoint.tls)
			print_trust(k->verify, k->ca_file, "", f);
	}
	print_stop(&r->stop, f);
	print_compare(r, f);
	for (uint32_t i = 0; i < r->gate_count; i++)
		print_gate(&r->gates[i], f);
	for (uint32_t i = 0; i < r->safeguard_count; i++)
		print_safeguard(&r->safeguards[i], f);
}

/* What it looks for, as names of classes. */
static void print_detectors(const struct plan_mask *m, FILE *f)
{
	unsigned count = 0;

	for (unsigned i = 1; i < DETECT_CLASSES; i++)
		count += detect_set_has(&m->detect.find.classes, i);
	if (count)
		fprintf(f, "mask %s finds in texts, names, header values and paths, from %u%%:", m->name,
		        m->detect.find.min_score);
	for (unsigned i = 1; i < DETECT_CLASSES; i++)
		if (detect_set_has(&m->detect.find.classes, i))
			fprintf(f, " %s", detect_class_name(i));
	if (count)
		fprintf(f, "\n");
	for (uint32_t i = 0; i < m->detect.pattern_count; i++)
		fprintf(f, "mask %s finds pattern %s\n", m->name, m->detect.patterns[i].name);
	if (mask_finds(m))
		fprintf(f, "mask %s: numbers stay\n", m->name);
	if (m->allow)
		fprintf(f, "mask %s: of a body only what a rule keeps stays clear\n", m->name);
	if (m->detect.free_text == FREE_TEXT_DROP)
		fprintf(f, "mask %s: strings that read like prose are redacted\n", m->name);
	if (m->detect.free_text == FREE_TEXT_DROP_RECORD)
		fprintf(f, "mask %s: copies whose body has a string that reads like prose are dropped\n",
		        m->name);
	if (m->detect.free_text == FREE_TEXT_RECOGNISE)
		fprintf(f, "mask %s: %s is asked about free text in bodies, for at most %u ms each\n",
		        m->name, plan_words_next(&m->recogniser.sandbox.command, NULL),
		        m->recogniser.deadline_ms);
}

static void print_masks(const struct plan *p, FILE *f)
{
	fprintf(f,
	        "mask builtin: credentials and cookies dropped, query values masked; what is found in texts "
	        "becomes its type; a copy whose body cannot be read is dropped\n");
	for (uint32_t i = 1; i < p->mask_count; i++)
		fprintf(f, "mask %s: heads as the built-in policy and %u field%s%s\n", p->masks[i].name,
		        p->masks[i].field_count, p->masks[i].field_count == 1 ? "" : "s",
		        mask_wants_body(&p->masks[i]) ? "; a copy whose body cannot be read is dropped" : "");
	for (uint32_t i = 1; i < p->mask_count; i++)
		print_detectors(&p->masks[i], f);
	if (p->mask_key_file[0])
		fprintf(f, "mask key: %s\n", p->mask_key_file);
	else
		fprintf(f,
		        "mask key: not declared: it lives in memory only, tokens change with every start\n");
}

/* "not declared" lines: what a reader might believe to be there. */
static void print_absent(const struct plan *p, FILE *f)
{
	char text[32];

	if (p->capture)
		fprintf(f, "capture: segments of %s, NOT ENCRYPTED\n",
		        bytes_text(p->capture_segment_bytes, text));
	else
		fprintf(f, "capture: not enabled: no bodies are stored\n");
	for (uint32_t i = 0; i < p->route_count; i++) {
		const struct plan_route *r = &p->routes[i];
		bool baseline = false, divergence = false;

		for (uint32_t j = 0; j < r->candidate_count; j++)
			baseline |= r->candidates[j].baseline;
		for (uint32_t j = 0; j < r->gate_count; j++)
			divergence |= r->gates[j].metric == GATE_DIVERGENCE_RATE ||
			              r->gates[j].metric == GATE_ROW_DIVERGENCE_RATE;
		if (r->learn)
			fprintf(f, "route %s: only looked at: understudy mask learn tells what it holds\n",
			        r->name);
		if (r->mirror && r->candidate_count && !baseline)
			fprintf(f,
			        "route %s: no baseline declared: the service's own noise is not measured\n",
			        r->name);
		if (r->mirror && r->candidate_count && !divergence)
			fprintf(f, "route %s: no divergence gate declared: a run will be undecided\n",
			        r->name);
	}
}

static void print_memory(const struct plan *p, FILE *f)
{
	static const char *const kinds[] = {
	        [SHARE_MEMORY] = "", [SHARE_FIXED] = " (beside memory)", [SHARE_LIVE] = " (live path)"};
	struct config_share shares[CONFIG_SHARES_MAX];
	uint64_t copies;
	unsigned count = config_memory(p, shares, &copies);
	char text[32], declared[32];

	fprintf(f, "memory: %s; each ring %s; at most:\n", bytes_text(p->memory_bytes, declared),
	        bytes_text(budget_ring_bytes(p), text));
	for (unsigned i = 0; i < count; i++)
		fprintf(f, "  %-20s %12.1f MiB  %s%s\n", shares[i].name, (double)shares[i].bytes / 1048576,
		        shares[i].what, kinds[shares[i].kind]);
	fprintf(f, "  %-20s %12.1f MiB  of all copies, if everything is full at once\n", "ceiling",
	        (double)copies / 1048576);
}

void config_print_check(const struct plan *p, FILE *f)
{
	char text[32];

	for (uint32_t i = 0; i < p->listen_count; i++)
		print_listen(&p->listen[i], f);
	print_limits(p, f);
	print_harm(&p->harm, f);
	print_names(p, f);
	for (uint32_t i = 0; i < p->route_count; i++)
		print_route(p, &p->routes[i], f);
	print_masks(p, f);
	print_absent(p, f);
	fprintf(f, "run: %s%s%s, seed %llu, control socket %s, %u workers, %u slots each, drain %s\n",
	        p->run_directory,
	        p->run_directory[0] && p->run_directory[strlen(p->run_directory) - 1] == '/' ? "" : "/",
	        p->run_name, (unsigned long long)p->seed, p->control_socket, p->workers, p->slots_each,
	        time_text(p->drain_timeout_ms, text));
	if (p->user_id)
		fprintf(f, "roles: started by root they run as uid %u, gid %u\n", p->user_id, p->group_id);
	print_memory(p, f);
}
