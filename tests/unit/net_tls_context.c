/*
 * net_tls_context.c - contexts: who is believed, which certificate is shown, what is agreed and resumed, and
 * the checks of a configuration.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/lib/tls_wire.h"

static const char secret[] = "a secret of well over the forty-eight bytes that are asked for";

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
	struct certificate old_style = certificate_make("a.test", "email:x@a.test", &ca, -60, 60);
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
	char host[32];

	(void)state;
	for (int tls12 = 0; tls12 <= 1; tls12++) { /* a resumed session brings a new ticket in TLS 1.3 only */
		struct tls_context *client = client_from((struct tls_client_config){.insecure = true});

		if (tls12)
			allow_tls12_only(client);
		for (int i = 0; i < TLS_SESSIONS_MAX; i++) {
			snprintf(host, sizeof(host), "h%d.test", i);
			assert_false(visit(client, server, host, true));
		}
		assert_true(visit(client, server, "h0.test", true));
		assert_false(visit(client, server, "one-more.test", true));
		assert_true(visit(client, server, "h0.test", true));
		assert_false(visit(client, server, "h1.test", true));
		tls_context_unref(&client);
	}
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(name_chooses_the_certificate),
	        cmocka_unit_test(wrong_servers_are_refused),
	        cmocka_unit_test(host_is_needed_to_verify),
	        cmocka_unit_test(client_certificate_is_required),
	        cmocka_unit_test(alpn_is_ours_to_choose),
	        cmocka_unit_test(tickets_are_shared_by_secret),
	        cmocka_unit_test(ticket_is_no_certificate),
	        cmocka_unit_test(oldest_session_is_forgotten),
	        cmocka_unit_test(versions_are_bounded),
	        cmocka_unit_test(pairs_are_checked),
	        cmocka_unit_test(authorities_are_checked),
	        cmocka_unit_test(contexts_say_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}
