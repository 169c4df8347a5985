/*
 * command.h - a subcommand as one table: its flags and words, told once.
 *
 * The table feeds parsing, --help, the completions of shells and the manual pages; nothing else reads argv.
 * A flag's `argument` in lower case ("text|json") is the list of the words that it takes, in upper case
 * ("FILE") the name of a free value; DIR and FILE are completed as such.
 */
#ifndef TOOLS_COMMAND_H
#define TOOLS_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

#include "proto/base/err.h"

struct command_flag {
	const char *name;     /* "--format" */
	const char *letter;   /* "-f", or NULL */
	const char *argument; /* NULL: a switch */
	const char *sentence; /* without capital and full stop */
	const char *value;    /* what leaving it out means, or NULL */
	bool *set;            /* a switch */
	const char **to;      /* a value; with `most` an array of them */
	unsigned most, *count;
};

/* The same words for whoever tells the same as text or JSON. */
#define FORMAT_FLAG(place)                                                                                   \
	{                                                                                                    \
		.name = "--format", .argument = "text|json", .sentence = "how it is told", .value = "text",  \
		.to = (place)                                                                                \
	}

struct words {     /* what stands on the command line beside flags; borrowed from argv */
	char **at; /* behind the verb, when there are verbs */
	unsigned count;
};

struct command_verb { /* ends with a row without name */
	const char *name;
	const char *words; /* "FILE...", "SHARE [CANDIDATE]", NULL: none */
	const char *sentence;
	int (*run)(const struct words *);
};

struct command {
	const char *name, *does; /* the sentence of the list of commands */
	const char
	        *usage; /* a line each form, behind "understudy NAME"; one that begins with a blank goes on */
	const char *about;                /* or NULL */
	const struct command_flag *flags; /* ends with a row without name; -h, --help is understood */
	const struct command_verb *verbs; /* or `words` and `run`; with both, `run` is for no word at all */
	const char *words;
	const char *status, *examples;
	void (*manual)(FILE *);           /* a section of the page more, or NULL */
	int (*run)(const struct words *); /* the exit status */
};

/* Read argv[1..] into the flags' places, then run. The exit status; 2, with one line on stderr, when the
 * command line is wrong. Reorders argv. */
int command_run(const struct command *, int argc, char **argv);
/* The first half of it: flags into their places, what is none into *words_out. -1: go on; else an exit
 * status. */
int command_take(const struct command *, int argc, char **argv, struct words *words_out);
/* Say one line on stderr that names the command and its --help. Returns 2. */
int command_wrong(const struct command *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* -h, --help, as every command has it. */
const struct command_flag *command_help_flag(void);
void command_help(const struct command *, FILE *);
/* Is `argument` a list of words, "text|json"? */
bool command_is_choice(const char *argument);

/* understudy-NAME(1) in mdoc, and understudy(1) over a table that ends with NULL. */
void command_manual(const struct command *, FILE *);
void command_manual_all(const struct command *const *, FILE *);
/* The completion script for "bash", "zsh" or "fish". */
void command_complete(const struct command *const *, const char *shell, FILE *);

#endif
