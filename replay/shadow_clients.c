/* A client for each candidate: where it is, whom it trusts, what it adds to a request. */
#define _GNU_SOURCE
#include "replay/shadow_inside.h"

#include <stdio.h>
#include <string.h>

#include "proto/base/log.h"

enum { PEM_MAX = 4 << 20 };

/* Of an https candidate. 0, or an error that was logged. */
static int make_trust(unsigned route, unsigned candidate, struct client_target *target)
{
	static const char *const alpn[] = {"h2", "http/1.1"};
	const struct plan_candidate *p = &shadow.env->plan->routes[route].candidates[candidate];
	char name[48], why[TLS_WHY_BYTES] = "";
	struct tls_client_config config = {.insecure = !p->verify};
	struct buf ca;
	int err = 0;

	snprintf(name, sizeof name, "trust.%u.%u", route, candidate);
	buf_init(&ca, PEM_MAX);
	role_read(shadow.env, name, &ca);
	config.ca_pem = buf_span(&ca);
	config.alpn = alpn + 1;
	config.alpn_count = 1;
	if (p->http != PLAN_HTTP_2)
		err = tls_client_context(&config, why, sizeof why, &target->tls);
	config.alpn = alpn;
	config.alpn_count = p->http == PLAN_HTTP_2 ? 1 : 2;
	if (!err && p->http != PLAN_HTTP_1)
		err = tls_client_context(&config, why, sizeof why, &target->tls_h2);
	buf_fini(&ca);
	if (err)
		LOG(ERROR, "tls_setup_failed", log_text("candidate", p->name), log_text("why", why));
	return err;
}

/* What its requests have of their own. 0, or an error that was logged. */
static int make_to(unsigned route, unsigned candidate)
{
	const struct plan_candidate *p = &shadow.env->plan->routes[route].candidates[candidate];
	struct buf credential;
	char name[48];
	int err;

	snprintf(name, sizeof name, "credential.%u.%u", route, candidate);
	buf_init(&credential, PEM_MAX);
	role_read(shadow.env, name, &credential);
	err = request_to_init(&shadow.to[route][candidate], p, atomic_load(&shadow.env->page->run_id),
	                      buf_span(&credential));
	if (credential.base)
		explicit_bzero(credential.base, credential.cap);
	buf_fini(&credential);
	if (err)
		LOG(ERROR, "credential_failed", log_text("candidate", p->name),
		    log_text("why", err_text(err)));
	return err;
}

static int make_client(unsigned route, unsigned candidate)
{
	const struct plan_route *r = &shadow.env->plan->routes[route];
	const struct plan_candidate *p = &r->candidates[candidate];
	struct client_limits limits = {p->max_in_flight, p->timeout_ms, r->max_body_bytes, &shadow.held};
	struct client_target target = {.host = p->endpoint.host,
	                               .h2 = p->http == PLAN_HTTP_2,
	                               .dialer = dial_to(shadow.dial, route, candidate)};
	int err = plan_address(&p->endpoint, &target.address, &target.address_len);

	admission_init(&shadow.admissions[route][candidate], p, shadow.env->plan->seed,
	               &shadow.env->page->candidates[route][candidate]);
	if (!err)
		err = make_to(route, candidate);
	if (!err && p->endpoint.tls)
		err = make_trust(route, candidate, &target);
	if (!err && p->endpoint.port &&
	    !name_numeric(p->endpoint.address, &shadow.places[route][candidate].at))
		err = ERR_CONFIG;
	if (!err)
		err = client_new(shadow.base, &target, limits, &shadow.clients[route][candidate]);
	if (!err)
		drill_init(&shadow.drills[route][candidate], shadow.base, shadow.clients[route][candidate],
		           &shadow.held,
		           &(struct drill_place){shadow.env->page, shadow.env->plan, (uint16_t)route,
		                                 candidate});
	if (!err)
		catalogue_init(&shadow.catalogues[route][candidate], p, shadow.clients[route][candidate],
		               &shadow.to[route][candidate]);
	tls_context_unref(&target.tls);
	tls_context_unref(&target.tls_h2);
	return err;
}

int shadow_make_clients(void)
{
	const struct plan *plan = shadow.env->plan;
	int fd = role_fd(shadow.env, "names.read");

	if ((fd != -1 && names_watch(fd, &shadow.names)) || sandbox_gauges_watch(shadow.env, shadow.looks) ||
	    dial_new(shadow.base, role_fd(shadow.env, "dial.ask"), &shadow.dial))
		return ERR_SYS;
	for (unsigned r = 0; r < plan->route_count; r++) {
		for (unsigned c = 0; c < plan->routes[r].candidate_count; c++) {
			int err = make_client(r, c);

			if (err)
				return err;
		}
	}
	return 0;
}
