/* understudy check: read a configuration and say what it means. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "capture/budget.h"
#include "proto/base/buf.h"
#include "proxy/config.h"
#include "tools/commands.h"

static struct {
	const char *config, *format;
	bool schema, manual;
} options;

/* True for a line of the report that begins with the file's name, or tells that it cannot be read. */
static bool is_message(const char *file, const char *line, size_t n)
{
	size_t len = strlen(file);

	return (n > len && strncmp(line, file, len) == 0 && line[len] == ':') ||
	       strncmp(line, "understudy: ", 12) == 0;
}

static void put_messages(struct buf *out, const char *file, const char *report)
{
	const char *comma = "";

	buf_puts(out, "\"messages\":[");
	for (const char *line = report; *line;) {
		size_t n = strcspn(line, "\n");

		if (is_message(file, line, n)) {
			buf_puts(out, comma);
			buf_json_string(out, (struct span){line, n});
			comma = ",";
		}
		line += n + (line[n] == '\n');
	}
	buf_puts(out, "]");
}

/* One message "LINE:COL: SEVERITY: TEXT", and the hint that follows it. */
static void put_problem(struct buf *out, const char *place, const char *comma)
{
	unsigned line, column;
	int at = 0;
	char severity[8];
	const char *next, *hint;

	if (sscanf(place, "%u:%u: %7[a-z]: %n", &line, &column, severity, &at) != 3 || at == 0)
		return;
	buf_printf(out, "%s{\"line\":%u,\"column\":%u,\"severity\":\"%s\",\"message\":", comma, line, column,
	           severity);
	buf_json_string(out, (struct span){place + at, strcspn(place + at, "\n")});
	next = strstr(place, "\n    ");
	for (unsigned skip = 0; next && skip < 2; skip++) /* the line and its caret */
		next = strchr(next + 1, '\n');
	hint = next && strncmp(next, "\n    hint: ", 11) == 0 ? next + 11 : NULL;
	if (hint) {
		buf_puts(out, ",\"hint\":");
		buf_json_string(out, (struct span){hint, strcspn(hint, "\n")});
	}
	buf_puts(out, "}");
}

static void put_problems(struct buf *out, const char *file, const char *report)
{
	size_t len = strlen(file), before;
	const char *comma = "";

	buf_puts(out, ",\"problems\":[");
	for (const char *line = report; *line;) {
		size_t n = strcspn(line, "\n");

		before = buf_len(out);
		if (n > len && strncmp(line, file, len) == 0 && line[len] == ':')
			put_problem(out, line + len + 1, comma);
		if (buf_len(out) > before)
			comma = ",";
		line += n + (line[n] == '\n');
	}
	buf_puts(out, "]");
}

static void put_text(struct buf *out, const char *key, const char *text)
{
	buf_printf(out, "\"%s\":", key);
	buf_json_string(out, span_of(text));
}

static void put_listeners(struct buf *out, const struct plan *p)
{
	buf_puts(out, ",\"listen\":[");
	for (uint32_t i = 0; i < p->listen_count; i++) {
		buf_puts(out, i ? ",{" : "{");
		put_text(out, "address", p->listen[i].at.address);
		buf_printf(out, ",\"port\":%u,\"tls\":%s}", p->listen[i].at.port,
		           p->listen[i].tls ? "true" : "false");
	}
	buf_puts(out, "]");
}

static void put_routes(struct buf *out, const struct plan *p)
{
	buf_puts(out, ",\"routes\":[");
	for (uint32_t i = 0; i < p->route_count; i++) {
		const struct plan_route *r = &p->routes[i];

		buf_puts(out, i ? ",{" : "{");
		put_text(out, "name", r->name);
		buf_puts(out, ",\"live\":[");
		for (uint32_t j = 0; j < r->live.endpoint_count; j++) {
			buf_puts(out, j ? "," : "");
			buf_json_string(out, span_of(r->live.endpoints[j].url));
		}
		buf_printf(out, "],\"mirror\":%s,\"candidates\":%u,\"gates\":%u,",
		           r->mirror ? "true" : "false", r->candidate_count, r->gate_count);
		put_text(out, "mask", p->masks[r->mask].name);
		buf_puts(out, "}");
	}
	buf_puts(out, "]");
}

static void put_memory(struct buf *out, const struct plan *p)
{
	struct config_share shares[CONFIG_SHARES_MAX];
	uint64_t copies;
	unsigned count = config_memory(p, shares, &copies);

	buf_printf(out, ",\"memory_bytes\":%llu,\"ring_bytes\":%llu,\"ceiling_bytes\":%llu,\"memory\":[",
	           (unsigned long long)p->memory_bytes, (unsigned long long)budget_ring_bytes(p),
	           (unsigned long long)copies);
	for (unsigned i = 0; i < count; i++) {
		buf_puts(out, i ? ",{" : "{");
		put_text(out, "name", shares[i].name);
		buf_printf(out, ",\"bytes\":%llu,\"live\":%s}", (unsigned long long)shares[i].bytes,
		           shares[i].kind == SHARE_LIVE ? "true" : "false");
	}
	buf_puts(out, "]");
}

static void print_json(const struct plan *p, int rc, const char *file, const char *report)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	buf_printf(&out, "{\"valid\":%s,", rc == 0 ? "true" : "false");
	put_text(&out, "file", file);
	buf_puts(&out, ",");
	put_messages(&out, file, report);
	put_problems(&out, file, report);
	if (rc == 0) {
		buf_puts(&out, ",\"config_hash\":\"");
		for (unsigned i = 0; i < sizeof(p->config_hash); i++)
			buf_printf(&out, "%02x", p->config_hash[i]);
		buf_printf(&out, "\",\"workers\":%u,\"slots_each\":%u,\"seed\":\"%llu\"", p->workers,
		           p->slots_each, (unsigned long long)p->seed);
		put_listeners(&out, p);
		put_routes(&out, p);
		put_memory(&out, p);
	}
	printf("%.*s}\n", (int)buf_len(&out), buf_span(&out).data);
	buf_fini(&out);
}

static int check_file(const char *file, bool json)
{
	struct plan *plan = calloc(1, sizeof(*plan));
	char *report = NULL;
	size_t len;
	FILE *errors = json ? open_memstream(&report, &len) : stderr;
	int rc = ERR_NOMEM;

	if (plan && errors)
		rc = config_read(file, plan, errors);
	if (json && errors)
		fclose(errors);
	if (json && report)
		print_json(plan, rc, file, report);
	else if (rc == 0)
		config_print_check(plan, stdout);
	else if (rc == ERR_NOMEM)
		fprintf(stderr, "understudy: out of memory\n");
	free(report);
	free(plan);
	return rc == 0 ? 0 : 2;
}

static int run(const struct words *words)
{
	(void)words;
	if (options.schema)
		config_print_schema(stdout);
	else if (options.manual)
		config_print_manual(stdout);
	else if (options.config)
		return check_file(options.config, options.format && !strcmp(options.format, "json"));
	else
		return command_wrong(&check_command, "-c FILE is expected");
	return 0;
}

static const struct command_flag flags[] = {
        {.name = "--config",
         .letter = "-c",
         .argument = "FILE",
         .sentence = "the configuration",
         .to = &options.config},
        FORMAT_FLAG(&options.format),
        {.name = "--schema",
         .sentence = "print the JSON Schema of configurations, for editors",
         .set = &options.schema},
        {.name = "--manual", .sentence = "print the manual page understudy.yaml(5)", .set = &options.manual},
        {0},
};

const struct command check_command = {
        .name = "check",
        .does = "read a configuration and say what is wrong with it",
        .usage = "-c FILE [--format text|json]\n"
                 "--schema | --manual",
        .about = "Do everything that a start does but binding: report every error with its place,\n"
                 "or say what the file means and where memory goes.",
        .flags = flags,
        .status = "0 the file is good, 2 it is not (or the command line is wrong)",
        .examples = "understudy check -c configs/understudy.yaml\n"
                    "understudy check -c understudy.yaml --format json | jq .valid\n"
                    "understudy check --manual | man -l -",
        .run = run,
};
