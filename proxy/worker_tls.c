#define _GNU_SOURCE
#include "proxy/worker_tls.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/secret.h"
#include "proto/base/buf.h"
#include "proto/base/log.h"
#include "proxy/secrets.h"

enum { PEM_MAX = 4 << 20 };

enum { ALPN_MAX = 4 };

static const char *const alpn_to_live[] = {"http/1.1"};

/* The whole file behind the descriptor of that name; empty when there is none. */
static void load(const struct role_env *env, struct buf *out, const char *format, unsigned a, unsigned b)
{
	char name[48];

	buf_init(out, PEM_MAX);
	snprintf(name, sizeof name, format, a, b);
	role_read(env, name, out);
}

static void wipe(struct buf *b)
{
	if (b->base)
		explicit_bzero(b->base, b->cap);
	buf_fini(b);
}

static int say(int err, const char *what, unsigned index, const char *why)
{
	if (err)
		LOG(ERROR, "tls_setup_failed", log_text("what", what), log_uint("index", index),
		    log_text("why", why));
	return err;
}

/* In the order of the plan; who speaks 1.1 speaks 1.0. */
static size_t alpn_of(const struct plan_listen *plan, const char *names_out[ALPN_MAX])
{
	const char *h2 = strstr(plan->alpn, " h2 "), *h1 = strstr(plan->alpn, " http/1.1 ");
	size_t n = 0;

	if (!plan->alpn[0] || (h2 && (!h1 || h2 < h1)))
		names_out[n++] = "h2";
	if (!plan->alpn[0] || h1) {
		names_out[n++] = "http/1.1";
		names_out[n++] = "http/1.0";
	}
	if (h2 && h1 && h1 < h2)
		names_out[n++] = "h2";
	return n;
}

int worker_tls_listener(const struct role_env *env, unsigned index, struct tls_context **context_out)
{
	const struct plan_listen *plan = &env->plan->listen[index];
	struct buf chains[CERTIFICATES_MAX], keys[CERTIFICATES_MAX], ca;
	struct tls_pair pairs[CERTIFICATES_MAX];
	const char *alpn[ALPN_MAX];
	size_t alpn_count = alpn_of(plan, alpn);
	const uint8_t *secret;
	char why[TLS_WHY_BYTES] = "";
	int err;

	*context_out = NULL;
	if (!plan->tls)
		return 0;
	if (secret_map(role_fd(env, "ticket-key"), TICKET_KEY_BYTES, &secret))
		return say(ERR_SYS, "listener", index, "it has no key for tickets");
	for (unsigned i = 0; i < plan->certificate_count; i++) {
		load(env, &chains[i], "tls.%u.%u.cert", index, i);
		load(env, &keys[i], "tls.%u.%u.key", index, i);
		pairs[i] = (struct tls_pair){buf_span(&chains[i]), buf_span(&keys[i])};
	}
	load(env, &ca, "tls.%u.client-ca", index, 0);
	err = tls_server_context(
	        &(struct tls_server_config){.pairs = pairs,
	                                    .pairs_count = plan->certificate_count,
	                                    .client_ca_pem = buf_span(&ca),
	                                    .alpn = alpn,
	                                    .alpn_count = alpn_count,
	                                    .ticket_secret = {(const char *)secret, TICKET_KEY_BYTES},
	                                    .tls13_only = plan->tls_1_3_only},
	        why, sizeof why, context_out);
	munmap((void *)secret, TICKET_KEY_BYTES);
	for (unsigned i = 0; i < plan->certificate_count; i++) {
		wipe(&chains[i]);
		wipe(&keys[i]);
	}
	wipe(&ca);
	return say(err, "listener", index, why);
}

static bool any_tls(const struct plan_live *plan)
{
	for (uint32_t i = 0; i < plan->endpoint_count; i++)
		if (plan->endpoints[i].tls)
			return true;
	return false;
}

int worker_tls_live(const struct role_env *env, unsigned index, struct tls_context **h1_out,
                    struct tls_context **h2_out)
{
	static const char *const h2_first[] = {"h2", "http/1.1"};
	const struct plan_route *route = &env->plan->routes[index];
	const struct plan_live *plan = &route->live;
	bool only_h1 = plan->http == PLAN_HTTP_1 || route->upgrade, only_h2 = plan->http == PLAN_HTTP_2;
	struct buf ca, chain, key;
	struct tls_client_config config = {.insecure = !plan->verify, .alpn = alpn_to_live, .alpn_count = 1};
	char why[TLS_WHY_BYTES] = "";
	int err = 0;

	*h1_out = *h2_out = NULL;
	if (!any_tls(plan))
		return 0;
	load(env, &ca, "tls.live.%u.ca", index, 0);
	load(env, &chain, "tls.live.%u.cert", index, 0);
	load(env, &key, "tls.live.%u.key", index, 0);
	config.ca_pem = buf_span(&ca);
	config.pair = (struct tls_pair){buf_span(&chain), buf_span(&key)};
	if (!only_h2)
		err = tls_client_context(&config, why, sizeof why, h1_out);
	config.alpn = h2_first;
	config.alpn_count = only_h2 ? 1 : 2;
	if (!err && !only_h1)
		err = tls_client_context(&config, why, sizeof why, h2_out);
	wipe(&ca);
	wipe(&chain);
	wipe(&key);
	return say(err, "live", index, why);
}
