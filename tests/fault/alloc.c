/*
 * alloc.c - the n-th allocation fails, for every n until all succeed, once and for good: no crash, no
 * leak, the right error, and never a wrong result called a success.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture/capfile.h"
#include "capture/fold.h"
#include "capture/mask.h"
#include "capture/mask_schema.h"
#include "proto/base/cfg.h"
#include "proto/json.h"
#include "proto/net/client.h"
#include "replay/results.h"
#include "tests/fault/fail.h"

static char directory[] = "/tmp/understudy-alloc-XXXXXX";
static struct plan plan;

struct target {
	char name[32], words[64];
	uint32_t wait_ms, count, lines;
	char list[4][16];
};

static int cfg_case(void)
{
	static const struct cfg_row rows[] = {
	        {.name = "name", .type = CFG_STRING, CFG_FIELD(struct target, name), .required = true},
	        {.name = "wait", .type = CFG_DURATION, CFG_FIELD(struct target, wait_ms), .value = "5s"},
	        {.name = "words", .type = CFG_WORDS, CFG_FIELD(struct target, words)},
	        {.name = "list", .type = CFG_STRINGS, CFG_ITEMS(struct target, list, count)},
	        {0}};
	struct span text = SPAN("name: ${NONE:-abc}\nwait: 200ms\nwords: [A, B]\nlist:\n  - x\n  - yy\n");
	struct target t = {0};
	struct cfg *cfg;
	int err = cfg_parse("f", text, NULL, &cfg);

	if (err)
		return err;
	cfg_fill(cfg, rows, &t);
	if (cfg_errors(cfg) || strcmp(t.name, "abc") || t.wait_ms != 200 || t.count != 2)
		err = ERR_BUG;
	cfg_free(&cfg);
	return err;
}

static int json_case(void)
{
	char number[100];
	struct buf out;
	double value;
	int err;

	memset(number, '1', sizeof number);
	err = json_double((struct span){number, sizeof number}, &value);
	if (err)
		return err;
	buf_init(&out, 1 << 16);
	for (unsigned i = 0; i < 200 && !out.err; i++) {
		json_unescape(SPAN("\"a\\u00e9\\n\""), &out);
		buf_printf(&out, "%d", 7);
		buf_json_string(&out, SPAN("\"\n"));
	}
	err = out.err ? out.err : buf_len(&out) == 200 * 15 ? 0 : ERR_BUG;
	buf_fini(&out);
	return err;
}

static int mask_case(void)
{
	static const struct plan_mask policy = {
	        .field_count = 2,
	        .fields = {{.where = "$.user", .with = MASK_TOKEN}, {.where = "$..x", .with = MASK_DROP}}};
	static const uint8_t secret[32] = {1};
	struct mask_rules *rules = NULL;
	struct mask_key *key;
	bool input_masked;
	struct buf out;
	uint32_t count;
	int err = mask_key_new(secret, &key);

	if (err)
		return err;
	buf_init(&out, 1 << 16);
	err = mask_head(&policy, NULL, key, SPAN("GET /a?b=canary\ncookie: canary"), &out, &count);
	if (!err)
		err = mask_rules_new(&policy, &rules);
	if (!err)
		err = mask_json(rules, key, SPAN("{\"user\":\"canary\",\"a\":{\"x\":\"canary\"}}"), &out,
		                &count, &input_masked);
	if (!err && (!out.base || count != 2 || memmem(out.base, buf_len(&out), "canary", 6)))
		err = ERR_BUG;
	buf_fini(&out);
	mask_rules_free(&rules);
	mask_key_free(&key);
	return err;
}

/* {5{2"BYTES" 5{8"canary"}} 4{1"k" 2{3"canary"}}}, by gzip */
static const char GRPC_REQUEST[] =
        "\037\213\010\000\000\000\000\000\002\003\323\022\024\142\165\212\014\161\015\326\342\160\142\113\116"
        "\314\113\054\252\124\342\345\142\314\026\342\220\202\162\001\035\246\231\323\042\000\000\000";

static int mask_grpc_case(void)
{
	static const struct plan_mask policy = {.field_count = 2,
	                                        .fields = {{.where = "$..data", .with = MASK_TOKEN},
	                                                   {.where = "$.parameters.k", .with = MASK_REDACT}}};
	static const struct mask_call tensors = {.how = MASK_BY_TENSOR};
	static const uint8_t secret[32] = {1};
	struct grpc_message m = {true, {GRPC_REQUEST, sizeof GRPC_REQUEST - 1}};
	struct mask_rules *rules = NULL;
	struct mask_key *key;
	bool input_masked;
	struct buf out;
	uint32_t count;
	int err = mask_key_new(secret, &key);

	if (err)
		return err;
	buf_init(&out, 1 << 16);
	err = mask_rules_new(&policy, &rules);
	if (!err)
		err = mask_message(rules, key, &tensors, true, SPAN("gzip"), &m, &out, &count, &input_masked);
	if (!err && (count != 2 || memmem(out.base, buf_len(&out), "canary", 6)))
		err = ERR_BUG;
	buf_fini(&out);
	mask_rules_free(&rules);
	mask_key_free(&key);
	return err;
}

/* message U { string name = 1; } service S { rpc M(U) returns (U); } */
static const char DESCRIPTORS[] = "\012(\012\001n\042\021\012\001U\022\014\012\004name\030\001 "
                                  "\001(\011\062\020\012\001S\022\013\012\001M\022\002.U\032\002.U";

static int mask_schema_case(void)
{
	static const struct plan_mask policy = {.field_count = 1,
	                                        .fields = {{.where = "/S/M$.name", .with = MASK_TOKEN}}};
	static const uint8_t secret[32] = {1};
	struct grpc_message m = {false, SPAN("\012\006canary")};
	char why[SCHEMA_WHY_BYTES];
	struct mask_schema *schema = NULL;
	struct mask_rules *rules = NULL;
	struct mask_call call;
	struct mask_key *key;
	bool input_masked;
	struct buf out;
	uint32_t count;
	int err = mask_key_new(secret, &key);

	if (err)
		return err;
	buf_init(&out, 1 << 16);
	err = mask_schema_new((struct span){DESCRIPTORS, sizeof DESCRIPTORS - 1}, &schema, why);
	if (!err)
		err = mask_rules_new(&policy, &rules);
	if (!err)
		err = mask_rules_describe(rules, schema);
	if (!err) {
		call = mask_call_of(rules, SPAN("POST /S/M\ncontent-type: application/grpc"), 0);
		err = mask_message(rules, key, &call, true, SPAN(""), &m, &out, &count, &input_masked);
	}
	if (!err && (count != 1 || memmem(out.base, buf_len(&out), "canary", 6)))
		err = ERR_BUG;
	buf_fini(&out);
	mask_rules_free(&rules);
	mask_schema_free(&schema);
	mask_key_free(&key);
	return err;
}

static int fold_case(void)
{
	struct fold *f = fold_new(1 << 20);
	struct exchange *e;
	int err = 0;

	if (!f)
		return ERR_NOMEM;
	for (uint64_t id = 1; id <= 600 && !err; id++) {
		struct record r = {.id = id, .type = RECORD_HEAD, .payload_len = 5};

		err = fold_add(f, &r, "GET /", &e);
		r.type = RECORD_CHUNK;
		if (!err && id % 100 == 0)
			err = fold_add(f, &r, "abcde", &e);
		if (!err && (fold_find(f, id) != e || buf_len(&e->legs[0]->head) != 5))
			err = ERR_BUG;
		if (err == ERR_NOMEM && (e = fold_find(f, id)) != NULL)
			fold_drop(f, &e);
	}
	fold_free(&f);
	return err;
}

static int write_capture(const char *path)
{
	static const char payload[1000];
	struct record r = {.id = 1, .type = RECORD_CHUNK, .payload_len = sizeof payload};
	struct capfile_writer *w;
	int err, closed;

	unlink(path);
	err = capfile_create(path, &plan, 0, &w);
	if (err)
		return err;
	for (unsigned i = 0; i < 200 && !err; i++)
		err = capfile_append(w, &r, payload);
	if (!err)
		err = capfile_flush(w);
	closed = capfile_close(&w);
	return err ? err : closed;
}

static int writer_case(void)
{
	char path[64];

	snprintf(path, sizeof path, "%s/written", directory);
	return write_capture(path);
}

static int reader_case(void)
{
	struct capfile_reader *reader;
	const void *payload;
	struct record r;
	const char *why;
	char path[64];
	int err, count = 0;

	snprintf(path, sizeof path, "%s/read", directory);
	if (access(path, F_OK) && write_capture(path))
		return ERR_BUG;
	err = capfile_open(path, &reader, &why);
	if (err)
		return err;
	while (!(err = capfile_next(reader, &r, &payload)))
		count++;
	capfile_reader_free(&reader);
	return err != ERR_AGAIN ? err : count == 200 ? 0 : ERR_BUG;
}

static int compare_case(void)
{
	static const char *const bodies[][2] = {{"{\"outputs\":[{\"name\":\"p\\u0041\",\"shape\":[1,2],"
	                                         "\"datatype\":\"FP32\",\"data\":[0.5,0.5]}]}",
	                                         "{\"outputs\":[{\"name\":\"pA\",\"shape\":[1,2],"
	                                         "\"datatype\":\"FP32\",\"data\":[0.4,0.6]}]}"},
	                                        {"{\"a\":[1,2,{\"b\":\"x\\u0041\"}],\"c\":null}",
	                                         "{\"c\":null,\"a\":[1,2,{\"b\":\"\\u0078B\"}]}"},
	                                        {"not json", "nor this"}};
	static struct plan_route route;
	struct comparison c;
	int err = 0;

	for (unsigned i = 0; i < 3 && !err; i++) {
		struct answer live = {.status = 200, .body = span_of(bodies[i][0])}, other = live;

		other.body = span_of(bodies[i][1]);
		err = compare_pair(&route, &live, &other, SIZE_MAX, &c);
		if (!err && (!c.diverged || c.row_count != 1))
			err = ERR_BUG;
		comparison_fini(&c);
	}
	return err;
}

/* One output of two classes, [0.5, 0.5] and, by gzip, [0.25, 0.75]. */
static const char GRPC_LIVE[] =
        "\000\000\000\000\043\052\041\012\001\160\022\004\106\120\066\064\032\002\001\002\052\022\072\020\000"
        "\000\000\000\000\000\340\077\000\000\000\000\000\000\340\077";
static const char GRPC_CANDIDATE[] =
        "\001\000\000\000\057\037\213\010\000\000\000\000\000\002\003\323\122\344\142\054\020\142\161\013\060"
        "\063\221\142\142\144\322\022\262\022\140\000\203\013\366\020\372\205\075\000\300\145\001\033\043\000"
        "\000\000";

static int compare_grpc_case(void)
{
	static struct plan_route route;
	struct answer live = {.grpc = true,
	                      .content_type = SPAN("application/grpc"),
	                      .body = {GRPC_LIVE, sizeof GRPC_LIVE - 1},
	                      .target = SPAN("/inference.GRPCInferenceService/ModelInfer"),
	                      .encoding = SPAN("gzip")};
	struct answer other = live;
	struct comparison c;
	int err;

	other.body = (struct span){GRPC_CANDIDATE, sizeof GRPC_CANDIDATE - 1};
	err = compare_pair(&route, &live, &other, SIZE_MAX, &c);
	if (!err && (c.counts[DIVERGENCE_LABEL_FLIP] != 1 || c.row_count != 1))
		err = ERR_BUG;
	comparison_fini(&c);
	return err;
}

static void on_done(void *arg, enum client_result result)
{
	*(int *)arg = result == CLIENT_OK ? 0 : ERR_NOMEM;
}

static struct event_base *base;
static int listener;

/* Every request that was taken ends, whatever could not be allocated on the way. */
static int client_case(void)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	static const struct client_events events = {.done = on_done};
	struct client_limits limits = {.max_in_flight = 2, .timeout_ms = 60000, .max_body_bytes = 10};
	struct linger now = {1, 0};
	struct client_target target = {.address_len = sizeof target.address};
	struct client *c;
	int err, result = ERR_AGAIN, peer = -1;

	getsockname(listener, (struct sockaddr *)&target.address, &target.address_len);
	err = client_new(base, &target, limits, &c);
	if (err)
		return err;
	err = client_send(c, SPAN("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), &(struct client_how){0}, &events,
	                  &result);
	for (unsigned i = 0; i < 1000 && !err && result == ERR_AGAIN; i++) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		if (peer < 0 && (peer = accept(listener, NULL, NULL)) >= 0)
			send(peer, answer, sizeof answer - 1, MSG_NOSIGNAL);
	}
	if (!err && (result == ERR_AGAIN || client_in_flight(c)))
		result = ERR_BUG;
	client_free(&c);
	while (peer >= 0 || (peer = accept(listener, NULL, NULL)) >= 0) {
		setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof now);
		close(peer);
		peer = -1;
	}
	return err ? err : result;
}

/* A run that is continued reads back what it holds. */
static int results_in(const char *path)
{
	struct row row = {.has_measures = true, .js_bits = 0.5, .tv = 0.25};
	struct comparison c = {.row_count = 1, .rows = &row};
	struct results_pair p = {.id = 1,
	                         .live = {200, SPAN(""), SPAN("{}")},
	                         .other = {200, SPAN(""), SPAN("[]")},
	                         .comparison = &c};
	struct results *r;
	char why[256];
	int err;

	err = results_open(path, &plan, "run", "mirror", &r, why);
	if (!err) {
		err = results_add(r, &p);
		if (!err)
			err = results_commit(r);
		results_close(&r);
	}
	return err;
}

static int results_case(void)
{
	static unsigned runs;
	char path[64], command[96];
	int err;

	snprintf(path, sizeof path, "%s/run-%u", directory, runs++);
	err = results_in(path);
	snprintf(command, sizeof command, "rm -rf %s", path);
	fail_alloc_pause(true);
	if (system(command))
		err = ERR_BUG;
	fail_alloc_pause(false);
	return err;
}

static int continued_case(void)
{
	char path[64];

	snprintf(path, sizeof path, "%s/continued", directory);
	return results_in(path);
}

/* A library may keep what it got once (an error queue, a cache); what grows each time has leaked. */
static void check_leak(int (*run)(void), unsigned n, bool for_good, long before)
{
	long now = fail_live_blocks();

	for (unsigned i = 0; i < 40 && now != before; i++) {
		before = now;
		fail_alloc(n, for_good);
		run();
		fail_alloc_end();
		now = fail_live_blocks();
	}
	if (now != before)
		fail_msg("allocation %u: %ld blocks leaked", n, now - before);
}

/* other: a code that may stand for want of memory inside a library. spare: allocations that may fail
 * without harm (a table that does not grow, a cache). */
static void exhaust(int (*run)(void), int other, bool spare)
{
	long before;
	bool fired;
	int err;

	assert_int_equal(run(), 0);
	assert_int_equal(run(), 0);
	for (unsigned mode = 0; mode < 2; mode++) {
		fired = true;
		for (unsigned n = 0; fired; n += 1 + n / 64) {
			before = fail_live_blocks();
			fail_alloc(n, mode);
			err = run();
			fired = fail_alloc_end();
			if (err && !(fired && (err == ERR_NOMEM || err == other)))
				fail_msg("allocation %u: %s", n, err_text(err));
			if (!err && fired && !spare)
				fail_msg("allocation %u: failed, and called a success", n);
			check_leak(run, n, mode, before);
		}
	}
}

static int setup(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	(void)state;
	plan.route_count = plan.mask_count = plan.routes[0].candidate_count = 1;
	strcpy(plan.routes[0].name, "r");
	strcpy(plan.routes[0].candidates[0].name, "c");
	base = event_base_new();
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	return mkdtemp(directory) && base && !bind(listener, (struct sockaddr *)&a, sizeof a) &&
	                       !listen(listener, 64)
	               ? 0
	               : -1;
}

static int teardown(void **state)
{
	char command[96];

	(void)state;
	event_base_free(base);
	snprintf(command, sizeof command, "rm -rf %s", directory);
	return system(command);
}

#define CASE(name, other, spare)                                                                             \
	static void test_##name(void **state)                                                                \
	{                                                                                                    \
		(void)state;                                                                                 \
		exhaust(name##_case, other, spare);                                                          \
	}
CASE(cfg, 0, false)
CASE(json, 0, false)
CASE(mask, 0, true)
CASE(mask_grpc, 0, true)
CASE(mask_schema, 0, true)
CASE(fold, 0, true)
CASE(writer, 0, false)
CASE(reader, 0, false)
CASE(compare, 0, false)
CASE(compare_grpc, 0, false)
CASE(client, 0, true)
CASE(results, ERR_SYS, true)
CASE(continued, ERR_SYS, true)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_cfg),         cmocka_unit_test(test_json),
	        cmocka_unit_test(test_mask),        cmocka_unit_test(test_fold),
	        cmocka_unit_test(test_writer),      cmocka_unit_test(test_reader),
	        cmocka_unit_test(test_compare),     cmocka_unit_test(test_client),
	        cmocka_unit_test(test_results),     cmocka_unit_test(test_continued),
	        cmocka_unit_test(test_mask_grpc),   cmocka_unit_test(test_compare_grpc),
	        cmocka_unit_test(test_mask_schema),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
