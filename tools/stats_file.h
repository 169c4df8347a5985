/*
 * stats_file.h - a file of numbers, a row a line, read row by row in bounded memory.
 */
#ifndef TOOLS_STATS_FILE_H
#define TOOLS_STATS_FILE_H

enum { STATS_COLUMNS_MAX = 4 };

/* What is wrong with the row, or NULL. */
typedef const char *stats_row(void *arg, const double *values, unsigned count);

/* Calls for each row of `path` ("-": stdin): 1 to 4 finite numbers between blanks, as many as in the first
 * row; empty lines are passed over. 0; or 3, with one line on stderr that names file and line. */
int stats_file_each(const char *path, stats_row *, void *arg);

#endif
