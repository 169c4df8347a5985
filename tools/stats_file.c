#include "tools/stats_file.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 512 };
static const char BLANKS[] = " \t\r\n";

/* How many numbers; 0 when the line is blank, -1 when it has something else. */
static int read_row(const char *line, double values[STATS_COLUMNS_MAX])
{
	int count = 0;

	for (line += strspn(line, BLANKS); *line; line += strspn(line, BLANKS)) {
		char *end;

		if (count == STATS_COLUMNS_MAX)
			return -1;
		values[count] = strtod(line, &end);
		if (end == line || !strchr(BLANKS, *end) || !isfinite(values[count]))
			return -1;
		count++;
		line = end;
	}
	return count;
}

/* What is wrong with the line, or NULL. */
static const char *take_line(const char *line, size_t length, unsigned *columns, stats_row *row, void *arg)
{
	double values[STATS_COLUMNS_MAX];
	int count;

	if (strlen(line) != length)
		return "a zero byte";
	if (length == LINE_BYTES - 1 && line[length - 1] != '\n')
		return "the line is too long";
	count = read_row(line, values);
	if (count < 0)
		return "1 to 4 finite numbers are expected";
	if (count == 0)
		return NULL;
	if (*columns && *columns != (unsigned)count)
		return "not as many numbers as in the lines before";
	*columns = (unsigned)count;
	return row(arg, values, *columns);
}

/* fgets() that tells the length, since a zero byte would hide what follows it. */
static size_t get_line(FILE *f, char line[LINE_BYTES])
{
	size_t n = 0;
	int c = 0;

	while (n < LINE_BYTES - 1 && c != '\n' && (c = getc(f)) != EOF)
		line[n++] = (char)c;
	line[n] = '\0';
	return n;
}

static int wrong(const char *path, unsigned long at, const char *what)
{
	fprintf(stderr, "understudy: stats: ");
	for (const char *c = path; *c; c++)
		fputc((unsigned char)*c < 0x20 ? '?' : *c, stderr);
	if (at)
		fprintf(stderr, ":%lu", at);
	fprintf(stderr, ": %s\n", what);
	return 3;
}

int stats_file_each(const char *path, stats_row *row, void *arg)
{
	FILE *f = strcmp(path, "-") ? fopen(path, "re") : stdin;
	const char *what = NULL;
	char line[LINE_BYTES];
	unsigned long at = 0;
	unsigned columns = 0;
	size_t n;
	int error;

	if (!f)
		return wrong(path, 0, strerror(errno));
	errno = 0;
	while (!what && (n = get_line(f, line)) > 0) {
		at++;
		what = take_line(line, n, &columns, row, arg);
	}
	error = ferror(f) ? errno : 0;
	if (f != stdin)
		fclose(f);
	if (what)
		return wrong(path, at, what);
	if (error)
		return wrong(path, 0, strerror(error));
	return columns ? 0 : wrong(path, 0, "it has no numbers");
}
