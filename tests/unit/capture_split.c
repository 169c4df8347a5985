/* The role `masker` from ring to rings: however a body is cut into chunks the same bytes come out, and no
 * canary under a masked path leaves it, in no ring and in no record, whatever the records look like. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/sha.h>

#include "capture/fold.h"
#include "capture/mask.h"
#include "capture/mask_body.h"
#include "capture/mask_text.h"
#include "capture/masker.h"
#include "proto/coding.h"
#include "tests/lib/message.h"

enum { RING_BYTES = 8 << 20, EXCHANGES_MAX = 1024, SLOTS = 4096, PAIRS_MAX = 64 };
enum end { RAW, SHADOW, JUDGE, RECORDER, ENDS };

static const char *const names[ENDS] = {"raw.0", "shadow", "judge", "recorder"};
static const char canary[] = "canary-4711";

struct house {
	struct role_env env;
	int memfd[ENDS], wake[ENDS], page, ledger, key, ready[2];
	char text[ENDS][2][32];
	struct ring *raw;
	uint64_t id; /* of the last exchange */
	uint32_t slot;
};

static struct plan plan;
static size_t out_bytes = RING_BYTES; /* of the rings that the masker fills */
static struct house h;

static void give(const char *name, int fd)
{
	h.env.fds[h.env.fd_count].name = name;
	h.env.fds[h.env.fd_count++].fd = fd;
}

static int build(void **state)
{
	static const uint8_t secret[32] = {7};

	(void)state;
	plan = (struct plan){
	        .route_count = 1, .mask_count = 1, .workers = 1, .capture = true, .memory_bytes = 256 << 20};
	plan.routes[0].max_body_bytes = 1 << 20;
	plan.masks[0].field_count = 2;
	plan.masks[0].fields[0] = (struct plan_mask_field){.where = "$..user", .with = MASK_TOKEN};
	plan.masks[0].fields[1] = (struct plan_mask_field){.where = "$.gone", .with = MASK_DROP};
	h = (struct house){.env = {.name = "masker", .plan = &plan}};
	assert_true(pipe(h.ready) == 0 && (h.key = memfd_create("key", MFD_CLOEXEC)) >= 0);
	assert_int_equal(write(h.key, secret, sizeof secret), sizeof secret);
	assert_int_equal(page_create(&h.page), 0);
	assert_int_equal(page_map(h.page, &h.env.page), 0);
	assert_int_equal(ledger_create(1, SLOTS, &h.ledger), 0);
	assert_int_equal(ledger_attach(h.ledger, &h.env.ledger), 0);
	atomic_store(&h.env.page->phase, PHASE_MASKER);
	for (unsigned i = 0; i < ENDS; i++) {
		assert_int_equal(ring_create(names[i],
		                             i == RAW      ? RING_BYTES
		                             : i == SHADOW ? out_bytes / 2
		                                           : out_bytes,
		                             &h.memfd[i], &h.wake[i]),
		                 0);
		snprintf(h.text[i][0], sizeof h.text[i][0], "ring.%s", names[i]);
		snprintf(h.text[i][1], sizeof h.text[i][1], "wake.%s", names[i]);
		give(h.text[i][0], h.memfd[i]);
		give(h.text[i][1], h.wake[i]);
	}
	give("mask-key", h.key);
	give("ready", h.ready[1]);
	give("go", h.ready[0]); /* it hears its own word that it is ready */
	assert_int_equal(ring_attach_writer(h.memfd[RAW], h.wake[RAW], &h.raw), 0);
	return 0;
}

static int demolish(void **state)
{
	(void)state;
	ring_free(&h.raw);
	ledger_free(&h.env.ledger);
	munmap(h.env.page, sizeof *h.env.page);
	for (unsigned i = 0; i < ENDS; i++) {
		close(h.memfd[i]);
		close(h.wake[i]);
	}
	close(h.page);
	close(h.ledger);
	close(h.key);
	close(h.ready[0]);
	close(h.ready[1]);
	return 0;
}

static void put(uint8_t type, uint8_t leg, struct span payload)
{
	struct record r = {.id = h.id,
	                   .time_ns = h.id,
	                   .slot = h.slot,
	                   .type = type,
	                   .leg = leg,
	                   .payload_len = (uint32_t)payload.len};

	assert_int_equal(ring_put(h.raw, &r, payload.data, 0), 0);
}

static void exchange(void)
{
	h.id++;
	assert_int_equal(
	        ledger_take(h.env.ledger, 0, h.id, 0, 1, 1, OUTCOME_SAMPLED_OUT, 0, STAGE_WORKER, &h.slot),
	        0);
}

static void run_masker(void)
{
	int status;

	ring_publish(h.raw);
	if (fork() == 0)
		_exit(masker_run(&h.env));
	assert_true(wait(&status) > 0);
	assert_int_equal(status, 0);
}

/* What a ring holds, byte for byte, must not hold the canary. */
static void check_no_canary(enum end which)
{
	off_t size = lseek(h.memfd[which], 0, SEEK_END);
	char *map = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, h.memfd[which], 0);

	assert_true(map != MAP_FAILED);
	assert_null(memmem(map, (size_t)size, canary, sizeof canary - 1));
	munmap(map, (size_t)size);
}

static unsigned expect_bodies(enum end which, struct span want)
{
	char payload[RECORD_PAYLOAD_MAX];
	struct fold *f = fold_new(64 << 20);
	struct exchange *e;
	struct ring *in;
	struct record r;
	unsigned ended = 0;

	assert_int_equal(ring_attach_reader(h.memfd[which], h.wake[which], &in), 0);
	while (!ring_get(in, &r, payload)) {
		assert_true(r.flags & RECORD_MASKED);
		assert_int_equal(r.time_ns, r.id);
		assert_int_equal(fold_add(f, &r, payload, &e), 0);
		if (r.type != RECORD_END)
			continue;
		ended++;
		assert_int_equal(buf_len(&e->legs[0]->body), want.len);
		assert_memory_equal(buf_span(&e->legs[0]->body).data, want.data, want.len);
		fold_drop(f, &e);
	}
	fold_free(&f);
	ring_free(&in);
	return ended;
}

static const char body[] =
        " {\"user\" : \"canary-4711\",\"n\":[1,2.50,{\"user\":{\"x\":[\"canary-4711\"]},\"k\":"
        "\"\\u00e9\xc3\xa9\"}] , \"gone\":\"canary-4711\", \"z\":null}\n";

static void put_pieces(size_t first, size_t second)
{
	const size_t cuts[] = {0, first, second, sizeof body - 1};

	exchange();
	put(RECORD_HEAD, LEG_CLIENT, SPAN("POST /v2/x?user=canary-4711\ncookie: canary-4711"));
	for (unsigned i = 0; i < 3; i++)
		put(RECORD_CHUNK, LEG_CLIENT, (struct span){body + cuts[i], cuts[i + 1] - cuts[i]});
	put(RECORD_END, LEG_CLIENT, (struct span){NULL, 0});
}

static void test_every_split(void **state)
{
	char want[sizeof body * 2];
	struct mask_key *key;
	struct mask_rules *rules;
	bool input_masked;
	uint32_t count;
	struct buf out;
	static const uint8_t secret[32] = {7};
	unsigned exchanges = 0;

	(void)state;
	assert_int_equal(mask_key_new(secret, &key), 0);
	assert_int_equal(mask_rules_new(&plan.masks[0], &rules), 0);
	buf_init(&out, sizeof want);
	assert_int_equal(
	        mask_json(rules, key, (struct span){body, sizeof body - 1}, &out, &count, &input_masked), 0);
	assert_int_equal(count, 3);
	mask_rules_free(&rules);
	for (size_t i = 0; i < sizeof body; i++, exchanges++)
		put_pieces(i, i);
	for (size_t i = 0; i + 7 < sizeof body; i += 3, exchanges++)
		put_pieces(i, i + 7);
	exchange();
	exchanges++;
	put(RECORD_HEAD, LEG_CLIENT, SPAN("POST /"));
	for (size_t i = 0; i + 1 < sizeof body; i++)
		put(RECORD_CHUNK, LEG_CLIENT, (struct span){body + i, 1});
	put(RECORD_END, LEG_CLIENT, (struct span){NULL, 0});
	run_masker();
	for (enum end i = SHADOW; i < ENDS; i++) {
		check_no_canary(i);
		assert_int_equal(expect_bodies(i, buf_span(&out)), exchanges);
	}
	buf_fini(&out);
	mask_key_free(&key);
}

#define EVENT(text) "data: {\"i\":[{\"index\":0,\"text\":\"" text "\"}]}\n\n"

static const struct {
	const char *type, *coding, *body;
} kinds[] = {
        {"text/event-stream", "", EVENT("a canary@exa") ":c\r\n" EVENT("mple.com b") "data: [DONE]\n\n"},
        {"application/x-ndjson", "", "{\"user\":\"canary-4711\"}\n\n{\"b\":\"canary@example.com\"}\r\n{}"},
        {"application/x-www-form-urlencoded", "",
         "user=canary-4711&gone=canary-4711&q=%63anary%40example.com+x"},
        {"multipart/form-data; boundary=b", "",
         "--b\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\ncanary-4711\r\n--b--\r\n"},
        {"text/plain", "", "to canary@example.com, today"},
        {"application/json", "",
         "{\"card\":\"4111 1111-1111 "
         "1111\",\"born\":\"2001-02-03T04:05:06Z\",\"age\":37,\"id\":7,\"t\":\"a\\u00e9\"}"},
        {"application/json", "gzip", "{\"user\":\"canary-4711\",\"t\":\"canary@example.com\"}"},
        {"application/json", "deflate", "{\"user\":\"canary-4711\",\"t\":\"canary@example.com\"}"},
        {"application/json", "br", "{\"user\":\"canary-4711\",\"t\":\"canary@example.com\"}"},
        {"application/json", "zstd", "{\"user\":\"canary-4711\",\"t\":\"canary@example.com\"}"},
        {"application/json", "",
         "{\"s\":\"{\\\"user\\\":\\\"canary-4711\\\",\\\"t\\\":[\\\"canary@example.com\\\"]}\"}"},
        {"application/json", "",
         "{\"b64\":\"bWFpbCB0byBjYW5hcnlAZXhhbXBsZS5jb20=\",\"t\":\"c\\u0061nary\\u0040example.com\"}"},
        /* short enough for every pair of cuts */
        {"application/json", "", "{\"user\":\"a\\u00e9\",\"t\":\"b@c.io, \xc3\xa9\",\"gone\":[1]}"},
        {"application/json", "", "{\"s\":\"{\\\"user\\\":\\\"a\\\",\\\"t\\\":\\\"b@c.io\\\"}\"}"},
        {"application/json", "gzip", "{\"user\":\"a\",\"t\":\"b@c.io\"}"},
        {"application/json", "deflate", "{\"user\":\"a\",\"t\":\"b@c.io\"}"},
        {"application/json", "br", "{\"user\":\"a\",\"t\":\"b@c.io\"}"},
        {"application/json", "zstd", "{\"user\":\"a\",\"t\":\"b@c.io\"}"},
        {"application/x-ndjson", "", "{\"user\":\"a\"}\r\n\n{\"t\":\"b@c.io\"}\n{\"gone\":1}"},
        {"application/x-www-form-urlencoded", "", "user=a&gone=b&q=b%40c.io+x&%75ser=d"},
        {"multipart/form-data; boundary=b", "",
         "--b\r\nContent-Disposition:form-data;name=\"u\"\r\n\r\nb@c.io\r\n--b--"},
        {"text/event-stream", "", ":x\r\ndata: {\"user\":\"a\"}\n\ndata: b@c.io\n\ndata: [DONE]\n\n"},
        {"text/event-stream", "", "data: {\"response\":\"b@\"}\n\ndata: {\"response\":\"c.io\"}\n\n"},
        {"text/plain", "",
         "to b@c.io, or d\xc3\xa9j\xc3\xa0@c.io \xe3\x80\x8c"
         "b@c.io\xe3\x80\x8d"},
};

static void put_cut(const char *head, struct span bytes, size_t cut, size_t step)
{
	exchange();
	put(RECORD_HEAD, LEG_CLIENT, span_of(head));
	put(RECORD_CHUNK, LEG_CLIENT, (struct span){bytes.data, cut});
	for (size_t at = cut, n; at < bytes.len; at += n) {
		n = bytes.len - at < step ? bytes.len - at : step;
		put(RECORD_CHUNK, LEG_CLIENT, (struct span){bytes.data + at, n});
	}
	put(RECORD_END, LEG_CLIENT, (struct span){NULL, 0});
}

/* In two, or byte by byte; short ones in three, too: the number of ways. */
static unsigned put_every_way(const char *head, struct span bytes)
{
	unsigned ways = 0;

	for (size_t cut = 0; cut <= bytes.len; cut++, ways++)
		put_cut(head, bytes, cut, bytes.len);
	put_cut(head, bytes, 0, 1);
	ways++;
	for (size_t cut = 1; bytes.len <= PAIRS_MAX && cut < bytes.len; cut++)
		for (size_t more = 1; cut + more < bytes.len; more++, ways++) {
			exchange();
			put(RECORD_HEAD, LEG_CLIENT, span_of(head));
			put(RECORD_CHUNK, LEG_CLIENT, (struct span){bytes.data, cut});
			put(RECORD_CHUNK, LEG_CLIENT, (struct span){bytes.data + cut, more});
			put(RECORD_CHUNK, LEG_CLIENT,
			    (struct span){bytes.data + cut + more, bytes.len - cut - more});
			put(RECORD_END, LEG_CLIENT, (struct span){NULL, 0});
		}
	return ways;
}

/* Rules with operators that read their value. */
static void operators(void)
{
	static const struct plan_mask_field more[] = {
	        {.where = "$.card", .with = MASK_SHAPE, .by = {.class = DETECT_PAN}},
	        {.where = "$.born", .with = MASK_SHIFT_DATE, .by = {.amount = 30, .subject = "$.id"}},
	        {.where = "$.age", .with = MASK_BUCKET, .by = {.amount = 10}},
	        {.where = "$.stop", .with = MASK_DROP_RECORD},
	        {.where = "$.alone", .with = MASK_BLOCK},
	};

	memcpy(plan.masks[0].fields + 2, more, sizeof more);
	plan.masks[0].field_count = 2 + sizeof more / sizeof *more;
}

/* Each kind of body, cut in every way: the same comes out. */
static void split_kind(unsigned kind)
{
	static const uint8_t secret[32] = {7};
	struct span coding = span_of(kinds[kind].coding), bytes;
	struct mask_finder *finder;
	struct mask_rules *rules;
	struct mask_key *key;
	struct mask_body form;
	struct buf coded, out;
	char head[200];
	bool input_masked;
	uint32_t count;
	unsigned ways;

	assert_int_equal(mask_key_new(secret, &key), 0);
	assert_int_equal(mask_rules_new(&plan.masks[0], &rules), 0);
	assert_int_equal(mask_finder_new(&plan.masks[0], SPAN(""), &finder), 0);
	mask_rules_find(rules, finder);
	buf_init(&coded, 4096);
	buf_init(&out, 4096);
	if (coding.len)
		assert_int_equal(coding_encode(coding, span_of(kinds[kind].body), &coded), 0);
	else
		buf_puts(&coded, kinds[kind].body);
	bytes = buf_span(&coded);
	snprintf(head, sizeof head, "POST /\ncontent-type: %s\ncontent-encoding: %s", kinds[kind].type,
	         coding.len ? kinds[kind].coding : "identity");
	assert_int_equal(mask_body_of(span_of(head), &form), 0);
	form.limit_bytes = 4096;
	assert_int_equal(mask_body(&form, rules, key, bytes, NULL, NULL, &out, &count, &input_masked), 0);
	assert_true(count > 0 && !span_eq(buf_span(&out), bytes));
	ways = put_every_way(head, bytes);
	run_masker();
	for (enum end i = SHADOW; i < ENDS; i++)
		assert_int_equal(expect_bodies(i, buf_span(&out)), ways);
	check_no_canary(SHADOW);
	buf_fini(&coded);
	buf_fini(&out);
	mask_rules_free(&rules);
	mask_finder_free(&finder);
	mask_key_free(&key);
}

static void test_every_kind(void **state)
{
	for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if (i) {
			demolish(state);
			build(state);
		}
		operators();
		plan.masks[0].detect.with = MASK_REDACT;
		plan.masks[0].detect.find.min_score = 50;
		assert_true(detect_set_add_name(&plan.masks[0].detect.find.classes, "email"));
		split_kind(i);
	}
}

/* A call that nobody knows: a message in a message, cut in every way. */
static void test_every_guess(void **state)
{
	static const char message[] = "\x0a\x1a\x12\x18to canary@example.com, x\x18\x07\x1a\x03\xff\xfe\xfd",
	                  head[] = "POST /a.B/C\ncontent-type: application/grpc";
	char frame[sizeof message + 4] = {0, 0, 0, 0, sizeof message - 1};
	static const uint8_t secret[32] = {7};
	const struct span bytes = {frame, sizeof frame};
	struct mask_finder *finder;
	struct mask_rules *rules;
	struct mask_key *key;
	struct grpc_message whole;
	struct buf out;
	bool input_masked;
	uint32_t count;
	unsigned ways;

	(void)state;
	memcpy(frame + 5, message, sizeof message - 1);
	plan.masks[0].field_count = 0;
	plan.masks[0].detect.with = MASK_TOKEN;
	plan.masks[0].detect.find.min_score = 50;
	assert_true(detect_set_add_name(&plan.masks[0].detect.find.classes, "email"));
	assert_int_equal(mask_key_new(secret, &key), 0);
	assert_int_equal(mask_rules_new(&plan.masks[0], &rules), 0);
	assert_int_equal(mask_finder_new(&plan.masks[0], SPAN(""), &finder), 0);
	mask_rules_find(rules, finder);
	buf_init(&out, 4096);
	assert_int_equal(grpc_next(bytes, 4096, &whole), (long)bytes.len);
	assert_int_equal(mask_protobuf(rules, key, SPAN(""), &whole, &out, &count, &input_masked), 0);
	assert_true(count == 1 && input_masked && memmem(out.base, buf_len(&out), "to tok_", 7));
	assert_non_null(memmem(out.base, buf_len(&out), "\x18\x07\x1a\x03\xff\xfe\xfd", 7));
	ways = put_every_way(head, bytes);
	run_masker();
	for (enum end i = SHADOW; i < ENDS; i++)
		assert_int_equal(expect_bodies(i, buf_span(&out)), ways);
	check_no_canary(SHADOW);
	buf_fini(&out);
	mask_rules_free(&rules);
	mask_finder_free(&finder);
	mask_key_free(&key);
}

/* One value says that nobody gets the copy, another that no candidate does; and why is counted. */
static void put_frame(struct mask_key *key, const char *text, struct buf *out)
{
	char prefix[GRPC_PREFIX_BYTES];
	struct buf message;

	buf_init(&message, 4096);
	message_put(key, text, &message);
	assert_int_equal(grpc_prefix(buf_len(&message), prefix), 0);
	buf_put(out, prefix, sizeof prefix);
	buf_span_put(out, buf_span(&message));
	buf_fini(&message);
}

/* Two messages of a call that descriptors name: a canary as a name of three levels, in a list and in bytes.
 */
static void test_every_typed(void **state)
{
	static const char set[] = "1{4{1\"U\" 2{1\"name\" 3=1 4=1 5=9} 2{1\"list\" 3=2 4=3 5=9} "
	                          "2{1\"in\" 3=3 4=1 5=11 6\".U\"}} 6{1\"S\" 2{1\"M\" 2\".U\" 3\".U\"}}}";
	const char *head = "POST /S/M\ncontent-type: application/grpc";
	struct buf file, in, want;
	unsigned ways;
	int fd = memfd_create("set", MFD_CLOEXEC);

	(void)state;
	buf_init(&file, 4096);
	buf_init(&in, 4096);
	buf_init(&want, 4096);
	message_put(NULL, set, &file);
	assert_int_equal(write(fd, buf_span(&file).data, buf_len(&file)), (ssize_t)buf_len(&file));
	give("descriptors.0", fd);
	strcpy(plan.masks[0].descriptors_file, "set");
	SHA256((const unsigned char *)buf_span(&file).data, buf_len(&file), plan.masks[0].descriptors_hash);
	plan.masks[0].fields[0] = (struct plan_mask_field){.where = "$..name", .with = MASK_REDACT};
	plan.masks[0].fields[1] = (struct plan_mask_field){.where = "/S/M$.list[*]", .with = MASK_DROP};
	put_frame(NULL, "1\"canary-4711\" 2\"canary-4711\" 3{3{1\"canary-4711\" 2\"x\"}}", &in);
	put_frame(NULL, "3{1\"canary-4711\"}", &in);
	put_frame(NULL, "1\"[redacted]\" 2\"\" 3{3{1\"[redacted]\" 2\"x\"}}", &want);
	put_frame(NULL, "3{1\"[redacted]\"}", &want);
	ways = put_every_way(head, buf_span(&in));
	run_masker();
	for (enum end i = SHADOW; i < ENDS; i++) {
		check_no_canary(i);
		assert_int_equal(expect_bodies(i, buf_span(&want)), ways);
	}
	buf_fini(&file);
	buf_fini(&in);
	buf_fini(&want);
	close(fd);
}

static void test_asked(void **state)
{
	static const struct {
		const char *head, *body;
		uint8_t candidate, capture;
		enum mask_why why;
	} table[] = {
	        {"POST /", "{\"stop\":1}", OUTCOME_BY_RULE, OUTCOME_BY_RULE, MASK_WHY_RULE},
	        {"POST /", "{\"alone\":1}", OUTCOME_BY_RULE, STAGE_WORKER, MASK_WHYS},
	        {"POST /", "{\"a\":\"\xff\"}", OUTCOME_MASK_FAILED, OUTCOME_MASK_FAILED, MASK_WHY_UTF8},
	        {"POST /", "hello", OUTCOME_MASK_FAILED, OUTCOME_MASK_FAILED, MASK_WHY_FORMAT},
	        {"POST /\ncontent-encoding: snappy", "x", OUTCOME_MASK_FAILED, OUTCOME_MASK_FAILED,
	         MASK_WHY_ENCODING},
	        {"POST /", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
	         OUTCOME_MASK_FAILED, OUTCOME_MASK_FAILED, MASK_WHY_DEEP},
	};
	uint64_t counted[MASK_WHYS] = {0};

	(void)state;
	operators();
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		exchange();
		put(RECORD_HEAD, LEG_CLIENT, span_of(table[i].head));
		put(RECORD_CHUNK, LEG_CLIENT, span_of(table[i].body));
		put(RECORD_END, LEG_CLIENT, (struct span){NULL, 0});
	}
	run_masker();
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		uint64_t id = h.id - sizeof table / sizeof *table + 1 + i;
		uint32_t slot = h.slot - (uint32_t)(sizeof table / sizeof *table) + 1 + (uint32_t)i;

		assert_int_equal(ledger_cell(h.env.ledger, slot, id, 0), table[i].candidate);
		assert_int_equal(ledger_cell(h.env.ledger, slot, id, CELL_CAPTURE), table[i].capture);
		if (table[i].why < MASK_WHYS)
			counted[table[i].why]++;
	}
	for (unsigned i = 0; i < MASK_WHYS; i++)
		if (i != MASK_WHY_FORMAT) /* what follows a copy that was dropped finds no head */
			assert_int_equal(atomic_load(&h.env.page->mask_dropped[0][i]), counted[i]);
}

/* An event leaves in the record in which it came to its end. */
static void test_events_stay(void **state)
{
	static const char *const pieces[] = {EVENT("one"),
	                                     EVENT("two") "data: {\"user\":", "\"canary-4711\"}\n\n"};
	static const char *const want[] = {EVENT("one"), EVENT("two"), "data: {\"user\":\"tok_"};
	char payload[RECORD_PAYLOAD_MAX];
	struct ring *in;
	struct record r;
	unsigned n = 0;

	(void)state;
	exchange();
	put(RECORD_HEAD, LEG_CLIENT, SPAN("POST /\ncontent-type: text/event-stream"));
	for (unsigned i = 0; i < 3; i++)
		put(RECORD_CHUNK, LEG_CLIENT, span_of(pieces[i]));
	put(RECORD_END, LEG_CLIENT, (struct span){NULL, 0});
	run_masker();
	assert_int_equal(ring_attach_reader(h.memfd[JUDGE], h.wake[JUDGE], &in), 0);
	while (!ring_get(in, &r, payload)) {
		if (r.type != RECORD_CHUNK)
			continue;
		assert_true(n < 3 && span_starts((struct span){payload, r.payload_len}, span_of(want[n])));
		assert_true(n == 2 || r.payload_len == strlen(want[n]));
		n++;
	}
	assert_int_equal(n, 3);
	ring_free(&in);
}

/* Bodies that cannot be read, ends that come at once, legs cut off, a second head: gone, not let out. */
static void test_hostile(void **state)
{
	static const char *const bad[] = {"{\"user\":\"canary-4711\"", "canary-4711",
	                                  "{\"user\":\"canary-4711\"} x", "{\"user\":canary-4711}",
	                                  "\"canary-4711"};
	const struct span text = {canary, sizeof canary - 1}, none = {NULL, 0};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		exchange();
		put(RECORD_HEAD, LEG_CLIENT, SPAN("POST /"));
		put(RECORD_CHUNK, LEG_CLIENT, span_of(bad[i]));
		put(i & 1 ? RECORD_ERROR : RECORD_END, LEG_CLIENT, i & 1 ? SPAN("client_gone") : none);
	}
	exchange();
	put(RECORD_CHUNK, LEG_CLIENT, text);
	put(RECORD_HEAD, LEG_CLIENT, SPAN("POST /\nx: y\nno field canary-4711"));
	put(RECORD_CHUNK, LEG_CLIENT, text);
	put(RECORD_TRAILERS, LEG_CLIENT, text);
	exchange();
	put(RECORD_HEAD, LEG_LIVE, SPAN("200\ncontent-encoding: gzip"));
	put(RECORD_CHUNK, LEG_LIVE, text);
	put(RECORD_END, LEG_LIVE, none);
	put(RECORD_CHUNK, LEGS_MAX, text);
	run_masker();
	for (enum end i = SHADOW; i < ENDS; i++)
		check_no_canary(i);
}

/* A worker that lies: payloads where none belong, and types that no one knows. */
static void test_lies(void **state)
{
	const struct span text = {canary, sizeof canary - 1};

	(void)state;
	for (uint8_t type = RECORD_TRAILERS; type < 9; type++) {
		exchange();
		put(RECORD_HEAD, LEG_CLIENT, SPAN("POST /"));
		put(type, LEG_CLIENT, text);
		exchange();
		put(type, LEG_LIVE, text);
	}
	run_masker();
	for (enum end i = SHADOW; i < ENDS; i++)
		check_no_canary(i);
}

static int build_narrow(void **state)
{
	int err;

	out_bytes = 1 << 20;
	err = build(state);
	plan.masks[0].field_count = 0; /* bodies flow */
	out_bytes = RING_BYTES;
	return err;
}

enum { LEGS = 2, LEG_RECORDS = 3 };

/* How many records of each leg of each exchange came through a ring. */
static void count_legs(enum end which, uint8_t found[EXCHANGES_MAX + 1][LEGS])
{
	char payload[RECORD_PAYLOAD_MAX];
	struct ring *in;
	struct record r;

	memset(found, 0, (EXCHANGES_MAX + 1) * LEGS);
	assert_int_equal(ring_attach_reader(h.memfd[which], h.wake[which], &in), 0);
	while (!ring_get(in, &r, payload)) {
		assert_true(r.id <= EXCHANGES_MAX && r.leg < LEGS);
		found[r.id][r.leg]++;
	}
	ring_free(&in);
}

/* The records of exchanges from..to, interleaved. */
static void put_exchanges(unsigned from, unsigned to, const uint32_t *slots)
{
	static const struct {
		uint8_t type, leg;
		size_t bytes;
	} records[] = {
	        {RECORD_HEAD, LEG_CLIENT, 6}, {RECORD_CHUNK, LEG_CLIENT, 900}, {RECORD_END, LEG_CLIENT, 0},
	        {RECORD_HEAD, LEG_LIVE, 6},   {RECORD_CHUNK, LEG_LIVE, 6},     {RECORD_END, LEG_LIVE, 0},
	};
	static const char text[RECORD_PAYLOAD_MAX] = "POST /";

	for (unsigned i = 0; i < sizeof records / sizeof *records; i++)
		for (h.id = from; h.id <= to; h.id++) {
			h.slot = slots[h.id];
			put(records[i].type, records[i].leg, (struct span){text, records[i].bytes});
		}
}

/* Nobody reads and many exchanges are open: every end that found no room has settled its cells, and what is
 * still open is whole in the ring of the one who will settle it. */
static void test_full_rings(void **state)
{
	static uint8_t shadow[EXCHANGES_MAX + 1][LEGS], judge[EXCHANGES_MAX + 1][LEGS],
	        recorder[EXCHANGES_MAX + 1][LEGS];
	uint32_t slots[EXCHANGES_MAX + 1];
	unsigned sent = 0, shed = 0, captured = 0, complete = 0;

	(void)state;
	for (unsigned i = 1; i <= EXCHANGES_MAX; i++) {
		exchange();
		slots[i] = h.slot;
	}
	for (unsigned i = 1; i <= EXCHANGES_MAX; i += 64) /* the last ones find no room */
		put_exchanges(i, i + 63, slots);
	run_masker();
	count_legs(SHADOW, shadow);
	count_legs(JUDGE, judge);
	count_legs(RECORDER, recorder);
	for (h.id = 1; h.id <= EXCHANGES_MAX; h.id++) {
		uint8_t asked = ledger_cell(h.env.ledger, slots[h.id], h.id, 0);
		uint8_t live = ledger_cell(h.env.ledger, slots[h.id], h.id, CELL_LIVE);
		uint8_t kept = ledger_cell(h.env.ledger, slots[h.id], h.id, CELL_CAPTURE);

		assert_true(asked == STAGE_MASKER || asked == OUTCOME_RING_FULL);
		assert_true(live == STAGE_MASKER || live == OUTCOME_RING_FULL);
		assert_true(kept == STAGE_MASKER || kept == OUTCOME_RING_FULL);
		if (asked == STAGE_MASKER)
			assert_true(shadow[h.id][LEG_CLIENT] == LEG_RECORDS &&
			            judge[h.id][LEG_CLIENT] == LEG_RECORDS);
		if (live == STAGE_MASKER)
			assert_true(judge[h.id][LEG_CLIENT] == LEG_RECORDS &&
			            judge[h.id][LEG_LIVE] == LEG_RECORDS);
		if (kept == STAGE_MASKER)
			assert_true(recorder[h.id][LEG_CLIENT] == LEG_RECORDS &&
			            recorder[h.id][LEG_LIVE] == LEG_RECORDS);
		sent += asked == STAGE_MASKER;
		shed += asked == OUTCOME_RING_FULL;
		captured += kept == STAGE_MASKER;
		complete += live == STAGE_MASKER;
	}

	assert_true(sent > 0 && shed > 0 && captured > sent && complete > sent && complete < EXCHANGES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_every_split, build, demolish),
	        cmocka_unit_test_setup_teardown(test_every_kind, build, demolish),
	        cmocka_unit_test_setup_teardown(test_every_guess, build, demolish),
	        cmocka_unit_test_setup_teardown(test_every_typed, build, demolish),
	        cmocka_unit_test_setup_teardown(test_asked, build, demolish),
	        cmocka_unit_test_setup_teardown(test_events_stay, build, demolish),
	        cmocka_unit_test_setup_teardown(test_hostile, build, demolish),
	        cmocka_unit_test_setup_teardown(test_lies, build, demolish),
	        cmocka_unit_test_setup_teardown(test_full_rings, build_narrow, demolish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
