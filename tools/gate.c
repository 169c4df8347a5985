#include <stdio.h>

#include "replay/gate.h"
#include "tools/run.h"

int gate_command(int argc, char **argv);

static const char usage[] = "usage: understudy gate [RUN] [--list]\n"
                            "Prints the gate table of a run; the exit status is the verdict.\n"
                            "RUN is a run's directory; \"last\", or nothing, is the newest in runs/.\n\n"
                            "  --list    the gate metrics: name, unit, direction\n\n"
                            "exit status: 0 pass, 1 fail, 4 undecided, 2 usage, 3 the run cannot be read\n\n"
                            "examples:\n"
                            "  understudy gate\n"
                            "  understudy gate runs/digits-svc-17 && ./promote\n"
                            "  understudy gate --list\n";

static int list(void)
{
	for (uint32_t i = 0; i < GATE_METRICS; i++) {
		const struct gate_metric_row *row = gate_metric_row(i);

		printf("%-24s %-9s %s  %s", row->name, row->unit, row->direction == GATE_MAX ? "max" : "min",
		       row->meaning);
		if (row->standing)
			printf("; always stands, default %g", row->limit);
		printf("\n");
	}
	return 0;
}

static int print_gates(const char *name)
{
	struct run run;
	struct buf text;
	const char *verdict;
	int status = 3;

	if (run_open(name, &run))
		return 3;
	buf_init(&text, 1 << 20);
	run_text(&run, &text);
	if (!text.err)
		fwrite(buf_span(&text).data, 1, buf_len(&text), stdout);
	verdict = doc_text(run.summary, "verdict");
	if (!strcmp(verdict, "pass"))
		status = 0;
	else if (!strcmp(verdict, "fail"))
		status = 1;
	else if (!strcmp(verdict, "undecided"))
		status = 4;
	buf_fini(&text);
	run_close(&run);
	return status;
}

int gate_command(int argc, char **argv)
{
	const char *name = NULL;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return fputs(usage, stdout) < 0 ? 3 : 0;
		if (!strcmp(argv[i], "--list"))
			return list();
		if (argv[i][0] == '-' || name) {
			fprintf(stderr, "understudy gate: unexpected argument %s\n%s", argv[i], usage);
			return 2;
		}
		name = argv[i];
	}
	return print_gates(name);
}
