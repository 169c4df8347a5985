/*
 * drill.c - `understudy drill`: faults of our own making on the way to a candidate of a running proxy.
 */
#include "tools/drill.h"

#include <stdio.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/control_ask.h"
#include "tools/control_find.h"

static struct {
	const char *config, *socket;
	bool stop, recovery;
} options;

/* The words of the fault, as one text. */
static void put_fault(char *target, size_t size, const struct words *words)
{
	char fault[256] = "";

	for (unsigned i = 1; i < words->count; i++) {
		size_t n = strlen(fault);

		snprintf(fault + n, sizeof fault - n, "%s%s", n ? " " : "", words->at[i]);
	}
	control_put(target, size, "fault", fault);
}

static int ask(const char *path, const char *target)
{
	struct reach_answer answer;
	int status;

	reach_answer_init(&answer);
	status = control_told(&drill_command, path, "POST", target, &answer);
	if (!status)
		control_print(stdout, "", &answer);
	reach_answer_fini(&answer);
	return status;
}

static int run(const struct words *words)
{
	char path[PATH_MAX_BYTES], target[1024];
	int status;

	if (options.stop + options.recovery > 1 || (options.recovery && words->count) ||
	    (options.stop && words->count > 1))
		return command_wrong(&drill_command, "a fault, --stop or --recovery: one at a time");
	if (!options.stop && !options.recovery && words->count < 2)
		return command_wrong(&drill_command, "name a candidate and a fault");
	status = control_find(&drill_command, options.socket, options.config, path);
	if (status)
		return status;
	if (options.recovery)
		return drill_recovery(path);
	snprintf(target, sizeof target, "%s", options.stop ? "/drill/stop" : "/drill");
	if (words->count)
		control_put(target, sizeof target, "candidate", words->at[0]);
	if (!options.stop)
		put_fault(target, sizeof target, words);
	return ask(path, target);
}

static const struct command_flag flags[] = {
        CONTROL_FLAGS(&options.config, &options.socket),
        {.name = "--stop", .sentence = "end what drills began, of CANDIDATE or of all", .set = &options.stop},
        {.name = "--recovery",
         .sentence = "pull the switch, kill each role but the workers, reload;\n"
                     "print how long each takes against its promise",
         .set = &options.recovery},
        {0},
};

const struct command drill_command = {
        .name = "drill",
        .does = "make a candidate ill on purpose, or roles die, and look on",
        .usage = "[-c FILE | --control SOCKET] CANDIDATE FAULT\n"
                 "[-c FILE | --control SOCKET] --stop [CANDIDATE]\n"
                 "[-c FILE | --control SOCKET] --recovery",
        .about = "FAULT is KIND [AMOUNT] [SHARE%] [from TIME] [for TIME], as in the configuration's\n"
                 "'faults'. KIND: delay 200ms, slow 1000/s (bytes), reset, hang, garbage, outage.\n"
                 "The shadow makes it up; live sees nothing of it, the candidate little. A run with\n"
                 "a drill decides nothing about that candidate: ctl run start opens the next one.",
        .flags = flags,
        .words = "[WORD]...",
        .status = "0 done, all promises kept, 1 one is broken, 2 usage, 3 it could not be tried",
        .examples = "understudy drill svc delay 200ms 20% for 1m\n"
                    "understudy drill svc hang 5% from 10s\n"
                    "understudy drill --stop\n"
                    "understudy drill --recovery",
        .run = run,
};
