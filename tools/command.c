#include "tools/command.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

enum { FLAG_COLUMN = 28, COLUMNS = 80 };

int command_wrong(const struct command *c, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "understudy: %s: ", c->name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "; see understudy %s --help\n", c->name);
	return 2;
}

const struct command_flag *command_help_flag(void)
{
	static const struct command_flag help = {.name = "--help", .letter = "-h", .sentence = "this text"};

	return &help;
}

bool command_is_choice(const char *argument)
{
	for (const char *at = argument; at && *at; at++)
		if (!islower((unsigned char)*at) && *at != '|' && *at != '-')
			return false;
	return argument;
}

static bool among(const char *choices, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = choices; *at; at += strspn(at, "|")) {
		size_t one = strcspn(at, "|");

		if (one == n && !memcmp(at, word, n))
			return true;
		at += one;
	}
	return false;
}

/* --- flags --- */

/* "--name", "--name=value", "-x"; *inline_out is the value behind '=', or NULL. */
static const struct command_flag *find_flag(const struct command *c, const char *word,
                                            const char **inline_out)
{
	const struct command_flag *help = command_help_flag();
	const char *equals = strchr(word, '=');
	size_t n = equals ? (size_t)(equals - word) : strlen(word);

	*inline_out = equals ? equals + 1 : NULL;
	if (!strcmp(word, help->name) || !strcmp(word, help->letter))
		return help;
	for (const struct command_flag *f = c->flags; f && f->name; f++)
		if ((strlen(f->name) == n && !memcmp(f->name, word, n)) ||
		    (f->letter && !strcmp(f->letter, word)))
			return f;
	return NULL;
}

static int take_value(const struct command *c, const struct command_flag *f, const char *value)
{
	if (!value)
		return command_wrong(c, "%s takes %s", f->name, f->argument);
	if (command_is_choice(f->argument) && !among(f->argument, value))
		return command_wrong(c, "%s %s: %s is expected", f->name, value, f->argument);
	if (!f->most) {
		*f->to = value;
		return -1;
	}
	if (*f->count >= f->most)
		return command_wrong(c, "%s is taken %u times at most", f->name, f->most);
	f->to[(*f->count)++] = value;
	return -1;
}

/* The flag at argv[*at]; *at is left on the last word that belongs to it. An exit status, or -1: go on. */
static int take_flag(const struct command *c, int argc, char **argv, int *at)
{
	const char *value;
	const struct command_flag *f = find_flag(c, argv[*at], &value);

	if (!f)
		return command_wrong(c, "unknown flag '%s'", argv[*at]);
	if (f == command_help_flag()) {
		command_help(c, stdout);
		return 0;
	}
	if (f->argument)
		return take_value(c, f, value || *at + 1 >= argc ? value : argv[++*at]);
	if (value)
		return command_wrong(c, "%s takes no value", f->name);
	*f->set = true;
	return -1;
}

/* --- words --- */

/* Checks `words` against their description, "SHARE [CANDIDATE]" or "FILE...". -1 when they fit, else 2. */
static int fit(const struct command *c, const char *described, const struct words *words)
{
	unsigned least = 0, most = 0;
	bool more = false;

	for (const char *at = described ? described : ""; *at; at += strspn(at, " ")) {
		size_t n = strcspn(at, " ");

		most++;
		least += *at != '[';
		more |= n > 3 && !strncmp(at + n - (at[n - 1] == ']') - 3, "...", 3);
		at += n;
	}
	if (!most && words->count)
		return command_wrong(c, "unexpected word '%s'", words->at[0]);
	if (words->count < least)
		return command_wrong(c, "%s is expected", described);
	if (words->count > most && !more)
		return command_wrong(c, "one word too many, '%s': %s is expected", words->at[most],
		                     described);
	if (most && command_is_choice(described) && !among(described, words->at[0]))
		return command_wrong(c, "'%s': %s is expected", words->at[0], described);
	return -1;
}

static int run_verb(const struct command *c, struct words *words)
{
	int status;

	for (const struct command_verb *v = c->verbs; words->count && v->name; v++) {
		if (strcmp(v->name, words->at[0]))
			continue;
		words->at++;
		words->count--;
		status = fit(c, v->words, words);
		return status < 0 ? v->run(words) : status;
	}
	fprintf(stderr, "understudy: %s: %s%s%s", c->name, words->count ? "'" : "",
	        words->count ? words->at[0] : "", words->count ? "': " : "");
	for (const struct command_verb *v = c->verbs; v->name; v++)
		fprintf(stderr, "%s%s", v == c->verbs ? "" : v[1].name ? ", " : " or ", v->name);
	fprintf(stderr, " is expected; see understudy %s --help\n", c->name);
	return 2;
}

int command_take(const struct command *c, int argc, char **argv, struct words *words)
{
	bool only_words = false;
	int status = -1;

	*words = (struct words){argv + 1, 0};
	for (int i = 1; i < argc && status < 0; i++) {
		if (!only_words && !strcmp(argv[i], "--"))
			only_words = true;
		else if (only_words || argv[i][0] != '-' || !argv[i][1])
			words->at[words->count++] = argv[i];
		else
			status = take_flag(c, argc, argv, &i);
	}
	return status;
}

int command_run(const struct command *c, int argc, char **argv)
{
	struct words words;
	int status = command_take(c, argc, argv, &words);

	if (status >= 0)
		return status;
	if (c->verbs && (words.count || !c->run))
		return run_verb(c, &words);
	status = fit(c, c->words, &words);
	return status < 0 ? c->run(&words) : status;
}

/* --- help --- */

/* `text` line by line, each but the first behind `indent`. */
static void put_lines(FILE *f, const char *text, int indent)
{
	for (; *text; text++) {
		fputc(*text, f);
		if (*text == '\n')
			fprintf(f, "%*s", indent, "");
	}
	fputc('\n', f);
}

/* `text` word by word, from `column` on; lines but the first begin behind `indent`. */
static void put_words(FILE *f, const char *text, int column, int indent)
{
	int at = column;

	while (*text) {
		int n = (int)strcspn(text, " \n");
		bool fits = at + (at > indent) + n <= COLUMNS;

		if (at > column && !fits)
			fprintf(f, "\n%*s", at = indent, "");
		else if (at > column)
			at += fprintf(f, " ");
		at += fprintf(f, "%.*s", n, text);
		text += n + strspn(text + n, " \n");
	}
	fputc('\n', f);
}

static void help_row(FILE *f, const char *left, const char *sentence)
{
	int n = fprintf(f, "  %s", left);

	if (n >= FLAG_COLUMN)
		fputs("\n", f);
	fprintf(f, "%*s", n < FLAG_COLUMN ? FLAG_COLUMN - n : FLAG_COLUMN, "");
	put_words(f, sentence, FLAG_COLUMN, FLAG_COLUMN);
}

static void help_flag(FILE *f, const struct command_flag *flag)
{
	char left[128], sentence[512];

	snprintf(left, sizeof left, "%s%s%s%s%s", flag->letter ? flag->letter : "    ",
	         flag->letter ? ", " : "", flag->name, flag->argument ? " " : "",
	         flag->argument ? flag->argument : "");
	snprintf(sentence, sizeof sentence, flag->value ? "%s (%s)" : "%s", flag->sentence, flag->value);
	help_row(f, left, sentence);
}

static void help_usage(FILE *f, const struct command *c)
{
	int column = (int)(sizeof "usage: understudy" + strlen(c->name));

	for (const char *at = c->usage; *at; at += strspn(at, "\n")) {
		int n = (int)strcspn(at, "\n");

		if (*at == ' ')
			fprintf(f, "%*s%.*s\n", column, "", n, at);
		else
			fprintf(f, "%sunderstudy %s %.*s\n", at == c->usage ? "usage: " : "       ", c->name,
			        n, at);
		at += n;
	}
}

void command_help(const struct command *c, FILE *f)
{
	char left[128];

	help_usage(f, c);
	if (c->about) {
		fputc('\n', f);
		put_words(f, c->about, 0, 0);
	}
	fputc('\n', f);
	for (const struct command_verb *v = c->verbs; v && v->name; v++) {
		snprintf(left, sizeof left, "%s%s%s", v->name, v->words ? " " : "", v->words ? v->words : "");
		help_row(f, left, v->sentence);
	}
	if (c->verbs)
		fputc('\n', f);
	for (const struct command_flag *flag = c->flags; flag && flag->name; flag++)
		help_flag(f, flag);
	help_flag(f, command_help_flag());
	fputs("\nexit status: ", f);
	put_words(f, c->status, sizeof "exit status: " - 1, sizeof "exit status: " - 1);
	fputs("\nexamples:\n  ", f);
	put_lines(f, c->examples, 2);
}
