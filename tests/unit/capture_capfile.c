#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>

#include "capture/capfile.h"
#include "capture/crc32c.h"
#include "capture/mask.h"

static char directory[] = "/tmp/capfile.XXXXXX";
static char good[64], bad[64];
static struct plan plan;

static void fill_plan(void)
{
	plan.route_count = plan.mask_count = 1;
	strcpy(plan.run_name, "run-1");
	strcpy(plan.masks[0].name, "default");
	plan.masks[0].hash[0] = 0xab;
	strcpy(plan.routes[0].name, "fraud");
	plan.routes[0].protocol = PROTOCOL_JSON;
	plan.routes[0].tolerance_rel = 0.25;
	plan.routes[0].ignore_count = 1;
	strcpy(plan.routes[0].ignore[0], "$.id");
	plan.masks[plan.routes[0].mask].field_count = 3;
	strcpy(plan.masks[plan.routes[0].mask].fields[0].where, "$.mail");
	plan.masks[plan.routes[0].mask].fields[0].with = MASK_TOKEN;
	strcpy(plan.masks[plan.routes[0].mask].fields[1].where, "$.kept");
	plan.masks[plan.routes[0].mask].fields[1].with = MASK_KEEP;
	plan.masks[plan.routes[0].mask].fields[2].place = MASK_HEADER;
	plan.routes[0].candidate_count = 1;
	strcpy(plan.routes[0].candidates[0].name, "v2");
	plan.routes[0].candidates[0].sample_ppm = 1000000;
}

/* Record i and its payload, the same for writer and checker. */
static struct record record_at(unsigned i, unsigned length, uint8_t *payload)
{
	for (unsigned k = 0; k < length; k++)
		payload[k] = (uint8_t)((i * 2654435761u + k * (k ^ i) * 40503u) >> 7);
	return (struct record){.id = 7 + i / 4,
	                       .time_ns = 1000 + i,
	                       .slot = i,
	                       .generation = 3,
	                       .type = i % 4 + 1,
	                       .leg = LEG_CLIENT,
	                       .flags = RECORD_MASKED,
	                       .policy = 1,
	                       .payload_len = length,
	                       .mask_count = i};
}

static void write_file(const char *path, unsigned records, unsigned length, unsigned flush_every)
{
	uint8_t payload[RECORD_PAYLOAD_MAX];
	struct capfile_writer *w;

	unlink(path);
	assert_int_equal(capfile_create(path, &plan, 0, &w), 0);
	for (unsigned i = 0; i < records; i++) {
		struct record r = record_at(i, length, payload);

		assert_int_equal(capfile_append(w, &r, payload), 0);
		if (flush_every && i % flush_every == flush_every - 1)
			assert_int_equal(capfile_flush(w), 0);
	}
	assert_int_equal(capfile_close(&w), 0);
	assert_null(w);
}

/* Reads on, checking each record against what was written; the final code. */
static int check_records(struct capfile_reader *r, unsigned length, unsigned *count_out)
{
	uint8_t want_payload[RECORD_PAYLOAD_MAX];
	struct record got, want;
	const void *payload;
	unsigned i = 0;
	int err;

	while ((err = capfile_next(r, &got, &payload)) == 0) {
		want = record_at(i++, length, want_payload);
		assert_memory_equal(&got, &want, sizeof got);
		assert_memory_equal(payload, want_payload, length);
	}
	assert_int_equal(capfile_next(r, &got, &payload), err);
	*count_out = i;
	return err;
}

static size_t slurp(const char *path, uint8_t *to, size_t max)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, to, max);

	assert_true(n > 0 && (size_t)n < max);
	close(fd);
	return (size_t)n;
}

static void spill(const char *path, const void *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, bytes, n), n);
	close(fd);
}

static void crc_is_castagnoli(void **state)
{
	uint8_t zeros[32] = {0};

	(void)state;
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283u);
	assert_int_equal(crc32c(0, zeros, sizeof zeros), 0x8a9136aau); /* RFC 3720 B.4 */
	assert_int_equal(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283u);
}

static void round_trip(void **state)
{
	struct capfile_reader *r;
	const struct capfile_facts *f;
	struct capfile_writer *w;
	unsigned count;

	(void)state;
	write_file(good, 400, RECORD_PAYLOAD_MAX, 0);
	assert_int_equal(capfile_create(good, &plan, 0, &w), ERR_SYS);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(capfile_open(good, &r, NULL), 0);
	f = capfile_facts(r);
	assert_string_equal(f->run_name, "run-1");
	assert_int_equal(f->route_count, 1);
	assert_string_equal(f->routes[0].name, "fraud");
	assert_int_equal(f->routes[0].policy_number, 0);
	assert_int_equal(f->policy_count, 1);
	assert_string_equal(f->policies[0].name, "default");
	assert_int_equal(f->policies[0].hash[0], 0xab);
	assert_int_equal(f->policies[0].masker, MASK_VERSION);
	assert_string_equal(f->routes[0].ignore[0], "$.id");
	assert_int_equal(f->routes[0].masked_count, 1);
	assert_string_equal(f->routes[0].masked[0], "$.mail");
	assert_string_equal(f->routes[0].candidates[0].name, "v2");
	assert_true(f->routes[0].tolerance_rel == 0.25);
	assert_true(capfile_closed(r));
	assert_int_equal(check_records(r, RECORD_PAYLOAD_MAX, &count), ERR_AGAIN);
	assert_int_equal(count, 400);
	assert_in_range(capfile_segments(r), 100, 134);
	assert_int_equal(capfile_wall_ns(r, f->created_mono_ns + 5), f->created_wall_ns + 5);
	capfile_reader_free(&r);
}

static void sampling_travels_once(void **state)
{
	struct record head = {.id = 9, .type = RECORD_HEAD, .leg = LEG_CLIENT}, got;
	struct capfile_writer *w;
	struct capfile_reader *r;
	const void *payload;

	(void)state;
	unlink(good);
	assert_int_equal(capfile_create(good, &plan, 0, &w), 0);
	head.sample_hash = 0xfedcba9876543210u;
	head.sample_ppm = 250000;
	assert_int_equal(capfile_append(w, &head, ""), 0);
	head.type = RECORD_END;
	assert_int_equal(capfile_append(w, &head, ""), 0);
	assert_int_equal(capfile_close(&w), 0);
	assert_int_equal(capfile_open(good, &r, NULL), 0);
	assert_int_equal(capfile_next(r, &got, &payload), 0);
	assert_true(got.sample_hash == 0xfedcba9876543210u && got.sample_ppm == 250000);
	assert_int_equal(capfile_next(r, &got, &payload), 0);
	assert_true(got.sample_hash == 0 && got.sample_ppm == 0);
	capfile_reader_free(&r);
}

static void every_truncation(void **state)
{
	static uint8_t bytes[1 << 16];
	struct capfile_reader *r;
	unsigned count, most = 0;
	size_t n;

	(void)state;
	write_file(good, 12, 40, 4);
	n = slurp(good, bytes, sizeof bytes);
	for (size_t cut = 0; cut < n; cut++) {
		spill(bad, bytes, cut);
		if (capfile_open(bad, &r, NULL) == ERR_PROTO) {
			assert_int_equal(most, 0);
			continue;
		}
		assert_false(capfile_closed(r));
		assert_int_equal(check_records(r, 40, &count), ERR_TORN);
		assert_true(count >= most && count % 4 == 0);
		most = count;
		capfile_reader_free(&r);
	}
	assert_int_equal(most, 12);
}

static void every_bit_flip(void **state)
{
	static uint8_t bytes[1 << 16];
	struct capfile_reader *r;
	unsigned count;
	size_t n;

	(void)state;
	write_file(good, 12, 40, 4);
	n = slurp(good, bytes, sizeof bytes);
	for (size_t bit = 0; bit < n * 8; bit++) {
		int err;

		bytes[bit / 8] ^= 1 << bit % 8;
		spill(bad, bytes, n);
		bytes[bit / 8] ^= 1 << bit % 8;
		err = capfile_open(bad, &r, NULL);
		if (err) {
			assert_true(err == ERR_PROTO || err == ERR_UNSUPPORTED);
			continue;
		}
		err = check_records(r, 40, &count);
		assert_true(err == ERR_PROTO || err == ERR_TORN);
		capfile_reader_free(&r);
	}
}

static void foreign_files(void **state)
{
	static const char page[] = "<!doctype html><title>no capture</title>";
	struct capfile_reader *r;
	const char *why;

	(void)state;
	spill(bad, page, sizeof page);
	assert_int_equal(capfile_open(bad, &r, &why), ERR_PROTO);
	assert_string_equal(why, "not a capture file (bad magic)");
	spill(bad, "", 0);
	assert_int_equal(capfile_open(bad, &r, &why), ERR_PROTO);
	assert_string_equal(why, "not a capture file (empty)");
	assert_int_equal(capfile_open(directory, &r, &why), ERR_PROTO);
	assert_int_equal(capfile_open("/nonexistent/x.cap", &r, &why), ERR_SYS);
	assert_int_equal(errno, ENOENT);
}

/* A segment that does not fit is cut off again: what is there stays readable, later ones may follow. */
static void disk_full(void **state)
{
	static uint8_t payload[RECORD_PAYLOAD_MAX];
	struct stat so_far;
	struct rlimit was, tight;
	struct capfile_reader *r;
	struct capfile_writer *w;
	struct record record;
	unsigned count;

	(void)state;
	unlink(good);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(capfile_create(good, &plan, 1, &w), 0);
	assert_true(capfile_full(w));
	record = record_at(0, 40, payload);
	assert_int_equal(capfile_append(w, &record, payload), 0);
	assert_int_equal(capfile_pending(w), 1);
	assert_int_equal(capfile_flush(w), 0);
	getrlimit(RLIMIT_FSIZE, &was);
	assert_int_equal(stat(good, &so_far), 0);
	tight = (struct rlimit){(rlim_t)so_far.st_size + 50, was.rlim_max};
	setrlimit(RLIMIT_FSIZE, &tight);
	record = record_at(1, RECORD_PAYLOAD_MAX, payload);
	assert_int_equal(capfile_append(w, &record, payload), 0);
	assert_int_equal(capfile_flush(w), ERR_SYS);
	assert_int_equal(errno, EFBIG);
	setrlimit(RLIMIT_FSIZE, &was);
	assert_int_equal(capfile_pending(w), 0);
	assert_int_equal(capfile_written(w), 1);
	record = record_at(1, 40, payload);
	assert_int_equal(capfile_append(w, &record, payload), 0);
	assert_int_equal(capfile_close(&w), 0);
	assert_int_equal(capfile_open(good, &r, NULL), 0);
	assert_int_equal(check_records(r, 40, &count), ERR_AGAIN);
	assert_int_equal(count, 2);
	capfile_reader_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(crc_is_castagnoli),
	        cmocka_unit_test(round_trip),
	        cmocka_unit_test(sampling_travels_once),
	        cmocka_unit_test(every_truncation),
	        cmocka_unit_test(every_bit_flip),
	        cmocka_unit_test(foreign_files),
	        cmocka_unit_test(disk_full),
	};
	int failed;

	if (!mkdtemp(directory))
		return 1;
	snprintf(good, sizeof good, "%s/good.cap", directory);
	snprintf(bad, sizeof bad, "%s/bad.cap", directory);
	fill_plan();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(good);
	unlink(bad);
	rmdir(directory);
	return failed;
}
