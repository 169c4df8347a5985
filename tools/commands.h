/*
 * commands.h - the subcommands, and what they need of the program. Exit statuses: 0 done,
 * 1 gate failed, 2 usage or configuration, 3 could not run, 4 undecided, 130 interrupted.
 */
#ifndef TOOLS_COMMANDS_H
#define TOOLS_COMMANDS_H

#include "capture/plan.h"
#include "proxy/reread.h"
#include "tools/command.h"

extern const struct command capture_command, check_command, completion_command, ctl_command, doctor_command,
        drill_command, gate_command, labels_command, manual_command, mask_command, prove_command,
        proxy_command, rehearse_command, replay_command, report_command, runs_command, sandbox_command,
        show_command, shrink_command, stats_command, version_command;

/* All of them, in the order of --help; ends with NULL. In proxy/main.c, as is the table of roles. */
extern const struct command *const commands[];
/* parent_run() with that table. `run_directory` NULL: the plan's own and a name with the time; `again` reads
 * the plan anew for a reload, NULL: there are no reloads and no upgrades. */
int start_roles(const struct plan *, const char *run_directory, const char *input, plan_reader *again);

#endif
