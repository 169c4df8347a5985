/*
 * net_tls.c - both sides of TLS against each other, over two socket pairs with a shuttle in the middle that
 * moves as few bytes at a time as a test likes, and may cut or spoil what passes:
 *
 *   client fd -- near     far -- shuttle -- far     near -- server fd
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/err.h>

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
static const char secret[] = "a secret of well over the forty-eight bytes that are asked for";

static struct tls_pair pair_of(const struct certificate *c)
{
	return (struct tls_pair){span_of(c->pem), span_of(c->key_pem)};
}

static int make_certificates(void **state)
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

static int free_certificates(void **state)
{
	struct certificate *all[] = {&ca,          &other_ca,  &server_cert, &second_cert,
	                             &client_cert, &wild_cert, &stray_cert};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		certificate_fini(all[i]);
	return 0;
}

static struct tls_context *server_from(struct tls_server_config config)
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

static struct tls_context *client_from(struct tls_client_config config)
{
	struct tls_context *context;
	char why[TLS_WHY_BYTES] = "";

	if (config.ca_pem.len == 0)
		config.ca_pem = span_of(ca.pem);
	if (tls_client_context(&config, why, sizeof(why), &context) != 0)
		fail_msg("%s", why);
	return context;
}

static void allow_tls12_only(struct tls_context *context)
{
	for (size_t i = 0; i < context->pairs_count; i++)
		SSL_CTX_set_max_proto_version(context->pairs[i], TLS1_2_VERSION);
}

static void open_end(struct end *end, struct tls_context *context, const char *host)
{
	int small = 4096;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, end->fds), 0);
	setsockopt(end->fds[NEAR], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	assert_int_equal(tls_new(context, end->fds[NEAR], host, &end->tls), 0);
	end->result = ERR_AGAIN;
}

static void wire_open(struct wire *w, struct tls_context *client, struct tls_context *server,
                      const char *host, size_t step)
{
	memset(w, 0, sizeof(*w));
	w->step = step;
	open_end(&w->client, client, host);
	open_end(&w->server, server, NULL);
}

static void close_end(struct end *end)
{
	tls_free(&end->tls);
	close(end->fds[NEAR]);
	close(end->fds[FAR]);
}

static void wire_close(struct wire *w)
{
	close_end(&w->client);
	close_end(&w->server);
}

/* Moves at most one step; a full receiver drops nothing, because it is asked for room first. */
static bool move(struct end *from, struct end *to, size_t step)
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

static bool shuttle(struct wire *w)
{
	bool forth = move(&w->client, &w->server, w->step);
	bool back = move(&w->server, &w->client, w->step);

	return forth || back;
}

static void shake_end(struct end *end)
{
	if (end->result == ERR_AGAIN)
		end->result = tls_handshake(end->tls);
}

/* Until both have ended or nothing moves any more. */
static void shake(struct wire *w)
{
	int rounds = 0;

	do {
		shake_end(&w->client);
		shake_end(&w->server);
		assert_true(++rounds < ROUNDS_MAX);
	} while (shuttle(w));
}

static void expect_up(struct wire *w)
{
	if (w->client.result != 0 || w->server.result != 0)
		fail_msg("client: %d %s, server: %d %s", w->client.result, tls_error_text(w->client.tls),
		         w->server.result, tls_error_text(w->server.tls));
}

/* What a read comes to when all has been delivered. */
static ssize_t read_all(struct wire *w, struct end *end, char *bytes, size_t size)
{
	while (shuttle(w))
		;
	return tls_read(end->tls, bytes, size);
}

static char pattern(size_t i)
{
	return (char)(i * 31 + i / 251);
}

static ssize_t write_pattern(struct tls *tls, size_t at, size_t len)
{
	char bytes[5000];
	size_t n = len - at < sizeof(bytes) ? len - at : sizeof(bytes);

	for (size_t i = 0; i < n; i++)
		bytes[i] = pattern(at + i);
	return tls_write(tls, bytes, n);
}

/* Sends `len` bytes one way while the shuttle drips; every byte must arrive, in order. */
static void transfer(struct wire *w, struct end *from, struct end *to, size_t len)
{
	size_t sent = 0, got = 0;
	char bytes[777];

	for (int rounds = 0; got < len; rounds++) {
		ssize_t n = sent < len ? write_pattern(from->tls, sent, len) : 0;

		assert_true(n >= 0 || n == ERR_AGAIN);
		sent += n > 0 ? (size_t)n : 0;
		shuttle(w);
		while ((n = tls_read(to->tls, bytes, sizeof(bytes))) > 0) {
			for (ssize_t i = 0; i < n; i++)
				assert_int_equal(bytes[i], pattern(got++));
		}
		assert_int_equal(n, ERR_AGAIN);
		assert_false(tls_pending(to->tls));
		assert_true(rounds < ROUNDS_MAX);
	}
}

static void split_delivery(bool tls12, size_t step, size_t len)
{
	struct tls_context *client = client_from((struct tls_client_config){0});
	struct tls_context *server = server_from((struct tls_server_config){0});
	struct wire w;

	if (tls12)
		allow_tls12_only(client);
	wire_open(&w, client, server, "a.test", step);
	shake(&w);
	expect_up(&w);
	assert_string_equal(tls_version_name(w.client.tls), tls12 ? "TLSv1.2" : "TLSv1.3");
	assert_string_equal(tls_version_name(w.server.tls), tls12 ? "TLSv1.2" : "TLSv1.3");
	assert_string_equal(tls_server_name(w.server.tls), "a.test");
	assert_false(tls_resumed(w.client.tls));
	transfer(&w, &w.client, &w.server, len);
	transfer(&w, &w.server, &w.client, len);
	wire_close(&w);
	tls_context_unref(&client);
	tls_context_unref(&server);
}

static void delivers_whatever_the_split(void **state)
{
	(void)state;
	for (int tls12 = 0; tls12 <= 1; tls12++) {
		split_delivery(tls12, 1, 3000);
		split_delivery(tls12, 2, 3000);
		split_delivery(tls12, 7, 40000);
		split_delivery(tls12, 1000, 300000);
		split_delivery(tls12, EVERYTHING, 300000);
	}
}

static void blocked_writer_says_so(void **state)
{
	struct tls_context *client = client_from((struct tls_client_config){0});
	struct tls_context *server = server_from((struct tls_server_config){0});
	static char bytes[TLS_RECORD_MAX];
	struct wire w;
	ssize_t n;

	(void)state;
	wire_open(&w, client, server, "a.test", EVERYTHING);
	shake(&w);
	expect_up(&w);
	while ((n = tls_write(w.client.tls, bytes, sizeof(bytes))) > 0)
		assert_true(n <= TLS_RECORD_MAX);
	assert_int_equal(n, ERR_AGAIN);
	assert_int_equal(tls_want(w.client.tls), TLS_WANT_WRITE);
	assert_int_equal(tls_write(w.client.tls, bytes, 1), ERR_BUG); /* shorter than what is on its way */
	assert_int_equal(tls_read(w.server.tls, bytes, sizeof(bytes)), ERR_AGAIN);
	assert_int_equal(tls_want(w.server.tls), TLS_WANT_READ);
	wire_close(&w);
	tls_context_unref(&client);
	tls_context_unref(&server);
}

/* A small read leaves bytes that the socket will not announce again. */
static void read_ahead_is_pending(void **state)
{
	struct tls_context *client = client_from((struct tls_client_config){0});
	struct tls_context *server = server_from((struct tls_server_config){0});
	struct wire w;
	char byte[1];

	(void)state;
	wire_open(&w, client, server, "a.test", EVERYTHING);
	shake(&w);
	expect_up(&w);
	assert_int_equal(tls_write(w.client.tls, "ab", 2), 2);
	assert_int_equal(tls_write(w.client.tls, "c", 1), 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(read_all(&w, &w.server, byte, 1), 1);
		assert_int_equal(byte[0], 'a' + i);
		assert_int_equal(recv(w.server.fds[NEAR], byte, 1, MSG_PEEK), -1);
		assert_int_equal(tls_pending(w.server.tls), i < 2);
	}
	assert_int_equal(tls_read(w.server.tls, byte, 1), ERR_AGAIN);
	assert_false(tls_pending(w.server.tls));
	wire_close(&w);
	tls_context_unref(&client);
	tls_context_unref(&server);
}

static void expect_subject(struct tls_context *client, struct tls_context *server, const char *host,
                           const char *subject)
{
	struct wire w;
	char text[64];

	wire_open(&w, client, server, host, EVERYTHING);
	shake(&w);
	expect_up(&w);
	assert_int_equal(tls_peer_subject(w.client.tls, text, sizeof(text)), strlen(subject));
	assert_string_equal(text, subject);
	assert_int_equal(tls_peer_subject(w.client.tls, text, 4), 3);
	assert_string_equal(text, "CN=");
	assert_int_equal(tls_peer_subject(w.server.tls, text, sizeof(text)), 0);
	wire_close(&w);
}

static void name_chooses_the_certificate(void **state)
{
	const struct tls_pair pairs[] = {pair_of(&server_cert), pair_of(&second_cert), pair_of(&wild_cert)};
	struct tls_context *server =
	        server_from((struct tls_server_config){.pairs = pairs, .pairs_count = 3});
	struct tls_context *client = client_from((struct tls_client_config){0});
	struct tls_context *any = client_from((struct tls_client_config){.insecure = true});

	(void)state;
	expect_subject(client, server, "a.test", "CN=first");
	expect_subject(client, server, "b.test", "CN=second");
	expect_subject(client, server, "B.TEST.", "CN=second");
	expect_subject(client, server, "x.w.test", "CN=wild");
	expect_subject(client, server, "127.0.0.1", "CN=first"); /* an address is not sent as a name */
	expect_subject(any, server, "x.y.w.test", "CN=first");
	expect_subject(any, server, "w.test", "CN=first");
	expect_subject(any, server, NULL, "CN=first");
	tls_context_unref(&client);
	tls_context_unref(&any);
	tls_context_unref(&server);
}

static void expect_refusal(struct tls_context *client, struct tls_context *server, const char *host,
                           const char *text)
{
	struct wire w;

	wire_open(&w, client, server, host, EVERYTHING);
	shake(&w);
	assert_int_equal(w.client.result, ERR_DENIED);
	assert_non_null(strstr(tls_error_text(w.client.tls), text));
	assert_true(w.server.result == ERR_DENIED);
	assert_int_equal(tls_handshake(w.client.tls), ERR_DENIED);
	assert_int_equal(tls_read(w.client.tls, (char[1]){0}, 1), ERR_DENIED);
	wire_close(&w);
}

static void wrong_servers_are_refused(void **state)
{
	struct tls_context *server = server_from((struct tls_server_config){0});
	struct tls_context *client = client_from((struct tls_client_config){0});
	struct tls_context *stranger =
	        client_from((struct tls_client_config){.ca_pem = span_of(other_ca.pem)});
	struct certificate late = certificate_make("late", "DNS:a.test", &ca, -120, -60);
	struct certificate old_style = certificate_make("a.test", "DNS:c.test", &ca, -60, 60);
	struct tls_pair late_pair = pair_of(&late), old_pair = pair_of(&old_style);
	struct tls_context *expired =
	        server_from((struct tls_server_config){.pairs = &late_pair, .pairs_count = 1});
	struct tls_context *common =
	        server_from((struct tls_server_config){.pairs = &old_pair, .pairs_count = 1});

	(void)state;
	expect_refusal(client, server, "evil.test", "ostname mismatch");
	expect_refusal(client, server, "127.0.0.2", "IP address mismatch");
	expect_refusal(client, server, "a.testa", "ostname mismatch");
	expect_refusal(stranger, server, "a.test", "issuer");
	expect_refusal(client, expired, "a.test", "expired");
	expect_refusal(client, common, "a.test", "ostname mismatch");
	tls_context_unref(&server);
	tls_context_unref(&client);
	tls_context_unref(&stranger);
	tls_context_unref(&expired);
	tls_context_unref(&common);
	certificate_fini(&late);
	certificate_fini(&old_style);
}

static void host_is_needed_to_verify(void **state)
{
	struct tls_context *client = client_from((struct tls_client_config){0});
	char long_name[400];
	struct tls *tls;

	(void)state;
	memset(long_name, 'a', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	assert_int_equal(tls_new(client, -1, NULL, &tls), ERR_CONFIG);
	assert_int_equal(tls_new(client, -1, "", &tls), ERR_CONFIG);
	assert_int_equal(tls_new(client, -1, long_name, &tls), ERR_CONFIG);
	tls_context_unref(&client);
}

/* The server's verdict, and what the client hears of it. */
static void expect_client_certificate(struct tls_context *server, const struct certificate *shown, bool tls12,
                                      int verdict)
{
	struct tls_client_config config = {0};
	struct tls_context *client;
	struct wire w;
	char text[64];

	if (shown != NULL)
		config.pair = pair_of(shown);
	client = client_from(config);
	if (tls12)
		allow_tls12_only(client);
	wire_open(&w, client, server, "a.test", EVERYTHING);
	shake(&w);
	assert_int_equal(w.server.result, verdict);
	if (verdict == 0) {
		assert_true(tls_peer_subject(w.server.tls, text, sizeof(text)) > 0);
		assert_string_equal(text, "CN=cli\\0Aent");
	} else {
		if (w.client.result == 0)
			w.client.result = (int)read_all(&w, &w.client, text, sizeof(text));
		assert_int_equal(w.client.result, tls12 && shown == NULL ? ERR_PROTO : ERR_DENIED);
	}
	wire_close(&w);
	tls_context_unref(&client);
}

static void client_certificate_is_required(void **state)
{
	struct tls_context *server = server_from((struct tls_server_config){
	        .client_ca_pem = span_of(ca.pem), .ticket_secret = span_of(secret)});

	(void)state;
	for (int tls12 = 0; tls12 <= 1; tls12++) {
		expect_client_certificate(server, &client_cert, tls12, 0);
		expect_client_certificate(server, NULL, tls12, ERR_DENIED);
		expect_client_certificate(server, &stray_cert, tls12, ERR_DENIED);
	}
	tls_context_unref(&server);
}

static void expect_alpn(const char *const *offered, size_t count, int result, const char *chosen)
{
	static const char *const ours[] = {"h2", "http/1.1"};
	struct tls_context *server = server_from((struct tls_server_config){.alpn = ours, .alpn_count = 2});
	struct tls_context *client =
	        client_from((struct tls_client_config){.alpn = offered, .alpn_count = count});
	struct wire w;

	wire_open(&w, client, server, "a.test", EVERYTHING);
	shake(&w);
	assert_int_equal(w.server.result, result);
	assert_int_equal(w.client.result, result);
	if (result == 0) {
		assert_true(span_eq(tls_alpn(w.client.tls), span_of(chosen)));
		assert_true(span_eq(tls_alpn(w.server.tls), span_of(chosen)));
	}
	wire_close(&w);
	tls_context_unref(&client);
	tls_context_unref(&server);
}

static void alpn_is_ours_to_choose(void **state)
{
	(void)state;
	expect_alpn((const char *const[]){"http/1.1", "x", "h2"}, 3, 0, "h2");
	expect_alpn((const char *const[]){"http/1.0", "http/1.1"}, 2, 0, "http/1.1");
	expect_alpn(NULL, 0, 0, "");
	expect_alpn((const char *const[]){"h", "h2c"}, 2, ERR_PROTO, "");
}

/* One connection with an echo; returns whether it was resumed. */
static bool visit(struct tls_context *client, struct tls_context *server, const char *host, bool polite)
{
	struct wire w;
	bool resumed;
	char bytes[8];

	wire_open(&w, client, server, host, EVERYTHING);
	shake(&w);
	expect_up(&w);
	assert_int_equal(tls_write(w.server.tls, "ping", 4), 4);
	assert_int_equal(read_all(&w, &w.client, bytes, sizeof(bytes)), 4);
	resumed = tls_resumed(w.client.tls);
	assert_int_equal(tls_resumed(w.server.tls), resumed);
	if (polite)
		assert_int_equal(tls_close(w.client.tls), 0);
	wire_close(&w);
	return resumed;
}

static void tickets_are_shared_by_secret(void **state)
{
	const struct tls_pair pairs[] = {pair_of(&server_cert), pair_of(&second_cert)};
	struct tls_server_config config = {
	        .pairs = pairs, .pairs_count = 2, .ticket_secret = span_of(secret)};
	struct tls_context *one = server_from(config), *two = server_from(config), *rotated, *none, *strict;

	(void)state;
	config.ticket_secret = SPAN("another secret of well over the forty-eight bytes asked for");
	rotated = server_from(config);
	config.ticket_secret = (struct span){0};
	none = server_from(config);
	config.ticket_secret = span_of(secret);
	config.tls13_only = true;
	strict = server_from(config);
	for (int tls12 = 0; tls12 <= 1; tls12++) {
		struct tls_context *client = client_from((struct tls_client_config){0});

		if (tls12)
			allow_tls12_only(client);
		assert_false(visit(client, one, "a.test", true));
		assert_true(visit(client, two, "a.test", false));
		assert_true(visit(client, one, "a.test", true));
		assert_false(visit(client, one, "b.test", true)); /* another host */
		assert_true(visit(client, one, "b.test", true));
		assert_true(visit(client, two, "a.test", true));
		if (!tls12)
			assert_true(visit(client, strict, "a.test", true));
		assert_false(visit(client, rotated, "a.test", true));
		assert_true(visit(client, rotated, "a.test", true));
		assert_false(visit(client, none, "a.test", true));
		assert_false(visit(client, none, "a.test", true));
		tls_context_unref(&client);
	}
	tls_context_unref(&one);
	tls_context_unref(&two);
	tls_context_unref(&rotated);
	tls_context_unref(&none);
	tls_context_unref(&strict);
}

/* A ticket of a listener that asks for no certificate opens nothing where one is required. */
static void ticket_is_no_certificate(void **state)
{
	struct tls_context *open = server_from((struct tls_server_config){.ticket_secret = span_of(secret)});
	struct tls_context *strict = server_from((struct tls_server_config){
	        .client_ca_pem = span_of(ca.pem), .ticket_secret = span_of(secret)});
	struct tls_context *client = client_from((struct tls_client_config){0});
	struct wire w;

	(void)state;
	assert_false(visit(client, open, "a.test", true));
	assert_true(visit(client, open, "a.test", true));
	wire_open(&w, client, strict, "a.test", EVERYTHING);
	shake(&w);
	assert_int_equal(w.server.result, ERR_DENIED);
	wire_close(&w);
	tls_context_unref(&open);
	tls_context_unref(&strict);
	tls_context_unref(&client);
}

static void oldest_session_is_forgotten(void **state)
{
	struct tls_context *server =
	        server_from((struct tls_server_config){.ticket_secret = span_of(secret)});
	struct tls_context *client = client_from((struct tls_client_config){.insecure = true});
	char host[32];

	(void)state;
	for (int i = 0; i < TLS_SESSIONS_MAX; i++) {
		snprintf(host, sizeof(host), "h%d.test", i);
		assert_false(visit(client, server, host, true));
	}
	assert_true(visit(client, server, "h0.test", true));
	assert_false(visit(client, server, "one-more.test", true));
	assert_true(visit(client, server, "h0.test", true));
	assert_false(visit(client, server, "h1.test", true));
	tls_context_unref(&server);
	tls_context_unref(&client);
}

static void end_is_told_from_truncation(void **state)
{
	struct tls_context *client = client_from((struct tls_client_config){0});
	struct tls_context *server = server_from((struct tls_server_config){0});
	char bytes[8];

	(void)state;
	for (int polite = 0; polite <= 1; polite++) {
		struct wire w;

		wire_open(&w, client, server, "a.test", EVERYTHING);
		shake(&w);
		expect_up(&w);
		assert_int_equal(tls_write(w.server.tls, "last", 4), 4);
		if (polite)
			assert_int_equal(tls_close(w.server.tls), 0);
		assert_int_equal(read_all(&w, &w.client, bytes, sizeof(bytes)), 4);
		shutdown(w.client.fds[FAR], SHUT_WR);
		assert_int_equal(tls_read(w.client.tls, bytes, sizeof(bytes)), polite ? 0 : ERR_CLOSED);
		assert_int_equal(tls_read(w.client.tls, bytes, sizeof(bytes)), polite ? 0 : ERR_CLOSED);
		if (polite) { /* the other direction is still open */
			assert_int_equal(tls_close(w.server.tls), 0);
			assert_int_equal(tls_write(w.server.tls, "x", 1), ERR_BUG);
			assert_int_equal(tls_write(w.client.tls, "more", 4), 4);
			assert_int_equal(read_all(&w, &w.server, bytes, sizeof(bytes)), 4);
		}
		wire_close(&w);
	}
	tls_context_unref(&client);
	tls_context_unref(&server);
}

/* The peer answered, closed, and we were still writing: the answer can be read. No SIGPIPE either. */
static void answer_survives_a_failed_write(void **state)
{
	struct tls_context *client = client_from((struct tls_client_config){0});
	struct tls_context *server = server_from((struct tls_server_config){0});
	struct wire w;
	char bytes[8];

	(void)state;
	wire_open(&w, client, server, "a.test", EVERYTHING);
	shake(&w);
	expect_up(&w);
	assert_int_equal(tls_write(w.server.tls, "no", 2), 2);
	while (shuttle(&w))
		;
	close(w.client.fds[FAR]);
	w.client.fds[FAR] = -1;
	assert_int_equal(tls_write(w.client.tls, "request", 7), ERR_CLOSED);
	assert_int_equal(tls_write(w.client.tls, "request", 7), ERR_CLOSED);
	assert_int_equal(tls_read(w.client.tls, bytes, sizeof(bytes)), 2);
	assert_int_equal(tls_read(w.client.tls, bytes, sizeof(bytes)), ERR_CLOSED);
	wire_close(&w);
	tls_context_unref(&client);
	tls_context_unref(&server);
}

static void renegotiation_is_refused(void **state)
{
	struct tls_context *client = client_from((struct tls_client_config){0});
	struct tls_context *server = server_from((struct tls_server_config){0});
	struct wire w;
	char bytes[8];

	(void)state;
	allow_tls12_only(client);
	SSL_CTX_clear_options(client->pairs[0], SSL_OP_NO_RENEGOTIATION);
	wire_open(&w, client, server, "a.test", EVERYTHING);
	shake(&w);
	expect_up(&w);
	assert_int_equal(SSL_renegotiate(w.client.tls->ssl), 1);
	assert_int_equal(SSL_do_handshake(w.client.tls->ssl), -1);
	assert_int_equal(read_all(&w, &w.server, bytes, sizeof(bytes)), ERR_AGAIN);
	assert_int_equal(read_all(&w, &w.client, bytes, sizeof(bytes)), ERR_PROTO);
	assert_non_null(strstr(tls_error_text(w.client.tls), "enegotiation"));
	wire_close(&w);
	tls_context_unref(&client);
	tls_context_unref(&server);
}

static void feed(struct end *end, const char *bytes, size_t len)
{
	assert_int_equal(send(end->fds[FAR], bytes, len, 0), len);
}

static void garbage_is_refused(void **state)
{
	static const char *const starts[] = {
	        "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\x16\x03\x01\xff\xff\x01\x01\x01\x01\x01\x01\x01\x01",
	        "\x16\x03\x01\x02garbage garbage garbage", "SSH-2.0-x\r\nxxxxxx"};
	struct tls_context *client = client_from((struct tls_client_config){0});
	struct tls_context *server = server_from((struct tls_server_config){0});

	(void)state;
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		struct wire w;
		size_t text_len;

		wire_open(&w, client, server, "a.test", EVERYTHING);
		assert_int_equal(tls_handshake(w.client.tls), ERR_AGAIN);
		feed(&w.client, starts[i], strlen(starts[i]));
		feed(&w.server, starts[i], strlen(starts[i]));
		shutdown(w.client.fds[FAR], SHUT_WR);
		shutdown(w.server.fds[FAR], SHUT_WR);
		shake_end(&w.client);
		shake_end(&w.server);
		assert_true(w.client.result == ERR_PROTO || w.client.result == ERR_CLOSED);
		assert_true(w.server.result == ERR_PROTO || w.server.result == ERR_CLOSED);
		assert_int_equal(tls_close(w.server.tls), w.server.result);
		text_len = strlen(tls_error_text(w.server.tls));
		assert_true(text_len > 0 && text_len < TLS_WHY_BYTES);
		assert_null(strchr(tls_error_text(w.server.tls), '\n'));
		wire_close(&w);
	}
	tls_context_unref(&client);
	tls_context_unref(&server);
}

/* Any one bit of a record that changes on the way ends the connection before a byte of it is given out. */
static void spoiled_record_is_refused(void **state)
{
	struct tls_context *client = client_from((struct tls_client_config){0});
	struct tls_context *server = server_from((struct tls_server_config){0});

	(void)state;
	for (size_t at = 5; at < 30; at += 3) {
		struct wire w;
		char bytes[128];
		ssize_t n;

		wire_open(&w, client, server, "a.test", EVERYTHING);
		shake(&w);
		expect_up(&w);
		assert_int_equal(tls_write(w.client.tls, "0123456789", 10), 10);
		n = recv(w.client.fds[FAR], bytes, sizeof(bytes), 0);
		assert_true(n > 30 && n < (ssize_t)sizeof(bytes));
		bytes[at] ^= 1;
		feed(&w.server, bytes, (size_t)n);
		assert_int_equal(tls_read(w.server.tls, bytes, sizeof(bytes)), ERR_PROTO);
		assert_int_equal(tls_write(w.server.tls, "x", 1), ERR_PROTO);
		wire_close(&w);
	}
	tls_context_unref(&client);
	tls_context_unref(&server);
}

static void versions_are_bounded(void **state)
{
	struct tls_context *server = server_from((struct tls_server_config){.tls13_only = true});
	struct tls_context *client = client_from((struct tls_client_config){0});
	struct wire w;

	(void)state;
	allow_tls12_only(client);
	wire_open(&w, client, server, "a.test", EVERYTHING);
	shake(&w);
	assert_int_equal(w.server.result, ERR_PROTO);
	assert_int_equal(w.client.result, ERR_PROTO);
	assert_non_null(strstr(tls_error_text(w.client.tls), "protocol version"));
	wire_close(&w);
	tls_context_unref(&client);
	tls_context_unref(&server);
}

static void connection_outlives_its_context(void **state)
{
	struct tls_context *client = client_from((struct tls_client_config){0});
	struct tls_context *server = server_from((struct tls_server_config){0});
	struct wire w;

	(void)state;
	wire_open(&w, client, server, "a.test", EVERYTHING);
	tls_context_unref(&client);
	tls_context_unref(&server);
	assert_null(client);
	shake(&w);
	expect_up(&w);
	transfer(&w, &w.client, &w.server, 5000);
	wire_close(&w);
}

static void expect_pair(struct tls_pair pair, int result, const char *text)
{
	char why[TLS_WHY_BYTES] = "stale";

	assert_int_equal(tls_check_pair(pair, time(NULL), why, sizeof(why)), result);
	if (text[0] == '\0' ? why[0] != '\0' : strstr(why, text) == NULL)
		fail_msg("'%s' has no '%s'", why, text);
}

static char *encrypted_key(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_128_cbc(), "pass", 4, NULL, NULL),
	                 1);
	return certificate_text(bio);
}

static void pairs_are_checked(void **state)
{
	struct certificate late = certificate_make("late", "DNS:a", &ca, -120, -60);
	struct certificate early = certificate_make("early", "DNS:a", &ca, 3600, 7200);
	struct certificate soon = certificate_make("soon", "DNS:a", &ca, -60, 3600);
	struct tls_pair good = pair_of(&server_cert), pair = good;
	char *locked = encrypted_key(server_cert.key), cut[600];

	(void)state;
	expect_pair(good, 0, "");
	expect_pair(pair_of(&late), 0, "has expired");
	expect_pair(pair_of(&early), 0, "not valid yet");
	expect_pair(pair_of(&soon), 0, "within 14 days");
	pair.key_pem = span_of(client_cert.key_pem);
	expect_pair(pair, ERR_CONFIG, "does not belong");
	pair.key_pem = span_of(locked);
	expect_pair(pair, ERR_CONFIG, "encrypted");
	pair.key_pem = SPAN("");
	expect_pair(pair, ERR_CONFIG, "the key: ");
	pair.key_pem = good.chain_pem;
	expect_pair(pair, ERR_CONFIG, "the key: ");
	pair = good;
	pair.chain_pem = SPAN("no certificate at all");
	expect_pair(pair, ERR_CONFIG, "no certificate");
	pair.chain_pem = (struct span){0};
	expect_pair(pair, ERR_CONFIG, "no certificate");
	snprintf(cut, sizeof(cut), "%.300s\n-----END CERTIFICATE-----\n", server_cert.pem);
	pair.chain_pem = span_of(cut);
	expect_pair(pair, ERR_CONFIG, "certificate 1: ");
	free(locked);
	certificate_fini(&late);
	certificate_fini(&early);
	certificate_fini(&soon);
}

static void authorities_are_checked(void **state)
{
	struct certificate late = certificate_make("late", NULL, NULL, -120, -60);
	char why[TLS_WHY_BYTES];
	time_t now = time(NULL);

	(void)state;
	assert_int_equal(tls_check_ca(span_of(ca.pem), now, why, sizeof(why)), 0);
	assert_string_equal(why, "");
	assert_int_equal(tls_check_ca(span_of(late.pem), now, why, sizeof(why)), 0);
	assert_non_null(strstr(why, "expired"));
	assert_int_equal(tls_check_ca(span_of(server_cert.pem), now, why, sizeof(why)), ERR_CONFIG);
	assert_non_null(strstr(why, "not an authority"));
	assert_int_equal(tls_check_ca(SPAN("x"), now, why, sizeof(why)), ERR_CONFIG);
	assert_int_equal(tls_check_ca(SPAN("x"), now, NULL, 0), ERR_CONFIG);
	certificate_fini(&late);
}

static void contexts_say_what_is_wrong(void **state)
{
	struct tls_pair good = pair_of(&server_cert), bad = {good.chain_pem, span_of(client_cert.key_pem)};
	const char *const nameless[] = {""};
	const struct tls_server_config refused[] = {
	        {.pairs = NULL},
	        {.pairs = &bad, .pairs_count = 1},
	        {.pairs = &good, .pairs_count = 1, .ticket_secret = SPAN("too short")},
	        {.pairs = &good, .pairs_count = 1, .alpn = nameless, .alpn_count = 1},
	        {.pairs = &good, .pairs_count = 1, .client_ca_pem = SPAN("x")},
	};
	struct tls_context *context = NULL;
	char why[TLS_WHY_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		why[0] = '\0';
		assert_int_equal(tls_server_context(&refused[i], why, sizeof(why), &context), ERR_CONFIG);
		assert_true(why[0] != '\0');
	}
	assert_int_equal(tls_client_context(&(struct tls_client_config){0}, why, sizeof(why), &context),
	                 ERR_CONFIG); /* nobody to believe */
	assert_null(context);
}

/* An idle connection holds no record buffers, which would be 16 KiB and more each way. */
static void idle_connections_are_small(void **state)
{
	enum { CONNECTIONS = 64 };
	static struct wire wires[CONNECTIONS];
	struct tls_context *client = client_from((struct tls_client_config){0});
	struct tls_context *server = server_from((struct tls_server_config){0});
	size_t before = mallinfo2().uordblks, each;

	(void)state;
	for (int i = 0; i < CONNECTIONS; i++) {
		wire_open(&wires[i], client, server, "a.test", EVERYTHING);
		shake(&wires[i]);
		expect_up(&wires[i]);
		transfer(&wires[i], &wires[i].client, &wires[i].server, 1024);
		transfer(&wires[i], &wires[i].server, &wires[i].client, 1024);
	}
	each = (mallinfo2().uordblks - before) / CONNECTIONS / 2;
	print_message("an idle connection holds %zu bytes (mean of both sides)\n", each);
	assert_true(each < 24 * 1024); /* 0 under a sanitizer */
	for (int i = 0; i < CONNECTIONS; i++)
		wire_close(&wires[i]);
	tls_context_unref(&client);
	tls_context_unref(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(delivers_whatever_the_split),
	        cmocka_unit_test(blocked_writer_says_so),
	        cmocka_unit_test(read_ahead_is_pending),
	        cmocka_unit_test(name_chooses_the_certificate),
	        cmocka_unit_test(wrong_servers_are_refused),
	        cmocka_unit_test(host_is_needed_to_verify),
	        cmocka_unit_test(client_certificate_is_required),
	        cmocka_unit_test(alpn_is_ours_to_choose),
	        cmocka_unit_test(tickets_are_shared_by_secret),
	        cmocka_unit_test(ticket_is_no_certificate),
	        cmocka_unit_test(oldest_session_is_forgotten),
	        cmocka_unit_test(end_is_told_from_truncation),
	        cmocka_unit_test(answer_survives_a_failed_write),
	        cmocka_unit_test(renegotiation_is_refused),
	        cmocka_unit_test(garbage_is_refused),
	        cmocka_unit_test(spoiled_record_is_refused),
	        cmocka_unit_test(versions_are_bounded),
	        cmocka_unit_test(connection_outlives_its_context),
	        cmocka_unit_test(pairs_are_checked),
	        cmocka_unit_test(authorities_are_checked),
	        cmocka_unit_test(contexts_say_what_is_wrong),
	        cmocka_unit_test(idle_connections_are_small),
	};

	return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}
