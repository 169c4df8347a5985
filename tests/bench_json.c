/*
 * bench_json.c - what one JSON body costs: scanned, masked by a rule and compared with another that differs
 * in its last value. Prints ns of CPU per body or pair, the best of several rounds; the figures mean
 * something only beside each other.
 */
#include <stdio.h>
#include <time.h>

#include "capture/mask.h"
#include "proto/json.h"
#include "replay/jsondiff.h"

enum { ROUNDS = 7, BODIES = 4 * 1000 };

struct body {
	const char *what;
	struct buf text, other; /* other: one value is not the same */
};

static struct mask_key *key;
static struct mask_rules *member, *anywhere;
static struct buf masked;

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int scan(const struct body *b)
{
	enum json_token token = JSON_MORE;
	struct json_reader r;
	int err = 0;

	json_reader_init(&r, buf_span(&b->text), 0);
	while (!err && token != JSON_END)
		err = json_next(&r, &token);
	return err;
}

static int skip(const struct body *b)
{
	enum json_token token;
	struct json_reader r;
	int err;

	json_reader_init(&r, buf_span(&b->text), 0);
	err = json_next(&r, &token);
	return err ? err : json_skip(&r, token);
}

static int mask(const struct body *b, const struct mask_rules *rules)
{
	uint32_t count;
	bool input;

	buf_reset(&masked);
	return mask_json(rules, key, buf_span(&b->text), &masked, &count, &input);
}

static int mask_member(const struct body *b)
{
	return mask(b, member);
}

static int mask_anywhere(const struct body *b)
{
	return mask(b, anywhere);
}

static int compare(const struct body *b)
{
	struct jsondiff diff;
	int err = jsondiff(buf_span(&b->text), buf_span(&b->other), (struct tolerance){1e-6, 0},
	                   (struct ignore_paths){NULL, 0}, SIZE_MAX, &diff);

	return err ? err : diff.value != 1;
}

static int measure(const struct body *b, const char *what, int (*work)(const struct body *))
{
	double best = 1e18;

	for (int round = 0; round < ROUNDS; round++) {
		double start = now_ns();

		for (int i = 0; i < BODIES; i++)
			if (work(b))
				return 1;
		double each = (now_ns() - start) / BODIES;
		best = each < best ? each : best;
	}
	printf("%-18s %5zu bytes, %-22s %7.0f ns\n", b->what, buf_len(&b->text), what, best);
	return 0;
}

static void numbers(struct buf *out, int count, const char *first, const char *format, const char *last)
{
	buf_puts(out, "{\"id\":\"3f1c\",\"inputs\":[");
	buf_puts(out, first);
	for (int i = 1; i < count; i++)
		buf_printf(out, format, i % 10);
	buf_printf(out, ",%s]}", last);
}

static void chat(struct buf *out, const char *last)
{
	buf_puts(out, "{\"model\":\"m-1\",\"temperature\":0.7,\"messages\":[");
	for (int i = 0; i < 8; i++) {
		buf_printf(out, "%s{\"role\":\"%s\",\"content\":\"", i ? "," : "",
		           i % 2 ? "assistant" : "user");
		for (int n = 0; n < 9; n++)
			buf_puts(out, "What the model reads is prose, line by line.\\n");
		buf_puts(out, "\"}");
	}
	buf_printf(out, "],\"seed\":%s}", last);
}

static int policy(const char *path, struct mask_rules **rules_out)
{
	static struct plan_mask policies[2];
	struct plan_mask *p = &policies[policies[0].field_count];

	p->field_count = 1;
	p->fields[0].with = MASK_TOKEN;
	snprintf(p->fields[0].where, sizeof(p->fields[0].where), "%s", path);
	return mask_rules_new(p, rules_out);
}

int main(void)
{
	static const uint8_t secret[32] = {1};
	static struct body bodies[] = {{.what = "60 numbers"}, {.what = "500 numbers"}, {.what = "chat"}};
	int r = mask_key_new(secret, &key);

	if (r || policy("$.user", &member) || policy("$..user", &anywhere))
		return 1;
	buf_init(&masked, 1 << 20);
	for (int i = 0; i < 3; i++) {
		buf_init(&bodies[i].text, 1 << 16);
		buf_init(&bodies[i].other, 1 << 16);
	}
	for (int i = 0; i < 2; i++) {
		struct buf *to = i ? &bodies[0].other : &bodies[0].text;

		numbers(to, 60, "0.5", ",-0.%d29481730216e-5", i ? "2" : "1");
		to = i ? &bodies[1].other : &bodies[1].text;
		numbers(to, 500, "1", ",%d", i ? "2" : "1");
		chat(i ? &bodies[2].other : &bodies[2].text, i ? "2" : "1");
	}
	for (int i = 0; !r && i < 3; i++) {
		r |= measure(&bodies[i], "token by token", scan);
		r |= measure(&bodies[i], "skipped", skip);
		r |= measure(&bodies[i], "masked, $.user", mask_member);
		r |= measure(&bodies[i], "masked, $..user", mask_anywhere);
		r |= measure(&bodies[i], "compared", compare);
		buf_fini(&bodies[i].text);
		buf_fini(&bodies[i].other);
	}
	buf_fini(&masked);
	mask_rules_free(&member);
	mask_rules_free(&anywhere);
	mask_key_free(&key);
	return r;
}
