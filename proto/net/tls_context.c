/*
 * tls_context.c - what both sides of a context have in common: versions, ciphers, PEM, references; and the
 * checks of a configuration, which load what a context would load.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "proto/net/tls_context.h"

enum { VERIFY_DEPTH_MAX = 8, READ_AHEAD_BYTES = 32 * 1024, EXPIRY_WARNING_DAYS = 14 };

/* Forward secrecy and AEAD only. AES-128 leads: it is as good and cheaper. */
static const char ciphers_tls12[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char ciphers_tls13[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                    "TLS_CHACHA20_POLY1305_SHA256";

int tls_why(char *why, size_t why_size, int code, const char *format, ...)
{
	va_list args;

	if (why == NULL || why_size == 0)
		return code;
	va_start(args, format);
	vsnprintf(why, why_size, format, args);
	va_end(args);
	return code;
}

const char *tls_library_reason(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	return text == NULL ? "OpenSSL gave no reason" : text;
}

struct tls_context *tls_context_new(bool is_server, size_t pairs)
{
	struct tls_context *context = calloc(1, sizeof(*context));

	if (context == NULL)
		return NULL;
	context->refs = 1;
	context->is_server = is_server;
	context->socket_method = tls_socket_method();
	context->pairs = calloc(pairs, sizeof(SSL_CTX *));
	if (context->socket_method == NULL || context->pairs == NULL)
		tls_context_unref(&context);
	else
		context->pairs_count = pairs;
	return context;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
	context->refs++;
	return context;
}

void tls_context_unref(struct tls_context **context_ptr)
{
	struct tls_context *context = *context_ptr;

	*context_ptr = NULL;
	if (context == NULL || --context->refs > 0)
		return;
	for (size_t i = 0; i < TLS_SESSIONS_MAX; i++) {
		SSL_SESSION_free(context->sessions[i].session);
		free(context->sessions[i].host);
	}
	for (size_t i = 0; i < context->pairs_count; i++)
		SSL_CTX_free(context->pairs[i]);
	for (size_t i = 0; i < context->names_count; i++)
		free(context->names[i].text);
	free(context->names);
	free(context->pairs);
	BIO_meth_free(context->socket_method);
	free(context);
}

/* OpenSSL would ask the terminal. */
static int no_password(char *text, int size, int writing, void *arg)
{
	(void)text;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

SSL_CTX *tls_ssl_ctx_new(bool is_server, bool tls13_only)
{
	SSL_CTX *ctx = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());

	if (ctx == NULL)
		return NULL;
	SSL_CTX_set_security_level(ctx, 2); /* 112 bits: RSA of 2048, no SHA-1 */
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
	                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_clear_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
	                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD_BYTES);
	SSL_CTX_set_verify_depth(ctx, VERIFY_DEPTH_MAX);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (SSL_CTX_set_min_proto_version(ctx, tls13_only ? TLS1_3_VERSION : TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, ciphers_tls12) != 1 ||
	    SSL_CTX_set_ciphersuites(ctx, ciphers_tls13) != 1 ||
	    SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") != 1) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

static BIO *pem_open(struct span pem)
{
	return pem.len > INT_MAX ? NULL : BIO_new_mem_buf(pem.data == NULL ? "" : pem.data, (int)pem.len);
}

static int read_certificates(BIO *bio, int max, STACK_OF(X509) * list, char *why, size_t why_size)
{
	X509 *certificate;

	ERR_clear_error();
	while ((certificate = PEM_read_bio_X509(bio, NULL, no_password, NULL)) != NULL) {
		if (sk_X509_num(list) == max) {
			X509_free(certificate);
			return tls_why(why, why_size, ERR_CONFIG, "more than %d certificates", max);
		}
		if (sk_X509_push(list, certificate) <= 0) {
			X509_free(certificate);
			return ERR_NOMEM;
		}
	}
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return tls_why(why, why_size, ERR_CONFIG, "certificate %d: %s", sk_X509_num(list) + 1,
		               tls_library_reason());
	ERR_clear_error();
	if (sk_X509_num(list) == 0)
		return tls_why(why, why_size, ERR_CONFIG, "no certificate in PEM");
	return 0;
}

static void free_certificates(STACK_OF(X509) * list)
{
	sk_X509_pop_free(list, X509_free);
}

/* One or more certificates; the caller frees the list. */
static int parse_certificates(struct span pem, int max, char *why, size_t why_size,
                              STACK_OF(X509) * *list_out)
{
	STACK_OF(X509) *list = sk_X509_new_null();
	BIO *bio = pem_open(pem);
	int err = ERR_NOMEM;

	if (list != NULL && bio != NULL)
		err = read_certificates(bio, max, list, why, why_size);
	BIO_free(bio);
	if (err == 0)
		*list_out = list;
	else
		free_certificates(list);
	return err;
}

static int parse_key(struct span pem, char *why, size_t why_size, EVP_PKEY **key_out)
{
	BIO *bio = pem_open(pem);
	int reason;

	if (bio == NULL)
		return ERR_NOMEM;
	ERR_clear_error();
	*key_out = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	BIO_free(bio);
	if (*key_out != NULL)
		return 0;
	reason = ERR_GET_REASON(ERR_peek_last_error());
	if (reason == PEM_R_BAD_PASSWORD_READ || reason == PEM_R_PROBLEMS_GETTING_PASSWORD)
		return tls_why(why, why_size, ERR_CONFIG, "the key is encrypted");
	return tls_why(why, why_size, ERR_CONFIG, "the key: %s", tls_library_reason());
}

static int install_pair(SSL_CTX *ctx, STACK_OF(X509) * chain, EVP_PKEY *key, char *why, size_t why_size)
{
	X509 *own = sk_X509_shift(chain);
	int err = 0;

	if (X509_check_private_key(own, key) != 1)
		err = tls_why(why, why_size, ERR_CONFIG, "the key does not belong to the certificate");
	else if (SSL_CTX_use_cert_and_key(ctx, own, key, chain, 1) != 1)
		err = tls_why(why, why_size, ERR_CONFIG, "the certificate: %s", tls_library_reason());
	X509_free(own);
	ERR_clear_error();
	return err;
}

int tls_use_pair(SSL_CTX *ctx, struct tls_pair pair, char *why, size_t why_size)
{
	STACK_OF(X509) *chain = NULL;
	EVP_PKEY *key = NULL;
	int err;

	err = parse_certificates(pair.chain_pem, TLS_CHAIN_MAX, why, why_size, &chain);
	if (err == 0)
		err = parse_key(pair.key_pem, why, why_size, &key);
	if (err == 0)
		err = install_pair(ctx, chain, key, why, why_size);
	EVP_PKEY_free(key);
	free_certificates(chain);
	return err;
}

static int check_authorities(STACK_OF(X509) * list, char *why, size_t why_size)
{
	for (int i = 0; i < sk_X509_num(list); i++) {
		if (X509_check_ca(sk_X509_value(list, i)) == 0)
			return tls_why(why, why_size, ERR_CONFIG, "certificate %d is not an authority's",
			               i + 1);
	}
	return 0;
}

int tls_use_ca(SSL_CTX *ctx, struct span ca_pem, bool announce, char *why, size_t why_size)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	STACK_OF(X509) * list;
	int err = parse_certificates(ca_pem, TLS_CA_MAX, why, why_size, &list);

	if (err != 0)
		return err;
	err = check_authorities(list, why, why_size);
	for (int i = 0; err == 0 && i < sk_X509_num(list); i++) {
		X509 *certificate = sk_X509_value(list, i);

		if (X509_STORE_add_cert(store, certificate) != 1 ||
		    (announce && SSL_CTX_add_client_CA(ctx, certificate) != 1))
			err = ERR_NOMEM;
	}
	free_certificates(list);
	return err;
}

int tls_use_alpn(struct tls_context *context, const char *const *alpn, size_t count, char *why,
                 size_t why_size)
{
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(alpn[i]);

		if (len == 0 || len + 1 > sizeof(context->alpn) - context->alpn_len)
			return tls_why(why, why_size, ERR_CONFIG, "ALPN name %zu is empty or too long",
			               i + 1);
		context->alpn[context->alpn_len] = (unsigned char)len;
		memcpy(context->alpn + context->alpn_len + 1, alpn[i], len);
		context->alpn_len += len + 1;
	}
	return 0;
}

const char *tls_system_ca_file(void)
{
	const char *const places[] = {
	        getenv(X509_get_default_cert_file_env()),
	        "/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine, Arch */
	        "/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora */
	        "/etc/ssl/ca-bundle.pem",             /* openSUSE */
	        X509_get_default_cert_file(),
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (places[i] != NULL && access(places[i], R_OK) == 0)
			return places[i];
	}
	return NULL;
}

/* A warning in `why` about the first certificate of the list that has one. */
static void warn_of_dates(STACK_OF(X509) * list, time_t now, char *why, size_t why_size)
{
	time_t soon = now + (time_t)EXPIRY_WARNING_DAYS * 24 * 3600;

	for (int i = 0; i < sk_X509_num(list); i++) {
		const X509 *certificate = sk_X509_value(list, i);
		const char *what = NULL;

		if (X509_cmp_time(X509_get0_notBefore(certificate), &now) > 0)
			what = "is not valid yet";
		else if (X509_cmp_time(X509_get0_notAfter(certificate), &now) <= 0)
			what = "has expired";
		else if (X509_cmp_time(X509_get0_notAfter(certificate), &soon) <= 0)
			what = "expires within 14 days";
		if (what != NULL) {
			tls_why(why, why_size, 0, "certificate %d %s", i + 1, what);
			return;
		}
	}
}

static int warn_of_pem(struct span pem, int max, time_t now, char *why, size_t why_size)
{
	STACK_OF(X509) * list;
	int err = parse_certificates(pem, max, why, why_size, &list);

	if (err != 0)
		return err;
	warn_of_dates(list, now, why, why_size);
	free_certificates(list);
	return 0;
}

int tls_check_pair(struct tls_pair pair, time_t now, char *why, size_t why_size)
{
	SSL_CTX *ctx = tls_ssl_ctx_new(true, false);
	int err;

	tls_why(why, why_size, 0, "%s", "");
	if (ctx == NULL)
		return ERR_NOMEM;
	err = tls_use_pair(ctx, pair, why, why_size);
	SSL_CTX_free(ctx);
	return err != 0 ? err : warn_of_pem(pair.chain_pem, TLS_CHAIN_MAX, now, why, why_size);
}

int tls_check_ca(struct span ca_pem, time_t now, char *why, size_t why_size)
{
	SSL_CTX *ctx = tls_ssl_ctx_new(true, false);
	int err;

	tls_why(why, why_size, 0, "%s", "");
	if (ctx == NULL)
		return ERR_NOMEM;
	err = tls_use_ca(ctx, ca_pem, true, why, why_size);
	SSL_CTX_free(ctx);
	return err != 0 ? err : warn_of_pem(ca_pem, TLS_CA_MAX, now, why, why_size);
}
