/* Learning: counts by path, never a value; memory is bounded; how many are different is within a few per
 * cent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "capture/learned.h"
#include "proto/base/siphash.h"

static const uint8_t key[16] = "sixteen letters";

static struct learn *fresh(void)
{
	struct learn *l;

	assert_int_equal(learn_new(key, &l), 0);
	return l;
}

static void feed(struct learn *l, const char *body)
{
	learn_document(l);
	assert_int_equal(learn_json(l, span_of(body)), 0);
}

/* NULL: there is no such path that may be told. */
static const struct learn_place *at(const struct learn *l, const char *want)
{
	for (unsigned i = 0; i < learn_count(l); i++) {
		struct buf path;
		bool is;

		buf_init(&path, 4096);
		is = learn_path(l, i, &path) && span_eq(buf_span(&path), span_of(want));
		buf_fini(&path);
		if (is)
			return learn_at(l, i);
	}
	return NULL;
}

static void counts(void **state)
{
	struct learn *l = fresh();
	const struct learn_place *p;

	(void)state;
	feed(l, "{\"u\":{\"mail\":\"a@example.org\"},\"l\":[1,\"x\",null],\"j\":\"{\\\"c\\\":\\\"b@example."
	        "org\\\"}\"}");
	feed(l, "{\"u\":{\"mail\":\"to c@example.org or so\"},\"l\":[2,true]}");
	feed(l, "[7]");
	p = at(l, "path: $.u.mail");
	assert_int_equal(p->documents, 2);
	assert_int_equal(p->hits[DETECT_EMAIL], 2);
	assert_int_equal(p->whole[DETECT_EMAIL], 1);
	assert_int_equal(p->least, 13);
	assert_int_equal(p->most, 22);
	p = at(l, "path: $.l[*]");
	assert_int_equal(p->documents, 2);
	assert_int_equal(p->values, 5);
	assert_int_equal(p->types[LEARN_NUMBER], 2);
	assert_int_equal(p->types[LEARN_STRING], 1);
	assert_int_equal(p->types[LEARN_NULL], 1);
	assert_int_equal(p->types[LEARN_BOOL], 1);
	assert_int_equal(at(l, "path: $.j.c")->whole[DETECT_EMAIL], 1);
	assert_int_equal(at(l, "path: $.j")->nested, 1);
	assert_int_equal(at(l, "path: $[*]")->values, 1);
	assert_int_equal(learn_documents(l), 3);
	learn_free(&l);
}

/* Names that are values, by what they are or by how many there are, are not told; what is found in them is.
 */
static void names(void **state)
{
	struct learn *l = fresh();
	unsigned finds = 0, hidden = 0;
	char body[128];

	(void)state;
	feed(l, "{\"d@example.org\":{\"k\":1},\"a.b\":1,\"a b\":{\"in\":2},\"ok\":1}");
	for (unsigned i = 0; i < 200; i++) {
		snprintf(body, sizeof body, "{\"ids\":{\"user%u\":{\"name\":\"x\"}}}", i);
		feed(l, body);
	}
	for (unsigned i = 0; i < learn_count(l); i++) {
		struct buf path;
		bool told;

		buf_init(&path, 4096);
		told = learn_path(l, i, &path);
		buf_puts(&path, "");
		buf_put(&path, "", 1);
		if (told) {
			assert_null(strstr(path.base, "user"));
			assert_null(strstr(path.base, "example"));
			assert_null(strstr(path.base, " b"));
		}
		hidden += !told;
		finds += learn_at(l, i)->hits[DETECT_EMAIL];
		buf_fini(&path);
	}
	assert_int_equal(finds, 1);
	assert_true(hidden > LEARN_NAMES_MAX);
	assert_true(learn_count(l) < 2 * LEARN_NAMES_MAX + 20);
	assert_non_null(at(l, "path: $.ids"));
	assert_non_null(at(l, "path: $.ok"));
	learn_free(&l);
}

static void bounded(void **state)
{
	struct learn *l = fresh();
	struct buf body;

	(void)state;
	buf_init(&body, 1 << 20);
	for (unsigned i = 0; i < 60; i++) {
		buf_reset(&body);
		buf_printf(&body, "{\"a%u\":{", i);
		for (unsigned k = 0; k < 60; k++)
			buf_printf(&body, "%s\"b%u\":[%u]", k ? "," : "", k, k);
		buf_puts(&body, "}}");
		learn_document(l);
		assert_int_equal(learn_json(l, buf_span(&body)), 0);
	}
	assert_int_equal(learn_count(l), LEARN_PLACES_MAX);
	assert_true(learn_over(l) > 1000);
	learn_document(l);
	assert_int_equal(learn_json(l, SPAN("{\"a\":")), ERR_PROTO);
	buf_fini(&body);
	learn_free(&l);
}

static void different(void **state)
{
	static const unsigned sizes[] = {0, 1, 10, 500, 3000, 20000, 300000};

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct distinct d = {0};
		double n;

		for (uint64_t v = 0; v < 3ull * sizes[i]; v++) {
			uint64_t value = v % (sizes[i] ? sizes[i] : 1);

			distinct_add(&d, siphash(key, (struct span){(const char *)&value, sizeof value}));
		}
		n = distinct_count(&d);
		assert_true(n >= 0.9 * sizes[i] && n <= 1.1 * sizes[i] + 0.01);
	}
}

static bool same_told(const struct learn *a, const struct learn *b)
{
	bool same = learn_count(a) == learn_count(b) && learn_documents(a) == learn_documents(b) &&
	            learn_over(a) == learn_over(b);

	for (unsigned i = 0; same && i < learn_count(a); i++) {
		const struct learn_place *p = learn_at(a, i), *q = learn_at(b, i);
		struct buf one, two;

		buf_init(&one, 65536);
		buf_init(&two, 65536);
		same = learn_path(a, i, &one) == learn_path(b, i, &two) && p->values == q->values &&
		       p->texts == q->texts && p->least == q->least && p->most == q->most &&
		       p->documents == q->documents && learn_different(p) == learn_different(q) &&
		       !memcmp(p->types, q->types, sizeof p->types) &&
		       !memcmp(p->hits, q->hits, sizeof p->hits) &&
		       !memcmp(p->whole, q->whole, sizeof p->whole);
		same = same && (!learn_path(b, i, &two) || span_starts(buf_span(&two), buf_span(&one)));
		buf_fini(&one);
		buf_fini(&two);
	}
	return same;
}

/* What is saved and loaded is told as before; no part of it loads, and it holds no name that is a value. */
static void saved(void **state)
{
	struct learn *l = fresh(), *again;
	struct buf bytes, one;
	char text[4096];
	size_t at = 0;

	(void)state;
	feed(l, "{\"u\":{\"mail\":\"a@example.org\"},\"l\":[1,\"x\",null],\"by\":{\"bob@example.org\":{"
	        "\"in\":\"d\"}}}");
	for (unsigned round = 0; round < 2; round++) {
		at = 0;
		for (unsigned i = 0; i <= LEARN_NAMES_MAX; i++)
			at += (size_t)snprintf(text + at, sizeof text - at, "%c\"account%u\":%u",
			                       i ? ',' : '{', i, i);
		snprintf(text + at, sizeof text - at, "}");
		feed(l, text);
	}
	assert_int_equal(learn_value(l, LEARN_HEADER, SPAN("x-of"), SPAN("c@example.org")), 0);
	assert_int_equal(learn_value(l, LEARN_TEXT, SPAN(""), SPAN("words")), 0);
	buf_init(&bytes, LEARN_SAVED_MAX + 64);
	learn_save(l, &bytes);
	assert_int_equal(bytes.err, 0);
	assert_int_equal(learn_load(buf_span(&bytes), &again), 0);
	assert_true(same_told(l, again));
	learn_free(&again);
	for (size_t i = 0; i + 7 <= buf_len(&bytes); i++) {
		assert_memory_not_equal(buf_span(&bytes).data + i, "bob@exa", 7);
		assert_memory_not_equal(buf_span(&bytes).data + i, "account", 7);
	}
	for (size_t n = 0; n < buf_len(&bytes); n++) {
		assert_int_equal(learn_load((struct span){buf_span(&bytes).data, n}, &again), ERR_PROTO);
		assert_null(again);
	}
	buf_init(&one, LEARN_SAVED_MAX + 64);
	buf_span_put(&one, buf_span(&bytes));
	buf_puts(&one, "x");
	assert_int_equal(learn_load(buf_span(&one), &again), ERR_PROTO);
	buf_fini(&one);
	buf_fini(&bytes);
	learn_free(&l);
}

static void published(void **state)
{
	struct learned *writer;
	const struct learned *reader;
	int writable, readable;
	struct buf out;

	(void)state;
	assert_int_equal(learned_create(&writable, &readable), 0);
	assert_int_equal(learned_map(writable, &writer), 0);
	assert_int_equal(learned_watch(readable, &reader), 0);
	buf_init(&out, LEARN_SAVED_MAX + 64);
	assert_int_equal(learned_read(reader, &out), 0);
	assert_int_equal(buf_len(&out), 0);
	for (unsigned i = 0; i < 3; i++) {
		buf_reset(&out);
		learned_publish(writer, span_of(i % 2 ? "odd" : "even and longer"));
		assert_int_equal(learned_read(reader, &out), 0);
		assert_true(span_eq(buf_span(&out), span_of(i % 2 ? "odd" : "even and longer")));
	}
	atomic_store(&writer->slots[0].len, UINT64_MAX); /* whatever its writer says */
	atomic_store(&writer->slots[1].len, UINT64_MAX);
	buf_reset(&out);
	assert_int_equal(learned_read(reader, &out), ERR_AGAIN);
	buf_fini(&out);
	close(writable);
	close(readable);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(counts),  cmocka_unit_test(names),
	                                   cmocka_unit_test(bounded), cmocka_unit_test(different),
	                                   cmocka_unit_test(saved),   cmocka_unit_test(published)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
