/*
 * main.c - the commands, and the table of roles: the only file that sees both wings.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/masker.h"
#include "capture/recorder.h"
#include "proxy/control.h"
#include "proxy/launcher.h"
#include "proxy/parent.h"
#include "proxy/resolver.h"
#include "proxy/worker.h"
#include "replay/dialer.h"
#include "replay/judge.h"
#include "replay/keeper.h"
#include "replay/player.h"
#include "replay/sandbox.h"
#include "replay/shadow.h"
#include "tools/commands.h"

enum { KEEPER_READY_MS = 600000 }; /* in a replay, to load a model */

/* In starting order; workers last: nothing is accepted before every role has said it is ready. A replay is
 * the same house with another source: the player takes the place of worker, masker and recorder. */
static const struct role_row roles[] = {
        {"control",
         IN_MIRROR | IN_FORWARD,
         control_run,
         STAGE_NONE,
         PHASE_CONTROL,
         ONE_ROLE,
         {"plan", "ledger", "page", "run", "control", "control-address", "control-token", "ring.log.*",
          "sandbox.look.*", "learned.look"},
         {false, 300},
         0,
         {MAY_ACCEPT | MAY_TALK | MAY_LOOK, DIALS_NOBODY}},
        {"judge",
         IN_MIRROR | IN_REPLAY,
         judge_run,
         STAGE_JUDGE,
         PHASE_JUDGE,
         ONE_ROLE,
         {"plan", "ledger", "page", "run", "ring.judge", "wake.judge", "ring.masked-answers",
          "wake.masked-answers", "ring.log.control.*", "host.memory", "host.cpu", "config", "reference.*"},
         {true, 700},
         0,
         {MAY_STORE, DIALS_NOBODY}},
        {"answers",
         IN_MIRROR | IN_REPLAY,
         answers_run,
         STAGE_ANSWERS,
         PHASE_ANSWERS,
         ONE_ROLE,
         {"plan", "ledger", "page", "mask-key", "gazetteer.*", "descriptors.*", "recognise.answers.*",
          "ring.answers", "wake.answers", "ring.masked-answers", "wake.masked-answers"},
         {true, 600},
         0,
         {0, DIALS_NOBODY}},
        {"shadow",
         IN_MIRROR | IN_REPLAY,
         shadow_run,
         STAGE_SHADOW,
         PHASE_SHADOW,
         ONE_ROLE,
         {"plan", "ledger", "page", "trust.*", "credential.*", "ring.shadow", "wake.shadow", "ring.answers",
          "wake.answers", "names.read", "dial.ask", "sandbox.look.*", "journal"},
         {true, 900},
         0,
         {MAY_TALK | MAY_RECEIVE, DIALS_NOBODY}},
        {"dialer",
         IN_MIRROR | IN_REPLAY,
         dialer_run,
         STAGE_NONE,
         PHASE_ANSWERS,
         ONE_ROLE,
         {"plan", "ledger", "page", "names.read", "dial.answer", "sandbox.hold.*"},
         {true, 850},
         0,
         {MAY_TALK | MAY_PASS, DIALS_CANDIDATES}},
        {"keeper",
         IN_MIRROR | IN_REPLAY,
         keeper_run,
         STAGE_NONE,
         PHASE_ANSWERS,
         PER_SANDBOX,
         {"plan", "ledger", "page", "sandbox.listen.%", "sandbox.gauges.%", "sandbox.life.%"},
         {true, 950},
         KEEPER_READY_MS,
         {MAY_LAUNCH, DIALS_NOBODY}},
        {"recogniser",
         IN_MIRROR | IN_REPLAY,
         keeper_recogniser_run,
         STAGE_NONE,
         PHASE_JUDGE,
         PER_RECOGNISER,
         {"plan", "ledger", "page", "recogniser.input.%", "recogniser.output.%", "recogniser.to.%",
          "recogniser.from.%", "recogniser.kick.%", "recogniser.gauges.%"},
         {true, 650},
         KEEPER_READY_MS,
         {MAY_LAUNCH, DIALS_NOBODY}},
        {"recorder",
         IN_MIRROR,
         recorder_run,
         STAGE_RECORDER,
         PHASE_SHADOW,
         ONE_ROLE,
         {"plan", "ledger", "page", "captures", "ring.recorder", "wake.recorder"},
         {true, 800},
         0,
         {MAY_RECORD | MAY_FORK, DIALS_NOBODY}},
        {"resolver",
         IN_MIRROR | IN_FORWARD | IF_NAMED,
         resolver_run,
         STAGE_NONE,
         PHASE_MASKER,
         ONE_ROLE,
         {"plan", "ledger", "page", "names"},
         {false, 300},
         0,
         {MAY_RESOLVE, DIALS_NOBODY}},
        {"masker",
         IN_MIRROR,
         masker_run,
         STAGE_MASKER,
         PHASE_MASKER,
         ONE_ROLE,
         {"plan", "ledger", "page", "mask-key", "gazetteer.*", "descriptors.*", "recognise.masker.*",
          "withdrawn", "learned", "ring.raw.*", "wake.raw.*", "ring.shadow", "wake.shadow", "ring.judge",
          "wake.judge", "ring.recorder", "wake.recorder"},
         {true, 600},
         0,
         {0, DIALS_NOBODY}},
        {"player",
         IN_REPLAY,
         player_run,
         STAGE_MASKER,
         PHASE_WORKERS,
         ONE_ROLE,
         {"plan", "ledger", "page", "input", "withdrawn", "ring.shadow", "wake.shadow", "ring.judge",
          "wake.judge", "journal.sent"},
         {false, 300},
         0,
         {MAY_READ, DIALS_NOBODY}},
        {"worker",
         IN_MIRROR | IN_FORWARD,
         worker_run,
         STAGE_WORKER,
         PHASE_WORKERS,
         PER_WORKER,
         {"plan", "ledger", "page", "sample-key", "ticket-key", "listen.*", "tls.*", "ring.raw.%",
          "wake.raw.%", "names.read"},
         {false, -500},
         0,
         {MAY_ACCEPT | MAY_TALK, DIALS_LIVE}},
};
enum { ROLES = sizeof roles / sizeof *roles };

static char **started_as; /* this program's own arguments, as they were before they were read */

int start_roles(const struct plan *plan, const char *run_directory, const char *input, plan_reader *again)
{
	return parent_run(&(struct parent_job){.plan = plan,
	                                       .run = run_directory,
	                                       .input = input,
	                                       .rows = roles,
	                                       .row_count = ROLES,
	                                       .again = again,
	                                       .argv = again ? started_as : NULL});
}

const struct command *const commands[] = {
        &proxy_command,      &check_command,
        &rehearse_command,   &replay_command,
        &ctl_command,        &capture_command,
        &mask_command,       &report_command,
        &gate_command,       &show_command,
        &shrink_command,     &labels_command,
        &doctor_command,     &drill_command,
        &prove_command,      &sandbox_command,
        &runs_command,       &stats_command,
        &version_command,    &manual_command,
        &completion_command, NULL,
};

static void usage(FILE *to)
{
	fputs("usage: understudy COMMAND [flags]\n\n", to);
	for (unsigned i = 0; commands[i]; i++)
		fprintf(to, "  %-10s %s\n", commands[i]->name, commands[i]->does);
	fputs("\nunderstudy COMMAND --help tells more.\n\nexamples:\n"
	      "  understudy proxy --live http://127.0.0.1:9001 --listen 127.0.0.1:8080\n"
	      "  understudy report runs/demo\n",
	      to);
}

static int run_role(int argc, char **argv)
{
	for (unsigned i = 0; i < ROLES && argc > 0; i++)
		if (!strcmp(roles[i].name, argv[0]))
			return role_enter(argc, argv, roles[i].rank, &roles[i].walls, roles[i].run);
	if (argc > 0 && !strcmp(argv[0], "launcher"))
		return launcher_run(argc - 1, argv + 1);
	fprintf(stderr, "understudy: there is no role '%s'; --role is how the program starts its own parts\n",
	        argc > 0 ? argv[0] : "");
	return 2;
}

static int unknown(const char *word)
{
	if (word)
		fprintf(stderr, "understudy: there is no command '%s'; see understudy --help\n", word);
	else
		fprintf(stderr, "understudy: a command is expected; see understudy --help\n");
	return 2;
}

/* NULL when there is no memory: then there are no upgrades. */
static char **copy_of(int argc, char **argv)
{
	char **copy = calloc((size_t)argc + 1, sizeof *copy);

	if (copy && argc > 0)
		memcpy(copy, argv, (size_t)argc * sizeof *copy);
	return copy;
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--role"))
		return run_role(argc - 2, argv + 2);
	if (argc > 1 && !strcmp(argv[1], "--inside"))
		return sandbox_inside(argc - 2, argv + 2);
	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))) {
		usage(stdout);
		return 0;
	}
	started_as = copy_of(argc, argv);
	for (unsigned i = 0; commands[i] && argc > 1; i++)
		if (!strcmp(commands[i]->name, argv[1]))
			return command_run(commands[i], argc - 1, argv + 1);
	return unknown(argc > 1 ? argv[1] : NULL);
}
