#include "tools/replay_outline.h"

#include <stdio.h>
#include <string.h>

#include "capture/head.h"
#include "proto/base/clock.h"
#include "replay/effects.h"
#include "replay/llm.h"
#include "replay/usage.h"

void outline_time(struct outline_times *t, uint64_t at_ns)
{
	uint64_t second = at_ns / 1000000000u;

	if (!t->count || at_ns < t->first_ns)
		t->first_ns = at_ns;
	if (at_ns > t->last_ns)
		t->last_ns = at_ns;
	if (second != t->second)
		t->in_second = 0;
	t->second = second;
	t->count++;
	if (++t->in_second > t->busiest)
		t->busiest = t->in_second;
}

void outline_print_times(const struct outline_times *t)
{
	double seconds = (double)(t->last_ns - t->first_ns) / 1e9;

	printf(" in %.3f s", seconds);
	if (seconds > 0)
		printf(", %.1f requests/s on average", (double)t->count / seconds);
	printf(", %llu in the busiest second\n", (unsigned long long)t->busiest);
}

static void add_method(struct outline *o, struct span name)
{
	unsigned i = 0;

	while (i < OUTLINE_METHODS_MAX - 1 && o->methods[i].count &&
	       !span_eq(span_of(o->methods[i].name), name))
		i++;
	snprintf(o->methods[i].name, sizeof o->methods[i].name, "%.*s",
	         i < OUTLINE_METHODS_MAX - 1 ? (int)name.len : 6,
	         i < OUTLINE_METHODS_MAX - 1 ? name.data : "others");
	o->methods[i].count++;
}

void outline_add(struct outline *o, uint64_t at_ns, struct span head, struct span body, struct span answer)
{
	struct usage usage = {0};

	outline_time(&o->times, at_ns);
	add_method(o, head_method(head));
	o->bytes += body.len;
	if (llm_api_of(head_target(head), answer) == LLM_APIS)
		return;
	usage_feed(&usage, answer);
	o->tokens += usage_tokens(&usage, body.len);
	o->models++;
	o->told += usage.told;
}

static void print_methods(const struct outline *o)
{
	uint64_t unsafe = 0;

	printf("methods:");
	for (unsigned i = 0; i < OUTLINE_METHODS_MAX && o->methods[i].count; i++) {
		unsafe += effects_none(span_of(o->methods[i].name)) ? 0 : o->methods[i].count;
		printf("%s %llu ", i ? "," : "", (unsigned long long)o->methods[i].count);
		for (const char *c = o->methods[i].name; *c; c++)
			putchar(*c >= 0x20 && *c < 0x7f ? *c : '?');
	}
	printf("; %llu by a method that may have side effects\n", (unsigned long long)unsafe);
}

static void print_end(const struct outline *o)
{
	char end[28];

	clock_rfc3339(clock_wall_ns() + o->times.last_ns - o->times.first_ns, end);
	printf("begun now, the last is sent at %.19sZ\n", end);
}

void outline_print(const struct outline *o, bool keeps_times)
{
	if (!o->times.count)
		return;
	print_methods(o);
	if (o->models)
		printf("tokens: about %llu for each target; %llu of %llu answers tell theirs, of others a "
		       "token is "
		       "taken for %d bytes\n",
		       (unsigned long long)o->tokens, (unsigned long long)o->told,
		       (unsigned long long)o->models, USAGE_BYTES);
	if (keeps_times)
		print_end(o);
}
