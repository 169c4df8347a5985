/*
 * commands.h - the subcommands that live under tools/: each takes its own argv and returns the exit
 * status of DESIGN section 8 (0 done, 1 gate failed, 2 usage, 3 could not run, 4 undecided).
 */
#ifndef TOOLS_COMMANDS_H
#define TOOLS_COMMANDS_H

int capture_command(int argc, char **argv);
int check_command(int argc, char **argv);
int report_command(int argc, char **argv);
int gate_command(int argc, char **argv);
int show_command(int argc, char **argv);
int runs_command(int argc, char **argv);
int ctl_command(int argc, char **argv);

#endif
