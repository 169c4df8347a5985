/* A replay that goes on where another of the same input and options stopped, or was killed. */
#include <stdio.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/replay.h"
#include "tools/run.h"

bool replay_is_hash(const char *hex, const uint8_t hash[32])
{
	char own[65];

	for (unsigned i = 0; i < 32; i++)
		snprintf(own + 2 * i, 3, "%02x", hash[i]);
	return !strcmp(hex, own);
}

static int follow(const struct run *run, struct plan *plan)
{
	const struct node *inputs = doc_get(run->manifest, "input"), *input = inputs ? inputs->child : NULL;
	const char *journal = doc_text(input, "journal");

	if (!replay_is_hash(doc_text(input, "sha256"), plan->replay_input.hash))
		return command_wrong(&replay_command, "--resume %s: it played another input", run->directory);
	if (!replay_is_hash(doc_text(run->manifest, "config_hash"), plan->config_hash))
		return command_wrong(&replay_command, "--resume %s: it was started with other options",
		                     run->directory);
	snprintf(plan->replay_resumes, sizeof plan->replay_resumes, "%s", run->directory);
	if (*journal)
		snprintf(plan->replay_journal, sizeof plan->replay_journal, "%s", journal);
	else if (snprintf(plan->replay_journal, sizeof plan->replay_journal, "%s/journal", run->directory) >=
	         (int)sizeof plan->replay_journal)
		return command_wrong(&replay_command, "--resume: its path is too long");
	return -1;
}

int replay_resume(const char *name, struct plan *plan)
{
	struct run run;
	int status;

	if (run_open(name, &run))
		return 3;
	status = follow(&run, plan);
	run_close(&run);
	return status;
}
