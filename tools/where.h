/*
 * where.h - the flag --where of a command, over capture/where.h.
 */
#ifndef TOOLS_WHERE_H
#define TOOLS_WHERE_H

#include "capture/where.h"
#include "tools/command.h"

/* The same words for whoever takes it. */
#define WHERE_FLAG(place)                                                                                    \
	{                                                                                                    \
		.name = "--where", .argument = "EXPR",                                                       \
		.sentence =                                                                                  \
		        "only those of which it holds, e.g. 'status>=500 and route==chat'; 'fields' lists "  \
		        "what there is",                                                                     \
		.to = (place)                                                                                \
	}

/* Compile `text` (NULL: everything is meant). -1: go on; else an exit status: what is wrong was said on
 * stderr, or the text was "fields" and they are on stdout. */
int where_read(const struct command *, const char *text, const struct where_field *, struct where *out);
/* The language and its fields as a section of an mdoc page; where_manual() has those of an exchange. */
void where_manual_of(const struct where_field *, const char *whose, FILE *);
void where_manual(FILE *);

#endif
