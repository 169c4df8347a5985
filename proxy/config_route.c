/* Listeners, routes, candidates and gates as wholes: what a single key cannot tell. */
#include <string.h>
#include "capture/budget.h"
#include "capture/mask.h"
#include "proxy/config_endpoint.h"
#include "proto/json_edit.h"
#include "proxy/config_inside.h"

void config_address_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const struct reading *r = cfg_user(c);
	const char *text = config_text(c, "address", n);
	const char *why = text ? endpoint_read_address(text, r->offline, at) : NULL;

	if (why)
		cfg_fail(c, n, why, "cannot listen on '%.80s'", text);
}

void config_listen_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const struct plan *p = config_plan(c);
	struct plan_listen *l = at;

	if (l->tls)
		snprintf(l->at.url, sizeof(l->at.url), "https://%.200s", l->at.authority);
	for (const struct plan_listen *before = p->listen; before < l; before++)
		if (endpoint_same(&before->at, &l->at))
			cfg_fail(c, cfg_child(n, "address"), "leave one of them",
			         "there are two listeners on %s", l->at.authority);
}

/* In the metric's unit: a share, a number, or ms. */
static void gate_limit(struct cfg *c, const struct cfg_node *n, const char *name, struct plan_gate *g)
{
	const struct cfg_row time = {.name = name, .type = CFG_DURATION, .max = "1h"};
	const struct cfg_row number = {.name = name,
	                               .type = gate_metric_share(g->metric) ? CFG_RATE : CFG_DOUBLE};
	uint32_t ms = 0;

	if (strcmp(gate_metric_row(g->metric)->unit, "ms") != 0)
		(void)cfg_scalar(c, &number, n, &g->limit);
	else if (cfg_scalar(c, &time, n, &ms))
		g->limit = ms;
}

void config_gate_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	struct plan_gate *g = at;
	bool least = gate_metric_row(g->metric)->direction == GATE_MIN;
	const char *want = least ? "min" : "max", *other = least ? "max" : "min";
	const char *name = config_gate_metrics[g->metric];
	const struct cfg_node *limit = cfg_child(n, want), *metric = cfg_child(n, "metric");

	if (!metric || metric->kind != CFG_NODE_SCALAR || strcmp(metric->text, name) != 0)
		return;
	if (cfg_child(n, other))
		cfg_fail(c, cfg_child(n, other)->key, least ? "write min" : "write max", "'%s' has no '%s'",
		         name, other);
	else if (!limit)
		cfg_fail(c, n, NULL, "'%s' is missing", want);
	if (limit)
		gate_limit(c, limit, want, g);
	if (g->advisory & 1 && gate_metric_row(g->metric)->standing)
		cfg_fail(c, cfg_child(n, "critical"), NULL, "'%s' is always critical", name);
	if (g->slice[0] && g->metric != GATE_DIVERGENCE_RATE)
		cfg_fail(c, cfg_child(n, "slice"), "write metric: divergence_rate",
		         "'%s' is not counted by slice", name);
}

/* In the metric's unit. */
static void guard_limit(struct cfg *c, const struct cfg_node *n, const char *name, enum guard_unit unit,
                        double *out)
{
	const struct cfg_row time = {.name = name, .type = CFG_DURATION, .min = "1ms", .max = "1h"};
	const struct cfg_row figure = {.name = name, .type = unit == GUARD_SHARE ? CFG_RATE : CFG_DOUBLE};
	uint32_t ms = 0;

	if (!n)
		return;
	if (unit != GUARD_MS)
		(void)cfg_scalar(c, &figure, n, out);
	else if (cfg_scalar(c, &time, n, &ms))
		*out = ms;
}

void config_safeguard_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const struct cfg_node *max = cfg_child(n, "max"), *leave = cfg_child(n, "leave");
	const struct cfg_node *to = cfg_child(n, "to"), *action = cfg_child(n, "action");
	struct plan_safeguard *s = at;
	const struct guard_row *row = guard_row(s->metric);

	if (!cfg_child(n, "metric") || !action)
		return;
	if (!max)
		cfg_fail(c, n, NULL, "'max' is missing");
	guard_limit(c, max, "max", row->unit, &s->max);
	s->leave = s->max * 0.8;
	guard_limit(c, leave, "leave", row->unit, &s->leave);
	if (leave && s->leave > s->max)
		cfg_fail(c, leave, "below max, so that it does not come and go", "'leave' is over 'max'");
	if (s->action == GUARD_SHED && row->scope == GUARD_CANDIDATE)
		cfg_fail(c, action, "write lower or pause",
		         "'shed' is for the whole route, '%s' is one candidate's", row->name);
	if (s->action == GUARD_LOWER && !to)
		cfg_fail(c, n, "such as to: 5%", "'to' is missing");
	if (s->action != GUARD_LOWER && to)
		cfg_fail(c, to->key, NULL, "only 'lower' has 'to'");
}

void config_slice_header_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const char *text = config_text(c, "header", n);

	if (text && !config_field_name(text, at))
		cfg_fail(c, n, "write its name alone, such as x-region", "'%.80s' is not a header name",
		         text);
}

void config_candidate_endpoint_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const struct reading *r = cfg_user(c);
	struct plan_endpoint *e = at;
	const char *text = config_text(c, "endpoints", n), *why;

	if (!text)
		return;
	if (e->url[0]) {
		cfg_fail(c, n, "put a balancer before them",
		         "more than one endpoint of a candidate is not supported by this version");
		return;
	}
	why = endpoint_read(text, r->folder, r->offline, e);
	if (why)
		cfg_fail(c, n, why, "cannot use the endpoint '%.80s'", text);
}

void config_candidate_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const struct cfg_node *tls = cfg_child(n, "tls");
	struct plan_candidate *k = at;

	config_sandbox_check(c, n, k);
	if (tls && k->endpoint.url[0] && !k->endpoint.tls)
		cfg_warn(c, tls->key, "write https:// to use it",
		         "'tls' is not used: the endpoint is not https");
	if (k->ca_file[0])
		config_check_ca(c, tls, "ca_file", k->ca_file);
	if (k->endpoint.tls && !k->verify)
		cfg_warn(c, cfg_child(tls, "verify"), "name the authority with 'ca_file' instead",
		         "whoever is on the way to the candidate can read and answer the copies");
	k->shares_live = cfg_child(n, "shares_live") != NULL;
	if (cfg_child(n, "spend") && (!(k->per_million > 0) || !(k->per_day > 0)))
		cfg_fail(c, cfg_child(n, "spend")->key, NULL, "both figures of 'spend' must be above 0");
	if (k->shares_live && !cfg_child(n, "max_in_flight"))
		k->max_in_flight = 1;
	k->breaker.on = cfg_child(n, "breaker") != NULL;
	if (cfg_child(n, "ramp") && !cfg_child(cfg_child(n, "ramp"), "stages")) {
		static const uint32_t stages[] = {10000, 100000, 500000, 1000000};

		memcpy(k->ramp.stages, stages, sizeof(stages));
		k->ramp.stage_count = 4;
	}
	if (k->ramp.stage_count && k->baseline)
		cfg_fail(c, cfg_child(n, "ramp")->key, "write 'sample'",
		         "a baseline has no gates, and so no ramp");
	if (!k->credential_header[0])
		snprintf(k->credential_header, sizeof(k->credential_header), "authorization");
	if (k->baseline && !cfg_child(n, "sample"))
		k->sample_ppm = 100000;
}

bool config_standing_gates(struct plan_route *r)
{
	static const struct plan_gate standing[] = {
	        {.metric = GATE_CANDIDATE_FAILURE_RATE, .limit = 0.01, .because = "stands always"},
	        {.metric = GATE_COVERAGE, .limit = 0.95, .because = "stands always"},
	};
	struct plan_gate mine[GATES_MAX];
	uint32_t count = r->gate_count, total = 0;

	memcpy(mine, r->gates, sizeof(mine));
	for (unsigned s = 0; s < 2; s++) {
		bool declared = false;

		for (uint32_t i = 0; i < count; i++)
			declared |= mine[i].metric == standing[s].metric && !mine[i].candidate[0];
		if (!declared)
			r->gates[total++] = standing[s];
	}
	if (total + count > GATES_MAX) {
		memcpy(r->gates, mine, sizeof(mine));
		return false;
	}
	memcpy(r->gates + total, mine, count * sizeof(mine[0]));
	r->gate_count = total + count;
	return true;
}

static void candidates_check(struct cfg *c, const struct cfg_node *n, const struct plan_route *r)
{
	unsigned baselines = 0;

	for (uint32_t i = 0; i < r->candidate_count; i++) {
		const struct cfg_node *at = config_item(n, "candidates", i);

		for (uint32_t j = 0; j < i; j++)
			if (r->candidates[i].name[0] &&
			    strcmp(r->candidates[i].name, r->candidates[j].name) == 0)
				cfg_fail(c, cfg_child(at, "name"), NULL, "there are two candidates '%s'",
				         r->candidates[i].name);
		if (r->candidates[i].baseline && ++baselines > 1)
			cfg_fail(c, cfg_child(at, "role"), NULL, "a route has at most one baseline");
	}
	if (r->learn && r->candidate_count > 0)
		cfg_fail(c, cfg_child(n, "candidates")->key, "leave them out until there is a policy",
		         "a route with 'mask: learn' sends its copies to nobody");
	if (cfg_child(n, "mirror") && r->candidate_count == 0 && !r->learn)
		cfg_warn(c, cfg_child(n, "mirror")->key, "add 'candidates'",
		         "the route copies traffic to no candidate");
	if (!cfg_child(n, "mirror") && r->candidate_count > 0)
		cfg_warn(c, cfg_child(n, "candidates")->key, "add 'mirror: {sample: 100%}'",
		         "without 'mirror' nothing is copied to the candidates");
}

static bool same_gate(const struct plan_gate *a, const struct plan_gate *b)
{
	return a->metric == b->metric && !strcmp(a->candidate, b->candidate) && !strcmp(a->slice, b->slice);
}

static void needs_fairness(struct cfg *c, const struct cfg_node *n, const struct plan_route *r)
{
	if (!r->fairness.on)
		cfg_fail(c, cfg_child(n, "metric"), "add fairness: {slice: NAME}",
		         "the route has no 'fairness' to measure");
}

static void gate_check(struct cfg *c, const struct cfg_node *n, const struct plan_route *r,
                       const struct plan_gate *g)
{
	bool known = !g->candidate[0], sliced = !g->slice[0];

	for (uint32_t i = 0; i < r->candidate_count; i++)
		known |= !strcmp(r->candidates[i].name, g->candidate) && !r->candidates[i].baseline;
	for (uint32_t i = 0; i < r->slice_count; i++)
		sliced |= !strncmp(r->slices[i].name, g->slice, strlen(r->slices[i].name)) &&
		          g->slice[strlen(r->slices[i].name)] == '=';
	if (!known)
		cfg_fail(c, cfg_child(n, "candidate"), NULL, "there is no candidate '%s' to hold to a gate",
		         g->candidate);
	if (!sliced)
		cfg_fail(c, cfg_child(n, "slice"), "write it as NAME=VALUE, NAME from 'slices'",
		         "there is no slice '%.80s'", g->slice);
	if (g->metric == GATE_PARITY_CHANGE)
		needs_fairness(c, n, r);
	if (g->metric == GATE_VALUE_DIVERGENCE_RATE && !r->weight.path[0])
		cfg_fail(c, cfg_child(n, "metric"), "add weight: {path: $.amount, cap: 1000}",
		         "the route has no 'weight'");
	if (g->metric == GATE_INPUT_DRIFT && !r->drift.reference[0])
		cfg_fail(c, cfg_child(n, "metric"), "add drift: {reference: FILE.cap}",
		         "the route has no 'drift.reference' to measure from");
	if (g->metric == GATE_OUTPUT_DRIFT && !r->drift.outputs)
		cfg_fail(c, cfg_child(n, "metric"), "add drift: {outputs: yes}",
		         "the route does not measure the drift of answers");
}

static void gates_check(struct cfg *c, const struct cfg_node *n, const struct plan_route *r)
{
	for (uint32_t i = 0; i < r->gate_count; i++) {
		const struct cfg_node *at = config_item(n, "gates", i);

		if (!cfg_child(at, "metric"))
			continue;
		gate_check(c, at, r, &r->gates[i]);
		for (uint32_t j = 0; j < i; j++)
			if (same_gate(&r->gates[i], &r->gates[j]))
				cfg_fail(c, cfg_child(at, "metric"), NULL, "there are two gates '%s'",
				         config_gate_metrics[r->gates[i].metric]);
	}
}

static void fairness_check(struct cfg *c, const struct cfg_node *n, struct plan_route *r)
{
	const struct cfg_node *slice = cfg_child(cfg_child(n, "fairness"), "slice");
	bool known = false;

	r->fairness.on = slice != NULL;
	r->drift.outputs &= cfg_child(n, "drift") != NULL;
	for (uint32_t i = 0; i < r->slice_count; i++)
		known |= !strcmp(r->slices[i].name, r->fairness.slice);
	if (slice && !known)
		cfg_fail(c, slice, "name one of 'slices'", "there is no slice '%s'", r->fairness.slice);
}

static void weight_check(struct cfg *c, const struct cfg_node *n, const struct plan_route *r)
{
	const struct cfg_node *path = cfg_child(cfg_child(n, "weight"), "path");

	if (path && json_edit_check(r->weight.path))
		cfg_fail(c, path, "write it as $.amount or $.order.total", "'%.80s' names no member",
		         r->weight.path);
}

static void safeguards_check(struct cfg *c, const struct cfg_node *n, const struct plan_route *r)
{
	if (r->safeguard_count && !r->mirror)
		cfg_warn(c, cfg_child(n, "safeguards")->key, "add 'mirror: {sample: 100%}'",
		         "without 'mirror' there is nothing that a safeguard could hold back");
	for (uint32_t i = 0; i < r->safeguard_count; i++) {
		if (r->safeguards[i].metric == GUARD_PARITY_CHANGE)
			needs_fairness(c, config_item(n, "safeguards", i), r);
		for (uint32_t j = 0; j < i; j++)
			if (r->safeguards[i].metric == r->safeguards[j].metric &&
			    r->safeguards[i].action == r->safeguards[j].action)
				cfg_fail(c, config_item(n, "safeguards", i), NULL,
				         "there are two safeguards '%s' with the same action",
				         guard_row(r->safeguards[i].metric)->name);
	}
}

static void slices_check(struct cfg *c, const struct cfg_node *n, const struct plan_route *r)
{
	for (uint32_t i = 0; i < r->slice_count; i++) {
		const struct cfg_node *name = cfg_child(config_item(n, "slices", i), "name");

		if (strcmp(r->slices[i].name, "route") == 0)
			cfg_fail(c, name, "choose another name", "every route is a slice 'route' already");
		for (uint32_t j = 0; j < i; j++)
			if (name && strcmp(r->slices[i].name, r->slices[j].name) == 0)
				cfg_fail(c, name, NULL, "there are two slices '%s'", r->slices[i].name);
	}
}

static bool same_match(const struct plan_route *a, const struct plan_route *b)
{
	return strcmp(a->path_prefix, b->path_prefix) == 0 && strcmp(a->match_host, b->match_host) == 0 &&
	       strcmp(a->match_methods, b->match_methods) == 0 && a->match_port == b->match_port &&
	       strcmp(a->match_header, b->match_header) == 0 && strcmp(a->match_value, b->match_value) == 0;
}

/* `a` comes first and takes all that `b` would. */
static bool hides(const struct plan_route *a, const struct plan_route *b)
{
	return strcmp(a->path_prefix, b->path_prefix) == 0 &&
	       (!a->match_host[0] || strcmp(a->match_host, b->match_host) == 0) &&
	       (!a->match_methods[0] || strcmp(a->match_methods, b->match_methods) == 0) &&
	       (!a->match_port || a->match_port == b->match_port) &&
	       (!a->match_header[0] || (strcmp(a->match_header, b->match_header) == 0 &&
	                                strcmp(a->match_value, b->match_value) == 0));
}

static void matches_check(struct cfg *c, const struct cfg_node *n, const struct plan_route *before,
                          const struct plan_route *r)
{
	if (!r->path_prefix[0])
		return;
	if (same_match(before, r))
		cfg_fail(c, n, "tell them apart by host, header, method or port",
		         "the routes '%s' and '%s' match the same requests (path_prefix '%s')", before->name,
		         r->name, r->path_prefix);
	else if (hides(before, r))
		cfg_warn(c, n, "put the one that asks for more first",
		         "the route '%s' is never picked: '%s' before it takes the same requests", r->name,
		         before->name);
}

static void stop_check(struct cfg *c, const struct cfg_node *stop, struct plan_route *r)
{
	r->stop.on = stop != NULL;
	if (stop && !r->stop.after_ms && !r->stop.pairs && !r->stop.decided)
		cfg_fail(c, stop->key, "write after, pairs or decided: true", "'stop' says not when");
}

void config_route_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const struct plan *p = config_plan(c);
	const struct cfg_node *mask;
	struct plan_route *r = at;

	r->mirror = cfg_child(n, "mirror") != NULL;
	mask = cfg_child(cfg_child(n, "mirror"), "mask");
	r->learn = mask && mask->kind == CFG_NODE_SCALAR && strcmp(mask->text, "learn") == 0;
	for (const struct plan_route *before = p->routes; before < r; before++) {
		if (r->name[0] && strcmp(before->name, r->name) == 0)
			cfg_fail(c, cfg_child(n, "name"), NULL, "there are two routes '%s'", r->name);
		matches_check(c, n, before, r);
	}
	if (r->upgrade && r->live.http == PLAN_HTTP_2)
		cfg_fail(c, cfg_child(n, "upgrade"), "write http: 1.1 below live",
		         "'upgrade' needs an endpoint that speaks HTTP/1.1");
	for (uint32_t i = 0; i < r->candidate_count; i++)
		r->keep_host |= r->candidates[i].rewrite.keep_host;
	stop_check(c, cfg_child(n, "stop"), r);
	candidates_check(c, n, r);
	fairness_check(c, n, r);
	weight_check(c, n, r);
	gates_check(c, n, r);
	safeguards_check(c, n, r);
	slices_check(c, n, r);
	config_headline_check(c, n, r);
	if (!config_standing_gates(r))
		cfg_fail(c, cfg_child(n, "gates"), NULL, "more than %d gates with the two that always stand",
		         GATES_MAX);
}

void config_harm_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	struct plan_harm *h = at;

	h->on = true;
	if (h->off_ppm < 10000 || h->off_ppm > 500000)
		cfg_fail(c, cfg_child(n, "off"), "such as 25%", "'off' must be between 1%% and 50%%");
}

const char *config_refuse_copy(const struct plan *p, const struct plan_endpoint *e, bool shares_live)
{
	for (uint32_t i = 0; i < p->route_count && !shares_live; i++)
		for (uint32_t j = 0; j < p->routes[i].live.endpoint_count; j++)
			if (endpoint_same(&p->routes[i].live.endpoints[j], e))
				return "is a live endpoint";
	for (uint32_t i = 0; i < p->listen_count; i++)
		if (endpoint_reaches(e, &p->listen[i].at))
			return "is this proxy's own address";
	return NULL;
}

static void live_check(struct cfg *c, const struct cfg_node *live, const struct plan *p,
                       const struct plan_live *l)
{
	for (uint32_t i = 0; i < p->listen_count; i++)
		for (uint32_t j = 0; j < l->endpoint_count; j++)
			if (endpoint_reaches(&l->endpoints[j], &p->listen[i].at))
				cfg_fail(c, config_item(live, "endpoints", j), NULL,
				         "the live endpoint %s is this proxy's own address",
				         l->endpoints[j].authority);
}

static void copies_check(struct cfg *c, const struct cfg_node *route, const struct plan *p,
                         const struct plan_route *r)
{
	for (uint32_t i = 0; i < r->candidate_count; i++) {
		const struct plan_candidate *k = &r->candidates[i];
		const struct cfg_node *n = config_item(route, "candidates", i);
		const struct cfg_node *url = config_item(n, "endpoints", 0);
		const char *why = config_refuse_copy(p, &k->endpoint, k->shares_live);

		if (k->shares_live && !p->harm.on)
			cfg_fail(c, cfg_child(n, "shares_live")->key, "add harm: {max: 1ms}",
			         "a candidate on a live server needs the harm switch");
		if (why)
			cfg_fail(c, url ? url : n,
			         "a copy must never reach production; give the candidate its own server",
			         "the candidate '%s' %s (%s)", k->name, why, k->endpoint.authority);
	}
}

static void port_check(struct cfg *c, const struct cfg_node *route, const struct plan *p,
                       const struct plan_route *r)
{
	bool any = r->match_port == 0;

	for (uint32_t i = 0; i < p->listen_count; i++)
		any |= p->listen[i].at.port == r->match_port;
	if (!any)
		cfg_fail(c, cfg_child(cfg_child(route, "match"), "port"), "add it to 'listen'",
		         "no listener has the port %u: the route '%s' is never picked", r->match_port,
		         r->name);
}

/* Roles that never see a ring as small as that would still be asked to use it. */
static void memory_check(struct cfg *c, const struct plan *p)
{
	uint64_t least = budget_least_bytes(p->workers);
	char hint[64];

	if (p->memory_bytes >= least)
		return;
	snprintf(hint, sizeof(hint), "write at least %lluMiB, or fewer workers",
	         (unsigned long long)(least >> 20));
	cfg_fail(c, cfg_child(cfg_root(c), "memory"), hint, "'memory' is too small for %u workers",
	         p->workers);
}

/* The list is of tokens: a policy that leaves the subject clear, or drops it, would never find one. */
static void withdrawn_check(struct cfg *c, const struct plan *p)
{
	const struct cfg_node *at = cfg_child(cfg_child(cfg_root(c), "withdrawn"), "subject");

	for (uint32_t i = 0; at && i < p->route_count; i++) {
		const struct plan_mask *m = &p->masks[p->routes[i].mask];
		bool token = false;

		for (uint32_t f = 0; f < m->field_count; f++)
			token |= m->fields[f].place == MASK_HEADER && m->fields[f].with == MASK_TOKEN &&
			         !strcmp(m->fields[f].where, p->withdrawn.subject);
		if (p->routes[i].mirror && !token)
			cfg_fail(c, at, "add {header: NAME, with: token} to its fields",
			         "the mask '%.80s' of route '%.80s' makes no token of '%.80s'", m->name,
			         p->routes[i].name, p->withdrawn.subject);
	}
}

static void consent_check(struct cfg *c, const struct cfg_node *route, const struct plan_route *r)
{
	const struct cfg_node *consent = cfg_child(cfg_child(route, "mirror"), "consent");

	if (consent && !r->consent_header[0] && !r->consent_path[0])
		cfg_fail(c, consent, "add header: x-consent, or path: $.user.consent",
		         "'consent' says nowhere where");
}

void config_check_whole(struct cfg *c, const struct plan *p)
{
	withdrawn_check(c, p);
	memory_check(c, p);
	config_sandboxes_check(c, p);
	for (uint32_t i = 0; i < p->route_count; i++) {
		const struct cfg_node *route = config_item(cfg_root(c), "routes", i);

		live_check(c, cfg_child(route, "live"), p, &p->routes[i].live);
		copies_check(c, route, p, &p->routes[i]);
		consent_check(c, route, &p->routes[i]);
		port_check(c, route, p, &p->routes[i]);
	}
}
