/*
 * What was found: values told apart by keyed, salted hashes within bounds; tables of elsewhere; captures from
 * before there were tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <zstd.h>

#include "capture/capfile.h"
#include "capture/capfile_format.h"
#include "capture/crc32c.h"
#include "capture/found.h"
#include "capture/mask_key.h"
#include "capture/mask_text.h"
#include "proto/schema/capture.pb-c.h"

static const uint8_t secret[32] = "capture_found", other_secret[32] = "another";
static struct plan_mask policy;
static struct mask_finder *finder;

static int setup(void **state)
{
	(void)state;
	policy.detect.with = MASK_SHAPE;
	policy.detect.find.min_score = 50;
	if (!detect_set_add_name(&policy.detect.find.classes, "email") ||
	    !detect_set_add_name(&policy.detect.find.classes, "phone"))
		return -1;
	return mask_finder_new(&policy, SPAN(""), &finder);
}

/* What masking a text leaves, noted in f, begun with that salt and, when it answers, what is known. */
static struct buf mask(const uint8_t key_of[32], uint64_t salt, struct span known, const char *text,
                       struct found *f)
{
	struct mask_key *key;
	struct buf out;
	bool whole;

	assert_int_equal(mask_key_new(key_of, &key), 0);
	found_init(f, salt, mask_check(key, salt));
	f->known = known;
	mask_note_in(key, f);
	buf_init(&out, 1 << 20);
	(void)mask_text(finder, key, LOOK_ALL, SPAN(""), span_of(text), &out, &whole);
	assert_int_equal(f->table.err, 0);
	assert_true(found_valid(buf_span(&f->table)));
	mask_key_free(&key);
	return out;
}

static bool adds(const uint8_t key_of[32], uint64_t salt, const char *asked, const char *answered)
{
	struct found request, answer;
	struct buf a = mask(secret, 7, SPAN(""), asked, &request),
	           b = mask(key_of, salt, SPAN(""), answered, &answer);
	bool result = found_adds(buf_span(&request.table), buf_span(&answer.table));

	buf_fini(&a);
	buf_fini(&b);
	found_fini(&request);
	found_fini(&answer);
	return result;
}

static void values_are_told_apart(void **state)
{
	(void)state;
	assert_false(adds(secret, 7, "ann@example.org", "to ANN@Example.org, again ann@example.org"));
	assert_true(adds(secret, 7, "ann@example.org", "bob@example.org"));
	assert_true(
	        adds(secret, 7, "ann@example.org and zoe@example.org", "ann@example.org, bob@example.org"));
	assert_true(adds(secret, 7, "ann@example.org", "call +49 30 901820"));
	assert_false(adds(secret, 7, "call +49 30 901820", "0049 30 901820"));
	assert_true(adds(secret, 7, "nothing", "bob@example.org"));
	assert_false(adds(secret, 7, "ann@example.org", "nothing"));
	/* made with another salt or key, only classes can be told */
	assert_false(adds(secret, 8, "ann@example.org", "bob@example.org"));
	assert_false(adds(other_secret, 7, "ann@example.org", "bob@example.org"));
	assert_true(adds(other_secret, 7, "ann@example.org", "call +49 30 901820"));
}

static void a_hash_tells_nothing(void **state)
{
	struct found one, two;
	struct buf a = mask(secret, 1, SPAN(""), "ann@example.org", &one),
	           b = mask(secret, 2, SPAN(""), "ann@example.org", &two);
	struct span x = buf_span(&one.table), y = buf_span(&two.table);

	(void)state;
	assert_int_equal(x.len, y.len);
	for (size_t i = 0; i + 4 <= x.len; i++)
		assert_memory_not_equal(x.data + i, "ann@", 4);
	assert_memory_not_equal(x.data + FOUND_HEAD_BYTES + 1, y.data + FOUND_HEAD_BYTES + 1, 8);
	buf_fini(&a);
	buf_fini(&b);
	found_fini(&one);
	found_fini(&two);
}

static void what_was_issued_stays(void **state)
{
	struct found request, answer, stranger;
	struct buf put = mask(secret, 7, SPAN(""), "write to ann@example.org", &request), again, other;
	char text[200];

	(void)state;
	snprintf(text, sizeof text, "%.*s", (int)buf_len(&put), buf_span(&put).data);
	assert_null(strstr(text, "ann@example.org"));
	again = mask(secret, 7, buf_span(&request.table), text, &answer);
	assert_int_equal(buf_len(&again), 0); /* nothing to be masked */
	assert_int_equal(buf_len(&answer.table), 0);
	other = mask(secret, 7, SPAN(""), text, &stranger);
	assert_true(buf_len(&other) > 0);
	assert_false(found_adds(buf_span(&request.table), buf_span(&stranger.table)));
	buf_fini(&put);
	buf_fini(&again);
	buf_fini(&other);
	found_fini(&request);
	found_fini(&answer);
	found_fini(&stranger);
}

/* Numbers between detectors' and patterns' are no class. */
static unsigned next(unsigned class)
{
	return class + 1 == DETECT_CLASSES ? DETECT_PATTERN : class + 1;
}

static void bounded(void **state)
{
	uint64_t counts[DETECT_CLASSES_ALL] = {0};
	struct found f, g;

	(void)state;
	found_init(&f, 1, 2);
	found_init(&g, 1, 2);
	for (unsigned round = 0; round < 2; round++)
		for (unsigned class = 1; class < DETECT_CLASSES_ALL; class = next(class))
			for (uint64_t value = 1; value <= 5; value++)
				found_add(&f, class, class * 100 + value, 1, value == 5);
	assert_int_equal(f.table.err, 0);
	assert_true(buf_len(&f.table) <= FOUND_BYTES_MAX && found_valid(buf_span(&f.table)));
	found_count(buf_span(&f.table), counts);
	for (unsigned class = 1; class < DETECT_CLASSES_ALL - 1; class = next(class))
		assert_true(counts[class] >= 8 && counts[class] <= 10);
	assert_int_equal(counts[DETECT_CLASSES_ALL - 1], 8);
	/* past the bound a class is known, its values are not */
	found_add(&g, DETECT_CLASSES_ALL - 1, 12345, 1, false);
	assert_false(found_adds(buf_span(&f.table), buf_span(&g.table)));
	found_add(&g, 1, 12345, 1, false);
	assert_true(found_adds(buf_span(&f.table), buf_span(&g.table)));
	found_add(&g, 1, 12345, UINT32_MAX, false);
	found_fini(&f);
	found_fini(&g);
}

static void attempts_are_taken_back(void **state)
{
	struct found_mark mark;
	struct found f;
	uint64_t counts[DETECT_CLASSES_ALL] = {0};

	(void)state;
	found_init(&f, 1, 2);
	found_keep(&f, &mark);
	found_add(&f, 1, 5, 1, false);
	found_back(&f, &mark);
	assert_int_equal(buf_len(&f.table), 0);
	found_add(&f, 1, 5, 1, false);
	found_keep(&f, &mark);
	found_add(&f, 1, 5, 1, false);
	found_add(&f, 2, 6, 1, false);
	found_back(&f, &mark);
	found_count(buf_span(&f.table), counts);
	assert_true(counts[1] == 1 && counts[2] == 0);
	found_fini(&f);
}

static void what_is_no_table(void **state)
{
	struct found f;
	struct span table;

	(void)state;
	found_init(&f, 1, 2);
	found_add(&f, 1, 5, 1, false);
	table = buf_span(&f.table);
	for (size_t n = 1; n < table.len; n++)
		assert_false(found_valid((struct span){table.data, n}));
	assert_true(found_valid(table) && found_valid(SPAN("")));
	f.table.base[f.table.head + FOUND_HEAD_BYTES] = 0;
	assert_false(found_valid(buf_span(&f.table)));
	f.table.base[f.table.head + FOUND_HEAD_BYTES] = (char)DETECT_CLASSES_ALL;
	assert_false(found_valid(buf_span(&f.table)));
	found_fini(&f);
}

/* A segment as older versions wrote it: classes as bits, no policy in a record. */
static void put_older(const char *path)
{
	Understudy__Capture__Record record = UNDERSTUDY__CAPTURE__RECORD__INIT, *records[] = {&record};
	Understudy__Capture__Segment segment = UNDERSTUDY__CAPTURE__SEGMENT__INIT;
	uint8_t plain[256], block[1024] = CAPFILE_SEGMENT;
	FILE *f = fopen(path, "ab");
	size_t n;

	record.id = 9;
	record.type = RECORD_END;
	record.flags = RECORD_MASKED | RECORD_LOOKED;
	record.found_low = 1ull << DETECT_PAN;
	record.found_high = 1ull << DETECT_IPV4 % 64;
	segment.n_records = 1;
	segment.records = records;
	n = understudy__capture__segment__pack(&segment, plain);
	n = ZSTD_compress(block + CAPFILE_SEGMENT_FIXED, 512, plain, n, 1);
	assert_false(ZSTD_isError(n));
	put32(block + 4, (uint32_t)n);
	n += CAPFILE_SEGMENT_FIXED + CAPFILE_TAG;
	put32(block + n, crc32c(0, block, n));
	assert_int_equal(fwrite(block, 1, n + CAPFILE_CRC, f), n + CAPFILE_CRC);
	fclose(f);
}

static void older_captures(void **state)
{
	static struct plan plan;
	char path[] = "/tmp/capture-found-XXXXXX";
	uint64_t counts[DETECT_CLASSES_ALL] = {0};
	struct capfile_writer *w;
	struct capfile_reader *r;
	const void *payload;
	struct record record;
	int fd = mkstemp(path), file;

	(void)state;
	close(fd);
	unlink(path);
	plan.route_count = 1;
	plan.mask_count = 3;
	plan.routes[0].mask = 2;
	assert_int_equal(capfile_create(path, &plan, 0, &w), 0);
	record = (struct record){.id = 1, .type = RECORD_HEAD, .policy = 2, .payload_len = 3};
	assert_int_equal(capfile_append(w, &record, "200"), 0);
	assert_int_equal(capfile_flush(w), 0);
	/* its sequence is 0: instead of what was written, behind a header alone */
	assert_int_equal(capfile_close(&w), 0);
	assert_int_equal(capfile_open(path, &r, NULL), 0);
	assert_int_equal(capfile_next(r, &record, &payload), 0);
	assert_int_equal(record.policy, 2);
	file = (int)capfile_at(r);
	capfile_reader_free(&r);

	unlink(path);
	assert_int_equal(capfile_create(path, &plan, 0, &w), 0);
	assert_int_equal(capfile_finish(&w, &fd), 0);
	assert_true(lseek(fd, 0, SEEK_END) < file);
	assert_int_equal(ftruncate(fd, lseek(fd, 0, SEEK_END) - (off_t)(CAPFILE_FOOTER_OVERHEAD)), 0);
	close(fd);
	put_older(path);
	assert_int_equal(capfile_open(path, &r, NULL), 0);
	assert_int_equal(capfile_next(r, &record, &payload), 0);
	assert_int_equal(record.policy, 3); /* its route's */
	assert_true(found_valid((struct span){payload, record.payload_len}));
	found_count((struct span){payload, record.payload_len}, counts);
	for (unsigned class = 0; class < DETECT_CLASSES_ALL; class ++)
		assert_int_equal(counts[class], class == DETECT_PAN || class == DETECT_IPV4);
	capfile_reader_free(&r);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(values_are_told_apart),   cmocka_unit_test(a_hash_tells_nothing),
	        cmocka_unit_test(what_was_issued_stays),   cmocka_unit_test(bounded),
	        cmocka_unit_test(attempts_are_taken_back), cmocka_unit_test(what_is_no_table),
	        cmocka_unit_test(older_captures),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
