/* The recogniser's line protocol, and who is asked: good answers however they come, and all that fails a
 * body. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/detect/hits.h"
#include "capture/mask_body.h"
#include "capture/mask_text.h"
#include "capture/recogniser.h"
#include "proto/base/clock.h"
#include "proto/json.h"

/* --- answers --- */

static void test_answers(void **state)
{
	static const struct {
		const char *line;
		int err;
	} rows[] = {
	        {"{\"id\":7,\"spans\":[]}", 0},
	        {" {\"more\":{\"a\":[1]},\"spans\":[[0,1,\"X\"],[2,6,\"PERSON\"]],\"id\":7} ", 0},
	        {"{\"id\":8,\"spans\":[]}", ERR_AGAIN},
	        {"{\"id\":7}", ERR_PROTO},
	        {"{\"spans\":[]}", ERR_PROTO},
	        {"{\"id\":\"7\",\"spans\":[]}", ERR_PROTO},
	        {"{\"id\":7.0,\"spans\":[]}", ERR_PROTO},
	        {"{\"id\":7,\"id\":7,\"spans\":[]}", ERR_PROTO},
	        {"{\"id\":7,\"spans\":[],\"spans\":[]}", ERR_PROTO},
	        {"{\"id\":7,\"spans\":[[0,7,\"X\"]]}", ERR_PROTO},
	        {"{\"id\":7,\"spans\":[[1,1,\"X\"]]}", ERR_PROTO},
	        {"{\"id\":7,\"spans\":[[2,1,\"X\"]]}", ERR_PROTO},
	        {"{\"id\":7,\"spans\":[[-1,1,\"X\"]]}", ERR_PROTO},
	        {"{\"id\":7,\"spans\":[[0,1e0,\"X\"]]}", ERR_PROTO},
	        {"{\"id\":7,\"spans\":[[0,18446744073709551617,\"X\"]]}", ERR_PROTO},
	        {"{\"id\":7,\"spans\":[[0,1]]}", ERR_PROTO},
	        {"{\"id\":7,\"spans\":[[0,1,\"X\",0.9]]}", ERR_PROTO},
	        {"{\"id\":7,\"spans\":[0,1,\"X\"]}", ERR_PROTO},
	        {"{\"id\":7,\"spans\":null}", ERR_PROTO},
	        {"{\"id\":7,\"spans\":[]", ERR_PROTO},
	        {"{\"id\":7,\"spans\":[]}{}", ERR_PROTO},
	        {"[7]", ERR_PROTO},
	        {"Traceback (most recent call last):", ERR_PROTO},
	};
	struct detect_hit *hit;
	struct buf hits;
	size_t count;

	(void)state;
	buf_init(&hits, 1 << 16);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int err = recogniser_answer(span_of(rows[i].line), 7,
		                            SPAN("\xc3\xa9 \xe5\xbc\xa0"
		                                 "abc"),
		                            &hits);

		if (err != rows[i].err)
			fail_msg("%d for %s", err, rows[i].line);
	}
	hit = hits_of(&hits, &count); /* of the one good line that has some: characters became bytes */
	assert_int_equal(count, 2);
	assert_true(hit[0].start == 0 && hit[0].end == 2 && hit[0].class == DETECT_ENTITY);
	assert_true(hit[1].start == 3 && hit[1].end == 9 && hit[1].class == DETECT_PERSON);
	assert_int_equal(recogniser_class(SPAN("Email")), DETECT_EMAIL);
	assert_int_equal(recogniser_class(SPAN("LOC")), DETECT_PLACE);
	assert_int_equal(recogniser_class(SPAN("")), DETECT_ENTITY);
	buf_fini(&hits);
}

static void test_question(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 16);
	recogniser_question(7, SPAN("a\n\"\xff\xc3\xa9"), &out);
	buf_put(&out, "", 1);
	assert_string_equal(out.base, "{\"id\":7,\"text\":\"a\\u000a\\\"?\xc3\xa9\"}\n");
	buf_fini(&out);
}

/* --- one that is asked: a child, behind two pipes --- */

enum manner { GOOD, IN_PIECES, LATE_FIRST, GARBAGE, DIES, SILENT, ENDLESS, DEAF, WRONG_SPAN };

static struct {
	pid_t pid;
	struct recogniser_peer peer;
	unsigned given_up;
	size_t cut; /* of IN_PIECES */
} child;

static void say(const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(STDOUT_FILENO, text, len);

		if (n <= 0)
			_exit(1);
		text += n;
		len -= (size_t)n;
	}
}

static void answer(enum manner how, const char *line)
{
	unsigned long long id = strtoull(strstr(line, ":") + 1, NULL, 10);
	const char *text = strstr(line, "\"text\":\"") + 8;
	static const char *const names[] = {"Ada", "Paris"};
	static const char late[] = "\n{\"id\":1,\"spans\":[[0,99,\"X\"]]}\n";
	char out[4096];
	size_t n = (size_t)sprintf(out, "{\"id\":%llu,\"spans\":[", id);
	bool first = true;

	for (unsigned i = 0; i < 2; i++)
		for (const char *at = text; (at = strstr(at, names[i])); at++) {
			n += (size_t)sprintf(out + n, "%s[%td,%td,\"%s\"]", first ? "" : ",", at - text,
			                     at - text + (ptrdiff_t)strlen(names[i]), i ? "GPE" : "PERSON");
			first = false;
		}
	n += (size_t)sprintf(out + n, "]}\n");
	if (how == IN_PIECES && child.cut < n) {
		say(out, child.cut);
		usleep(1000);
		say(out + child.cut, n - child.cut);
		return;
	}
	if (how == LATE_FIRST)
		say(late, strlen(late));
	say(out, n);
}

static _Noreturn void behave(enum manner how)
{
	static char line[8 << 20];
	size_t len = 0;
	ssize_t n;

	while (how == DEAF)
		pause();
	while ((n = read(STDIN_FILENO, line + len, sizeof line - 1 - len)) > 0) {
		len += (size_t)n;
		line[len] = '\0';
		if (line[len - 1] != '\n')
			continue;
		len = 0;
		if (how == DIES)
			_exit(0);
		if (how == GARBAGE)
			say("Traceback\n", 10);
		if (how == WRONG_SPAN) {
			sprintf(line, "{\"id\":%llu,\"spans\":[[0,999,\"X\"]]}\n",
			        strtoull(strstr(line, ":") + 1, NULL, 10));
			say(line, strlen(line));
		}
		while (how == ENDLESS)
			say("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 32);
		if (how == GOOD || how == IN_PIECES || how == LATE_FIRST)
			answer(how, line);
	}
	_exit(0);
}

static void end_child(void)
{
	if (child.pid) {
		kill(child.pid, SIGKILL);
		waitpid(child.pid, NULL, 0);
		close(child.peer.to);
		close(child.peer.from);
	}
	child.pid = 0;
	child.peer.serving = 0;
}

static void begin_child(enum manner how)
{
	static uint64_t starts;
	int asks[2], says[2];

	end_child();
	assert_int_equal(pipe(asks) | pipe(says), 0);
	child.pid = fork();
	if (child.pid == 0) {
		dup2(asks[0], STDIN_FILENO);
		dup2(says[1], STDOUT_FILENO);
		close(asks[1]);
		close(says[0]);
		behave(how);
	}
	close(asks[0]);
	close(says[1]);
	fcntl(asks[1], F_SETFL, O_NONBLOCK);
	fcntl(says[0], F_SETFL, O_NONBLOCK);
	child.peer = (struct recogniser_peer){asks[1], says[0], ++starts};
}

static void look(void *arg, struct recogniser_peer *peer)
{
	(void)arg;
	*peer = child.peer;
}

static void give_up(void *arg)
{
	(void)arg;
	child.given_up++;
}

static struct recogniser *new (uint32_t deadline_ms)
{
	struct recogniser *r;

	child.given_up = 0;
	assert_int_equal(recogniser_new(&(struct recogniser_keeper){look, give_up, NULL}, deadline_ms, &r),
	                 0);
	return r;
}

enum { LONG_MS = 60000 };

/* Asked of the text: so many hits, or it has failed. */
static int asked(struct recogniser *r, struct span text)
{
	struct buf hits;
	size_t count;
	int err;

	buf_init(&hits, 1 << 20);
	recogniser_begin(r);
	err = recogniser_ask(r, text, &hits);
	hits_of(&hits, &count);
	assert_int_equal(recogniser_end(r), !err);
	assert_true(!err || !count);
	buf_fini(&hits);
	return err ? -1 : (int)count;
}

static void test_every_cut(void **state)
{
	(void)state;
	for (child.cut = 0; child.cut < 70; child.cut++) {
		struct recogniser *r = new (LONG_MS);

		begin_child(IN_PIECES);
		assert_int_equal(asked(r, SPAN("Ada in Paris")), 2);
		assert_int_equal(asked(r, SPAN("nobody")), 0);
		assert_int_equal(child.given_up, 0);
		recogniser_free(&r);
	}
	end_child();
}

static void test_late_answers_are_passed_over(void **state)
{
	struct recogniser *r = new (LONG_MS);

	(void)state;
	begin_child(LATE_FIRST);
	assert_int_equal(asked(r, SPAN("Ada in Paris")), 2);
	assert_int_equal(asked(r, SPAN("in Paris")), 1);
	recogniser_free(&r);
	end_child();
}

/* Each fails the body at once or at its deadline, is given up once, and serves no more until it is another.
 */
static void test_failures(void **state)
{
	static const enum manner ill[] = {GARBAGE, DIES, SILENT, ENDLESS, WRONG_SPAN, DEAF};
	static char large[200000];

	(void)state;
	memset(large, 'a', sizeof large);
	for (size_t i = 0; i < sizeof ill / sizeof *ill; i++) {
		bool late = ill[i] == SILENT || ill[i] == DEAF;
		struct recogniser *r = new (late ? 50 : LONG_MS);
		struct span text = ill[i] == DEAF ? (struct span){large, sizeof large} : SPAN("Ada in Paris");

		begin_child(ill[i]);
		assert_int_equal(asked(r, text), -1);
		assert_int_equal(child.given_up, 1);
		assert_int_equal(asked(r, text), -1);
		assert_int_equal(child.given_up, 1);
		recogniser_free(&r);
		r = new (LONG_MS);
		begin_child(GOOD);
		assert_int_equal(asked(r, SPAN("Ada in Paris")), 2);
		recogniser_free(&r);
	}
	end_child();
}

/* One deadline for all texts of a body; outside of one nobody is asked. */
static void test_bodies(void **state)
{
	struct recogniser *r = new (LONG_MS);
	struct buf hits;

	(void)state;
	begin_child(GOOD);
	buf_init(&hits, 1 << 16);
	assert_int_not_equal(recogniser_ask(r, SPAN("Ada"), &hits), 0);
	recogniser_begin(r);
	assert_int_equal(recogniser_ask(r, SPAN("Ada"), &hits), 0);
	child.peer.serving = 0; /* it is restarted meanwhile */
	assert_int_not_equal(recogniser_ask(r, SPAN("Ada"), &hits), 0);
	assert_int_equal(buf_len(&hits), sizeof(struct detect_hit));
	assert_false(recogniser_end(r));
	buf_fini(&hits);
	recogniser_free(&r);
	end_child();
}

/* --- by who masks --- */

static struct plan_mask policy;
static struct mask_finder *finder;
static struct mask_rules *rules;
static struct mask_key *key;

static void begin(uint32_t free_text, struct recogniser *r)
{
	static const uint8_t secret[32] = {7};

	memset(&policy, 0, sizeof policy);
	policy.detect.with = MASK_TYPE;
	policy.detect.free_text = free_text;
	policy.field_count = 1;
	policy.fields[0].with = MASK_KEEP;
	strcpy(policy.fields[0].where, "$.kept");
	assert_int_equal(mask_key_new(secret, &key), 0);
	assert_int_equal(mask_rules_new(&policy, &rules), 0);
	assert_int_equal(mask_finder_new(&policy, SPAN(""), &finder), 0);
	mask_finder_ask(finder, r);
	mask_rules_find(rules, finder);
}

static void end(void)
{
	mask_rules_free(&rules);
	mask_finder_free(&finder);
	mask_key_free(&key);
}

static int masked(struct recogniser *r, const char *head, struct span body, struct buf *out)
{
	struct mask_body form;
	uint32_t count;
	bool input_masked;
	int err;

	buf_reset(out);
	assert_int_equal(mask_body_of(span_of(head), &form), 0);
	if (r)
		recogniser_begin(r);
	err = mask_body(&form, rules, key, body, NULL, NULL, out, &count, &input_masked);
	if (r && !recogniser_end(r))
		assert_int_not_equal(err, 0);
	buf_put(out, "", 1);
	return err;
}

static void test_masked(void **state)
{
	struct recogniser *r = new (LONG_MS);
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 16);
	begin(FREE_TEXT_RECOGNISE, r);
	begin_child(GOOD);
	assert_int_equal(
	        masked(r, "POST /x",
	               SPAN("{\"Ada x\":\"of Ada\",\"one\":\"Ada\",\"kept\":\"of Ada\",\"n\":[\"Ada in "
	                    "Paris\"],\"j\":\"{\\\"a\\\":\\\"of Ada\\\"}\"}"),
	               &out),
	        0);
	assert_string_equal(
	        out.base, "{\"Ada x\":\"of [person]\",\"one\":\"Ada\",\"kept\":\"of Ada\",\"n\":[\"[person] "
	                  "in [place]\"],\"j\":\"{\\\"a\\\":\\\"of [person]\\\"}\"}");
	child.peer.serving = 0;
	assert_int_equal(masked(r, "POST /x", SPAN("{\"one\":\"Ada\"}"), &out),
	                 0); /* there is no free text */
	assert_int_not_equal(masked(r, "POST /x", SPAN("{\"one\":\"of Ada\"}"), &out), 0);
	end();
	begin(FREE_TEXT_RECOGNISE, NULL); /* a role that was given none */
	assert_int_not_equal(masked(NULL, "POST /x", SPAN("{\"one\":\"of Ada\"}"), &out), 0);
	end();
	begin(FREE_TEXT_DROP_RECORD, NULL);
	assert_int_equal(masked(NULL, "POST /x", SPAN("{\"one\":\"of Ada\"}"), &out), 0);
	assert_int_equal(mask_asked(key), 0);
	assert_int_equal(masked(NULL, "POST /x", SPAN("{\"one\":\"Ada lives in Paris\"}"), &out), 0);
	assert_int_equal(mask_asked(key), MASK_ASKED_DROP);
	end();
	buf_fini(&out);
	recogniser_free(&r);
	end_child();
}

static void add_delta(struct buf *body, struct span text)
{
	buf_puts(body, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":");
	buf_json_string(body, text);
	buf_puts(body, "}}]}\n\n");
}

static void said(struct span body, struct buf *out)
{
	for (size_t i = 0; i + 10 < body.len; i++) {
		const char *stop;

		if (memcmp(body.data + i, "\"content\":\"", 11) != 0)
			continue;
		stop = memchr(body.data + i + 11, '}', body.len - i - 11);
		json_unescape((struct span){body.data + i + 10, (size_t)(stop - body.data) - i - 10}, out);
	}
	buf_put(out, "", 1);
}

/* A stream is asked about as the one text that its pieces say. */
static void test_every_split(void **state)
{
	static const char text[] = "Ada lives in Paris.";
	struct recogniser *r = new (LONG_MS);
	struct buf body, out, all;

	(void)state;
	begin(FREE_TEXT_RECOGNISE, r);
	begin_child(GOOD);
	buf_init(&body, 1 << 16);
	buf_init(&out, 1 << 16);
	buf_init(&all, 1 << 16);
	for (size_t a = 0; a < sizeof text; a++)
		for (size_t b = a; b < sizeof text; b++) {
			buf_reset(&body);
			buf_reset(&all);
			add_delta(&body, (struct span){text, a});
			add_delta(&body, (struct span){text + a, b - a});
			add_delta(&body, (struct span){text + b, sizeof text - 1 - b});
			assert_int_equal(
			        masked(r, "POST /x\ncontent-type: text/event-stream", buf_span(&body), &out),
			        0);
			said(buf_span(&out), &all);
			assert_string_equal(all.base, "[person] lives in [place].");
		}
	buf_fini(&body);
	buf_fini(&out);
	buf_fini(&all);
	end();
	recogniser_free(&r);
	end_child();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_answers),   cmocka_unit_test(test_question),
	        cmocka_unit_test(test_every_cut), cmocka_unit_test(test_late_answers_are_passed_over),
	        cmocka_unit_test(test_failures),  cmocka_unit_test(test_bodies),
	        cmocka_unit_test(test_masked),    cmocka_unit_test(test_every_split),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("capture_recogniser", tests, NULL, NULL);
}
