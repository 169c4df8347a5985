#include "proxy/config.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>
#include "proto/base/buf.h"
#include "proto/base/cfg.h"
#include "proxy/config_endpoint.h"

enum { WORKERS_MAX = 64, HASHED_MAX = 4 << 20 };

static cfg_hook workers_hook, listen_hook, endpoints_hook, engine_hook, role_hook, name_hook, path_hook,
        json_path_hook, method_hook, mask_use_hook, mask_mode_hook, mask_key_hook, mask_field_hook, mask_hook,
        gate_hook, candidate_hook, route_hook, socket_hook;

#define END                                                                                                  \
	{                                                                                                    \
		.name = NULL                                                                                 \
	}
#define NOT_YET(key)                                                                                         \
	{                                                                                                    \
		.name = key, .type = CFG_UNSUPPORTED, .sentence = "Not supported by this version."           \
	}
#define ONE(key, kind, owner, member) .name = key, .type = kind, CFG_FIELD(owner, member)

static const char *const protocols[] = {"auto", "openinference", "json", "bytes", NULL};
static const char *const protocols_later[] = {"openai",    "anthropic", "ollama", "tfserving",
                                              "kserve-v1", "text",      NULL};
static const char *const gate_metrics[] = {"candidate_failure_rate", "coverage",          "divergence_rate",
                                           "row_divergence_rate",    "latency_p99_ratio", NULL};
static const char *const mask_operators[] = {"drop", "token", "redact", NULL};

static const struct cfg_row listen_rows[] = {
        {ONE("address", CFG_HOOK, struct plan_listen, at), .required = true, .hook = listen_hook,
         .sentence = "HOST:PORT to listen on, such as 127.0.0.1:8080"},
        NOT_YET("tls"),
        END,
};
static const struct cfg_row control_rows[] = {
        {ONE("socket", CFG_STRING, struct plan, control_socket), .value = "run/understudy.sock",
         .hook = socket_hook, .sentence = "Unix socket of the commands status, pause and resume."},
        {ONE("address", CFG_HOOK, struct plan, control_address), .hook = listen_hook,
         .sentence = "HOST:PORT of the read-only control endpoint: metrics, health, figures."},
        NOT_YET("token_file"),
        END,
};
static const struct cfg_row run_rows[] = {
        {ONE("directory", CFG_STRING, struct plan, run_directory), .value = "runs/",
         .sentence = "Where runs are written."},
        {ONE("name", CFG_STRING, struct plan, run_name), .value = "run", .hook = name_hook,
         .sentence = "Short name of the run; part of its folder's name."},
        {ONE("hypothesis", CFG_STRING, struct plan, hypothesis),
         .sentence = "What the run is to show, for the report."},
        {ONE("owner", CFG_STRING, struct plan, owner), .sentence = "Who answers for the run."},
        {ONE("ticket", CFG_STRING, struct plan, ticket), .sentence = "Where the run is discussed."},
        NOT_YET("attach"),
        END,
};
static const struct cfg_row engine_rows[] = {
        {.name = "kind", .type = CFG_HOOK, .hook = engine_hook, .sentence = "embedded."},
        NOT_YET("url"),
        NOT_YET("shards"),
        END,
};
static const struct cfg_row capture_rows[] = {
        {ONE("enabled", CFG_BOOL, struct plan, capture), .value = "false",
         .sentence = "Store masked exchanges."},
        {ONE("segment", CFG_SIZE, struct plan, capture_segment_bytes), .min = "1MiB", .max = "4GiB",
         .value = "256MiB", .sentence = "Size at which a capture file is closed and the next begun."},
        NOT_YET("keep"),
        NOT_YET("encrypt"),
        END,
};
static const struct cfg_row drain_rows[] = {
        {ONE("timeout", CFG_DURATION, struct plan, drain_timeout_ms), .min = "0s", .max = "1h",
         .value = "20s", .sentence = "How long a stop waits for open exchanges."},
        NOT_YET("lame_duck"),
        END,
};
static const struct cfg_row match_rows[] = {
        {ONE("path_prefix", CFG_STRING, struct plan_route, path_prefix), .value = "/", .hook = path_hook,
         .sentence = "The longest prefix that fits picks the route."},
        NOT_YET("port"),
        NOT_YET("host"),
        NOT_YET("header"),
        NOT_YET("method"),
        END,
};
static const struct cfg_row live_rows[] = {
        {ONE("endpoints", CFG_HOOK, struct plan_route, live.endpoints), .required = true,
         .hook = endpoints_hook, .sentence = "a list of one URL, such as [http://127.0.0.1:9001]"},
        {ONE("timeout", CFG_DURATION, struct plan_route, live.timeout_ms), .min = "1ms", .max = "1h",
         .value = "30s", .sentence = "How long the client's answer may take."},
        NOT_YET("tls"),
        NOT_YET("alpn"),
        END,
};
static const struct cfg_row mirror_rows[] = {
        {ONE("sample", CFG_SHARE, struct plan_route, sample_ppm), .value = "100%",
         .sentence = "Share of exchanges copied."},
        {ONE("methods", CFG_WORDS, struct plan_route, methods), .value = "POST", .hook = method_hook,
         .sentence = "Methods that are copied."},
        {ONE("mask", CFG_HOOK, struct plan_route, mask), .hook = mask_use_hook,
         .sentence = "A name under masks; left out, the built-in policy."},
        {ONE("max_body", CFG_SIZE, struct plan_route, max_body_bytes), .min = "1KiB", .max = "1GiB",
         .value = "8MiB", .sentence = "A larger body is served, not copied."},
        NOT_YET("key"),
        END,
};
static const struct cfg_row tolerance_rows[] = {
        {ONE("abs", CFG_DOUBLE, struct plan_route, tolerance_abs), .value = "0",
         .sentence = "Allowed absolute difference."},
        {ONE("rel", CFG_DOUBLE, struct plan_route, tolerance_rel), .value = "0",
         .sentence = "Allowed relative difference."},
        END,
};
static const struct cfg_row compare_rows[] = {
        {.name = "ignore",
         .type = CFG_STRINGS,
         CFG_ITEMS(struct plan_route, ignore, ignore_count),
         .hook = json_path_hook,
         .sentence = "JSON paths left out of the comparison."},
        {.name = "tolerance",
         .type = CFG_MAPPING,
         .rows = tolerance_rows,
         .sentence = "Differences of numbers that do not count."},
        NOT_YET("outputs"),
        END,
};
static const struct cfg_row candidate_rows[] = {
        {ONE("name", CFG_STRING, struct plan_candidate, name), .required = true, .hook = name_hook,
         .sentence = "a name for reports"},
        {ONE("endpoints", CFG_HOOK, struct plan_candidate, endpoint), .required = true,
         .hook = endpoints_hook, .sentence = "a list of one URL, such as [http://127.0.0.1:9002]"},
        {ONE("role", CFG_HOOK, struct plan_candidate, baseline), .hook = role_hook,
         .sentence = "candidate or baseline."},
        {ONE("sample", CFG_SHARE, struct plan_candidate, sample_ppm), .value = "100%",
         .sentence = "Share of the copied exchanges; 10% for a baseline."},
        {ONE("timeout", CFG_DURATION, struct plan_candidate, timeout_ms), .min = "1ms", .max = "1h",
         .value = "2s", .sentence = "How long its answer may take."},
        {ONE("max_in_flight", CFG_INTEGER, struct plan_candidate, max_in_flight), .min = "1", .max = "65536",
         .value = "64", .sentence = "Copies that wait for its answer at a time."},
        NOT_YET("rewrite"),
        NOT_YET("shares_live"),
        NOT_YET("tls"),
        NOT_YET("alpn"),
        END,
};
static const struct cfg_row gate_rows[] = {
        {ONE("metric", CFG_ENUM, struct plan_gate, metric), .names = gate_metrics, .required = true,
         .sentence = "divergence_rate, row_divergence_rate, candidate_failure_rate, coverage or "
                     "latency_p99_ratio"},
        {.name = "max", .type = CFG_LATER, .sentence = "Upper limit: a percentage, or a number for a ratio."},
        {.name = "min", .type = CFG_LATER, .sentence = "Lower limit, for coverage."},
        {ONE("because", CFG_STRING, struct plan_gate, because), .sentence = "Why this limit."},
        END,
};
static const struct cfg_row route_rows[] = {
        {ONE("name", CFG_STRING, struct plan_route, name), .required = true, .hook = name_hook,
         .sentence = "a name for reports"},
        {.name = "match", .type = CFG_MAPPING, .rows = match_rows, .sentence = "Which requests."},
        {ONE("protocol", CFG_ENUM, struct plan_route, protocol), .names = protocols,
         .unsupported = protocols_later, .value = "auto", .sentence = "How answers are read."},
        {.name = "live",
         .type = CFG_MAPPING,
         .rows = live_rows,
         .required = true,
         .sentence = "the server whose answer the client gets: live: {endpoints: [http://127.0.0.1:9001]}"},
        {.name = "mirror",
         .type = CFG_MAPPING,
         .rows = mirror_rows,
         .sentence = "What is copied; left out: nothing."},
        {.name = "compare",
         .type = CFG_MAPPING,
         .rows = compare_rows,
         .sentence = "How answers are compared."},
        {.name = "candidates",
         .type = CFG_LIST,
         CFG_ITEMS(struct plan_route, candidates, candidate_count),
         .rows = candidate_rows,
         .hook = candidate_hook,
         .sentence = "Servers under test."},
        {.name = "gates",
         .type = CFG_LIST,
         CFG_ITEMS(struct plan_route, gates, gate_count),
         .rows = gate_rows,
         .hook = gate_hook,
         .sentence = "Limits that decide the run."},
        NOT_YET("slices"),
        NOT_YET("safeguards"),
        NOT_YET("rewrite"),
        NOT_YET("tls"),
        END,
};
static const struct cfg_row mask_field_rows[] = {
        {.name = "path", .type = CFG_LATER, .sentence = "JSON path in bodies."},
        {.name = "header", .type = CFG_LATER, .sentence = "Header name."},
        {ONE("with", CFG_ENUM, struct plan_mask_field, with), .names = mask_operators, .required = true,
         .sentence = "drop, token or redact"},
        {ONE("model_input", CFG_BOOL, struct plan_mask_field, model_input), .value = "true",
         .sentence = "The model reads it: masking it makes the pair incomparable."},
        END,
};
static const struct cfg_row mask_rows[] = {
        {.name = "mode", .type = CFG_HOOK, .hook = mask_mode_hook, .sentence = "deny."},
        {.name = "fields",
         .type = CFG_LIST,
         CFG_ITEMS(struct plan_mask, fields, field_count),
         .rows = mask_field_rows,
         .hook = mask_field_hook,
         .sentence = "What is masked beside the built-in policy."},
        {.name = "key_file",
         .type = CFG_HOOK,
         .hook = mask_key_hook,
         .sentence = "32 raw bytes or 64 hex digits, mode 0600."},
        NOT_YET("detectors"),
        END,
};
/* masks before routes: a route names one. */
static const struct cfg_row rows[] = {
        {ONE("version", CFG_INTEGER, struct plan, version), .min = "1", .max = "1", .value = "1",
         .required = true, .sentence = "write version: 1"},
        {.name = "listen",
         .type = CFG_LIST,
         CFG_ITEMS(struct plan, listen, listen_count),
         .rows = listen_rows,
         .required = true,
         .sentence = "write listen: [{address: 127.0.0.1:8080}]"},
        {ONE("workers", CFG_HOOK, struct plan, workers), .hook = workers_hook,
         .sentence = "auto, or a number."},
        {ONE("memory", CFG_SIZE, struct plan, memory_bytes), .min = "16MiB", .max = "1TiB", .value = "256MiB",
         .sentence = "Memory of the rings and copies."},
        {.name = "control",
         .type = CFG_MAPPING,
         .rows = control_rows,
         .sentence = "How commands reach the proxy."},
        {.name = "run", .type = CFG_MAPPING, .rows = run_rows, .sentence = "What this run is."},
        {.name = "engine", .type = CFG_MAPPING, .rows = engine_rows, .sentence = "Where the work is done."},
        {.name = "capture", .type = CFG_MAPPING, .rows = capture_rows, .sentence = "What is stored."},
        {.name = "drain", .type = CFG_MAPPING, .rows = drain_rows, .sentence = "How a stop goes."},
        {.name = "masks",
         .type = CFG_NAMED,
         CFG_ITEMS(struct plan, masks, mask_count),
         .rows = mask_rows,
         .hook = mask_hook,
         .sentence = "Named masking policies."},
        {.name = "routes",
         .type = CFG_LIST,
         CFG_ITEMS(struct plan, routes, route_count),
         .rows = route_rows,
         .required = true,
         .hook = route_hook,
         .sentence = "a list of at least one route"},
        NOT_YET("tls"),
        NOT_YET("tenant"),
        NOT_YET("slices"),
        NOT_YET("rewrite"),
        NOT_YET("safeguards"),
        END,
};

struct reading {
	struct plan *plan;
	const struct cfg_node *key_file;
};

static struct plan *plan_of(struct cfg *c)
{
	return ((struct reading *)cfg_user(c))->plan;
}

static uint32_t workers_auto(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return cores < 1 ? 1 : cores > 4 ? 4 : (uint32_t)cores;
}

/* A scalar's text, or NULL with an error noted. */
static const char *text_of(struct cfg *c, const char *name, const struct cfg_node *n)
{
	const struct cfg_row any = {
	        .name = name, .type = CFG_STRING, .size = TEXT_MAX_BYTES, .required = true};
	char text[TEXT_MAX_BYTES];

	return cfg_scalar(c, &any, n, text) ? n->text : NULL;
}

static void workers_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	static const struct cfg_row row = {.name = "workers", .type = CFG_INTEGER, .min = "1", .max = "16"};

	if (n->kind != CFG_NODE_SCALAR || strcmp(n->text, "auto") != 0)
		(void)cfg_scalar(c, &row, n, at);
}

static void listen_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const char *text = text_of(c, "address", n);
	const char *why = text ? endpoint_from_address(text, at) : NULL;

	if (why)
		cfg_fail(c, n, why, "cannot listen on '%.80s'", text);
}

static void endpoints_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const char *text, *why;

	if (n->kind != CFG_NODE_LIST || n->count == 0) {
		cfg_fail(c, n, "write endpoints: [http://HOST:PORT]",
		         "'endpoints' must be a list of one URL");
		return;
	}
	if (n->count > 1)
		cfg_fail(c, n->first->next, "put a balancer before them",
		         "more than one endpoint is not supported by this version");
	text = text_of(c, "endpoints", n->first);
	why = text ? endpoint_from_url(text, at) : NULL;
	if (why)
		cfg_fail(c, n->first, why, "cannot use the endpoint '%.80s'", text);
}

static void engine_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const char *text = text_of(c, "kind", n);

	(void)at;
	if (text && strcmp(text, "redis") == 0)
		cfg_fail(c, n, "write embedded, or leave 'engine' out",
		         "engine 'redis' is not supported by this version");
	else if (text && strcmp(text, "embedded") != 0)
		cfg_fail(c, n, "one of: embedded", "'%.80s' is not a known engine", text);
}

static void mask_mode_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const char *text = text_of(c, "mode", n);

	(void)at;
	if (text && strcmp(text, "allow") == 0)
		cfg_fail(c, n, "write deny, or leave 'mode' out",
		         "mode 'allow' is not supported by this version");
	else if (text && strcmp(text, "deny") != 0)
		cfg_fail(c, n, "one of: deny", "'%.80s' is not a known mode", text);
}

static void role_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const char *text = text_of(c, "role", n);

	*(bool *)at = text && strcmp(text, "baseline") == 0;
	if (text && !*(bool *)at && strcmp(text, "candidate") != 0)
		cfg_fail(c, n, "one of: candidate, baseline", "'%.80s' is not a known role", text);
}

static bool name_good(const char *name)
{
	return name[0] && name[0] != '.' &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")] ==
	               '\0';
}

static void name_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	if (!name_good(at))
		cfg_fail(c, n, "use letters, digits, '-', '_' and '.'", "'%.80s' cannot be a name", n->text);
}

static void path_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const char *path = at;

	if (path[0] != '/')
		cfg_fail(c, n, NULL, "'path_prefix' must begin with '/'");
}

static void json_path_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const char *path = at;

	if (path[0] != '$')
		cfg_fail(c, n, "a JSON path begins with '$', such as $.id", "'%.80s' is not a JSON path",
		         path);
}

static void socket_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	if (strlen(at) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		cfg_fail(c, n, NULL, "the path of a socket holds at most 107 bytes");
}

static void method_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	(void)at;
	for (const char *p = n->text; *p; p++) {
		if (!isupper((unsigned char)*p)) {
			cfg_fail(c, n, "methods are written in capitals, such as POST",
			         "'%.80s' is not a method", n->text);
			return;
		}
	}
}

static void mask_use_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const struct plan *p = plan_of(c);
	const char *name = text_of(c, "mask", n);

	for (uint32_t i = 0; name && i < p->mask_count; i++) {
		if (strcmp(p->masks[i].name, name) == 0) {
			*(uint32_t *)at = i;
			return;
		}
	}
	if (name)
		cfg_fail(c, n, "name an entry of 'masks', or leave 'mask' out for the built-in policy",
		         "there is no mask '%.80s'", name);
}

static void mask_key_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	struct reading *r = cfg_user(c);
	const char *path = text_of(c, "key_file", n);

	(void)at;
	if (!path)
		return;
	if (r->key_file && strcmp(r->key_file->text, path) != 0)
		cfg_fail(c, n, NULL, "all masks must use one key_file ('%.80s' is given above)",
		         r->key_file->text);
	r->key_file = n;
	snprintf(r->plan->mask_key_file, sizeof(r->plan->mask_key_file), "%s", path);
}

static void mask_field_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const struct cfg_node *path = cfg_child(n, "path"), *header = cfg_child(n, "header");
	struct plan_mask_field *f = at;
	const char *text;

	if (!path == !header) {
		cfg_fail(c, n, NULL, "a masked field has either 'path' or 'header'");
		return;
	}
	text = text_of(c, path ? "path" : "header", path ? path : header);
	if (!text)
		return;
	f->header = header != NULL;
	snprintf(f->where, sizeof(f->where), "%s", text);
	for (char *p = f->where; f->header && *p; p++)
		*p = (char)tolower((unsigned char)*p);
	if (path)
		json_path_hook(c, path, f->where);
}

static void mask_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	struct plan_mask *m = at;

	if (!name_good(n->key->text) || strlen(n->key->text) >= sizeof(m->name))
		cfg_fail(c, n->key, "use letters, digits, '-', '_' and '.'", "'%.80s' cannot be a name",
		         n->key->text);
	else if (strcmp(n->key->text, "builtin") == 0)
		cfg_fail(c, n->key, "choose another name", "'builtin' is the name of the built-in policy");
	snprintf(m->name, sizeof(m->name), "%.*s", NAME_MAX_BYTES - 1, n->key->text);
}

static void gate_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	struct plan_gate *g = at;
	bool coverage = g->metric == GATE_COVERAGE;
	const char *want = coverage ? "min" : "max", *other = coverage ? "max" : "min";
	const struct cfg_row row = {.name = want,
	                            .type = g->metric == GATE_LATENCY_P99_RATIO ? CFG_DOUBLE : CFG_RATE};
	const struct cfg_node *limit = cfg_child(n, want), *metric = cfg_child(n, "metric");

	if (!metric || metric->kind != CFG_NODE_SCALAR || strcmp(metric->text, gate_metrics[g->metric]) != 0)
		return;
	if (cfg_child(n, other))
		cfg_fail(c, cfg_child(n, other)->key, coverage ? "write min" : "write max",
		         "'%s' has no '%s'", gate_metrics[g->metric], other);
	else if (!limit)
		cfg_fail(c, n, NULL, "'%s' is missing", want);
	if (limit)
		(void)cfg_scalar(c, &row, limit, &g->limit);
}

static void candidate_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	struct plan_candidate *k = at;

	(void)c;
	if (k->baseline && !cfg_child(n, "sample"))
		k->sample_ppm = 100000;
}

/* The two gates that always stand come first, unless the route has its own. Returns false when
 * there is no room for them. */
static bool standing_gates(struct plan_route *r)
{
	static const struct plan_gate standing[] = {
	        {GATE_CANDIDATE_FAILURE_RATE, 0.01, "stands always"},
	        {GATE_COVERAGE, 0.95, "stands always"},
	};
	struct plan_gate mine[GATES_MAX];
	uint32_t count = r->gate_count, total = 0;

	memcpy(mine, r->gates, sizeof(mine));
	for (unsigned s = 0; s < 2; s++) {
		bool declared = false;

		for (uint32_t i = 0; i < count; i++)
			declared |= mine[i].metric == standing[s].metric;
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

/* The index-th item of the list under a key. */
static const struct cfg_node *item(const struct cfg_node *n, const char *key, uint32_t index)
{
	const struct cfg_node *list = cfg_child(n, key), *child = list ? list->first : NULL;

	while (child && index-- > 0)
		child = child->next;
	return child;
}

static void candidates_check(struct cfg *c, const struct cfg_node *n, const struct plan_route *r)
{
	unsigned baselines = 0;

	for (uint32_t i = 0; i < r->candidate_count; i++) {
		const struct cfg_node *at = item(n, "candidates", i);

		for (uint32_t j = 0; j < i; j++)
			if (r->candidates[i].name[0] &&
			    strcmp(r->candidates[i].name, r->candidates[j].name) == 0)
				cfg_fail(c, cfg_child(at, "name"), NULL, "there are two candidates '%s'",
				         r->candidates[i].name);
		if (r->candidates[i].baseline && ++baselines > 1)
			cfg_fail(c, cfg_child(at, "role"), NULL, "a route has at most one baseline");
	}
	if (cfg_child(n, "mirror") && r->candidate_count == 0)
		cfg_warn(c, cfg_child(n, "mirror")->key, "add 'candidates'",
		         "the route copies traffic to no candidate");
	if (!cfg_child(n, "mirror") && r->candidate_count > 0)
		cfg_warn(c, cfg_child(n, "candidates")->key, "add 'mirror: {sample: 100%}'",
		         "without 'mirror' nothing is copied to the candidates");
}

static void gates_check(struct cfg *c, const struct cfg_node *n, const struct plan_route *r)
{
	for (uint32_t i = 0; i < r->gate_count; i++)
		for (uint32_t j = 0; j < i; j++)
			if (r->gates[i].metric == r->gates[j].metric &&
			    cfg_child(item(n, "gates", i), "metric"))
				cfg_fail(c, cfg_child(item(n, "gates", i), "metric"), NULL,
				         "there are two gates '%s'", gate_metrics[r->gates[i].metric]);
}

static void route_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const struct plan *p = plan_of(c);
	struct plan_route *r = at;

	r->mirror = cfg_child(n, "mirror") != NULL;
	for (const struct plan_route *before = p->routes; before < r; before++) {
		if (r->name[0] && strcmp(before->name, r->name) == 0)
			cfg_fail(c, cfg_child(n, "name"), NULL, "there are two routes '%s'", r->name);
		if (r->path_prefix[0] && strcmp(before->path_prefix, r->path_prefix) == 0)
			cfg_fail(c, n, NULL, "the routes '%s' and '%s' have the same path_prefix '%s'",
			         before->name, r->name, r->path_prefix);
	}
	candidates_check(c, n, r);
	gates_check(c, n, r);
	if (!standing_gates(r))
		cfg_fail(c, cfg_child(n, "gates"), NULL, "more than %d gates with the two that always stand",
		         GATES_MAX);
}

/* Why nothing may be sent there as a copy, or NULL. */
static const char *refuse_copy(const struct plan *p, const struct plan_endpoint *e)
{
	for (uint32_t i = 0; i < p->route_count; i++)
		if (endpoint_same(&p->routes[i].live.endpoints[0], e))
			return "is a live endpoint";
	for (uint32_t i = 0; i < p->listen_count; i++)
		if (endpoint_same(&p->listen[i].at, e))
			return "is this proxy's own address";
	return NULL;
}

static const struct cfg_node *endpoint_node(const struct cfg_node *n)
{
	const struct cfg_node *list = cfg_child(n, "endpoints");

	return list && list->first ? list->first : n;
}

static void endpoints_check(struct cfg *c, const struct plan *p)
{
	for (uint32_t i = 0; i < p->route_count; i++) {
		const struct plan_route *r = &p->routes[i];
		const struct cfg_node *route = item(cfg_root(c), "routes", i);

		for (uint32_t j = 0; j < p->listen_count; j++)
			if (endpoint_same(&p->listen[j].at, &r->live.endpoints[0]))
				cfg_fail(c, endpoint_node(cfg_child(route, "live")), NULL,
				         "the live endpoint %s is this proxy's own address",
				         r->live.endpoints[0].authority);
		for (uint32_t j = 0; j < r->candidate_count; j++) {
			const struct plan_candidate *k = &r->candidates[j];
			const char *why = refuse_copy(p, &k->endpoint);

			if (why)
				cfg_fail(c, endpoint_node(item(route, "candidates", j)),
				         "a copy must never reach production; give the candidate its own "
				         "server",
				         "the candidate '%s' %s (%s)", k->name, why, k->endpoint.authority);
		}
	}
}

static void sha256(struct span bytes, uint8_t out[32])
{
	if (!EVP_Digest(bytes.data ? bytes.data : "", bytes.len, out, NULL, EVP_sha256(), NULL))
		memset(out, 0, 32);
}

static void hash_plan(struct plan *p)
{
	struct buf text;

	buf_init(&text, HASHED_MAX);
	for (uint32_t i = 0; i < p->route_count; i++)
		for (uint32_t j = 0; j < p->routes[i].gate_count; j++)
			buf_printf(&text, "%s\n%s\n%.17g\n%s\n", p->routes[i].name,
			           gate_metrics[p->routes[i].gates[j].metric], p->routes[i].gates[j].limit,
			           p->routes[i].gates[j].because);
	sha256(buf_span(&text), p->gates_hash);
	for (uint32_t i = 0; i < p->mask_count; i++) {
		struct plan_mask *m = &p->masks[i];

		buf_reset(&text);
		buf_printf(&text, "%s\n", m->name);
		for (uint32_t j = 0; j < m->field_count; j++)
			buf_printf(&text, "%s\n%s\n%s\n%s\n", m->fields[j].header ? "header" : "path",
			           m->fields[j].where, mask_operators[m->fields[j].with],
			           m->fields[j].model_input ? "input" : "aside");
		sha256(buf_span(&text), m->hash);
	}
	buf_fini(&text);
}

/* A relative path becomes one below `folder` ("" or "DIR/"). */
static bool anchor(char *path, size_t size, const char *folder)
{
	char whole[2 * PATH_MAX_BYTES];

	if (path[0] == '/' || path[0] == '\0')
		return true;
	snprintf(whole, sizeof(whole), "%s%s", folder, path);
	if (strlen(whole) >= size)
		return false;
	memcpy(path, whole, strlen(whole) + 1);
	return true;
}

static void paths_anchor(struct cfg *c, const char *file, struct plan *p)
{
	const char *slash = strrchr(file, '/');
	char folder[PATH_MAX_BYTES] = "";

	if (slash)
		snprintf(folder, sizeof(folder), "%.*s", (int)(slash + 1 - file), file);
	if (!anchor(p->control_socket, sizeof(((struct sockaddr_un *)0)->sun_path), folder))
		cfg_fail(c, cfg_child(cfg_child(cfg_root(c), "control"), "socket"), NULL,
		         "the path of the control socket is longer than 107 bytes with the configuration's "
		         "folder");
	if (!anchor(p->run_directory, sizeof(p->run_directory), folder) ||
	    !anchor(p->mask_key_file, sizeof(p->mask_key_file), folder))
		cfg_fail(c, NULL, NULL, "a path is too long");
}

static void plan_start(struct plan *p)
{
	memset(p, 0, sizeof(*p));
	p->generation = 1;
	p->workers = workers_auto();
	p->slots_each = 4096;
	p->mask_count = 1;
	strcpy(p->masks[0].name, "builtin");
}

static int file_read(const char *path, struct buf *out, FILE *errors)
{
	FILE *f = fopen(path, "rbe");
	char *room;
	size_t n;
	int rc = ERR_SYS;

	if (!f) {
		fprintf(errors, "understudy: cannot open %s: %m\n", path);
		return ERR_SYS;
	}
	do {
		room = buf_room(out, 4096);
		n = room ? fread(room, 1, 4096, f) : 0;
		buf_grown(out, n);
	} while (n > 0);
	if (out->err)
		fprintf(errors, "%s:1:1: error: the file is larger than 1MiB\n", path);
	else if (ferror(f))
		fprintf(errors, "understudy: cannot read %s: %m\n", path);
	else
		rc = 0;
	if (out->err)
		rc = ERR_CONFIG;
	fclose(f);
	return rc;
}

int config_read(const char *path, struct plan *out, FILE *errors)
{
	struct reading reading = {.plan = out};
	struct cfg *c = NULL;
	struct buf text;
	int rc;

	plan_start(out);
	buf_init(&text, CFG_FILE_MAX + 4096);
	rc = file_read(path, &text, errors);
	if (rc == 0)
		rc = cfg_parse(path, buf_span(&text), &reading, &c);
	if (rc == 0) {
		cfg_fill(c, rows, out);
		if (cfg_root(c) && cfg_child(cfg_root(c), "routes") && cfg_errors(c) == 0 &&
		    out->route_count == 0)
			cfg_fail(c, cfg_child(cfg_root(c), "routes"), NULL,
			         "'routes' must hold at least one route");
		if (cfg_root(c) && cfg_errors(c) == 0 && out->listen_count == 0)
			cfg_fail(c, cfg_child(cfg_root(c), "listen"), NULL,
			         "'listen' must hold at least one address");
		endpoints_check(c, out);
		paths_anchor(c, path, out);
		sha256(buf_span(&text), out->config_hash);
		hash_plan(out);
		cfg_report(c, errors);
		rc = cfg_errors(c) ? ERR_CONFIG : 0;
		cfg_free(&c);
	}
	buf_fini(&text);
	return rc;
}

static int quick_fail(FILE *errors, const char *what, const char *text, const char *why)
{
	fprintf(errors, "understudy: %s '%s': %s\n", what, text, why);
	return ERR_CONFIG;
}

static int quick_candidate(struct plan *p, const char *name, size_t name_len, const char *url, bool baseline,
                           FILE *errors)
{
	struct plan_route *r = &p->routes[0];
	struct plan_candidate *k = &r->candidates[r->candidate_count];
	const char *why;

	if (r->candidate_count == CANDIDATES_MAX)
		return quick_fail(errors, "candidate", url, "more than 16 candidates");
	cfg_defaults(candidate_rows, k);
	if (name_len >= sizeof(k->name))
		return quick_fail(errors, "candidate", name, "the name is too long");
	snprintf(k->name, sizeof(k->name), "%.*s", (int)name_len, name);
	k->baseline = baseline;
	k->sample_ppm = baseline ? 100000 : 1000000;
	k->max_in_flight = 4;
	if (!name_good(k->name))
		return quick_fail(errors, "candidate", k->name,
		                  "write NAME=URL, the name in letters, digits, '-', '_' and '.'");
	for (uint32_t i = 0; i < r->candidate_count; i++)
		if (strcmp(r->candidates[i].name, k->name) == 0)
			return quick_fail(errors, "candidate", k->name, "the name is given twice");
	why = endpoint_from_url(url, &k->endpoint);
	if (!why)
		why = refuse_copy(p, &k->endpoint);
	if (why)
		return quick_fail(errors, "candidate", url, why);
	r->candidate_count++;
	return 0;
}

int config_quick(const char *live, const char *const *candidates, unsigned candidate_count,
                 const char *baseline, const char *listen, struct plan *out, FILE *errors)
{
	struct plan_route *r = &out->routes[0];
	struct buf text;
	const char *why;
	int rc = 0;

	plan_start(out);
	cfg_defaults(rows, out);
	cfg_defaults(route_rows, r);
	strcpy(r->name, "default");
	r->mirror = true;
	out->listen_count = out->route_count = 1;
	if ((why = endpoint_from_address(listen, &out->listen[0].at)) != NULL)
		return quick_fail(errors, "listen", listen, why);
	if ((why = endpoint_from_url(live, &r->live.endpoints[0])) != NULL)
		return quick_fail(errors, "live", live, why);
	if (endpoint_same(&r->live.endpoints[0], &out->listen[0].at))
		return quick_fail(errors, "live", live, "is this proxy's own address");
	buf_init(&text, HASHED_MAX);
	buf_printf(&text, "%s\n%s\n%s\n", listen, live, baseline ? baseline : "");
	for (unsigned i = 0; rc == 0 && i < candidate_count; i++) {
		const char *equals = strchr(candidates[i], '=');

		buf_printf(&text, "%s\n", candidates[i]);
		if (!equals)
			rc = quick_fail(errors, "candidate", candidates[i], "write NAME=URL");
		else
			rc = quick_candidate(out, candidates[i], (size_t)(equals - candidates[i]), equals + 1,
			                     false, errors);
	}
	if (rc == 0 && baseline)
		rc = quick_candidate(out, "baseline", strlen("baseline"), baseline, true, errors);
	(void)standing_gates(r);
	sha256(buf_span(&text), out->config_hash);
	hash_plan(out);
	buf_fini(&text);
	return rc;
}

uint64_t config_ring_bytes(const struct plan *p)
{
	uint64_t bytes = 1 << 20;

	while (bytes * 2 <= p->memory_bytes / 16)
		bytes *= 2;
	return bytes;
}

static void print_route(const struct plan *p, const struct plan_route *r, FILE *f)
{
	fprintf(f, "route %s: %s -> %s (%s, timeout %ums)\n", r->name, r->path_prefix,
	        r->live.endpoints[0].url, protocols[r->protocol], r->live.timeout_ms);
	if (!r->mirror) {
		fprintf(f, "  mirror: not declared: nothing is copied\n");
		return;
	}
	fprintf(f, "  mirror: %.4g%% of%sup to %llu bytes a body, mask %s\n", r->sample_ppm / 1e4, r->methods,
	        (unsigned long long)r->max_body_bytes, p->masks[r->mask].name);
	for (uint32_t i = 0; i < r->candidate_count; i++) {
		const struct plan_candidate *k = &r->candidates[i];

		fprintf(f, "  %s %s: %s (%.4g%%, timeout %ums, %u in flight)\n",
		        k->baseline ? "baseline" : "candidate", k->name, k->endpoint.url, k->sample_ppm / 1e4,
		        k->timeout_ms, k->max_in_flight);
	}
	for (uint32_t i = 0; i < r->gate_count; i++) {
		const struct plan_gate *g = &r->gates[i];
		bool ratio = g->metric == GATE_LATENCY_P99_RATIO;

		fprintf(f, "  gate %s %s %.6g%s%s%s\n", gate_metrics[g->metric],
		        g->metric == GATE_COVERAGE ? "min" : "max", ratio ? g->limit : g->limit * 100,
		        ratio ? "" : "%", g->because[0] ? ": " : "", g->because);
	}
}

static void print_masks(const struct plan *p, FILE *f)
{
	fprintf(f, "mask builtin: credentials and cookies dropped, query values masked; bodies untouched\n");
	for (uint32_t i = 1; i < p->mask_count; i++)
		fprintf(f, "mask %s: the built-in policy and %u fields\n", p->masks[i].name,
		        p->masks[i].field_count);
	if (p->mask_key_file[0])
		fprintf(f, "mask key: %s\n", p->mask_key_file);
	else
		fprintf(f,
		        "mask key: not declared: it lives in memory only, tokens change with every start\n");
}

/* "not declared" lines: what a reader might believe to be there. */
static void print_absent(const struct plan *p, FILE *f)
{
	if (p->capture)
		fprintf(f, "capture: segments of %llu bytes, NOT ENCRYPTED\n",
		        (unsigned long long)p->capture_segment_bytes);
	else
		fprintf(f, "capture: not enabled: no bodies are stored\n");
	fprintf(f, "tls: none: clients, live and candidates are reached in clear text\n");
	for (uint32_t i = 0; i < p->route_count; i++) {
		const struct plan_route *r = &p->routes[i];
		bool baseline = false, divergence = false;

		for (uint32_t j = 0; j < r->candidate_count; j++)
			baseline |= r->candidates[j].baseline;
		for (uint32_t j = 0; j < r->gate_count; j++)
			divergence |= r->gates[j].metric == GATE_DIVERGENCE_RATE ||
			              r->gates[j].metric == GATE_ROW_DIVERGENCE_RATE;
		if (r->mirror && r->candidate_count && !baseline)
			fprintf(f,
			        "route %s: no baseline declared: the service's own noise is not measured\n",
			        r->name);
		if (r->mirror && r->candidate_count && !divergence)
			fprintf(f, "route %s: no divergence gate declared: a run will be undecided\n",
			        r->name);
	}
}

void config_print_check(const struct plan *p, FILE *f)
{
	uint64_t ring = config_ring_bytes(p);

	for (uint32_t i = 0; i < p->listen_count; i++)
		fprintf(f, "listen %s\n", p->listen[i].at.authority);
	for (uint32_t i = 0; i < p->route_count; i++)
		print_route(p, &p->routes[i], f);
	print_masks(p, f);
	print_absent(p, f);
	fprintf(f, "run: %s%s%s, control socket %s, %u workers, %u slots each\n", p->run_directory,
	        p->run_directory[0] && p->run_directory[strlen(p->run_directory) - 1] == '/' ? "" : "/",
	        p->run_name, p->control_socket, p->workers, p->slots_each);
	fprintf(f, "memory: %llu bytes; each ring (raw a worker, masked, answers) %llu bytes\n",
	        (unsigned long long)p->memory_bytes, (unsigned long long)ring);
}
