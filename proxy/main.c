/*
 * main.c - the commands, and the table of roles: the only file that sees both wings.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/masker.h"
#include "capture/recorder.h"
#include "proto/base/version.h"
#include "proxy/config.h"
#include "proxy/control.h"
#include "proxy/parent.h"
#include "proxy/worker.h"
#include "replay/judge.h"
#include "replay/player.h"
#include "replay/shadow.h"
#include "tools/commands.h"
#include "tools/replay.h"

/* In starting order; workers last: nothing is accepted before every role has said it is ready. A replay is
 * the same house with another source: the player takes the place of worker, masker and recorder. */
static const struct role_row roles[] = {
        {"control",
         IN_MIRROR | IN_FORWARD,
         control_run,
         STAGE_NONE,
         PHASE_CONTROL,
         false,
         {"plan", "ledger", "page", "run", "control", "control-address", "ring.log.*"},
         {0, 300},
         0},
        {"judge",
         IN_MIRROR | IN_REPLAY,
         judge_run,
         STAGE_JUDGE,
         PHASE_JUDGE,
         false,
         {"plan", "ledger", "page", "run", "ring.judge", "wake.judge", "ring.masked-answers",
          "wake.masked-answers"},
         {5, 700},
         0},
        {"answers",
         IN_MIRROR | IN_REPLAY,
         answers_run,
         STAGE_ANSWERS,
         PHASE_ANSWERS,
         false,
         {"plan", "ledger", "page", "mask-key", "ring.answers", "wake.answers", "ring.masked-answers",
          "wake.masked-answers"},
         {5, 600},
         0},
        {"shadow",
         IN_MIRROR | IN_REPLAY,
         shadow_run,
         STAGE_SHADOW,
         PHASE_SHADOW,
         false,
         {"plan", "ledger", "page", "ring.shadow", "wake.shadow", "ring.answers", "wake.answers"},
         {5, 900},
         0},
        {"recorder",
         IN_MIRROR,
         recorder_run,
         STAGE_RECORDER,
         PHASE_SHADOW,
         false,
         {"plan", "ledger", "page", "captures", "ring.recorder", "wake.recorder"},
         {5, 800},
         0},
        {"masker",
         IN_MIRROR,
         masker_run,
         STAGE_MASKER,
         PHASE_MASKER,
         false,
         {"plan", "ledger", "page", "mask-key", "ring.raw.*", "wake.raw.*", "ring.shadow", "wake.shadow",
          "ring.judge", "wake.judge", "ring.recorder", "wake.recorder"},
         {5, 600},
         0},
        {"player",
         IN_REPLAY,
         player_run,
         STAGE_MASKER,
         PHASE_WORKERS,
         false,
         {"plan", "ledger", "page", "input", "ring.shadow", "wake.shadow", "ring.judge", "wake.judge"},
         {0, 300},
         0},
        {"worker",
         IN_MIRROR | IN_FORWARD,
         worker_run,
         STAGE_WORKER,
         PHASE_WORKERS,
         true,
         {"plan", "ledger", "page", "sample-key", "ticket-key", "listen.*", "tls.*", "ring.raw.%",
          "wake.raw.%"},
         {0, -500},
         0},
};
enum { ROLES = sizeof roles / sizeof *roles };

static const char proxy_help[] =
        "usage: understudy proxy -c FILE [--run DIR]\n"
        "       understudy proxy --live URL --candidate NAME=URL... [--baseline URL] [--listen HOST:PORT]\n"
        "\n"
        "The live proxy with its roles. SIGTERM drains and seals the run; a second one stops now.\n"
        "SIGHUP (or ctl reload) reads the configuration and the certificates anew, SIGUSR2 goes on with\n"
        "the binary that now lies at this one's path: no request fails, the run is sealed and the next\n"
        "one opened; at an error everything stays as it is.\n"
        "Without --run the run goes to run.directory/NAME-TIME; later ones of --run DIR to DIR-2, DIR-3...\n"
        "\n"
        "examples:\n"
        "  understudy proxy -c configs/understudy.yaml\n"
        "  understudy proxy --live http://127.0.0.1:9001 --candidate new=http://127.0.0.1:9002 --listen "
        "127.0.0.1:8080\n";

struct proxy_options {
	const char *config, *run, *live, *baseline, *listen, *candidates[CANDIDATES_MAX];
	unsigned candidate_count;
};

static int parse_proxy(int argc, char **argv, struct proxy_options *o)
{
	for (int i = 1; i < argc; i++) {
		const char *flag = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
		const char **to = !strcmp(flag, "-c")           ? &o->config
		                  : !strcmp(flag, "--run")      ? &o->run
		                  : !strcmp(flag, "--live")     ? &o->live
		                  : !strcmp(flag, "--baseline") ? &o->baseline
		                  : !strcmp(flag, "--listen")   ? &o->listen
		                  : !strcmp(flag, "--candidate") && o->candidate_count < CANDIDATES_MAX
		                          ? &o->candidates[o->candidate_count++]
		                          : NULL;

		if (!to || !value) {
			fprintf(stderr, "understudy: proxy: %s %s; see understudy proxy --help\n",
			        to ? "a value is missing behind" : "unknown flag", flag);
			return ERR_CONFIG;
		}
		*to = value;
		i++;
	}
	if (!o->config == !o->live) {
		fprintf(stderr, "understudy: proxy takes either -c FILE or --live URL; see understudy proxy "
		                "--help\n");
		return ERR_CONFIG;
	}
	return 0;
}

/* For every generation, the first and those of reloads. */
static int read_plan(void *arg, struct plan *plan, FILE *errors)
{
	const struct proxy_options *o = arg;

	return o->config ? config_read(o->config, plan, errors)
	                 : config_quick(o->live, (const char **)o->candidates, o->candidate_count,
	                                o->baseline, o->listen, plan, errors);
}

static int proxy_command(int argc, char **argv)
{
	static struct plan plan;
	struct proxy_options o = {.listen = "127.0.0.1:8080"};

	if (argc > 1 && !strcmp(argv[1], "--help")) {
		fputs(proxy_help, stdout);
		return 0;
	}
	if (parse_proxy(argc, argv, &o) || read_plan(&o, &plan, stderr))
		return 2;
	return parent_run(&(struct parent_job){.plan = &plan,
	                                       .run = o.run,
	                                       .rows = roles,
	                                       .row_count = ROLES,
	                                       .again = read_plan,
	                                       .arg = &o,
	                                       .argv = argv - 1}); /* the program's own name */
}

static int replay_command(int argc, char **argv)
{
	static struct plan plan;
	struct replay_options o = {0};
	int status = replay_options(argc, argv, &o, &plan);

	if (status >= 0)
		return status;
	status = parent_run(&(struct parent_job){
	        .plan = &plan, .run = o.run, .input = o.input, .rows = roles, .row_count = ROLES});
	return status ? status : replay_verdict(&o);
}

static int version_command(int argc, char **argv)
{
	bool json = argc > 1 && !strcmp(argv[1], "--json");

	if (argc > 1 + json) {
		fprintf(stderr, "understudy: version takes --json or nothing, not '%s'\n", argv[argc - 1]);
		return 2;
	}
	printf(json ? "{\"version\":\"%s\"}\n" : "understudy %s\n", VERSION);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *does;
} commands[] = {
        {"proxy", proxy_command, "the live proxy with its roles"},
        {"check", check_command, "read a configuration and say what is wrong with it"},
        {"replay", replay_command, "play a capture against candidates and compare"},
        {"ctl", ctl_command, "status, pause, reload, run or drain a running proxy"},
        {"capture", capture_command, "info, cat or verify capture files"},
        {"report", report_command, "render a run as text, html, md or json"},
        {"gate", gate_command, "print the gate table; the exit status is the verdict"},
        {"show", show_command, "one pair side by side"},
        {"runs", runs_command, "the catalogue of runs: list, show, diff"},
        {"version", version_command, "print the version"},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void usage(FILE *to)
{
	fputs("usage: understudy COMMAND [flags]\n\n", to);
	for (unsigned i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].does);
	fputs("\nunderstudy COMMAND --help tells more.\n\nexamples:\n"
	      "  understudy proxy --live http://127.0.0.1:9001 --candidate new=http://127.0.0.1:9002\n"
	      "  understudy report runs/demo\n",
	      to);
}

static int run_role(int argc, char **argv)
{
	for (unsigned i = 0; i < ROLES && argc > 0; i++)
		if (!strcmp(roles[i].name, argv[0]))
			return role_enter(argc, argv, roles[i].rank, roles[i].run);
	return 2;
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--role"))
		return run_role(argc - 2, argv + 2);
	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help"))) {
		usage(stdout);
		return 0;
	}
	for (unsigned i = 0; i < COMMANDS && argc > 1; i++)
		if (!strcmp(commands[i].name, argv[1]))
			return commands[i].run(argc - 1, argv + 1);
	if (argc > 1)
		fprintf(stderr, "understudy: there is no command '%s'; see understudy --help\n", argv[1]);
	else
		usage(stderr);
	return 2;
}
