/*
 * replay_again.c - a run that is played once more, from its manifest alone.
 *
 * The manifest has the words that started it, as a command line: paths absolute, what was no capture replaced
 * by the capture that was made of it, and of headers that hold credentials the name only. What is read back
 * goes through the same parser, and the hashes of input and configuration must come out the same.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "capture/mask.h"
#include "tools/commands.h"
#include "tools/replay.h"
#include "tools/run.h"
#include "tools/runs_diff.h"

enum { WORDS_MAX = 512 };
static const char HEADER[] = "--header=";

static struct run repeated; /* options point into its manifest */

static bool is_one_of(const char *name, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(name, *list))
			return true;
	return false;
}

static bool is_given(const struct command_flag *f)
{
	return f->set ? *f->set : f->most ? *f->count > 0 : *f->to != NULL;
}

/* --- keeping --- */

static struct span header_name(const char *field)
{
	return (struct span){field, strcspn(field, ":")};
}

/* Is what goes by that name a secret, which a manifest must not have? max_tokens is none. */
static bool is_secret(struct span name)
{
	static const char *const words[] = {"auth",   "cookie",  "credential", "credentials",
	                                    "key",    "passwd",  "password",   "pwd",
	                                    "secret", "session", "token",      NULL};

	for (size_t i = 0; i < name.len; i++)
		for (const char *const *w = words; *w; w++) {
			size_t end = i + strlen(*w);

			if (end <= name.len && !strncasecmp(name.data + i, *w, end - i) &&
			    (end == name.len || !isalpha((unsigned char)name.data[end])))
				return true;
		}
	return mask_is_credential(name);
}

/* Of a field "NAME: VALUE" the name alone, where the value is a secret; "NAME:" takes the field away. */
static struct span told(const struct command_flag *f, const char *value)
{
	struct span name = header_name(value);
	bool has_value = value[name.len] && value[name.len + 1 + strspn(value + name.len + 1, " \t")];

	return !strcmp(f->name, "--header") && has_value && is_secret(name) ? name : span_of(value);
}

static void put_word(struct buf *b, const struct command_flag *f, const char *value)
{
	char path[PATH_MAX_BYTES * 4], *real = NULL;
	struct buf word;

	if (!strcmp(f->argument, "FILE"))
		real = realpath(value, NULL);
	buf_init(&word, sizeof path);
	buf_printf(&word, "%s=", f->name);
	buf_span_put(&word, real ? span_of(real) : told(f, value));
	if (!strcmp(f->name, "--set") && is_secret((struct span){value, strcspn(value, "=")}))
		word.err = ERR_CONFIG; /* then no word is kept */
	b->err = b->err ? b->err : word.err;
	buf_json_string(b, buf_span(&word));
	buf_puts(b, ",");
	buf_fini(&word);
	free(real);
}

static void put_flag(struct buf *b, const struct command_flag *f)
{
	if (f->set)
		buf_printf(b, "\"%s\",", f->name);
	else if (!f->most)
		put_word(b, f, *f->to);
	for (unsigned i = 0; f->most && i < *f->count; i++)
		put_word(b, f, f->to[i]);
}

void replay_keep_words(const struct replay_options *o, struct plan *plan)
{
	/* of this run alone, or of what the input was before it was a capture */
	static const char *const not_kept[] = {"--run",        "--quiet",   "--progress",
	                                       "--resume",     "--dry-run", "--path",
	                                       "--batch-file", "--again",   NULL};
	char *input = realpath(o->input, NULL);
	struct buf b;

	buf_init(&b, AGAIN_BYTES - 1);
	buf_puts(&b, "[");
	for (const struct command_flag *f = replay_command.flags; f->name; f++)
		if (is_given(f) && !is_one_of(f->name, not_kept))
			put_flag(&b, f);
	buf_puts(&b, "\"--\",");
	buf_json_string(&b, span_of(input ? input : o->input));
	buf_puts(&b, "]");
	plan->replay_again[0] = '\0';
	if (!b.err)
		snprintf(plan->replay_again, sizeof plan->replay_again, "%.*s", (int)buf_len(&b),
		         buf_span(&b).data);
	buf_fini(&b);
	free(input);
}

/* --- reading --- */

static int only_what_fits(void)
{
	static const char *const fits[] = {"--again",   "--run",    "--quiet", "--progress",
	                                   "--dry-run", "--header", NULL};

	for (const struct command_flag *f = replay_command.flags; f->name; f++)
		if (is_given(f) && !is_one_of(f->name, fits))
			return command_wrong(&replay_command, "%s does not go with --again: that run says it",
			                     f->name);
	return -1;
}

/* The header of that name that was given beside --again. */
static const char *given_header(const struct replay_options *o, const char *name)
{
	for (unsigned i = 0; i < o->header_count; i++)
		if (span_eq_nocase(header_name(o->headers[i]), span_of(name)))
			return o->headers[i];
	return NULL;
}

/* "--header=NAME", of a credential, becomes the field that was given; room is kept by the caller. */
static int take_word(const struct replay_options *o, char *word, char **out, unsigned *used)
{
	const char *name = word + sizeof HEADER - 1, *given;
	size_t bytes;

	*out = word;
	if (strncmp(word, HEADER, sizeof HEADER - 1) || strchr(name, ':'))
		return -1;
	given = given_header(o, name);
	if (!given)
		return command_wrong(&replay_command,
		                     "--again: what that run sent as %s is not kept: --header '%s: ...' is "
		                     "expected",
		                     name, name);
	bytes = sizeof HEADER + strlen(given);
	*out = malloc(bytes);
	if (!*out)
		return 3;
	snprintf(*out, bytes, "%s%s", HEADER, given);
	++*used;
	return -1;
}

static int take_words(struct replay_options *o, const struct node *list)
{
	static char *given[WORDS_MAX + 1];
	struct words words = {0};
	unsigned used = 0;
	int argc = 1, status = -1;

	given[0] = "replay";
	for (const struct node *n = list ? list->child : NULL; n && status < 0; n = n->next)
		if (n->text && argc < WORDS_MAX)
			status = take_word(o, n->text, &given[argc++], &used);
	if (status < 0 && used != o->header_count)
		status = command_wrong(&replay_command, "--header does not go with --again, but of a "
		                                        "credential that the run has not kept");
	o->header_count = 0;
	if (status < 0)
		status = command_take(&replay_command, argc, given, &words);
	if (status >= 0 || words.count != 1)
		return status >= 0 ? status
		                   : command_wrong(&replay_command,
		                                   "--again: that run does not say how it was started");
	o->input = o->given = words.at[0];
	return -1;
}

static const struct node *input_of(const struct run *run)
{
	const struct node *inputs = doc_get(run->manifest, "input");

	return inputs ? inputs->child : NULL;
}

int replay_again(struct replay_options *o)
{
	int status = only_what_fits();

	if (status >= 0)
		return status;
	if (run_open(o->again, &repeated))
		return 3;
	return take_words(o, doc_get(input_of(&repeated), "again"));
}

int replay_again_check(const struct replay_options *o, struct plan *plan)
{
	const char *was = doc_text(doc_get(repeated.manifest, "versions"), "understudy");

	if (!replay_is_hash(doc_text(input_of(&repeated), "sha256"), plan->replay_input.hash))
		return command_wrong(&replay_command, "--again %s: %s is not what that run played any more",
		                     o->again, o->input);
	if (!replay_is_hash(doc_text(repeated.manifest, "config_hash"), plan->config_hash))
		return command_wrong(&replay_command,
		                     "--again %s: its configuration has changed since: %s, or understudy "
		                     "itself (%s then)",
		                     o->again, o->config ? o->config : "a file that it names", was);
	snprintf(plan->replay_repeats, sizeof plan->replay_repeats, "%s", doc_text(repeated.manifest, "id"));
	return -1;
}

void replay_again_diff(const struct replay_options *o)
{
	struct run now;

	if (run_open(o->run, &now))
		return;
	puts("");
	runs_diff_results(&repeated, &now, stdout);
	run_close(&now);
}
