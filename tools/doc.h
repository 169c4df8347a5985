/*
 * doc.h - one of our own JSON files as a tree, for the tools that print it. Nodes live as long as the doc.
 */
#ifndef TOOLS_DOC_H
#define TOOLS_DOC_H

#include "proto/json.h"

struct node {
	enum json_token type; /* JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER, JSON_TRUE, JSON_FALSE,
	                         JSON_NULL */
	char *key;            /* in an object, else NULL */
	char *text;           /* strings (decoded) and numbers (raw), else NULL */
	struct node *child, *next;
};

/* Read a file of at most 16 MiB. 0, ERR_SYS, ERR_NOMEM, ERR_PROTO, ERR_LIMIT. The tree is freed with
 * doc_free(). */
int doc_load(const char *path, struct node **root_out) MUST_CHECK;
/* The same of bytes in memory, of any length. */
int doc_parse(struct span text, struct node **root_out) MUST_CHECK;
void doc_free(struct node **);

/* All of these take NULL, and then have nothing: NULL, "", NaN, false, 0. */
const struct node *doc_get(const struct node *object, const char *key);
const char *doc_text(const struct node *object, const char *key);
double doc_number(const struct node *object, const char *key);
bool doc_true(const struct node *object, const char *key);
double doc_value(const struct node *number);
/* The interval [low, high] under `key`: NaN where it is null. */
void doc_interval(const struct node *object, const char *key, double *low_out, double *high_out);

#endif
