/*
 * config_case.h - a configuration as text, what the reader says about it, and tables of wrong ones.
 *
 * The tests that include it work in a folder of their own, where the text is the file f.yaml.
 */
#ifndef TESTS_UNIT_CONFIG_CASE_H
#define TESTS_UNIT_CONFIG_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "proxy/config.h"

static struct plan plan;
static char *report;

static inline int read_text(const char *text)
{
	FILE *f = fopen("f.yaml", "w"), *errors;
	size_t len;
	int rc;

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	free(report);
	report = NULL;
	errors = open_memstream(&report, &len);
	rc = config_read("f.yaml", &plan, errors);
	fclose(errors);
	return rc;
}

#define HEAD   "version: 1\nlisten: [{address: 127.0.0.1:8080}]\n"
#define ROUTES HEAD "routes:\n  - name: r\n    live: {endpoints: [http://127.0.0.1:9001]}\n"
#define LIST   ROUTES "    mirror: {}\n    candidates:\n"
#define ONE    "      - {name: a, endpoints: [http://127.0.0.1:9002]}\n"

/* `first`: the first line that is an error (or, when it says so, a warning); hint: NULL, or one of its hints.
 */
struct bad {
	const char *text, *first, *hint;
};

static inline char *first_line(const char *kind)
{
	char *line = report, *hit = strstr(report, kind);

	for (char *p = report; hit && p < hit; p++)
		if (*p == '\n')
			line = p + 1;
	if (hit)
		line[strcspn(line, "\n")] = '\0';
	return hit ? line : NULL;
}

static inline void check_bad(const struct bad *b)
{
	bool warning = strstr(b->first, ": warning: ") != NULL;
	int rc = read_text(b->text);
	char hint[300], *first;

	if (rc != (warning ? 0 : ERR_CONFIG))
		fail_msg("%d instead of: %s\n%s", rc, b->first, report);
	first = first_line(warning ? ": warning: " : ": error: ");
	assert_non_null(first);
	assert_string_equal(first, b->first);
	snprintf(hint, sizeof(hint), "    hint: %s\n", b->hint ? b->hint : "");
	if (b->hint && !strstr(first + strlen(first) + 1, hint))
		fail_msg("no hint '%s' for: %s", b->hint, b->first);
}

static inline void check_bads(const struct bad *bads, size_t count)
{
	for (size_t i = 0; i < count; i++)
		check_bad(&bads[i]);
}

#endif
