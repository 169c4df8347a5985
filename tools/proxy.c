/* `understudy proxy`: from a file or a few arguments to a plan, and the roles started by it. */
#include <string.h>

#include "capture/plan.h"
#include "proxy/config.h"
#include "tools/commands.h"

static struct {
	const char *config, *run, *live, *baseline, *listen, *candidates[CANDIDATES_MAX];
	unsigned candidate_count;
	bool print_config;
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

/* A YAML string: the words of a command line may hold anything but control characters, which were refused. */
static void put_quoted(const char *text, size_t len)
{
	putchar('"');
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"' || text[i] == '\\')
			putchar('\\');
		fputs(text[i] == '$' ? "$$" : (char[]){text[i], 0}, stdout);
	}
	putchar('"');
}

static void put_candidate(const char *name, size_t name_len, const char *url, const char *more)
{
	fputs("      - {name: ", stdout);
	put_quoted(name, name_len);
	fputs(", endpoints: [", stdout);
	put_quoted(url, strlen(url));
	printf("]%s, max_in_flight: %u}\n", more, QUICK_IN_FLIGHT);
}

/* The file that says what these arguments say. */
static void print_config(void)
{
	const char *listen = options.listen ? options.listen : "127.0.0.1:8080";

	fputs("version: 1\nlisten:\n  - address: ", stdout);
	put_quoted(listen, strlen(listen));
	fputs("\nroutes:\n  - name: default\n    live: {endpoints: [", stdout);
	put_quoted(options.live, strlen(options.live));
	puts("]}\n    mirror: {}");
	if (options.candidate_count || options.baseline)
		puts("    candidates:");
	for (unsigned i = 0; i < options.candidate_count; i++) {
		const char *name = options.candidates[i], *equals = strchr(name, '=');

		put_candidate(name, (size_t)(equals - name), equals + 1, "");
	}
	if (options.baseline)
		put_candidate("baseline", strlen("baseline"), options.baseline,
		              ", role: baseline, sample: 10%");
}

static int run(const struct words *words)
{
	static struct plan plan;

	(void)words;
	if (!options.config == !options.live)
		return command_wrong(&proxy_command, "either -c FILE or --live URL is expected");
	if (read_plan(NULL, &plan, stderr))
		return 2;
	if (options.print_config && options.live) {
		print_config();
		return 0;
	}
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
        {.name = "--print-config",
         .sentence = "with --live: print the file that says the same, and end",
         .set = &options.print_config},
        {0},
};

const struct command proxy_command = {
        .name = "proxy",
        .does = "the live proxy with its roles",
        .usage = "-c FILE [--run DIR]\n"
                 "--live URL [--candidate NAME=URL...] [--baseline URL]\n"
                 " [--listen HOST:PORT] [--run DIR] [--print-config]",
        .about = "The live proxy with its roles. SIGTERM drains and seals the run; a second one\n"
                 "stops now. SIGHUP (or ctl reload) reads the configuration and the certificates\n"
                 "anew, SIGUSR2 goes on with the binary that now lies at this one's path: no\n"
                 "request fails, the run is sealed and the next one opened; at an error everything\n"
                 "stays as it is. SIGUSR1 turns to a new capture file. Later runs of --run DIR go\n"
                 "to DIR-2, DIR-3 and so on.",
        .flags = flags,
        .status = "0 drained, 2 usage or configuration, 3 could not start",
        .examples = "understudy proxy -c configs/understudy.yaml\n"
                    "understudy proxy --live http://127.0.0.1:9001 \\\n"
                    "      --candidate new=http://127.0.0.1:9002 --listen 127.0.0.1:8080",
        .run = run,
};
