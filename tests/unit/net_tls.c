/*
 * net_tls.c - connections: bytes in whatever pieces, ends, failures, memory.
 */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/lib/tls_wire.h"

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
	        cmocka_unit_test(end_is_told_from_truncation),
	        cmocka_unit_test(answer_survives_a_failed_write),
	        cmocka_unit_test(renegotiation_is_refused),
	        cmocka_unit_test(garbage_is_refused),
	        cmocka_unit_test(spoiled_record_is_refused),
	        cmocka_unit_test(connection_outlives_its_context),
	        cmocka_unit_test(idle_connections_are_small),
	};

	return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}
