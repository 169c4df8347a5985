/* `understudy proxy`: from a file or a few arguments to a plan, and the roles started by it. */
#include <string.h>
#include "capture/plan.h"
#include "proto/base/clock.h"
#include "proxy/config.h"
#include "tools/commands.h"

static struct {
	const char *config, *run, *live, *baseline, *listen, *candidates[CANDIDATES_MAX];
	unsigned candidate_count;
} options;

/* 0, or an error that was said on stderr. */
static int read_plan(struct plan *plan)
{
	if (options.config)
		return config_read(options.config, plan, stderr);
	return config_quick(options.live, options.candidates, options.candidate_count, options.baseline,
	                    options.listen ? options.listen : "127.0.0.1:8080", plan, stderr);
}

static int run(const struct words *words)
{
	static struct plan plan;
	char directory[PATH_MAX_BYTES + NAME_MAX_BYTES + 32];

	(void)words;
	if (!options.config == !options.live)
		return command_wrong(&proxy_command, "either -c FILE or --live URL is expected");
	if (read_plan(&plan))
		return 2;
	snprintf(directory, sizeof directory, "%s%s%s-%llu", plan.run_directory,
	         plan.run_directory[0] && plan.run_directory[strlen(plan.run_directory) - 1] == '/' ? ""
	                                                                                            : "/",
	         plan.run_name, (unsigned long long)(clock_wall_ns() / 1000000u));
	return start_roles(&plan, options.run ? options.run : directory, NULL);
}

static const struct command_flag flags[] = {
        {.name = "--config",
         .letter = "-c",
         .argument = "FILE",
         .sentence = "the configuration",
         .to = &options.config},
        {.name = "--live",
         .argument = "URL",
         .sentence = "without a file: the live endpoint",
         .to = &options.live},
        {.name = "--candidate",
         .argument = "NAME=URL",
         .sentence = "a candidate; may be given again",
         .to = options.candidates,
         .most = CANDIDATES_MAX,
         .count = &options.candidate_count},
        {.name = "--baseline",
         .argument = "URL",
         .sentence = "a second copy of the live version",
         .to = &options.baseline},
        {.name = "--listen",
         .argument = "HOST:PORT",
         .sentence = "where clients send their requests",
         .value = "127.0.0.1:8080",
         .to = &options.listen},
        {.name = "--run",
         .argument = "DIR",
         .sentence = "where the run goes",
         .value = "run.directory/NAME-TIME",
         .to = &options.run},
        {0},
};

const struct command proxy_command = {
        .name = "proxy",
        .does = "the live proxy with its roles",
        .usage = "-c FILE [--run DIR]\n"
                 "--live URL [--candidate NAME=URL...] [--baseline URL]\n"
                 " [--listen HOST:PORT] [--run DIR]",
        .about = "The live proxy with its roles. SIGTERM drains and seals the run; a second one\n"
                 "stops now.",
        .flags = flags,
        .status = "0 drained, 2 usage or configuration, 3 could not start",
        .examples = "understudy proxy -c configs/understudy.yaml\n"
                    "understudy proxy --live http://127.0.0.1:9001 \\\n"
                    "      --candidate new=http://127.0.0.1:9002 --listen 127.0.0.1:8080",
        .run = run,
};
