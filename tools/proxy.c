/* `understudy proxy`: from a file or a few arguments to a plan, and the roles started by it. */
#include "capture/plan.h"
#include "proxy/config.h"
#include "tools/commands.h"

static struct {
	const char *config, *run, *live, *baseline, *listen, *candidates[CANDIDATES_MAX];
	unsigned candidate_count;
} options;

/* For every generation, the first and those of reloads. */
static int read_plan(void *arg, struct plan *plan, FILE *errors)
{
	(void)arg;
	if (options.config)
		return config_read(options.config, plan, errors);
	return config_quick(options.live, options.candidates, options.candidate_count, options.baseline,
	                    options.listen ? options.listen : "127.0.0.1:8080", plan, errors);
}

static int run(const struct words *words)
{
	static struct plan plan;

	(void)words;
	if (!options.config == !options.live)
		return command_wrong(&proxy_command, "either -c FILE or --live URL is expected");
	if (read_plan(NULL, &plan, stderr))
		return 2;
	return start_roles(&plan, options.run, NULL, read_plan);
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
                 "stops now. SIGHUP (or ctl reload) reads the configuration and the certificates\n"
                 "anew, SIGUSR2 goes on with the binary that now lies at this one's path: no\n"
                 "request fails, the run is sealed and the next one opened; at an error everything\n"
                 "stays as it is. Later runs of --run DIR go to DIR-2, DIR-3 and so on.",
        .flags = flags,
        .status = "0 drained, 2 usage or configuration, 3 could not start",
        .examples = "understudy proxy -c configs/understudy.yaml\n"
                    "understudy proxy --live http://127.0.0.1:9001 \\\n"
                    "      --candidate new=http://127.0.0.1:9002 --listen 127.0.0.1:8080",
        .run = run,
};
