#include "tools/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "capture/capfile.h"
#include "proto/base/clock.h"
#include "proxy/config_endpoint.h"
#include "replay/gate.h"
#include "tools/commands.h"

enum { IN_FLIGHT = 16, SLOTS = 16 };

static const char help[] =
        "usage: understudy replay CAPTURE.cap --to NAME=URL... [flags]\n"
        "\n"
        "Sends the capture's requests to each target and compares with the recorded live answers.\n"
        "\n"
        "  --speed X|max   1 (default) = as recorded, 2 = twice as fast, max = as fast as the targets take "
        "it\n"
        "  --gate EXPR     e.g. 'divergence_rate<=2%'; then the exit status is the verdict (0, 1, 4)\n"
        "  --run DIR       where the run goes; default runs/replay-TIME\n"
        "\n"
        "examples:\n"
        "  understudy replay runs/demo/capture/*.cap --to svc=http://127.0.0.1:9002\n"
        "  understudy replay day.cap --to new=http://127.0.0.1:9002 --speed max --gate "
        "'divergence_rate<=5%'\n";

static int parse(int argc, char **argv, struct replay_options *o)
{
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (argv[i][0] != '-' && !o->input) {
			o->input = argv[i];
			continue;
		}
		if (!value)
			goto bad;
		if (!strcmp(argv[i], "--to") && o->target_count < CANDIDATES_MAX)
			o->targets[o->target_count++] = value;
		else if (!strcmp(argv[i], "--gate") && o->gate_count < GATES_MAX - 2)
			o->gates[o->gate_count++] = value;
		else if (!strcmp(argv[i], "--speed"))
			o->speed = value;
		else if (!strcmp(argv[i], "--run"))
			snprintf(o->run, sizeof o->run, "%s", value);
		else
			goto bad;
		i++;
		continue;
	bad:
		fprintf(stderr, "understudy: replay: cannot use '%s' here; see understudy replay --help\n",
		        argv[i]);
		return 2;
	}
	if (!o->input || !o->target_count) {
		fprintf(stderr, "understudy: replay takes a capture file and --to NAME=URL; see understudy "
		                "replay --help\n");
		return 2;
	}
	return -1;
}

static int read_speed(const char *text, double *speed_out)
{
	char *end;

	*speed_out = text && !strcmp(text, "max") ? 0 : text ? strtod(text, &end) : 1;
	if (text && strcmp(text, "max") && (*end || !(*speed_out > 0) || *speed_out > 1e6)) {
		fprintf(stderr, "understudy: replay: --speed %s: a number above 0, or max\n", text);
		return 2;
	}
	return -1;
}

static int read_target(const char *text, struct plan_candidate *out)
{
	const char *equals = strchr(text, '='), *why = "NAME=URL is expected";

	if (equals && equals > text && equals - text < NAME_MAX_BYTES)
		why = endpoint_from_url(equals + 1, &out->endpoint);
	if (why) {
		fprintf(stderr, "understudy: replay: --to %s: %s\n", text, why);
		return 2;
	}
	snprintf(out->name, sizeof out->name, "%.*s", (int)(equals - text), text);
	out->sample_ppm = 1000000;
	out->timeout_ms = 10000;
	out->max_in_flight = IN_FLIGHT * 4;
	return -1;
}

/* "divergence_rate<=2%": a metric, its direction, a number with or without a per cent sign. */
static int read_gate(const char *text, struct plan_gate *out)
{
	const char *at = strpbrk(text, "<>");
	int metric = at ? gate_metric_by_name((struct span){text, (size_t)(at - text)}) : -1;
	char *end = NULL;

	if (metric >= 0 && at[1] == '=')
		out->limit = strtod(at + 2, &end);
	if (end && *end == '%') {
		out->limit /= 100;
		end++;
	}
	if (!end || end == at + 2 || *end ||
	    (*at == '<') != (gate_metric_row((uint32_t)metric)->direction == GATE_MAX)) {
		fprintf(stderr,
		        "understudy: replay: --gate '%s': expected e.g. 'divergence_rate<=2%%'; see "
		        "understudy gate --list\n",
		        text);
		return 2;
	}
	out->metric = (uint32_t)metric;
	return -1;
}

static int routes_of(const char *path, struct plan *plan)
{
	struct capfile_reader *reader;
	const char *why = NULL;
	int err = capfile_open(path, &reader, &why);

	if (err) {
		fprintf(stderr, "understudy: %s: %s\n", path, why ? why : err_text(err));
		return 3;
	}
	plan->route_count = capfile_facts(reader)->route_count;
	for (unsigned i = 0; i < plan->route_count && i < ROUTES_MAX; i++) {
		const struct capfile_route *from = &capfile_facts(reader)->routes[i];
		struct plan_route *to = &plan->routes[i];

		snprintf(to->name, sizeof to->name, "%s", from->name);
		to->protocol = from->protocol;
		to->tolerance_abs = from->tolerance_abs;
		to->tolerance_rel = from->tolerance_rel;
		to->max_body_bytes = 8u << 20;
		for (unsigned n = 0; n < from->ignore_count; n++)
			snprintf(to->ignore[to->ignore_count++], TEXT_MAX_BYTES, "%s", from->ignore[n]);
	}
	capfile_reader_free(&reader);
	return -1;
}

static int fill(const struct replay_options *o, struct plan *plan)
{
	int status = read_speed(o->speed, &plan->replay_speed);

	if (status < 0)
		status = routes_of(o->input, plan);
	for (unsigned r = 0; r < plan->route_count && status < 0; r++) {
		struct plan_route *route = &plan->routes[r];

		for (unsigned i = 0; i < o->target_count && status < 0; i++)
			status = read_target(o->targets[i], &route->candidates[route->candidate_count++]);
		for (unsigned i = 0; i < o->gate_count && status < 0; i++)
			status = read_gate(o->gates[i], &route->gates[route->gate_count++]);
	}
	return status;
}

int replay_options(int argc, char **argv, struct replay_options *o, struct plan *plan)
{
	int status;

	if (argc > 1 && !strcmp(argv[1], "--help")) {
		fputs(help, stdout);
		return 0;
	}
	snprintf(o->run, sizeof o->run, "runs/replay-%llu", (unsigned long long)(clock_wall_ns() / 1000000u));
	plan->version = plan->generation = 1;
	plan->replay = true;
	plan->workers = 1;
	plan->slots_each = SLOTS;
	plan->memory_bytes = 512u << 20;
	plan->drain_timeout_ms = 30000;
	plan->mask_count = 1;
	snprintf(plan->masks[0].name, NAME_MAX_BYTES, "builtin");
	snprintf(plan->run_name, NAME_MAX_BYTES, "replay");
	status = parse(argc, argv, o);
	return status < 0 ? fill(o, plan) : status;
}

int replay_verdict(const struct replay_options *o)
{
	char *argv[] = {"gate", (char *)o->run, NULL};
	int status = gate_command(2, argv);

	return o->gate_count || status == 3 ? status : 0;
}
