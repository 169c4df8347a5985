/*
 * mask.c - `understudy mask`: the masker on files and pipes, and looks at what a policy does.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "proto/json.h"
#include "tools/control_find.h"
#include "tools/mask.h"

enum { MAPS_MAX = 64 };

static struct {
	const char *policy, *mask, *key_file, *as, *format, *diff, *config, *control;
	const char *maps[MAPS_MAX];
	unsigned map_count;
	bool values, keep_masked;
} options;

struct apply {
	struct mask_job job;
	uint64_t documents, failed, marked, values;
	uint64_t by_class[DETECT_CLASSES_ALL], by_field[MASK_FIELDS_MAX], prose;
};

/* Does the line say that it was masked: a member "mask" that has "sha256", as `capture cat` writes? */
static bool says_masked(struct span line)
{
	struct json_reader r;
	enum json_token token;
	bool in_mask = false;

	json_reader_init(&r, line, JSON_NONFINITE);
	while (!json_next(&r, &token) && token != JSON_END) {
		if (token != JSON_KEY)
			continue;
		if (r.scanner.depth == 1)
			in_mask = json_string_eq(r.text, SPAN("mask"));
		else if (r.scanner.depth == 2 && in_mask && json_string_eq(r.text, SPAN("sha256")))
			return true;
	}
	return false;
}

static void count_sights(struct apply *a)
{
	const struct mask_sight *s;
	size_t n;

	s = mask_watch_sights(&a->job.watch, &n);
	for (size_t i = 0; i < n; i++) {
		if (s[i].class)
			a->by_class[s[i].class]++;
		else if (mask_job_field(&a->job, s[i].rule) >= 0)
			a->by_field[mask_job_field(&a->job, s[i].rule)]++;
		else
			a->prose += s[i].prose;
	}
}

static int put(struct span s, bool line)
{
	if (fwrite(s.data, 1, s.len, stdout) == s.len && (!line || putchar('\n') != EOF))
		return 0;
	fprintf(stderr, "understudy: mask: standard output: %s\n", strerror(errno));
	return 3;
}

static int apply_one(void *arg, const struct mask_document *d)
{
	struct apply *a = arg;
	const char *why;
	uint32_t count;

	if (!d->text.len)
		return put(d->text, d->lines);
	a->documents++;
	if (d->lines && says_masked(d->text)) {
		a->marked++;
		return options.keep_masked ? put(d->text, true) : 0;
	}
	why = mask_job_run(&a->job, d, &count);
	if (why) {
		if (!a->failed++)
			fprintf(stderr, "understudy: mask: document %" PRIu64 ": %s; it is left out\n",
			        d->number, why);
		return 0;
	}
	a->values += count;
	count_sights(a);
	return put(buf_span(&a->job.out), d->lines);
}

static void tell(const struct apply *a)
{
	fprintf(stderr, "understudy: mask: policy %s sha256:", a->job.policy->name);
	for (unsigned i = 0; i < 32; i++)
		fprintf(stderr, "%02x", a->job.policy->hash[i]);
	fprintf(stderr, "\n  %-40s %10" PRIu64 "\n  %-40s %10" PRIu64 "\n", "documents", a->documents,
	        "left out: could not be masked", a->failed);
	if (a->marked)
		fprintf(stderr, "  %-40s %10" PRIu64 "\n",
		        options.keep_masked ? "carry a policy's hash: passed as they are"
		                            : "left out: carry a policy's hash",
		        a->marked);
	fprintf(stderr, "  %-40s %10" PRIu64 "\n", "values masked", a->values);
	for (unsigned i = 0; i < a->job.policy->field_count; i++)
		if (a->by_field[i])
			fprintf(stderr, "    %-38s %10" PRIu64 "\n", a->job.policy->fields[i].where,
			        a->by_field[i]);
	for (unsigned i = 0; i < DETECT_CLASSES_ALL; i++)
		if (a->by_class[i])
			fprintf(stderr, "    %-38s %10" PRIu64 "\n", mask_job_class(&a->job, i),
			        a->by_class[i]);
	if (a->prose)
		fprintf(stderr, "    %-38s %10" PRIu64 "\n", "free_text", a->prose);
}

static enum mask_kind kind_asked(void)
{
	unsigned kind = 0;

	while (options.as && mask_kinds[kind] && strcmp(mask_kinds[kind], options.as))
		kind++;
	return options.as ? (enum mask_kind)kind : KINDS;
}

static int need_policy(void)
{
	return options.policy ? 0 : command_wrong(&mask_command, "--policy FILE is expected");
}

static int apply(const struct words *words)
{
	struct apply *a = calloc(1, sizeof *a);
	struct mask_input in = {.kind = kind_asked(), .capture = mask_capture_pass};
	int status = need_policy();

	(void)words;
	if (!a)
		status = 3;
	if (!status)
		status = mask_job_open(&a->job, options.policy, options.mask, options.key_file, false);
	if (!status)
		status = mask_input_open(&in, "-");
	if (!status) {
		status = mask_input_each(&in, apply_one, a);
		if (!status && fflush(stdout))
			status = put(SPAN(""), false);
		if (in.kind != KIND_CAPTURE)
			tell(a);
		if (!status && (a->failed || (a->marked && !options.keep_masked)))
			status = 3;
	}
	if (a)
		mask_job_close(&a->job);
	free(a);
	return status;
}

static bool as_json(void)
{
	return options.format && !strcmp(options.format, "json");
}

static int with_policy(const struct words *words, int (*run)(struct mask_job *, const struct words *))
{
	struct mask_job job = {0};
	int status = need_policy();

	if (status)
		return status;
	status = mask_job_open(&job, options.policy, options.mask, options.key_file, options.values);
	if (!status)
		status = run(&job, words);
	mask_job_close(&job);
	return status;
}

static int explain_with(struct mask_job *job, const struct words *words)
{
	return mask_explain(job, words, options.values, as_json());
}

static int run_explain(const struct words *words)
{
	return with_policy(words, explain_with);
}

static int score_with(struct mask_job *job, const struct words *words)
{
	return mask_score(job, words->at[0], options.maps, options.map_count, as_json());
}

static int run_score(const struct words *words)
{
	return with_policy(words, score_with);
}

static int run_learn(const struct words *words)
{
	bool live = options.config || options.control;
	char control[PATH_MAX_BYTES];
	struct mask_job job = {0};
	int status = 0;

	if (live && words->count)
		return command_wrong(&mask_command, "learn: files, or a running proxy");
	if (live)
		status = control_find(&mask_command, options.control, options.config, control);
	if (!status && options.diff)
		status = mask_job_open(&job, options.diff, options.mask, NULL, false);
	if (!status)
		status = mask_learn(words, live ? control : NULL, options.diff ? &job : NULL, as_json());
	if (options.diff)
		mask_job_close(&job);
	return status;
}

static const struct command_verb verbs[] = {
        {.name = "explain",
         .words = "[FILE]",
         .sentence = "each span that is touched: place, class, rule",
         .run = run_explain},
        {.name = "learn",
         .words = "[FILE...]",
         .sentence = "what there is, no value; a policy, with reasons",
         .run = run_learn},
        {.name = "score",
         .words = "FILE",
         .sentence = "recall, precision, F2, leaked characters",
         .run = run_score},
        {0},
};

static const struct command_flag flags[] = {
        {.name = "--policy",
         .argument = "FILE",
         .sentence = "a configuration, or just its `version` and `masks`",
         .to = &options.policy},
        {.name = "--mask",
         .argument = "NAME",
         .sentence = "which of its masks",
         .value = "the only one",
         .to = &options.mask},
        {.name = "--mask-key-file",
         .argument = "FILE",
         .sentence = "key of the tokens, instead of the policy's",
         .to = &options.key_file},
        {.name = "--as",
         .argument = "json|lines|events|form|multipart|text|head|capture",
         .sentence = "what the input is, when its content tells it wrong",
         .to = &options.as},
        {.name = "--keep-masked",
         .sentence = "pass lines that carry a policy's hash; else left out",
         .set = &options.keep_masked},
        {.name = "--values", .sentence = "explain: print what was masked, too", .set = &options.values},
        {.name = "--diff",
         .argument = "FILE",
         .sentence = "learn: only what this policy does not see to",
         .to = &options.diff},
        CONTROL_FLAGS(&options.config, &options.control),
        {.name = "--map",
         .argument = "LABEL=CLASS,...",
         .sentence = "score: which detectors find a label; repeatable",
         .to = options.maps,
         .most = MAPS_MAX,
         .count = &options.map_count},
        {.name = "--format",
         .argument = "text|json",
         .sentence = "how it is told",
         .value = "text",
         .to = &options.format},
        {0},
};

const struct command mask_command = {
        .name = "mask",
        .does = "mask files and pipes by a policy; look at what it does",
        .usage = "--policy FILE < IN > OUT\n"
                 "explain --policy FILE [FILE] [--values]\n"
                 "learn [FILE... | -c FILE] [--diff FILE]\n"
                 "score --policy FILE LABELLED [--map LABEL=CLASS,...]",
        .about = "Without a verb, standard input is masked to standard output: JSON, JSON lines, events,\n"
                 "forms, texts, told by its content; a capture passes, its records are masked.\n"
                 "What cannot be masked is left out and counted.",
        .flags = flags,
        .verbs = verbs,
        .run = apply,
        .status = "0 done, 2 usage or configuration, 3 something was left out or could not be read",
        .examples = "understudy mask --policy policy.yaml < prompts.jsonl > masked.jsonl\n"
                    "understudy mask explain --policy policy.yaml body.json\n"
                    "understudy mask learn -c understudy.yaml > policy.yaml",
};
