/* The live side: listeners' TLS, endpoints, what a route matches, the header fields it edits. */
#include <ctype.h>
#include <string.h>
#include "proto/h1.h"
#include "proto/url.h"
#include "proxy/config_endpoint.h"
#include "proxy/config_inside.h"

void config_certificate_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	config_check_pair(c, n, at);
}

static void pair_file(struct cfg *c, const struct cfg_node *n, const char *name, char path[PATH_MAX_BYTES])
{
	const struct cfg_row row = {
	        .name = name, .type = CFG_STRING, .size = PATH_MAX_BYTES, .required = true};

	if (n && cfg_scalar(c, &row, n, path))
		config_file_hook(c, n, path);
}

/* The pair written in `tls` itself goes first: it is the default. */
static void default_pair(struct cfg *c, const struct cfg_node *n, struct plan_listen *l)
{
	struct plan_certificate pair = {0};

	if (l->certificate_count == CERTIFICATES_MAX) {
		cfg_fail(c, n, NULL, "more than %d certificates", CERTIFICATES_MAX);
		return;
	}
	pair_file(c, cfg_child(n, "certificate_file"), "certificate_file", pair.certificate_file);
	pair_file(c, cfg_child(n, "key_file"), "key_file", pair.key_file);
	memmove(l->certificates + 1, l->certificates, l->certificate_count * sizeof(pair));
	l->certificates[0] = pair;
	l->certificate_count++;
	config_check_pair(c, n, &pair);
}

void config_listen_tls_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	struct plan_listen *l = at;

	l->tls = l->at.tls = true;
	if (cfg_child(n, "certificate_file") || cfg_child(n, "key_file"))
		default_pair(c, n, l);
	else if (l->certificate_count == 0)
		cfg_fail(c, n, "write tls: {certificate_file: FILE, key_file: FILE}",
		         "a listener with 'tls' needs a certificate");
	if (l->client_ca_file[0])
		config_check_ca(c, n, "client_ca_file", l->client_ca_file);
}

void config_live_endpoint_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const struct reading *r = cfg_user(c);
	struct plan_live *l = (struct plan_live *)((char *)at - offsetof(struct plan_live, endpoints));
	struct plan_endpoint e = {0};
	const char *text = config_text(c, "endpoints", n);
	const char *why = text ? endpoint_read(text, r->folder, r->offline, &e) : NULL;

	if (why)
		cfg_fail(c, n, why, "cannot use the endpoint '%.80s'", text);
	if (!text || why)
		return;
	for (uint32_t i = 0; i < l->endpoint_count; i++)
		if (endpoint_same(&l->endpoints[i], &e))
			cfg_fail(c, n, "leave one of them", "the endpoint '%.80s' is given twice", text);
	if (l->endpoint_count == LIVE_ENDPOINTS_MAX)
		cfg_fail(c, n, "put a balancer before them", "more than %d 'endpoints'", LIVE_ENDPOINTS_MAX);
	else
		l->endpoints[l->endpoint_count++] = e;
}

void config_live_tls_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	struct plan_live *l = at;

	if (cfg_child(n, "certificate_file") || cfg_child(n, "key_file"))
		config_check_pair(c, n, &l->client);
	if (l->ca_file[0])
		config_check_ca(c, n, "ca_file", l->ca_file);
	if (!l->verify && l->ca_file[0])
		cfg_warn(c, cfg_child(n, "ca_file"), "leave 'verify' out",
		         "'ca_file' is not looked at while 'verify' is no");
}

void config_health_grpc_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	struct plan_health *h = at;
	const char *text = config_text(c, "grpc", n);

	h->grpc = true;
	if (text)
		snprintf(h->grpc_service, sizeof(h->grpc_service), "%s", strcmp(text, "*") ? text : "");
	if (text && text[strcspn(text, "\"\\ \t")])
		cfg_fail(c, n, "write package.Service", "'%.80s' is not the name of a service", text);
}

/* HTTP/2 has no Upgrade here, and gRPC no HTTP/1.1. */
static void check_http(struct cfg *c, const struct cfg_node *n, const struct plan_live *l, bool all_tls)
{
	const struct cfg_node *grpc = cfg_child(cfg_child(n, "health"), "grpc");

	if (grpc && l->health.path[0])
		cfg_fail(c, grpc, "leave one of them", "'health' has both 'path' and 'grpc'");
	if (grpc && (l->http == PLAN_HTTP_1 || (l->http == PLAN_HTTP_AUTO && !all_tls)))
		cfg_fail(c, grpc, "write http: 2", "'grpc' asks over HTTP/2, which 'live' does not speak");
}

void config_live_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const struct plan_live *l = at;
	const struct cfg_node *tls = cfg_child(n, "tls"), *health = cfg_child(n, "health");
	bool any = false, all = true;

	for (uint32_t i = 0; i < l->endpoint_count; i++) {
		any |= l->endpoints[i].tls;
		all &= l->endpoints[i].tls;
	}
	check_http(c, n, l, all);
	if (tls && l->endpoint_count && !any)
		cfg_warn(c, tls->key, "write https:// to use it", "'tls' is not used: no endpoint is https");
	if (any && !l->verify)
		cfg_warn(c, cfg_child(tls, "verify"), "name the authority with 'ca_file' instead",
		         "whoever is on the way to live can read and change what passes");
	if (l->connect_timeout_ms > l->timeout_ms && cfg_child(n, "connect_timeout"))
		cfg_warn(c, cfg_child(n, "connect_timeout"), NULL,
		         "'connect_timeout' is longer than 'timeout', which ends first");
	if (l->total_timeout_ms && l->try_timeout_ms >= l->total_timeout_ms)
		cfg_warn(c, cfg_child(n, "try_timeout"), NULL,
		         "'try_timeout' is not shorter than 'total_timeout', which ends first");
	if (health && l->health.timeout_ms > l->health.interval_ms)
		cfg_fail(c, health, NULL, "the 'timeout' of 'health' is longer than its 'interval'");
	if (health && health->kind == CFG_NODE_MAPPING && !l->health.path[0] && !l->health.grpc)
		for (const struct cfg_node *k = health->first; k; k = k->next)
			if (strcmp(k->key->text, "max_fails") != 0 &&
			    strcmp(k->key->text, "fail_timeout") != 0 && strcmp(k->key->text, "path") != 0)
				cfg_warn(c, k->key, "add 'path'",
				         "'%.40s' is not used: nobody asks without 'path'", k->key->text);
}

/* Requests are matched in normal form too: another form would only ever be refused. */
void config_prefix_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const char *prefix = at;
	char room[TEXT_MAX_BYTES], hint[TEXT_MAX_BYTES + 16];
	struct span path;
	unsigned flags;

	config_path_hook(c, n, at);
	if (strchr(prefix, '?')) {
		cfg_fail(c, n, "what follows '?' is not looked at", "'path_prefix' must not hold a query");
	} else if (!url_normalise(span_of(prefix), room, sizeof(room), &path, &flags) &&
	           (flags & URL_DISAGREE)) {
		snprintf(hint, sizeof(hint), "did you mean %.*s?", (int)path.len, path.data);
		cfg_fail(c, n, hint, "'path_prefix' is not in normal form");
	}
}

void config_host_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	char *host = at;
	const char *colon = strrchr(host, ':');

	for (char *p = host; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	if (colon && host[0] != '[' && colon[strspn(colon + 1, "0123456789") + 1] == '\0')
		cfg_fail(c, n, "the listener's port is match: {port: N}", "'host' is a name without a port");
	else if (host[strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789._-[]:")] || !host[0])
		cfg_fail(c, n, "write one whole name, such as models.example.org", "'%.80s' cannot be a host",
		         n->text);
}

/* A value that a header field can have (RFC 9110 5.5), without blanks around it. */
static bool field_value_good(const char *value)
{
	size_t len = strlen(value);

	for (const char *p = value; *p; p++)
		if ((unsigned char)*p < ' ' && *p != '\t')
			return false;
	return !strchr(value, 0x7f) && (len == 0 || (!isblank(value[0]) && !isblank(value[len - 1])));
}

void config_match_header_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	struct plan_route *r = (struct plan_route *)((char *)at - offsetof(struct plan_route, match_header));
	const char *text = config_text(c, "header", n), *colon = text ? strchr(text, ':') : NULL;
	char name[TEXT_MAX_BYTES] = "";
	const char *value = colon ? colon + 1 + strspn(colon + 1, " ") : "";

	if (!text)
		return;
	if (colon)
		snprintf(name, sizeof(name), "%.*s", (int)(colon - text), text);
	if (!value[0] || !field_value_good(value) || !config_field_name(name, r->match_header))
		cfg_fail(c, n, "write header: \"x-model: digits\"", "'%.80s' is not a header field", text);
	else
		snprintf(r->match_value, sizeof(r->match_value), "%s", value);
}

void config_key_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const char *text = config_text(c, "key", n);

	if (!text || strcmp(text, "request_id") == 0)
		return;
	if (text[0] == '$' || strcmp(text, "tenant") == 0)
		cfg_fail(c, n, "write request_id or a header name",
		         "the sampling key '%.80s' is not supported by this version", text);
	else if (!config_field_name(text, at))
		cfg_fail(c, n, "write request_id or a header name", "'%.80s' is not a header name", text);
}

/* Fields of one connection, and those that the proxy writes itself. */
static bool field_ours(const char *name)
{
	static const struct http_message none;

	return http_hop_by_hop(&none, span_of(name));
}

void config_edit_add(struct cfg *c, const struct cfg_node *at, struct plan_header_edits *all,
                     const char *written, const char *value)
{
	struct plan_header_edit e = {.remove = value == NULL};

	if (!config_field_name(written, e.name))
		cfg_fail(c, at, NULL, "'%.80s' is not a header name", written);
	else if (field_ours(e.name))
		cfg_fail(c, at, "the proxy writes it itself", "'%.80s' cannot be set or removed", written);
	else if (value && (strlen(value) >= sizeof(e.value) || !field_value_good(value)))
		cfg_fail(c, at, "at most 255 bytes, no control characters, no blanks around it",
		         "the value of '%.80s' cannot be sent", written);
	else if (all->count == HEADER_EDITS_MAX)
		cfg_fail(c, at, NULL, "more than %d header edits", HEADER_EDITS_MAX);
	else {
		for (uint32_t i = 0; i < all->count; i++)
			if (strcmp(all->edits[i].name, e.name) == 0)
				cfg_fail(c, at, "'set' alone replaces what was there",
				         "the header '%.80s' is edited twice", written);
		snprintf(e.value, sizeof(e.value), "%s", value ? value : "");
		all->edits[all->count++] = e;
	}
}

void config_request_set_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	config_edit_add(c, n->key, &((struct plan_route *)at)->request_headers, n->key->text, n->text);
}

void config_request_remove_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	config_edit_add(c, n, &((struct plan_route *)at)->request_headers, n->text, NULL);
}

void config_response_set_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	config_edit_add(c, n->key, &((struct plan_route *)at)->response_headers, n->key->text, n->text);
}

void config_response_remove_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	config_edit_add(c, n, &((struct plan_route *)at)->response_headers, n->text, NULL);
}
