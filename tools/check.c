/* understudy check: read a configuration and say what it means. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/buf.h"
#include "proxy/config.h"
#include "tools/check.h"

static const char help[] =
        "Usage: understudy check -c FILE [--format text|json]\n"
        "\n"
        "Read a configuration, report every error with its place, or say what the file means.\n"
        "\n"
        "  -c, --config FILE    the configuration\n"
        "      --format FORMAT  text (default) or json\n"
        "  -h, --help           this text\n"
        "\n"
        "Examples:\n"
        "  understudy check -c configs/understudy.yaml\n"
        "  understudy check -c understudy.yaml --format json | jq .valid\n"
        "\n"
        "Exit status: 0 the file is good, 2 it is not (or the command line is wrong).\n";

/* The lines of the report that begin with the file's name: errors and warnings. */
static void put_messages(struct buf *out, const char *file, const char *report)
{
	size_t len = strlen(file);
	const char *comma = "";

	buf_puts(out, "\"messages\":[");
	for (const char *line = report; *line;) {
		size_t n = strcspn(line, "\n");

		if ((n > len && strncmp(line, file, len) == 0 && line[len] == ':') ||
		    strncmp(line, "understudy: ", 12) == 0) {
			buf_puts(out, comma);
			buf_json_string(out, (struct span){line, n});
			comma = ",";
		}
		line += n + (line[n] == '\n');
	}
	buf_puts(out, "]");
}

static void print_json(const struct plan *p, int rc, const char *file, const char *report)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	buf_printf(&out, "{\"valid\":%s,\"file\":", rc == 0 ? "true" : "false");
	buf_json_string(&out, span_of(file));
	buf_puts(&out, ",");
	put_messages(&out, file, report);
	if (rc == 0) {
		buf_puts(&out, ",\"config_hash\":\"");
		for (unsigned i = 0; i < sizeof(p->config_hash); i++)
			buf_printf(&out, "%02x", p->config_hash[i]);
		buf_printf(&out, "\",\"workers\":%u,\"memory_bytes\":%llu,\"ring_bytes\":%llu,\"routes\":[",
		           p->workers, (unsigned long long)p->memory_bytes,
		           (unsigned long long)config_ring_bytes(p));
		for (uint32_t i = 0; i < p->route_count; i++) {
			buf_printf(&out, "%s{\"name\":", i ? "," : "");
			buf_json_string(&out, span_of(p->routes[i].name));
			buf_printf(&out, ",\"mirror\":%s,\"candidates\":%u,\"gates\":%u}",
			           p->routes[i].mirror ? "true" : "false", p->routes[i].candidate_count,
			           p->routes[i].gate_count);
		}
		buf_puts(&out, "]");
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

int check_command(int argc, char **argv)
{
	static const struct option options[] = {
	        {"config", required_argument, NULL, 'c'},
	        {"format", required_argument, NULL, 'f'},
	        {"help", no_argument, NULL, 'h'},
	        {NULL, 0, NULL, 0},
	};
	const char *file = NULL, *format = "text";
	int option;

	optind = 1;
	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			file = optarg;
			break;
		case 'f':
			format = optarg;
			break;
		case 'h':
			fputs(help, stdout);
			return 0;
		default:
			return 2;
		}
	}
	if (!file || optind != argc || (strcmp(format, "text") != 0 && strcmp(format, "json") != 0)) {
		fputs(help, stderr);
		return 2;
	}
	return check_file(file, strcmp(format, "json") == 0);
}
