/*
 * formats_h2_flood.c - attacks that are made of too much: each ends its connection within its budget, and an
 * honest client that does the same for a reason does not.
 */
#include <time.h>

#include "tests/unit/h2_transcript.h"

#define GET  "\x82\x86\x84\x01\x01h"
#define POST "\x83\x86\x84\x01\x01h"

enum { DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION, UNKNOWN = 0x42 };

/* One round of an attack on stream `id`. */
typedef void attack(struct buf *, uint32_t id);

static void rapid_reset(struct buf *b, uint32_t id)
{
	put_frame(b, HEADERS, 5, id, SPAN(GET));
	put_frame(b, RST, 0, id, SPAN("\0\0\0\10"));
}

static void overflow(struct buf *b, uint32_t id)
{
	put_frame(b, HEADERS, 4, id, SPAN(POST));
	put_frame(b, WINDOW, 0, id, SPAN("\x7f\xff\xff\xff"));
}

static void malformed(struct buf *b, uint32_t id)
{
	put_frame(b, HEADERS, 5, id,
	          SPAN(GET "\0\x0a"
	                   "connection\x01x"));
}

static void unanswerable(struct buf *b, uint32_t id)
{
	put_frame(b, HEADERS, 4, id,
	          SPAN(GET "\0\x06"
	                   "expect\x01x"));
}

/* Behind those that may be open, each is refused. */
static void too_many(struct buf *b, uint32_t id)
{
	put_frame(b, HEADERS, 4, id, SPAN(POST));
}

static void ping(struct buf *b, uint32_t id)
{
	(void)id;
	put_frame(b, PING, 0, 0, SPAN("12345678"));
}

static void settings(struct buf *b, uint32_t id)
{
	(void)id;
	put_frame(b, SETTINGS, 0, 0, SPAN("\0\4\0\1\0\0"));
}

static void priority(struct buf *b, uint32_t id)
{
	put_frame(b, PRIORITY, 0, id, SPAN("\0\0\0\0\1"));
}

static void unknown(struct buf *b, uint32_t id)
{
	put_frame(b, UNKNOWN, 0, id, SPAN(""));
}

static void window(struct buf *b, uint32_t id)
{
	(void)id;
	put_frame(b, WINDOW, 0, 0, SPAN("\0\0\0\1"));
}

static void empty_data(struct buf *b, uint32_t id)
{
	if (id == 1)
		put_frame(b, HEADERS, 4, 1, SPAN(POST));
	put_frame(b, DATA, 0, 1, SPAN(""));
}

static void padding(struct buf *b, uint32_t id)
{
	if (id == 1)
		put_frame(b, HEADERS, 4, 1, SPAN(POST));
	put_frame(b, DATA, 8, 1, SPAN("\x05pppp\0"));
}

/* An entry of 4 kB in the table, then nothing but references to it. */
static void bomb(struct buf *b, uint32_t id)
{
	static char value[3900], block[16000];
	struct buf head;

	buf_init(&head, 1 << 16);
	memset(value, 'v', sizeof value);
	buf_puts(&head, GET);
	buf_put(&head, "\x40", 1);
	put_string(&head, SPAN("x"));
	put_string(&head, (struct span){value, sizeof value});
	memset(block, '\xbe', sizeof block);
	buf_put(&head, block, sizeof block - buf_len(&head));
	put_frame(b, HEADERS, 5, id, buf_span(&head));
	buf_fini(&head);
}

/* The same behind a field that is malformed by itself. */
static void late_bomb(struct buf *b, uint32_t id)
{
	static char value[3900], block[12000];
	struct buf head;

	buf_init(&head, 1 << 16);
	memset(value, 'v', sizeof value);
	memset(block, '\xbe', sizeof block);
	buf_puts(&head, GET "\x40");
	put_string(&head, SPAN("x"));
	put_string(&head, (struct span){value, sizeof value});
	put_literal(&head, SPAN("y"), SPAN(" z"));
	buf_put(&head, block, sizeof block);
	put_frame(b, HEADERS, 5, id, buf_span(&head));
	buf_fini(&head);
}

static void continuations(struct buf *b, uint32_t id)
{
	put_frame(b, HEADERS, 0, id, SPAN(GET));
	for (unsigned i = 0; i < 20; i++)
		put_frame(b, CONTINUATION, 0, id, SPAN(""));
}

/* 7 of them, full: above four times what a head may have. */
static void large_head(struct buf *b, uint32_t id)
{
	static char value[16200];
	struct buf field;

	memset(value, 'v', sizeof value);
	buf_init(&field, 1 << 16);
	put_literal(&field, SPAN("x"), (struct span){value, sizeof value});
	put_frame(b, HEADERS, 0, id, SPAN(GET));
	for (unsigned i = 0; i < 7; i++)
		put_frame(b, CONTINUATION, i == 6 ? 4 : 0, id, buf_span(&field));
	buf_fini(&field);
}

static void settings_33(struct buf *b, uint32_t id)
{
	char list[33 * 6];

	(void)id;
	for (unsigned i = 0; i < 33; i++)
		memcpy(list + 6 * i, "\0\4\0\1\0\0", 6);
	put_frame(b, SETTINGS, 0, 0, (struct span){list, sizeof list});
}

static const struct flood {
	const char *name;
	attack *round;
	unsigned rounds_max; /* by then the connection has ended */
	bool deaf;           /* what is sent back is not read */
	enum h2_rule rule;
} floods[] = {
        {"rapid reset", rapid_reset, 201, false, H2_RULE_glitches},
        {"rapid reset, unread", rapid_reset, 201, true, H2_RULE_glitches},
        {"window overflow", overflow, 201, false, H2_RULE_glitches},
        {"malformed head", malformed, 201, false, H2_RULE_glitches},
        {"malformed head, unread", malformed, 128 + 201, true, H2_RULE_glitches},
        {"streams too many", too_many, 128 + 201, false, H2_RULE_glitches},
        {"streams too many, unread", too_many, 128 + 201, true, H2_RULE_glitches},
        {"refused head, body to come", unanswerable, 201, false, H2_RULE_glitches},
        {"PING", ping, 2001, false, H2_RULE_glitches},
        {"PING, unread", ping, 202, true, H2_RULE_ack_flood},
        {"SETTINGS", settings, 2001, false, H2_RULE_glitches},
        {"SETTINGS, unread", settings, 202, true, H2_RULE_ack_flood},
        {"SETTINGS, 33 entries", settings_33, 1, false, H2_RULE_connection},
        {"PRIORITY", priority, 2001, false, H2_RULE_glitches},
        {"unknown frames", unknown, 2001, false, H2_RULE_glitches},
        {"WINDOW_UPDATE", window, 2001, false, H2_RULE_glitches},
        {"empty DATA", empty_data, 2001, false, H2_RULE_glitches},
        {"padding", padding, 2001, false, H2_RULE_glitches},
        {"HPACK bomb", bomb, 1, false, H2_RULE_head_flood},
        {"HPACK bomb, late", late_bomb, 1, false, H2_RULE_head_flood},
        {"CONTINUATION", continuations, 1, false, H2_RULE_head_flood},
        {"large head", large_head, 1, false, H2_RULE_fields_bytes},
};

static int feed(struct end *e, struct buf *b, uint64_t now_ns, bool deaf)
{
	int err = h2_feed(e->h2, buf_span(b), now_ns);

	buf_reset(b);
	if (!deaf && !err)
		err = h2_drain(e->h2, &e->out, ALL);
	buf_reset(&e->out);
	buf_reset(&e->text);
	return err;
}

static void test_floods(void **state)
{
	(void)state;
	for (const struct flood *f = floods; f < floods + sizeof floods / sizeof *floods; f++) {
		struct end e;
		struct buf b;
		unsigned round = 0;
		int err;

		buf_init(&b, 1 << 20);
		end_init(&e, H2_SERVER, &(struct h2_limits){0});
		e.answers = false;
		put_preface(&b);
		err = feed(&e, &b, 1, false);
		while (!err && round < f->rounds_max) {
			f->round(&b, 2 * round++ + 1);
			err = feed(&e, &b, 1, f->deaf);
		}
		if ((!err && f->rule != H2_RULE_fields_bytes) || e.rule != f->rule)
			fail_msg("%s: %d after %u rounds, %s", f->name, err, round, h2_rule_name(e.rule));
		buf_fini(&b);
		end_fini(&e);
	}
}

/* What one read of a socket may bring, and what serving as many bytes of small requests costs. */
enum { READ_BYTES = 32 * 1024, READ_ROUNDS = READ_BYTES / 9 + 1, REPEATS = 5, CHEAPER_MIN = 4 };

static void get(struct buf *b, uint32_t id)
{
	put_frame(b, HEADERS, 5, id, SPAN(GET));
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* CPU time of one read full of `round`, fed `at_once` bytes at a time: the best of a few. */
static uint64_t cost_of(attack *round, size_t at_once)
{
	uint64_t best = UINT64_MAX;

	for (unsigned n = 0; n < REPEATS; n++) {
		struct end e;
		struct buf b;
		uint64_t begun, took;

		buf_init(&b, 1 << 20);
		end_init(&e, H2_SERVER, &(struct h2_limits){0});
		e.answers = round == get;
		put_preface(&b);
		assert_int_equal(feed(&e, &b, 1, false), 0);
		for (uint32_t i = 0; i < READ_ROUNDS && buf_len(&b) < READ_BYTES; i++)
			round(&b, 2 * i + 1);
		begun = cpu_ns();
		for (size_t at = 0, len = buf_len(&b) < READ_BYTES ? buf_len(&b) : READ_BYTES; at < len;
		     at += at_once) {
			size_t step = len - at < at_once ? len - at : at_once;
			int err = h2_feed(e.h2, (struct span){b.base + b.head + at, step}, 1);

			if (h2_drain(e.h2, &e.out, ALL) || err)
				break;
			buf_reset(&e.out);
			buf_reset(&e.text);
		}
		took = cpu_ns() - begun;
		best = took < best ? took : best;
		buf_fini(&b);
		end_fini(&e);
	}
	return best;
}

/* A read that is full of an attack holds the loop for a fraction of what one of honest requests does. */
static void test_cost(void **state)
{
	uint64_t honest = cost_of(get, 1024);

	(void)state;
	print_message("a read of small requests: %llu us\n", (unsigned long long)honest / 1000);
	for (const struct flood *f = floods; f < floods + sizeof floods / sizeof *floods; f++) {
		uint64_t cost = cost_of(f->round, READ_BYTES);

		print_message("  %-28s %5llu us\n", f->name, (unsigned long long)cost / 1000);
		if (cost * CHEAPER_MIN > honest)
			fail_msg("%s: a read costs %llu us, of honest requests %llu", f->name,
			         (unsigned long long)cost / 1000, (unsigned long long)honest / 1000);
	}
}

/* Time gives back: the same, slower, is nobody's attack. */
static void test_patience(void **state)
{
	struct end e;
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	end_init(&e, H2_SERVER, &(struct h2_limits){0});
	e.answers = false;
	put_preface(&b);
	assert_int_equal(feed(&e, &b, 1, false), 0);
	for (uint32_t i = 0; i < 2000; i++) {
		rapid_reset(&b, 2 * i + 1);
		assert_int_equal(feed(&e, &b, 1 + i * 51000000ull, false), 0);
	}
	buf_fini(&b);
	end_fini(&e);
}

/* A download whose client opens its windows by small steps, and pings. */
static void test_honest(void **state)
{
	static char body[64 * 1024];
	struct end e;
	struct buf b;

	(void)state;
	memset(body, 'x', sizeof body);
	buf_init(&b, 1 << 20);
	end_init(&e, H2_SERVER, &(struct h2_limits){0});
	e.body = (struct span){body, sizeof body};
	put_preface(&b);
	for (uint32_t i = 0; i < 500; i++) {
		put_frame(&b, HEADERS, 5, 2 * i + 1, SPAN(GET));
		assert_int_equal(feed(&e, &b, 1, false), 0);
		for (unsigned k = 0; k < 16; k++) {
			put_frame(&b, WINDOW, 0, 0, SPAN("\0\0\x10\0"));
			put_frame(&b, WINDOW, 0, 2 * i + 1, SPAN("\0\0\x10\0"));
		}
		ping(&b, 0);
		assert_int_equal(feed(&e, &b, 1, false), 0);
	}
	assert_int_equal(h2_streams(e.h2), 0);
	buf_fini(&b);
	end_fini(&e);
}

/* One feed takes its share of heads and of pieces; what is told in the end is the same. */
static void test_turn(void **state)
{
	enum { GETS = 100, PIECES = 300, TURN = 4 };
	struct end at_once, in_turns;
	struct buf b;
	unsigned turns = 0;
	size_t unfed;

	(void)state;
	buf_init(&b, 1 << 20);
	end_init(&at_once, H2_SERVER, &(struct h2_limits){.streams = 2 * GETS});
	end_init(&in_turns, H2_SERVER, &(struct h2_limits){.streams = 2 * GETS, .turn = TURN});
	put_preface(&b);
	for (uint32_t i = 0; i < GETS; i++)
		put_frame(&b, HEADERS, 5, 2 * i + 1, SPAN(GET));
	put_frame(&b, HEADERS, 4, 2 * GETS + 1, SPAN(POST));
	for (unsigned i = 0; i < PIECES; i++)
		put_frame(&b, DATA, i == PIECES - 1, 2 * GETS + 1, SPAN("x"));
	assert_int_equal(h2_feed(at_once.h2, buf_span(&b), 1), 0);
	assert_false(h2_unfed(at_once.h2, &unfed));
	do {
		size_t had = buf_len(&in_turns.text);
		unsigned heads = 0;

		assert_int_equal(h2_feed(in_turns.h2, buf_span(&b), 1), 0);
		for (const char *at = end_text(&in_turns) + had; (at = strstr(at, ":H")); at++)
			heads++;
		assert_true(heads <= TURN);
		if (!h2_unfed(in_turns.h2, &unfed))
			unfed = 0;
		buf_consume(&b, buf_len(&b) - unfed);
		turns++;
	} while (h2_unfed(in_turns.h2, &unfed));
	assert_int_equal(turns, (GETS + 1) / TURN + PIECES / (16 * TURN) + 1);
	assert_string_equal(end_text(&at_once), end_text(&in_turns));
	buf_fini(&b);
	end_fini(&at_once);
	end_fini(&in_turns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_floods), cmocka_unit_test(test_cost), cmocka_unit_test(test_patience),
	        cmocka_unit_test(test_honest), cmocka_unit_test(test_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
