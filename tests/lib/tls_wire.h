/*
 * tls_wire.h - both sides of TLS against each other, over two socket pairs with a shuttle in the middle that
 * moves as few bytes at a time as a test likes, and may cut or spoil what passes:
 *
 *   client fd -- near     far -- shuttle -- far     near -- server fd
 *
 * Include after cmocka.h. Certificates are made once for a group (make_certificates, free_certificates).
 */
#ifndef TESTS_LIB_TLS_WIRE_H
#define TESTS_LIB_TLS_WIRE_H

#include <sys/socket.h>
#include <unistd.h>

#include "proto/net/tls_context.h"
#include "tests/lib/certificate.h"

enum { NEAR, FAR, EVERYTHING = 1 << 20, ROUNDS_MAX = 1000000 };

struct end {
	struct tls *tls;
	int fds[2];
	int result;
};

struct wire {
	struct end client, server;
	size_t step; /* bytes that the shuttle moves at a time, each way */
};

static struct certificate ca, other_ca, server_cert, second_cert, wild_cert, client_cert, stray_cert;

static inline struct tls_pair pair_of(const struct certificate *c)
{
	return (struct tls_pair){span_of(c->pem), span_of(c->key_pem)};
}

static inline int make_certificates(void **state)
{
	(void)state;
	ca = certificate_make("test authority", NULL, NULL, -60, 90 * CERTIFICATE_DAY);
	other_ca = certificate_make("other authority", NULL, NULL, -60, 90 * CERTIFICATE_DAY);
	server_cert = certificate_make("first", "DNS:a.test,IP:127.0.0.1", &ca, -60, 60 * CERTIFICATE_DAY);
	second_cert = certificate_make("second", "DNS:B.test,DNS:a.test", &ca, -60, 60 * CERTIFICATE_DAY);
	wild_cert = certificate_make("wild", "DNS:*.w.test", &ca, -60, 60 * CERTIFICATE_DAY);
	client_cert = certificate_make("cli\nent", "DNS:client.test", &ca, -60, 60 * CERTIFICATE_DAY);
	stray_cert = certificate_make("stray", "DNS:stray.test", &other_ca, -60, 60 * CERTIFICATE_DAY);
	return 0;
}

static inline int free_certificates(void **state)
{
	struct certificate *all[] = {&ca,          &other_ca,  &server_cert, &second_cert,
	                             &client_cert, &wild_cert, &stray_cert};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		certificate_fini(all[i]);
	return 0;
}

static inline struct tls_context *server_from(struct tls_server_config config)
{
	struct tls_pair pair = pair_of(&server_cert);
	struct tls_context *context;
	char why[TLS_WHY_BYTES] = "";

	if (config.pairs == NULL) {
		config.pairs = &pair;
		config.pairs_count = 1;
	}
	if (tls_server_context(&config, why, sizeof(why), &context) != 0)
		fail_msg("%s", why);
	return context;
}

static inline struct tls_context *client_from(struct tls_client_config config)
{
	struct tls_context *context;
	char why[TLS_WHY_BYTES] = "";

	if (config.ca_pem.len == 0)
		config.ca_pem = span_of(ca.pem);
	if (tls_client_context(&config, why, sizeof(why), &context) != 0)
		fail_msg("%s", why);
	return context;
}

static inline void allow_tls12_only(struct tls_context *context)
{
	for (size_t i = 0; i < context->pairs_count; i++)
		SSL_CTX_set_max_proto_version(context->pairs[i], TLS1_2_VERSION);
}

static inline void open_end(struct end *end, struct tls_context *context, const char *host)
{
	int small = 4096;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, end->fds), 0);
	setsockopt(end->fds[NEAR], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	assert_int_equal(tls_new(context, end->fds[NEAR], host, &end->tls), 0);
	end->result = ERR_AGAIN;
}

static inline void wire_open(struct wire *w, struct tls_context *client, struct tls_context *server,
                             const char *host, size_t step)
{
	memset(w, 0, sizeof(*w));
	w->step = step;
	open_end(&w->client, client, host);
	open_end(&w->server, server, NULL);
}

static inline void close_end(struct end *end)
{
	tls_free(&end->tls);
	close(end->fds[NEAR]);
	close(end->fds[FAR]);
}

static inline void wire_close(struct wire *w)
{
	close_end(&w->client);
	close_end(&w->server);
}

/* Moves at most one step; a full receiver drops nothing, because it is asked for room first. */
static inline bool move(struct end *from, struct end *to, size_t step)
{
	char bytes[2048];
	ssize_t n = recv(from->fds[FAR], bytes, step < sizeof(bytes) ? step : sizeof(bytes), MSG_PEEK);

	if (n <= 0)
		return false;
	n = send(to->fds[FAR], bytes, (size_t)n, MSG_NOSIGNAL);
	if (n > 0)
		assert_int_equal(recv(from->fds[FAR], bytes, (size_t)n, 0), n);
	return n > 0;
}

static inline bool shuttle(struct wire *w)
{
	bool forth = move(&w->client, &w->server, w->step);
	bool back = move(&w->server, &w->client, w->step);

	return forth || back;
}

static inline void shake_end(struct end *end)
{
	if (end->result == ERR_AGAIN)
		end->result = tls_handshake(end->tls);
}

/* Until both have ended or nothing moves any more. */
static inline void shake(struct wire *w)
{
	int rounds = 0;

	do {
		shake_end(&w->client);
		shake_end(&w->server);
		assert_true(++rounds < ROUNDS_MAX);
	} while (shuttle(w));
}

static inline void expect_up(struct wire *w)
{
	if (w->client.result != 0 || w->server.result != 0)
		fail_msg("client: %d %s, server: %d %s", w->client.result, tls_error_text(w->client.tls),
		         w->server.result, tls_error_text(w->server.tls));
}

/* What a read comes to when all has been delivered. */
static inline ssize_t read_all(struct wire *w, struct end *end, char *bytes, size_t size)
{
	while (shuttle(w))
		;
	return tls_read(end->tls, bytes, size);
}

#endif
