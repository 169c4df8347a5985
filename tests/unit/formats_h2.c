/*
 * formats_h2.c - both ends of the HTTP/2 codec against each other, in pieces of every size.
 */
#include "tests/unit/h2_transcript.h"

static void ask(struct end *client, const char *method, const char *path, struct span body)
{
	struct h2_fields fields = {.count = 0}, trailers = {.count = 0};
	struct h2_stream *s;

	h2_put(&fields, SPAN("X-Case"), SPAN("Kept"));
	h2_put(&fields, SPAN("cookie"), SPAN("a=1"));
	h2_put(&fields, SPAN("cookie"), SPAN("b=2"));
	h2_put(&fields, SPAN("te"), SPAN("trailers"));
	h2_put(&trailers, SPAN("X-End"), SPAN("yes"));
	s = h2_request(client->h2,
	               &(struct h2_request){span_of(method), SPAN("http"), SPAN("h:80"), span_of(path),
	                                    &fields, 0, body.data == NULL},
	               NULL);
	assert_non_null(s);
	if (!body.data)
		return;
	h2_data(s, body);
	h2_trailers(s, &trailers);
	h2_end(s);
}

static void test_exchange(void **state)
{
	(void)state;
	for (size_t step = 1; step < 400; step += step < 100 ? 1 : 37) {
		struct end server, client;

		end_init(&server, H2_SERVER, &(struct h2_limits){0});
		end_init(&client, H2_CLIENT, &(struct h2_limits){0});
		ask(&client, "GET", "/a", (struct span){0});
		ask(&client, "POST", "/b", SPAN("x"));
		converse(&client, &server, step);
		assert_string_equal(end_text(&server),
		                    "1:H0(GET /a h:80 x-case=Kept cookie=a=1; b=2 -te=trailers) 1:E "
		                    "3:H2(POST /b h:80 x-case=Kept cookie=a=1; b=2 -te=trailers) 3:[x] "
		                    "3:T( x-end=yes) 3:E 1:C0 3:C0 ");
		assert_string_equal(
		        end_text(&client),
		        "1:H0(103 server=t) 1:H2(200 server=t) 3:H0(103 server=t) 3:H2(200 server=t) "
		        "1:[hello] 1:T( x-sum=1) 1:E 1:C0 3:[hello] 3:T( x-sum=1) 3:E 3:C0 ");
		assert_int_equal(server.broken + client.broken, 0);
		assert_int_equal(h2_streams(server.h2) + h2_streams(client.h2), 0);
		assert_int_equal(h2_queued(server.h2), 0);
		end_fini(&server);
		end_fini(&client);
	}
}

/* A stream whose window is wider than the settings say, asked for before these are acknowledged, and after.
 */
static void test_wide_window(void **state)
{
	enum { NARROW = 2048, WIDE = 30000, ANSWER = 100000 };
	static char body[ANSWER];
	struct h2_fields none = {.count = 0};
	struct end server, client;

	(void)state;
	memset(body, 'x', sizeof body);
	end_init(&server, H2_SERVER, &(struct h2_limits){0});
	end_init(&client, H2_CLIENT, &(struct h2_limits){.window = NARROW});
	server.body = (struct span){body, sizeof body};
	for (unsigned i = 0; i < 3; i++) {
		struct h2_request r = {SPAN("GET"), SPAN("http"), SPAN("h"), SPAN("/"), &none, WIDE, true};
		struct h2_stream *s = h2_request(client.h2, &r, NULL);
		size_t had = buf_len(&client.text);

		assert_non_null(s);
		client.hoards = i == 1; /* as far as the window goes, and no further */
		converse(&client, &server, ALL);
		assert_true(buf_len(&client.text) - had > (i == 1 ? WIDE : ANSWER));
		assert_true(i != 1 || buf_len(&client.text) - had < WIDE + NARROW);
		if (i == 1)
			h2_reset(s, H2_CANCEL);
	}
	assert_int_equal(client.broken + server.broken, 0);
	end_fini(&server);
	end_fini(&client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_exchange),
	        cmocka_unit_test(test_wide_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
