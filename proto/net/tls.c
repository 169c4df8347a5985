/*
 * tls.c - one connection. The socket is reached through a BIO of our own: OpenSSL's writes with write(2),
 * which raises SIGPIPE, and leaves the reason of a failure in errno.
 */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include "proto/net/tls_context.h"

static bool may_retry(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

static int socket_read(BIO *bio, char *bytes, int size)
{
	struct tls *tls = BIO_get_data(bio);
	ssize_t n = recv(tls->fd, bytes, (size_t)size, 0);

	BIO_clear_retry_flags(bio);
	if (n == 0)
		tls->end_of_stream = true;
	if (n < 0 && may_retry(errno))
		BIO_set_retry_read(bio);
	else if (n < 0)
		tls->io_errno = errno;
	return (int)n;
}

static int socket_write(BIO *bio, const char *bytes, int size)
{
	struct tls *tls = BIO_get_data(bio);
	ssize_t n = send(tls->fd, bytes, (size_t)size, MSG_NOSIGNAL);

	BIO_clear_retry_flags(bio);
	if (n < 0 && may_retry(errno))
		BIO_set_retry_write(bio);
	else if (n < 0)
		tls->io_errno = errno;
	return (int)n;
}

static long socket_ctrl(BIO *bio, int command, long number, void *pointer)
{
	struct tls *tls = BIO_get_data(bio);

	(void)number;
	(void)pointer;
	switch (command) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_EOF:
		return tls->end_of_stream;
	}
	return 0;
}

BIO_METHOD *tls_socket_method(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "socket");

	if (method == NULL)
		return NULL;
	BIO_meth_set_read(method, socket_read);
	BIO_meth_set_write(method, socket_write);
	BIO_meth_set_ctrl(method, socket_ctrl);
	return method;
}

static int attach(struct tls *tls)
{
	BIO *bio;

	tls->ssl = SSL_new(tls->context->pairs[0]);
	if (tls->ssl == NULL)
		return ERR_NOMEM;
	bio = BIO_new(tls->context->socket_method);
	if (bio == NULL)
		return ERR_NOMEM;
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	SSL_set_bio(tls->ssl, bio, bio);
	SSL_set_app_data(tls->ssl, tls);
	if (tls->context->is_server) {
		SSL_set_accept_state(tls->ssl);
		return 0;
	}
	SSL_set_connect_state(tls->ssl);
	return tls_client_prepare(tls);
}

int tls_new(struct tls_context *context, int fd, const char *host, struct tls **tls_out)
{
	size_t len = host == NULL ? 0 : strlen(host);
	struct tls *tls;
	int err;

	if (len > 0 && host[len - 1] == '.')
		len--;
	if (len > TLS_HOST_MAX)
		return ERR_CONFIG;
	tls = calloc(1, sizeof(*tls) + len + 1);
	if (tls == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < len; i++)
		tls->host[i] = (char)tolower((unsigned char)host[i]);
	tls->fd = fd;
	tls->context = tls_context_ref(context);
	err = attach(tls);
	if (err != 0)
		tls_free(&tls);
	else
		*tls_out = tls;
	ERR_clear_error();
	return err;
}

void tls_free(struct tls **tls_ptr)
{
	struct tls *tls = *tls_ptr;

	if (tls == NULL)
		return;
	*tls_ptr = NULL;
	if (tls->ssl != NULL) {
		/* else OpenSSL forbids resumption of a session that was not closed by us */
		if (tls->failure == 0 || tls->failure == ERR_CLOSED)
			SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
		SSL_free(tls->ssl);
	}
	tls_context_unref(&tls->context);
	free(tls);
}

static int fail(struct tls *tls, int code, const char *prefix, const char *reason)
{
	tls->failure = tls_why(tls->error_text, sizeof(tls->error_text), code, "%s%s", prefix, reason);
	return code;
}

/* RFC 8446 6.2: the alerts by which a peer refuses our certificate, or the lack of one. */
static bool alert_denies(int alert)
{
	return (alert >= SSL_AD_NO_CERTIFICATE && alert <= SSL_AD_CERTIFICATE_UNKNOWN) ||
	       alert == SSL_AD_UNKNOWN_CA || alert == SSL_AD_ACCESS_DENIED ||
	       alert == SSL_AD_CERTIFICATE_REQUIRED;
}

static int library_failure(struct tls *tls)
{
	unsigned long error = ERR_peek_last_error();
	int reason = ERR_GET_REASON(error);

	if (ERR_GET_LIB(error) == ERR_LIB_SSL) {
		if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
			return fail(tls, ERR_CLOSED, "the peer closed without close_notify", "");
		if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
			return fail(tls, ERR_DENIED, "the peer's certificate: ",
			            X509_verify_cert_error_string(SSL_get_verify_result(tls->ssl)));
		if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
			return fail(tls, ERR_DENIED, "the peer showed no certificate", "");
		if (reason == SSL_R_BAD_WRITE_RETRY || reason == SSL_R_BAD_LENGTH)
			return fail(tls, ERR_BUG, "a write was repeated with other bytes", "");
		if (reason > SSL_AD_REASON_OFFSET)
			return fail(tls, alert_denies(reason - SSL_AD_REASON_OFFSET) ? ERR_DENIED : ERR_PROTO,
			            "the peer's alert: ",
			            SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET));
	}
	if (reason == ERR_R_MALLOC_FAILURE)
		return fail(tls, ERR_NOMEM, "out of memory", "");
	return fail(tls, ERR_PROTO, "", tls_library_reason());
}

static int io_failure(struct tls *tls)
{
	int error = tls->io_errno;

	if (error == 0 || error == ECONNRESET || error == EPIPE)
		return fail(tls, ERR_CLOSED, "the peer closed without close_notify", "");
	return fail(tls, ERR_SYS, "socket: ", strerror(error));
}

/* What a libssl call that returned `result` <= 0 comes to. 0: close_notify. */
static int outcome(struct tls *tls, int result)
{
	int err;

	switch (SSL_get_error(tls->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		tls->want = TLS_WANT_READ;
		return ERR_AGAIN;
	case SSL_ERROR_WANT_WRITE:
		tls->want = TLS_WANT_WRITE;
		return ERR_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		err = io_failure(tls);
		break;
	case SSL_ERROR_SSL:
		err = library_failure(tls);
		break;
	default:
		err = fail(tls, ERR_BUG, "an outcome of OpenSSL without a meaning here", "");
	}
	ERR_clear_error();
	return err;
}

/* To look is cheaper than to clear what is empty. */
static void begin(struct tls *tls)
{
	if (ERR_peek_error() != 0)
		ERR_clear_error();
	tls->io_errno = 0;
}

int tls_handshake(struct tls *tls)
{
	int result, err;

	if (tls->failure != 0 || tls->established)
		return tls->failure;
	begin(tls);
	result = SSL_do_handshake(tls->ssl);
	if (result == 1) {
		tls->established = true;
		return 0;
	}
	err = outcome(tls, result);
	return err == 0 ? fail(tls, ERR_CLOSED, "the peer closed during the handshake", "") : err;
}

ssize_t tls_read(struct tls *tls, void *bytes, size_t size)
{
	size_t n;
	int result;

	assert(size > 0);
	if (tls->failure != 0)
		return tls->failure;
	if (!tls->established)
		return ERR_BUG;
	begin(tls);
	result = SSL_read_ex(tls->ssl, bytes, size, &n);
	tls->read_dry = result != 1;
	if (result == 1)
		return (ssize_t)n;
	return outcome(tls, result);
}

ssize_t tls_write(struct tls *tls, const void *bytes, size_t size)
{
	size_t n;
	int result, err;

	if (tls->failure != 0 || tls->write_failure != 0)
		return tls->failure != 0 ? tls->failure : tls->write_failure;
	if (!tls->established || tls->closing)
		return ERR_BUG;
	if (size == 0)
		return 0;
	begin(tls);
	result = SSL_write_ex(tls->ssl, bytes, size, &n);
	if (result == 1)
		return (ssize_t)n;
	err = outcome(tls, result);
	if (err == ERR_CLOSED) {
		tls->write_failure = err; /* an answer or an alert may still wait to be read */
		tls->failure = 0;
	}
	return err == 0 ? ERR_BUG : err;
}

int tls_close(struct tls *tls)
{
	int result;

	if (tls->failure != 0 || tls->write_failure != 0 || !tls->established || tls->closed)
		return tls->failure;
	tls->closing = true;
	begin(tls);
	result = SSL_shutdown(tls->ssl);
	tls->closed = result >= 0;
	return tls->closed ? 0 : outcome(tls, result);
}

bool tls_pending(const struct tls *tls)
{
	return tls->failure == 0 && !tls->read_dry && SSL_has_pending(tls->ssl);
}

enum tls_want tls_want(const struct tls *tls)
{
	return tls->want;
}

const char *tls_error_text(const struct tls *tls)
{
	return tls->error_text;
}

struct span tls_alpn(const struct tls *tls)
{
	const unsigned char *name;
	unsigned len;

	SSL_get0_alpn_selected(tls->ssl, &name, &len);
	return (struct span){len == 0 ? "" : (const char *)name, len};
}

const char *tls_version_name(const struct tls *tls)
{
	return SSL_get_version(tls->ssl);
}

const char *tls_cipher_name(const struct tls *tls)
{
	return SSL_get_cipher_name(tls->ssl);
}

bool tls_resumed(const struct tls *tls)
{
	return SSL_session_reused(tls->ssl) == 1;
}

const char *tls_server_name(const struct tls *tls)
{
	const char *name;

	if (!tls->context->is_server)
		return tls->host;
	name = SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name);
	return name == NULL ? "" : name;
}

size_t tls_peer_subject(const struct tls *tls, char *text, size_t size)
{
	X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
	BIO *bio = certificate == NULL ? NULL : BIO_new(BIO_s_mem());
	long len = 0;
	char *bytes;

	text[0] = '\0';
	if (bio == NULL)
		return 0;
	/* RFC 2253 with controls and high bytes escaped */
	if (X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) > 0)
		len = BIO_get_mem_data(bio, &bytes);
	if (len > 0) {
		len = (size_t)len < size ? len : (long)size - 1;
		memcpy(text, bytes, (size_t)len);
		text[len] = '\0';
	}
	BIO_free(bio);
	ERR_clear_error();
	return (size_t)len;
}
