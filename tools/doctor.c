/* `understudy doctor`: what is in force here, and with -c whether a start would find what it names. */
#include "tools/doctor.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/config.h"
#include "tools/commands.h"

enum { REPORT_LIMIT = 1 << 20 };

static struct {
	const char *config, *format;
} options;

static void note_json(struct doctor *d, const char *state, const char *what, const char *found,
                      const char *remedy)
{
	buf_printf(&d->out, "%s{\"check\":", d->counts[0] + d->counts[1] + d->counts[2] > 1 ? "," : "");
	buf_json_string(&d->out, span_of(what));
	buf_printf(&d->out, ",\"state\":\"%s\",\"found\":", state);
	buf_json_string(&d->out, span_of(found));
	buf_puts(&d->out, ",\"remedy\":");
	if (remedy)
		buf_json_string(&d->out, span_of(remedy));
	else
		buf_puts(&d->out, "null");
	buf_puts(&d->out, "}");
}

void doctor_note(struct doctor *d, enum finding state, const char *what, const char *remedy,
                 const char *format, ...)
{
	static const char *const names[] = {"ok", "warn", "fail"};
	char found[768];
	va_list args;

	va_start(args, format);
	vsnprintf(found, sizeof found, format, args);
	va_end(args);
	if (state == FINDING_OK)
		remedy = NULL;
	d->counts[state]++;
	if (d->json)
		note_json(d, names[state], what, found, remedy);
	else
		buf_printf(&d->out, "%-4s  %-16s %s%s%s\n", names[state], what, found, remedy ? "; " : "",
		           remedy ? remedy : "");
}

/* The first error of a configuration, without the lines that show its place. */
static void note_config(struct doctor *d, int rc, char *said)
{
	if (said)
		said[strcspn(said, "\n")] = '\0';
	if (rc)
		doctor_note(d, FINDING_FAIL, "configuration", "see understudy check -c FILE", "%s",
		            said && *said ? said : err_text(rc));
	else if (said && *said)
		doctor_note(d, FINDING_WARN, "configuration", "see understudy check -c FILE", "%s", said);
	else
		doctor_note(d, FINDING_OK, "configuration", NULL, "%s is good", options.config);
}

static void examine_config(struct doctor *d)
{
	struct plan *plan = calloc(1, sizeof *plan);
	char *said = NULL;
	size_t len;
	FILE *errors = open_memstream(&said, &len);
	int rc = ERR_NOMEM;

	if (plan && errors)
		rc = config_read(options.config, plan, errors);
	if (errors)
		fclose(errors);
	note_config(d, rc, said);
	if (!rc)
		doctor_plan(d, plan);
	free(said);
	free(plan);
}

static int run(const struct words *words)
{
	struct doctor d = {.json = options.format && !strcmp(options.format, "json")};
	bool lost;

	(void)words;
	buf_init(&d.out, REPORT_LIMIT);
	if (d.json)
		buf_puts(&d.out, "{\"checks\":[");
	doctor_machine(&d);
	if (options.config)
		examine_config(&d);
	if (d.json)
		buf_printf(&d.out, "],\"ok\":%u,\"warn\":%u,\"fail\":%u}\n", d.counts[0], d.counts[1],
		           d.counts[2]);
	else
		buf_printf(&d.out, "%u ok, %u to look at, %u failed\n", d.counts[0], d.counts[1],
		           d.counts[2]);
	fwrite(buf_span(&d.out).data, 1, buf_len(&d.out), stdout);
	lost = d.out.err || fflush(stdout) != 0;
	buf_fini(&d.out);
	return lost ? 3 : d.counts[FINDING_FAIL] > 0;
}

static const struct command_flag flags[] = {
        {.name = "--config",
         .letter = "-c",
         .argument = "FILE",
         .sentence = "look at what this configuration names too",
         .to = &options.config},
        FORMAT_FLAG(&options.format),
        {0},
};

const struct command doctor_command = {
        .name = "doctor",
        .does = "say what is in force on this machine, and what a start would lack",
        .usage = "[-c FILE] [--format text|json]",
        .about = "One line a finding: ok, warn or fail, with what to do about it. With -c also\n"
                 "folders, free ports, certificates, disk, and whether endpoints can be reached;\n"
                 "they are connected to, nothing is sent. While the proxy runs, its ports are taken.",
        .flags = flags,
        .status = "0 nothing failed, 1 something did, 2 usage, 3 could not tell",
        .examples = "understudy doctor\n"
                    "understudy doctor -c /etc/understudy/understudy.yaml\n"
                    "understudy doctor --format json | jq '.checks[] | select(.state != \"ok\")'",
        .run = run,
};
