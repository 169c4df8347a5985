/*
 * compare.c - what a comparison costs: pairs a second of processor time on one core, by what is compared.
 * Prints, never judges.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "replay/compare.h"
#include "replay/version.h"

enum { ROUNDS = 7, BODY_BYTES = 4096 };
static const double ROUND_SECONDS = 0.12;

struct subject {
	const char *name;
	double wanted; /* pairs a second; 0: none is stated */
	uint32_t protocol;
	char live[BODY_BYTES], candidate[BODY_BYTES];
};

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* About 1 KB: twelve objects of three members, in order or the members the other way round. */
static void put_json(char *out, bool reversed, int other_score)
{
	size_t at = (size_t)sprintf(out, "{\"id\":\"a-1\",\"items\":[");

	for (int i = 0; i < 12; i++) {
		int score = 500 + 37 * i + (i == 7 ? other_score : 0);

		char name[64];

		sprintf(name, "\"name\":\"item number %d of a list that is long\"", i);
		if (reversed)
			at += (size_t)sprintf(out + at, "%s{%s,\"score\":0.%d,\"id\":%d}", i ? "," : "", name,
			                      score, i);
		else
			at += (size_t)sprintf(out + at, "%s{\"id\":%d,\"score\":0.%d,%s}", i ? "," : "", i,
			                      score, name);
	}
	sprintf(out + at,
	        "],\"total\":12,\"next\":null,\"text\":\"a sentence that says something of no importance\"}");
}

/* One output of 100 values that are no probabilities. */
static void put_tensor(char *out, double shift)
{
	size_t at = (size_t)sprintf(out, "{\"model_name\":\"m\",\"model_version\":\"1\",\"outputs\":[{"
	                                 "\"name\":\"y\",\"datatype\":\"FP32\","
	                                 "\"shape\":[1,100],\"data\":[");

	for (int i = 0; i < 100; i++)
		at += (size_t)sprintf(out + at, "%s%.4f", i ? "," : "",
		                      0.731 * i - 20 + (i == 60 ? shift : 0));
	sprintf(out + at, "]}]}");
}

static void put_chat(char *out, const char *word)
{
	sprintf(out,
	        "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"model\":\"m\",\"choices\":[{"
	        "\"index\":0,\"message\":{"
	        "\"role\":\"assistant\",\"content\":\"The %s of the answer is what is asked for, and the "
	        "rest of the text says "
	        "how it was found: first one thing, then another, then the sum of both of "
	        "them.\"},\"finish_reason\":\"stop\"}],"
	        "\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":31}}",
	        word);
}

static double rate_of(const struct subject *s)
{
	static struct plan_route route;
	struct answer live = {.status = 200, .target = SPAN("/x"), .body = span_of(s->live)},
	              candidate = live;
	struct comparison c;
	double begin = seconds(), took = 0;
	long n = 0;

	route.protocol = s->protocol;
	candidate.body = span_of(s->candidate);
	while (took < ROUND_SECONDS) {
		for (int i = 0; i < 64; i++, n++) {
			if (compare_pair(&route, &live, &candidate, 16 << 20, &c))
				exit(3);
			comparison_fini(&c);
		}
		took = seconds() - begin;
	}
	return (double)n / took;
}

static double versions_rate(const struct subject *s)
{
	struct answer live = {.status = 200, .target = SPAN("/x"), .body = span_of(s->live)};
	struct version v;
	double begin = seconds(), took = 0;
	long n = 0;

	while (took < ROUND_SECONDS) {
		for (int i = 0; i < 64; i++, n++)
			version_answered(&live, SPAN("200\ncontent-type: application/json"), "", false, &v);
		took = seconds() - begin;
	}
	return (double)n / took;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void print(const char *name, double rates[ROUNDS], double wanted)
{
	qsort(rates, ROUNDS, sizeof *rates, by_value);
	printf("  %-44s %9.0f pairs/s (%6.2f us)", name, rates[ROUNDS / 2], 1e6 / rates[ROUNDS / 2]);
	if (wanted > 0)
		printf("  wanted %.0f", wanted);
	puts("");
}

enum { SUBJECTS = 9 };

int main(void)
{
	static struct subject s[SUBJECTS] = {
	        {.name = "identical bodies, 1 KB of JSON", .protocol = PROTOCOL_JSON},
	        {.name = "1 KB of JSON, blanks differ", .wanted = 300000, .protocol = PROTOCOL_JSON},
	        {.name = "1 KB of JSON, one number differs", .wanted = 300000, .protocol = PROTOCOL_JSON},
	        {.name = "1 KB of JSON, members in another order",
	         .wanted = 300000,
	         .protocol = PROTOCOL_JSON},
	        {.name = "tensor of 100 values, identical", .protocol = PROTOCOL_OPENINFERENCE},
	        {.name = "tensor of 100 values, all written otherwise",
	         .wanted = 500000,
	         .protocol = PROTOCOL_OPENINFERENCE},
	        {.name = "tensor of 100 values, one differs",
	         .wanted = 500000,
	         .protocol = PROTOCOL_OPENINFERENCE},
	        {.name = "chat answer, identical", .protocol = PROTOCOL_OPENAI},
	        {.name = "chat answer, a word differs", .protocol = PROTOCOL_OPENAI}};
	static double rates[SUBJECTS + 1][ROUNDS];

	for (int i = 0; i < 4; i++) {
		put_json(s[i].live, false, 0);
		put_json(s[i].candidate, i == 3, i == 2);
	}
	s[1].candidate[0] = ' ';
	put_json(s[1].candidate + 1, false, 0);
	for (int i = 4; i < 7; i++) {
		put_tensor(s[i].live, 0);
		put_tensor(s[i].candidate, i == 6 ? 1 : 0);
	}
	s[5].candidate[0] = ' ';
	put_tensor(s[5].candidate + 1, 0);
	put_chat(s[7].live, "sum");
	put_chat(s[7].candidate, "sum");
	put_chat(s[8].live, "sum");
	put_chat(s[8].candidate, "total");
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < SUBJECTS; i++)
			rates[i][round] = rate_of(&s[i]);
		rates[SUBJECTS][round] = versions_rate(&s[3]);
	}
	puts("comparators, one core, medians of processor time:");
	for (int i = 0; i < SUBJECTS; i++)
		print(s[i].name, rates[i], s[i].wanted);
	print("which version answered, read from one body", rates[SUBJECTS], 0);
	return 0;
}
