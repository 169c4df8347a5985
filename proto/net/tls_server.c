/*
 * tls_server.c - a server's context: one SSL_CTX for each pair, alike but for the certificate, and the names
 * that choose among them. A handshake begins on the first and moves when the client names another.
 */
#include <ctype.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/x509v3.h>

#include "proto/net/tls_context.h"

enum { TICKET_KEYS_BYTES = 80, TICKET_SECONDS = 2 * 3600, PAIRS_MAX = 1024 };

static int compare_names(const void *a, const void *b)
{
	const struct tls_name *one = a, *other = b;
	int order = strcmp(one->text, other->text);

	return order != 0 ? order : (one->pair > other->pair) - (one->pair < other->pair);
}

static int compare_text(const void *key, const void *name)
{
	return strcmp(key, ((const struct tls_name *)name)->text);
}

static const struct tls_name *find_name(const struct tls_context *context, const char *text)
{
	if (context->names_count == 0)
		return NULL;
	return bsearch(text, context->names, context->names_count, sizeof(struct tls_name), compare_text);
}

/* Which pair serves this name; the default, 0, when none has it. */
static size_t choose_pair(const struct tls_context *context, const char *server_name)
{
	char text[TLS_HOST_MAX + 2];
	size_t len = strlen(server_name), label;
	const struct tls_name *found;

	if (len > 0 && server_name[len - 1] == '.')
		len--;
	if (len == 0 || len > TLS_HOST_MAX)
		return 0;
	for (size_t i = 0; i < len; i++)
		text[i] = (char)tolower((unsigned char)server_name[i]);
	text[len] = '\0';
	label = strcspn(text, ".");
	found = find_name(context, text);
	if (found == NULL && label > 0 && label < len) {
		text[label - 1] = '*';
		found = find_name(context, text + label - 1);
	}
	return found == NULL ? 0 : found->pair;
}

static int on_server_name(SSL *ssl, int *alert, void *arg)
{
	struct tls_context *context = arg;
	const char *server_name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	size_t pair = server_name == NULL ? 0 : choose_pair(context, server_name);

	(void)alert;
	if (pair != 0)
		SSL_set_SSL_CTX(ssl, context->pairs[pair]);
	return SSL_TLSEXT_ERR_OK;
}

/* Our order decides; nothing in common ends the handshake (RFC 7301 3.2). */
static int on_alpn(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_len,
                   const unsigned char *offered, unsigned offered_len, void *arg)
{
	struct tls_context *context = arg;

	(void)ssl;
	for (size_t i = 0; i < context->alpn_len; i += 1 + context->alpn[i]) {
		struct span own = {(const char *)context->alpn + i + 1, context->alpn[i]};

		for (size_t j = 0; j < offered_len && offered[j] < offered_len - j; j += 1 + offered[j]) {
			if (span_eq(own, (struct span){(const char *)offered + j + 1, offered[j]})) {
				*chosen = context->alpn + i + 1;
				*chosen_len = context->alpn[i];
				return SSL_TLSEXT_ERR_OK;
			}
		}
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int add_name(struct tls_context *context, size_t pair, const ASN1_STRING *name)
{
	const unsigned char *bytes = ASN1_STRING_get0_data(name);
	size_t len = (size_t)ASN1_STRING_length(name);
	struct tls_name *names;
	char *text;

	if (len == 0 || len > TLS_HOST_MAX || memchr(bytes, 0, len) != NULL)
		return 0;
	names = realloc(context->names, (context->names_count + 1) * sizeof(*names));
	if (names == NULL)
		return ERR_NOMEM;
	context->names = names;
	text = malloc(len + 1);
	if (text == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < len; i++)
		text[i] = (char)tolower(bytes[i]);
	text[len] = '\0';
	names[context->names_count++] = (struct tls_name){text, pair};
	return 0;
}

static int add_names(struct tls_context *context, size_t pair)
{
	X509 *certificate = SSL_CTX_get0_certificate(context->pairs[pair]);
	GENERAL_NAMES *list = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	int err = 0;

	for (int i = 0; err == 0 && i < sk_GENERAL_NAME_num(list); i++) {
		int type;
		void *name = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(list, i), &type);

		if (type == GEN_DNS)
			err = add_name(context, pair, name);
	}
	GENERAL_NAMES_free(list);
	ERR_clear_error();
	return err;
}

/* Sorted, and of equal names the one of the first pair. */
static void settle_names(struct tls_context *context)
{
	size_t kept = 0;

	if (context->names_count == 0)
		return;
	qsort(context->names, context->names_count, sizeof(struct tls_name), compare_names);
	for (size_t i = 1; i < context->names_count; i++) {
		if (strcmp(context->names[i].text, context->names[kept].text) == 0)
			free(context->names[i].text);
		else
			context->names[++kept] = context->names[i];
	}
	context->names_count = kept + 1;
}

/* HKDF-SHA256 (RFC 5869) of the secret: OpenSSL's key name, HMAC key and AES key. */
static int derive_ticket_keys(struct span secret, unsigned char keys[TICKET_KEYS_BYTES])
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	OSSL_PARAM params[] = {
	        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, "SHA256", 0),
	        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret.data, secret.len),
	        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, "understudy tls tickets", 22),
	        OSSL_PARAM_construct_end(),
	};
	int ok = ctx != NULL && EVP_KDF_derive(ctx, keys, TICKET_KEYS_BYTES, params) == 1;

	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return ok ? 0 : ERR_NOMEM;
}

static int use_tickets(SSL_CTX *ctx, const struct tls_server_config *config)
{
	unsigned char keys[TICKET_KEYS_BYTES];
	int err;

	if (config->ticket_secret.len == 0 || config->client_ca_pem.len > 0) {
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
		return SSL_CTX_set_num_tickets(ctx, 0) == 1 ? 0 : ERR_NOMEM;
	}
	SSL_CTX_set_timeout(ctx, TICKET_SECONDS);
	if (SSL_CTX_set_num_tickets(ctx, 1) != 1)
		return ERR_NOMEM;
	err = derive_ticket_keys(config->ticket_secret, keys);
	if (err == 0 && SSL_CTX_set_tlsext_ticket_keys(ctx, keys, sizeof(keys)) != 1)
		err = ERR_UNSUPPORTED;
	OPENSSL_cleanse(keys, sizeof(keys));
	return err;
}

static int fill_pair(struct tls_context *context, size_t i, const struct tls_server_config *config, char *why,
                     size_t why_size)
{
	SSL_CTX *ctx = tls_ssl_ctx_new(true, config->tls13_only);
	int err;

	context->pairs[i] = ctx;
	if (ctx == NULL)
		return ERR_NOMEM;
	SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
	SSL_CTX_set_tlsext_servername_arg(ctx, context);
	if (context->alpn_len > 0)
		SSL_CTX_set_alpn_select_cb(ctx, on_alpn, context);
	err = tls_use_pair(ctx, config->pairs[i], why, why_size);
	if (err == 0)
		err = use_tickets(ctx, config);
	if (err == 0 && config->client_ca_pem.len > 0) {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
		err = tls_use_ca(ctx, config->client_ca_pem, true, why, why_size);
	}
	return err != 0 ? err : add_names(context, i);
}

int tls_server_context(const struct tls_server_config *config, char *why, size_t why_size,
                       struct tls_context **context_out)
{
	struct tls_context *context;
	int err;

	if (config->pairs_count == 0 || config->pairs_count > PAIRS_MAX)
		return tls_why(why, why_size, ERR_CONFIG, "a server needs 1 to %d certificates", PAIRS_MAX);
	if (config->ticket_secret.len > 0 && config->ticket_secret.len < TLS_TICKET_SECRET_MIN)
		return tls_why(why, why_size, ERR_CONFIG, "the ticket secret has less than %d bytes",
		               TLS_TICKET_SECRET_MIN);
	context = tls_context_new(true, config->pairs_count);
	if (context == NULL)
		return ERR_NOMEM;
	err = tls_use_alpn(context, config->alpn, config->alpn_count, why, why_size);
	for (size_t i = 0; err == 0 && i < config->pairs_count; i++)
		err = fill_pair(context, i, config, why, why_size);
	settle_names(context);
	if (err == 0)
		*context_out = context;
	else
		tls_context_unref(&context);
	return err;
}
