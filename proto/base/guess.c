#include "proto/base/guess.h"

#include <stdio.h>
#include <string.h>

/* Levenshtein, in one row. */
static size_t distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b), row[64], diagonal, above;

	if (la >= 64 || lb >= 64)
		return 64;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			above = row[j];
			row[j] = diagonal + (a[i - 1] != b[j - 1]);
			if (above + 1 < row[j])
				row[j] = above + 1;
			if (row[j - 1] + 1 < row[j])
				row[j] = row[j - 1] + 1;
			diagonal = above;
		}
	}
	return row[lb];
}

void guess_add(struct guess *g, const char *wrong, const char *name)
{
	size_t d = distance(wrong, name), len = strlen(g->all);

	if (!g->name || d < g->distance) {
		g->name = name;
		g->distance = d;
	}
	snprintf(g->all + len, sizeof(g->all) - len, "%s%s", len ? ", " : "", name);
}

void guess_hint(const struct guess *g, const char *wrong, char out[GUESS_HINT_BYTES])
{
	if (g->name && g->distance <= 2 && g->distance < strlen(wrong))
		snprintf(out, GUESS_HINT_BYTES, "did you mean '%s'?", g->name);
	else
		snprintf(out, GUESS_HINT_BYTES, "one of: %s", g->all);
}
