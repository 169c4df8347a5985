/* The table of a command told as a manual page, in mdoc(7). */
#include <ctype.h>
#include <string.h>

#include "proto/base/version.h"
#include "tools/command.h"

/* One text of roff: nothing in it is markup. */
static void put_text(FILE *f, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool sentence = text[i] == ' ' && i > 1 && text[i - 1] == '.' && i + 1 < n &&
		                isupper((unsigned char)text[i + 1]);

		if (sentence || !i || text[i - 1] == '\n')
			fputs(sentence ? "\n" : "\\&", f);
		if (sentence)
			continue;
		if (text[i] == '\\')
			fputs("\\e", f);
		else if (text[i] == '-')
			fputs("\\-", f);
		else
			fputc(text[i], f);
	}
}

static void put_line(FILE *f, const char *text)
{
	put_text(f, text, strlen(text));
	fputc('\n', f);
}

/* With a capital and a full stop; a line each sentence or line of the source. */
static void put_sentence(FILE *f, const char *text)
{
	size_t n = strlen(text);

	fprintf(f, "\\&%c", toupper((unsigned char)*text));
	put_text(f, text + 1, n - 1);
	fputs(text[n - 1] == '.' ? "\n" : ".\n", f);
}

/* "-name ARGUMENT" as mdoc has it: .Fl puts one '-' before each of its words. */
static void put_flag(FILE *f, const struct command_flag *flag)
{
	fputs(".It", f);
	if (flag->letter)
		fprintf(f, " Fl %s ,", flag->letter + 1);
	fprintf(f, " Fl \\-%s", flag->name + 2);
	if (flag->argument)
		fprintf(f, " Ar %s", flag->argument);
	fputc('\n', f);
	put_sentence(f, flag->sentence);
	if (flag->value) {
		fputs("Left out: ", f);
		put_line(f, flag->value);
	}
}

static void put_forms(FILE *f, const struct command *c)
{
	for (const char *at = c->usage; *at; at += strspn(at, "\n")) {
		size_t n = strcspn(at, "\n");

		if (*at != ' ')
			fprintf(f, "%s.Nm understudy %s\n", at == c->usage ? "" : ".br\n", c->name);
		put_text(f, at, n);
		fputc('\n', f);
		at += n;
	}
}

static void put_verbs(FILE *f, const struct command_verb *verbs)
{
	fputs("It takes one of these words:\n.Bl -tag -width Ds\n", f);
	for (const struct command_verb *v = verbs; v->name; v++) {
		fprintf(f, ".It Ic %s%s%s\n", v->name, v->words ? " Ar " : "", v->words ? v->words : "");
		put_sentence(f, v->sentence);
	}
	fputs(".El\n.Pp\n", f);
}

static void put_examples(FILE *f, const char *examples)
{
	fputs(".Sh EXAMPLES\n.Bd -literal -offset indent\n", f);
	put_line(f, examples);
	fputs(".Ed\n", f);
}

static void put_title(FILE *f, const char *dash, const char *name, const char *does)
{
	fputs(".Dd $Mdocdate$\n.Dt UNDERSTUDY", f);
	fputs(dash, f);
	for (const char *at = name; *at; at++)
		fputc(toupper((unsigned char)*at), f);
	fprintf(f, " 1\n.Os understudy " VERSION "\n.Sh NAME\n.Nm understudy%s%s\n.Nd %s\n", dash, name,
	        does);
}

void command_manual(const struct command *c, FILE *f)
{
	put_title(f, "-", c->name, c->does);
	fputs(".Sh SYNOPSIS\n", f);
	put_forms(f, c);
	fputs(".Sh DESCRIPTION\n", f);
	put_sentence(f, c->about ? c->about : c->does);
	if (c->verbs)
		put_verbs(f, c->verbs);
	fputs("The flags:\n.Bl -tag -width Ds\n", f);
	for (const struct command_flag *flag = c->flags; flag && flag->name; flag++)
		put_flag(f, flag);
	put_flag(f, command_help_flag());
	fputs(".El\n", f);
	if (c->manual)
		c->manual(f);
	fputs(".Sh EXIT STATUS\n", f);
	put_line(f, c->status);
	put_examples(f, c->examples);
	fputs(".Sh SEE ALSO\n.Xr understudy 1 ,\n.Xr understudy.yaml 5\n", f);
}

void command_manual_all(const struct command *const *table, FILE *f)
{
	put_title(f, "", "", "traffic replay and shadow-inference proxy");
	fputs(".Sh SYNOPSIS\n.Nm understudy\n.Ar COMMAND\n.Op Ar flags\n.Sh DESCRIPTION\n"
	      "On the live path of an inference endpoint it captures real requests, masks them in flight, "
	      "and "
	      "gives\nthe copies to candidate models.\n"
	      "It compares their answers with the live model's and says with figures whether a candidate may "
	      "go on\nstage.\nNo user ever receives a candidate's answer.\n.Pp\n"
	      "The commands:\n.Bl -tag -width Ds\n",
	      f);
	for (unsigned i = 0; table[i]; i++) {
		fprintf(f, ".It Ic %s\n", table[i]->name);
		put_sentence(f, table[i]->does);
	}
	fputs(".El\n.Pp\nEach has a page of its own,\n.Xr understudy-proxy 1\nand so on.\n.Sh EXIT STATUS\n"
	      "0: done; 2: the command line or the configuration is wrong; 3: it could not run;\n130: "
	      "interrupted.\n.Pp\n"
	      "Only gate, and replay with gates, answer with the verdict: 0 pass, 1 fail, 4 undecided.\n"
	      ".Sh SEE ALSO\n.Xr understudy.yaml 5\n",
	      f);
}
