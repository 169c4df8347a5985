/*
 * bench_detect.c - what looking for entities costs, in MB of text a second of CPU: the sieve beside memcpy,
 * all detectors on prose and on text full of numbers, whole and in pieces of 64 bytes, and masked chat
 * bodies. Best of several rounds; the figures mean something only beside each other. With a word: only what
 * has it in its name. Asked of chat bodies of 1 to 16 KB: 800 MB/s by field rules, 400 MB/s with all
 * detectors.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "capture/detect/detect.h"
#include "capture/detect/sieve.h"
#include "capture/mask_text.h"
#include "proto/base/buf.h"

enum { ROUNDS = 7, TOTAL = 8 << 20, LARGE = 64 << 20 };

static struct detectors *detectors;
static struct detect *pieces;
static unsigned found_count;
static char *copy;
static const char *only = "";

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void found(void *arg, const struct detect_hit *hit)
{
	(void)arg;
	found_count += hit->class != DETECT_NONE;
}

static void copied(struct span text)
{
	memcpy(copy, text.data, text.len);
	__asm__ volatile("" : : "r"(copy) : "memory");
}

static void sieved_by(sieve_sort *sort, struct span text)
{
	struct sieve sieve = {0};
	struct sieve_bytes bytes;
	struct sieve_anchors a;

	for (size_t i = 0; i + SIEVE_BLOCK <= text.len; i += SIEVE_BLOCK) {
		sort((const unsigned char *)text.data + i, &bytes);
		sieve_next(&sieve, &bytes, &a);
		found_count += a.number != 0;
	}
}

static void sieved(struct span text)
{
	sieved_by(sieve_best(), text);
}

static void sieved_portable(struct span text)
{
	sieved_by(sieve_sort_portable, text);
}

static void whole(struct span text)
{
	detect_text(detectors, SPAN("content"), text, found, NULL);
}

static void in_pieces(struct span text)
{
	detect_begin(pieces, SPAN("content"), found, NULL);
	for (size_t i = 0; i < text.len; i += 64)
		detect_feed(pieces, (struct span){text.data + i, text.len - i < 64 ? text.len - i : 64});
	detect_end(pieces);
}

/* MB of text a second; 0: not asked for. */
static double measure(const char *what, const struct buf *text, void (*work)(struct span))
{
	unsigned times = buf_len(text) < TOTAL ? (unsigned)(TOTAL / buf_len(text)) : 1;
	double best = 1e9;

	if (!strstr(what, only))
		return 0;
	for (int round = 0; round < ROUNDS; round++) {
		double start = now();

		found_count = 0;
		for (unsigned i = 0; i < times; i++)
			work(buf_span(text));
		best = now() - start < best ? now() - start : best;
	}
	printf("%8zu bytes  %-28s %8.0f MB/s  %6.2f hits\n", buf_len(text), what,
	       (double)buf_len(text) * times / best / 1e6, (double)found_count / times);
	return (double)buf_len(text) * times / best / 1e6;
}

static void compare(const char *what, double rate, double with, const char *asked)
{
	if (rate > 0 && with > 0)
		printf("%21s%s: %.2f, asked: %s\n", "", what, rate / with, asked);
}

/* What the heap has taken from the system. */
static size_t heap_bytes(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.arena + m.hblkhd;
}

static struct mask_key *key;
static struct mask_rules *fields, *both;
static struct buf masked;

static void mask_with(const struct mask_rules *rules, struct span body)
{
	uint32_t count;
	bool input;

	buf_reset(&masked);
	if (mask_json(rules, key, body, &masked, &count, &input))
		abort();
	found_count += count;
}

static void masked_by_fields(struct span body)
{
	mask_with(fields, body);
}

static void masked_by_both(struct span body)
{
	mask_with(both, body);
}

static int load_rules(void)
{
	static const uint8_t secret[32] = {1};
	static struct plan_mask policy = {.field_count = 2,
	                                  .fields = {{.where = "$.user", .with = MASK_TOKEN},
	                                             {.where = "$.metadata.email", .with = MASK_DROP}}};
	static struct mask_finder *finder;

	policy.detect.with = MASK_TOKEN;
	policy.detect.find.min_score = DETECT_SCORE;
	detect_set_add_name(&policy.detect.find.classes, "all");
	buf_init(&masked, 1 << 20);
	if (mask_key_new(secret, &key) || mask_rules_new(&policy, &fields) ||
	    mask_rules_new(&policy, &both) || mask_finder_new(&policy, SPAN(""), &finder))
		return ERR_NOMEM;
	mask_rules_find(both, finder);
	return 0;
}

static void prose(struct buf *out, size_t len)
{
	static const char *const lines[] = {
	        "The quarterly report says that revenue grew by 12% in 2023, mostly in the north. ",
	        "Could you summarise the attached notes in three bullet points, please? ",
	        "Remember: the meeting starts at 10:30, room 4, and lasts about an hour. ",
	        "Each request is answered by one of several models, and none of them is told which. ",
	        "I would rather not say more about it; the address of the office has not changed since. ",
	        "def area(r): return 3.14159 * r ** 2  # see the lesson about circles and squares\n",
	};

	for (size_t i = 0; buf_len(out) < len; i++)
		buf_puts(out, lines[i % 6]);
	out->tail = out->head + len;
}

static void numbers(struct buf *out, size_t len)
{
	for (unsigned i = 1; buf_len(out) < len; i++)
		buf_printf(out, "row %u: id %u-%u, value 0.%u, at 2024-03-%02u 10:%02u:00; ", i, i * 7919u,
		           i * 31u, i * 48611u, i % 28 + 1, i % 60);
	out->tail = out->head + len;
}

static void chat(struct buf *out, size_t len)
{
	static const char *const turns[] = {
	        "Could you explain how the seasons come about? I always thought it was the distance to the "
	        "sun, but "
	        "my daughter says that is wrong, and now I would like to know.",
	        "The seasons come about because the axis of the Earth is tilted by about 23.5 degrees. While "
	        "it "
	        "travels around the sun, one half leans towards it and the other away from it.\\n\\n1. In "
	        "June the "
	        "north leans towards the sun.\\n2. In December the south does.",
	        "Thanks! And what would happen if it were not tilted at all? Please keep it short: two "
	        "sentences.",
	        "Days and nights would be equally long everywhere, all year round. There would be no seasons "
	        "to speak "
	        "of; only the climate of each latitude would remain.",
	};

	buf_puts(out, "{\"model\":\"m-1\",\"user\":\"u-17\",\"temperature\":0.7,\"messages\":[");
	for (unsigned i = 0; buf_len(out) < len - 40; i++)
		buf_printf(out, "%s{\"role\":\"%s\",\"content\":\"%s\"}", i ? "," : "",
		           i % 2 ? "assistant" : "user", turns[i % 4]);
	buf_puts(out, "],\"stream\":true,\"seed\":7}");
}

static void measure_size(struct buf *text, size_t size)
{
	double rate;

	buf_reset(text);
	prose(text, size);
	measure("memcpy", text, copied);
	measure("sieve", text, sieved);
	measure("sieve, portable", text, sieved_portable);
	rate = measure("prose", text, whole);
	compare("pieces / whole", measure("prose in 64-byte pieces", text, in_pieces), rate, "half");
	buf_reset(text);
	numbers(text, size);
	rate = measure("numbers", text, whole);
	compare("pieces / whole", measure("numbers in 64-byte pieces", text, in_pieces), rate, "half");
	buf_reset(text);
	chat(text, size);
	measure("chat body, field rules", text, masked_by_fields);
	measure("chat body, rules, detectors", text, masked_by_both);
}

int main(int argc, char **argv)
{
	static struct detect_policy policy = {.min_score = DETECT_SCORE};
	static const size_t sizes[] = {1024, 4096, 16384};
	struct buf text;
	double rate;

	only = argc > 1 ? argv[1] : only;
	copy = malloc(LARGE);
	detect_set_add_name(&policy.classes, "all");
	if (!copy || detectors_new(&policy, NULL, &detectors) || detect_new(detectors, &pieces) ||
	    load_rules())
		return 1;
	buf_init(&text, 2 * LARGE);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		measure_size(&text, sizes[i]);
	buf_reset(&text);
	prose(&text, LARGE);
	rate = measure("memcpy", &text, copied);
	compare("sieve / memcpy", measure("sieve", &text, sieved), rate, "a third");
	printf("%zu bytes hold a text in pieces\n", detect_size());
	buf_reset(&text);
	chat(&text, 16384);
	masked_by_both(buf_span(&text));
	rate = (double)heap_bytes();
	for (unsigned i = 0; i < 1000; i++)
		masked_by_both(buf_span(&text));
	printf("%.0f bytes more are in the heap after 1000 more bodies of 16 KiB\n",
	       (double)heap_bytes() - rate);
	buf_fini(&text);
	detect_free(&pieces);
	detectors_free(&detectors);
	free(copy);
	return 0;
}
