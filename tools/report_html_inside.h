/*
 * report_html_inside.h - what the files behind report_html.h share; no one else.
 *
 *   report_html.c            the page, its style sheet, what is said of the whole run
 *   report_html_candidate.c  what is said of one candidate
 *   report_html_text.c       text, escaped; cells, tables
 */
#ifndef TOOLS_REPORT_HTML_INSIDE_H
#define TOOLS_REPORT_HTML_INSIDE_H

#include <sqlite3.h>
#include "tools/run.h"

enum { SENTENCE_MAX = 600 };

/* --- text: all of it escaped --- */

void html_word(struct buf *out, const char *text);
/* Text as it is; of what is none, such as messages of gRPC, the size and what can be printed. */
void html_body(struct buf *out, struct span body, size_t max);
void html_cell(struct buf *out, const char *class, const char *text);
void html_count(struct buf *out, double value);
/* A class name that is ours, whatever the file says. */
const char *html_state(const char *state);
void html_badge(struct buf *out, const char *state);
/* Columns are "name" or ">name" for numbers, separated by '|'. */
void html_table(struct buf *out, const char *columns);
void html_table_end(struct buf *out);

/* --- parts of the page --- */

/* `db` may be NULL: then there are no examples. */
void html_candidate(struct buf *out, sqlite3 *db, const struct run *, const struct node *candidate);

#endif
