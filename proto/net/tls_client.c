/*
 * tls_client.c - a client's context: whom to believe, and the last session of each of a few hosts.
 */
#include <arpa/inet.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "proto/net/tls_context.h"

static bool is_address(const char *host)
{
	unsigned char bytes[16];

	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* The slot of this host, or the one to use for it: the least recently used. */
static struct tls_session *session_slot(struct tls_context *context, const char *host)
{
	struct tls_session *oldest = &context->sessions[0];

	for (size_t i = 0; i < TLS_SESSIONS_MAX; i++) {
		struct tls_session *slot = &context->sessions[i];

		if (slot->host != NULL && strcmp(slot->host, host) == 0)
			return slot;
		if (slot->used < oldest->used)
			oldest = slot;
	}
	return oldest;
}

/* Called when a session can be resumed: at the end of a TLS 1.2 handshake, in any tls_read() of TLS 1.3.
 * 1: the session is ours. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls *tls = SSL_get_app_data(ssl);
	struct tls_context *context = tls->context;
	struct tls_session *slot = session_slot(context, tls->host);

	if (tls->host[0] == '\0')
		return 0;
	if (slot->host == NULL || strcmp(slot->host, tls->host) != 0) {
		char *host = strdup(tls->host);

		if (host == NULL)
			return 0;
		free(slot->host);
		slot->host = host;
	}
	SSL_SESSION_free(slot->session);
	slot->session = session;
	slot->used = ++context->session_clock;
	return 1;
}

static void offer_session(struct tls *tls)
{
	struct tls_session *slot = session_slot(tls->context, tls->host);

	if (slot->host == NULL || strcmp(slot->host, tls->host) != 0 || slot->session == NULL ||
	    !SSL_SESSION_is_resumable(slot->session))
		return;
	slot->used = ++tls->context->session_clock;
	SSL_set_session(tls->ssl,
	                slot->session); /* a session that does not fit costs a full handshake only */
}

int tls_client_prepare(struct tls *tls)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(tls->ssl);
	bool address = is_address(tls->host);

	if (tls->host[0] == '\0')
		return tls->context->insecure ? 0 : ERR_CONFIG;
	if (!address && SSL_set_tlsext_host_name(tls->ssl, tls->host) != 1)
		return ERR_NOMEM;
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
	                                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	if (address && X509_VERIFY_PARAM_set1_ip_asc(param, tls->host) != 1)
		return ERR_CONFIG;
	if (!address && X509_VERIFY_PARAM_set1_host(param, tls->host, 0) != 1)
		return ERR_CONFIG;
	offer_session(tls);
	return 0;
}

static int fill(struct tls_context *context, const struct tls_client_config *config, char *why,
                size_t why_size)
{
	SSL_CTX *ctx = tls_ssl_ctx_new(false, config->tls13_only);
	int err;

	context->pairs[0] = ctx;
	if (ctx == NULL)
		return ERR_NOMEM;
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_session);
	context->insecure = config->insecure;
	SSL_CTX_set_verify(ctx, config->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	err = config->insecure ? 0 : tls_use_ca(ctx, config->ca_pem, false, why, why_size);
	if (err == 0 && config->pair.chain_pem.len > 0)
		err = tls_use_pair(ctx, config->pair, why, why_size);
	if (err == 0)
		err = tls_use_alpn(context, config->alpn, config->alpn_count, why, why_size);
	if (err == 0 && context->alpn_len > 0 &&
	    SSL_CTX_set_alpn_protos(ctx, context->alpn, (unsigned)context->alpn_len) != 0)
		err = ERR_NOMEM;
	return err;
}

int tls_client_context(const struct tls_client_config *config, char *why, size_t why_size,
                       struct tls_context **context_out)
{
	struct tls_context *context = tls_context_new(false, 1);
	int err;

	if (context == NULL)
		return ERR_NOMEM;
	err = fill(context, config, why, why_size);
	if (err == 0)
		*context_out = context;
	else
		tls_context_unref(&context);
	return err;
}
