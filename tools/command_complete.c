/* The tables of all commands told to a shell, as its completion script. */
#include <string.h>

#include "tools/command.h"

/* "a|b" with a blank for each '|'. */
static void put_choices(FILE *f, const char *choices)
{
	for (; *choices; choices++)
		fputc(*choices == '|' ? ' ' : *choices, f);
}

/* Does a file belong in its place? */
static bool is_path(const char *argument)
{
	return strstr(argument, "FILE") || strstr(argument, "DIR") || strstr(argument, "RUN") ||
	       strstr(argument, ".cap") || strstr(argument, "SOCKET");
}

/* Inside single quotes: how that shell writes an apostrophe there, and what else takes a backslash. */
static void put_quoted(FILE *f, const char *text, const char *apostrophe, const char *escaped)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs(apostrophe, f);
		else if (strchr(escaped, *text))
			fprintf(f, "\\%c", *text);
		else
			fputc(*text == '\n' ? ' ' : *text, f);
	}
}

/* The words that may stand first: verbs or choices. */
static void put_words(FILE *f, const struct command *c)
{
	for (const struct command_verb *v = c->verbs; v && v->name; v++)
		fprintf(f, "%s%s", v == c->verbs ? "" : " ", v->name);
	if (command_is_choice(c->words))
		put_choices(f, c->words);
}

static bool has_words(const struct command *c)
{
	return c->verbs || command_is_choice(c->words);
}

/* --- bash: where no word fits, `-o default` completes files --- */

static void bash_flag(FILE *f, const struct command_flag *flag)
{
	if (!flag->argument)
		return;
	fprintf(f, "\t\t%s%s%s) words='", flag->letter ? flag->letter : "", flag->letter ? " | " : "",
	        flag->name);
	if (command_is_choice(flag->argument))
		put_choices(f, flag->argument);
	fputs("' ;;\n", f);
}

static void bash_command(const struct command *c, FILE *f)
{
	const struct command_flag *help = command_help_flag();

	fprintf(f, "\t%s)\n\t\twords='", c->name);
	put_words(f, c);
	for (const struct command_flag *flag = c->flags; flag && flag->name; flag++)
		fprintf(f, " %s%s%s", flag->letter ? flag->letter : "", flag->letter ? " " : "", flag->name);
	fprintf(f, " %s %s'\n\t\tcase ${COMP_WORDS[COMP_CWORD - 1]} in\n", help->letter, help->name);
	for (const struct command_flag *flag = c->flags; flag && flag->name; flag++)
		bash_flag(f, flag);
	fputs("\t\t*) ;;\n\t\tesac\n\t\t;;\n", f);
}

static void bash(const struct command *const *table, FILE *f)
{
	fputs("# bash completion of understudy\n_understudy() {\n\tlocal words=\n\tcase ${COMP_WORDS[1]} "
	      "in\n",
	      f);
	for (unsigned i = 0; table[i]; i++)
		bash_command(table[i], f);
	fputs("\t*) ;;\n\tesac\n\t[ \"$COMP_CWORD\" -ne 1 ] || words='", f);
	for (unsigned i = 0; table[i]; i++)
		fprintf(f, "%s ", table[i]->name);
	fputs("--help'\n\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\")\n"
	      "}\ncomplete -o default -F _understudy understudy\n",
	      f);
}

/* --- zsh --- */

static void zsh_flag(FILE *f, const struct command_flag *flag)
{
	fputs(" \\\n\t\t", f);
	if (flag->letter && !flag->most)
		fprintf(f, "'(%s %s)'", flag->letter, flag->name);
	if (flag->letter)
		fprintf(f, "{%s,%s}'[", flag->letter, flag->name);
	else
		fprintf(f, "'%s%s[", flag->most ? "*" : "", flag->name);
	put_quoted(f, flag->sentence, "'\\''", "[]\\");
	fputs("]", f);
	if (flag->argument) {
		fputs(":", f);
		put_quoted(f, flag->argument, "'\\''", ":\\");
		fputs(command_is_choice(flag->argument) ? ":("
		      : is_path(flag->argument)         ? ":_files"
		                                        : ": ",
		      f);
	}
	if (command_is_choice(flag->argument)) {
		put_choices(f, flag->argument);
		fputs(")", f);
	}
	fputs("'", f);
}

static void zsh_command(const struct command *c, FILE *f)
{
	fprintf(f, "\t%s)\n\t\t_arguments", c->name);
	for (const struct command_flag *flag = c->flags; flag && flag->name; flag++)
		zsh_flag(f, flag);
	zsh_flag(f, command_help_flag());
	if (has_words(c)) {
		fputs(" \\\n\t\t'1:word:(", f);
		put_words(f, c);
		fputs(")'", f);
	}
	fputs(" \\\n\t\t'*:file:_files'\n\t\t;;\n", f);
}

static void zsh(const struct command *const *table, FILE *f)
{
	fputs("#compdef understudy\n_understudy() {\n\tlocal command=$words[2]\n\tlocal -a commands\n"
	      "\tif (( CURRENT == 2 )); then\n\t\tcommands=(\n",
	      f);
	for (unsigned i = 0; table[i]; i++) {
		fprintf(f, "\t\t'%s:", table[i]->name);
		put_quoted(f, table[i]->does, "'\\''", ":\\");
		fputs("'\n", f);
	}
	fputs("\t\t)\n\t\t_describe command commands\n\t\treturn\n\tfi\n\tshift words\n\t(( CURRENT-- ))\n"
	      "\tcase $command in\n",
	      f);
	for (unsigned i = 0; table[i]; i++)
		zsh_command(table[i], f);
	fputs("\tesac\n}\n_understudy \"$@\"\n", f);
}

/* --- fish --- */

static void fish_flag(FILE *f, const char *command, const struct command_flag *flag)
{
	fprintf(f, "complete -c understudy -n '__understudy_is %s'", command);
	if (flag->letter)
		fprintf(f, " -s %s", flag->letter + 1);
	fprintf(f, " -l %s", flag->name + 2);
	if (command_is_choice(flag->argument)) {
		fputs(" -x -a '", f);
		put_choices(f, flag->argument);
		fputs("'", f);
	} else if (flag->argument) {
		fputs(is_path(flag->argument) ? " -r -F" : " -x", f);
	}
	fputs(" -d '", f);
	put_quoted(f, flag->sentence, "\\'", "\\");
	fputs("'\n", f);
}

static void fish_command(const struct command *c, FILE *f)
{
	fprintf(f, "complete -c understudy -f -n __understudy_first -a %s -d '", c->name);
	put_quoted(f, c->does, "\\'", "\\");
	fputs("'\n", f);
	if (has_words(c)) {
		fprintf(f, "complete -c understudy -n '__understudy_is %s' -a '", c->name);
		put_words(f, c);
		fputs("'\n", f);
	}
	for (const struct command_flag *flag = c->flags; flag && flag->name; flag++)
		fish_flag(f, c->name, flag);
	fish_flag(f, c->name, command_help_flag());
}

static void fish(const struct command *const *table, FILE *f)
{
	fputs("# fish completion of understudy\n"
	      "function __understudy_first\n\ttest (count (commandline -opc)) -eq 1\nend\n"
	      "function __understudy_is\n\tset -l words (commandline -opc)\n"
	      "\ttest (count $words) -gt 1; and test $words[2] = $argv[1]\nend\n",
	      f);
	for (unsigned i = 0; table[i]; i++)
		fish_command(table[i], f);
}

void command_complete(const struct command *const *table, const char *shell, FILE *f)
{
	if (!strcmp(shell, "bash"))
		bash(table, f);
	else if (!strcmp(shell, "zsh"))
		zsh(table, f);
	else
		fish(table, f);
}
