/* The targets of a replay: where, what their requests have otherwise, and which must not be sent to. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/h1.h"
#include "proto/json_edit.h"
#include "proxy/config.h"
#include "proxy/config_endpoint.h"
#include "replay/effects.h"
#include "tools/commands.h"
#include "tools/doc.h"
#include "tools/gate.h"
#include "tools/replay.h"

/* NAME=URL, or NAME: where that one is, the configuration says. */
static int read_target(const struct replay_options *o, const char *text, struct plan_candidate *out)
{
	size_t n = strcspn(text, "=");
	const char *why = n && n < NAME_MAX_BYTES ? NULL : "NAME=URL is expected";

	if (strstr(text, "://") && (!text[n] || strstr(text, "://") < text + n))
		why = "it needs a name: --to new=URL";

	if (!why && text[n])
		why = endpoint_from_url(text + n + 1, &out->endpoint);
	if (why)
		return command_wrong(&replay_command, "--to %s: %s", text, why);
	snprintf(out->name, sizeof out->name, "%.*s", (int)n, text);
	out->sample_ppm = 1000000;
	out->verify = true;
	snprintf(out->ca_file, sizeof out->ca_file, "%s", o->ca_file ? o->ca_file : "");
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
static int adopt(const struct replay_options *o, const struct plan *file, const char *route,
                 struct plan_candidate *to)
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
	to->timeout_ms = o->timeout ? to->timeout_ms : from->timeout_ms;
	to->http = o->http ? to->http : from->http;
	to->verify = from->verify;
	if (!o->ca_file)
		memcpy(to->ca_file, from->ca_file, sizeof to->ca_file);
	memcpy(to->credential_file, from->credential_file, sizeof to->credential_file);
	memcpy(to->credential_header, from->credential_header, sizeof to->credential_header);
	return -1;
}

/* --- moving --- */

int replay_read_move(const struct replay_options *o, struct plan_move *out)
{
	const char *colon = o->move ? strrchr(o->move, ':') : NULL, *sign = o->move;
	char *end = NULL;

	memset(out, 0, sizeof *out);
	if (!o->move)
		return -1;
	sign += strcspn(o->move, "+-");
	if (!colon || sign >= colon || sign - o->move >= TEXT_MAX_BYTES || strlen(colon) > TEXT_MAX_BYTES)
		return command_wrong(&replay_command, "--move %s: PATH+STEP:SCORE is expected", o->move);
	snprintf(out->path, sizeof out->path, "%.*s", (int)(sign - o->move), o->move);
	out->step = strtod(sign, &end);
	out->falls = colon[1] == '-';
	snprintf(out->score, sizeof out->score, "%s", colon + 1 + out->falls);
	if (end != colon || !isfinite(out->step) || out->step == 0 || json_edit_check(out->path) ||
	    json_edit_check(out->score))
		return command_wrong(&replay_command, "--move %s: PATH+STEP:SCORE is expected", o->move);
	if (!o->against)
		return command_wrong(&replay_command,
		                     "--move: --against says where live is, to be asked too");
	return -1;
}

/* --- rewriting --- */

static int wrong(const char *flag, const char *text, const char *expected)
{
	return command_wrong(&replay_command, "%s %s: %s", flag, text, expected);
}

static int add_header(const char *text, struct plan_header_edits *to)
{
	const char *colon = strchr(text, ':'), *value = colon ? colon + 1 + strspn(colon + 1, " ") : "";
	struct plan_header_edit *e = &to->edits[to->count];
	struct buf out;
	int err;

	if (!colon || to->count == HEADER_EDITS_MAX || colon - text >= NAME_MAX_BYTES ||
	    strlen(value) >= TEXT_MAX_BYTES)
		return wrong("--header", text, "'name: value' is expected");
	e->remove = !*value;
	snprintf(e->name, sizeof e->name, "%.*s", (int)(colon - text), text);
	for (char *c = e->name; *c; c++)
		*c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 'a' - 'A') : *c;
	snprintf(e->value, sizeof e->value, "%s", value);
	buf_init(&out, 1024);
	h1_write_field(&out, span_of(e->name), span_of(e->value));
	err = out.err;
	buf_fini(&out);
	if (err || http_hop_by_hop(&(struct http_message){0}, span_of(e->name)))
		return wrong("--header", text, "that field cannot be set");
	to->count++;
	return -1;
}

static int add_path(const char *text, struct plan_rewrite *to)
{
	const char *equals = strchr(text, '=');
	struct plan_path *p = &to->paths[to->path_count];

	if (!equals || text[0] != '/' || equals[1] != '/' || strpbrk(text, " ?#\t\r\n") ||
	    to->path_count == REWRITES_MAX || equals - text >= TEXT_MAX_BYTES ||
	    strlen(equals) > TEXT_MAX_BYTES)
		return wrong("--rewrite-path", text, "/OLD=/NEW is expected, without a query");
	snprintf(p->from, sizeof p->from, "%.*s", (int)(equals - text), text);
	snprintf(p->to, sizeof p->to, "%s", equals + 1);
	to->path_count++;
	return -1;
}

/* What is no JSON by itself is a string. */
static int add_member(const char *flag, const char *text, struct span path, const char *value,
                      struct plan_rewrite *to)
{
	struct plan_body *b = &to->body[to->body_count];
	struct buf json;
	int err;

	buf_init(&json, sizeof b->value - 1);
	if (json_is_scalar(span_of(value)))
		buf_puts(&json, value);
	else
		buf_json_string(&json, span_of(value));
	err = json.err || path.len >= sizeof b->path || to->body_count == REWRITES_MAX;
	if (!err) {
		snprintf(b->path, sizeof b->path, "%.*s", (int)path.len, path.data);
		snprintf(b->value, sizeof b->value, "%.*s", (int)buf_len(&json), buf_span(&json).data);
		err = json_edit_check(b->path);
	}
	buf_fini(&json);
	if (err)
		return wrong(flag, text, "such as $.model=NAME or $.o->seed=1");
	to->body_count++;
	return -1;
}

static int read_host(const char *text, struct plan_rewrite *to)
{
	if (!text)
		return -1;
	to->keep_host = !strcmp(text, "keep");
	if (to->keep_host)
		return -1;
	if (!*text || strlen(text) >= sizeof to->host ||
	    text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]")])
		return wrong("--host", text, "keep, or a name such as models.example.org");
	snprintf(to->host, sizeof to->host, "%s", text);
	return -1;
}

/* Behind what a configuration says of the target. */
static int rewrite(const struct replay_options *o, struct plan_candidate *to)
{
	int status = read_host(o->host, &to->rewrite);

	for (unsigned i = 0; i < o->header_count && status < 0; i++)
		status = add_header(o->headers[i], &to->rewrite.headers);
	for (unsigned i = 0; i < o->path_count && status < 0; i++)
		status = add_path(o->paths[i], &to->rewrite);
	for (unsigned i = 0; i < o->set_count && status < 0; i++) {
		const char *equals = strchr(o->sets[i], '=');

		status = equals ? add_member("--set", o->sets[i],
		                             (struct span){o->sets[i], (size_t)(equals - o->sets[i])},
		                             equals + 1, &to->rewrite)
		                : wrong("--set", o->sets[i], "PATH=VALUE is expected");
	}
	if (status < 0 && o->model)
		status = add_member("--model", o->model, SPAN("$.model"), o->model, &to->rewrite);
	if (o->credential) {
		snprintf(to->credential_file, sizeof to->credential_file, "%s", o->credential);
		snprintf(to->credential_header, sizeof to->credential_header, "authorization");
	}
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

int replay_fill_route(const struct replay_options *o, const struct plan *file, struct plan_route *route)
{
	char baseline[TEXT_MAX_BYTES + 16];
	int status = -1;

	for (unsigned i = 0; i < o->target_count && status < 0; i++)
		status = read_target(o, o->targets[i], &route->candidates[route->candidate_count++]);
	if (status < 0 && (o->baseline || o->noise)) {
		struct plan_candidate *to = &route->candidates[route->candidate_count++];

		if (!o->baseline && !o->against)
			return wrong("--noise", o->noise, "--against or --baseline says where live is");
		snprintf(baseline, sizeof baseline, "baseline=%s", o->baseline ? o->baseline : o->against);
		status = read_target(o, baseline, to);
		to->baseline = true;
		if (status < 0 && o->noise)
			status = replay_read_share("--noise", o->noise, &to->sample_ppm);
	}
	for (unsigned i = 0; i < route->candidate_count; i++) {
		route->candidates[i].max_in_flight = o->in_flight;
		route->candidates[i].timeout_ms = o->timeout_ms;
		if (status < 0)
			status = read_http(o->http, &route->candidates[i].http);
		if (status < 0)
			status = adopt(o, file, route->name, &route->candidates[i]);
		if (status < 0)
			status = rewrite(o, &route->candidates[i]);
		if (!o->http && !route->candidates[i].http && !route->candidates[i].endpoint.tls)
			route->candidates[i].http = route->live.http;
	}
	if (status < 0)
		status = names_differ(route);
	for (unsigned i = 0; i < o->gate_count && status < 0; i++)
		status = gate_read(o->gates[i], &route->gates[route->gate_count++]) ? 2 : -1;
	return status;
}

/* --- what must not be sent to --- */

static int is_there(const struct replay_options *o, const struct plan *plan, const char *url,
                    const char *what)
{
	struct plan_endpoint live;

	if (endpoint_from_url(url, &live) || o->yes_really)
		return -1;
	for (unsigned r = 0; r < plan->route_count; r++)
		for (unsigned i = 0; i < plan->routes[r].candidate_count; i++) {
			const struct plan_candidate *c = &plan->routes[r].candidates[i];

			if (c->baseline && o->noise && !o->baseline)
				continue; /* that live is asked again is what --noise says */
			if (endpoint_same(&c->endpoint, &live))
				return command_wrong(
				        &replay_command,
				        "--to %s=%s: that is %s; --yes-really sends to it all the same",
				        c->name, c->endpoint.url, what);
		}
	return -1;
}

static int guard_manifest(const struct replay_options *o, const struct plan *plan, const char *path)
{
	struct node *manifest = NULL;
	const struct node *routes;
	int status = -1;

	if (doc_load(path, &manifest))
		return -1;
	routes = doc_get(manifest, "routes");
	for (const struct node *r = routes ? routes->child : NULL; r && status < 0; r = r->next) {
		const struct node *all = doc_get(r, "live_endpoints");

		for (const struct node *e = all ? all->child : NULL; e && status < 0; e = e->next)
			if (e->text)
				status = is_there(o, plan, e->text, "the live endpoint of this capture");
	}
	doc_free(&manifest);
	return status;
}

/* The run that recorded the capture, where the capture still lies in it, or made it, where it lies beside it.
 */
static int guard_recorded(const struct replay_options *o, const struct plan *plan)
{
	char path[PATH_MAX_BYTES + 32];
	const char *slash = strrchr(o->given, '/');
	size_t n = strlen(o->given);
	int status;

	snprintf(path, sizeof path, "%.*s/../manifest.json", slash ? (int)(slash - o->given) : 1,
	         slash ? o->given : ".");
	status = guard_manifest(o, plan, path);
	if (status >= 0 || n < 4 || strcmp(o->given + n - 4, ".cap"))
		return status;
	snprintf(path, sizeof path, "%.*s/manifest.json", (int)(n - 4), o->given);
	return guard_manifest(o, plan, path);
}

int replay_guard_against(const struct replay_options *o, const struct plan *plan)
{
	return o->against ? is_there(o, plan, o->against, "where --against asks live") : -1;
}

int replay_guard(const struct replay_options *o, const struct plan *file, struct plan *plan)
{
	struct plan_choice *c = &plan->replay_choice;
	int status = guard_recorded(o, plan);

	for (unsigned r = 0; r < file->route_count && status < 0; r++)
		for (unsigned i = 0; i < file->routes[r].live.endpoint_count && status < 0; i++)
			status = is_there(o, plan, file->routes[r].live.endpoints[i].url,
			                  "a live endpoint of the configuration");
	c->allow_all = o->allow_all;
	c->allow_count = o->allow_count;
	for (unsigned i = 0; i < o->allow_count && status < 0; i++)
		if (effects_rule(o->allows[i], &c->allow[i]))
			status = wrong("--allow", o->allows[i], "METHOD or 'METHOD /PREFIX'");
	return status;
}
