/*
 * formats_url.c - normalised paths, and what keeps a path from agreeing with its normalised form.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/url.h"

enum {
	U = URL_ESCAPED_UNRESERVED,
	DOT = URL_DOT_SEGMENT,
	EMPTY = URL_EMPTY_SEGMENT,
	BAD = URL_BAD_ESCAPE,
	HIDDEN = URL_HIDDEN_DOTS,
	SLASH = URL_ESCAPED_SLASH,
	CONTROL = URL_ESCAPED_CONTROL,
};

static const struct {
	const char *raw, *path;
	unsigned flags;
} table[] = {
        {"/", "/", 0},
        {"/v2/models/digits/infer", "/v2/models/digits/infer", 0},
        {"/a/", "/a/", 0},
        {"/a?b=/../%41//", "/a", 0},
        {"/?", "/", 0},
        {"/a;v=1/b:c@d!$&'()*+,=", "/a;v=1/b:c@d!$&'()*+,=", 0},
        {"/.well-known/..x/x../...", "/.well-known/..x/x../...", 0},
        {"/%41%7e%2D", "/A~-", U},
        {"/%2541", "/%2541", 0},
        {"/a%20b%C3%A9", "/a%20b%C3%A9", 0},
        {"/org%2Fmodel", "/org%2Fmodel", SLASH},
        {"/a%5cb", "/a%5cb", SLASH},
        {"/a%00%1f%7F", "/a%00%1f%7F", CONTROL},
        {"/%", "/%", BAD},
        {"/%4", "/%4", BAD},
        {"/%zz%g1%1g", "/%zz%g1%1g", BAD},
        {"/a//b", "/a/b", EMPTY},
        {"//", "/", EMPTY},
        {"///a//", "/a/", EMPTY},
        {"/./a", "/a", DOT},
        {"/a/.", "/a/", DOT},
        {"/a/b/..", "/a/", DOT},
        {"/a/../b", "/b", DOT},
        {"/..", "/", DOT},
        {"/../../a/b/../../..", "/", DOT},
        {"/a/b/../../c", "/c", DOT},
        {"/a//../b", "/b", EMPTY | DOT},
        {"/a/%2e%2E/b", "/b", U | DOT},
        {"/a/.%2e/b", "/b", U | DOT},
        {"/a/..%2fb", "/a/..%2fb", SLASH | HIDDEN},
        {"/a%2f..%2fb", "/a%2f..%2fb", SLASH | HIDDEN},
        {"/a%5c.%2e", "/a%5c..", SLASH | HIDDEN | U},
        {"/a\\..\\b", "/a\\..\\b", HIDDEN},
        {"/a/..;x/b", "/a/..;x/b", HIDDEN},
        {"/a/.;/b", "/a/.;/b", HIDDEN},
        {"/a;/../b", "/b", DOT},
        {"/a\\b", "/a\\b", 0},
};

static void paths(void **state)
{
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct span raw = span_of(table[i].raw), path;
		unsigned flags = ~0u;

		assert_int_equal(url_normalise(raw, out, sizeof(out), &path, &flags), 0);
		if (!span_eq(path, span_of(table[i].path)) || flags != table[i].flags)
			fail_msg("%s: %.*s with %u", table[i].raw, (int)path.len, path.data, flags);
		/* agreement is what the flags say it is */
		const char *query = strchr(table[i].raw, '?');
		if (query != NULL)
			raw.len = (size_t)(query - table[i].raw);
		if (!(flags & URL_DISAGREE))
			assert_true(span_eq(path, raw));
	}
}

static void failures(void **state)
{
	char out[8];
	struct span path;
	unsigned flags;

	(void)state;
	assert_int_equal(url_normalise(SPAN(""), out, sizeof(out), &path, &flags), ERR_PROTO);
	assert_int_equal(url_normalise(SPAN("*"), out, sizeof(out), &path, &flags), ERR_PROTO);
	assert_int_equal(url_normalise(SPAN("a/b"), out, sizeof(out), &path, &flags), ERR_PROTO);
	assert_int_equal(url_normalise(SPAN("/234567//"), out, sizeof(out), &path, &flags), ERR_LIMIT);
	assert_int_equal(url_normalise(SPAN("/23456//"), out, sizeof(out), &path, &flags), 0);
	/* what lies behind the target is not looked at */
	assert_int_equal(url_normalise((struct span){"/%41", 3}, out, sizeof(out), &path, &flags), 0);
	assert_true(span_eq(path, SPAN("/%4")));
	/* a plain path needs no room */
	struct span plain = SPAN("/2345678901234");
	assert_int_equal(url_normalise(plain, NULL, 0, &path, &flags), 0);
	assert_ptr_equal(path.data, plain.data);
}

int main(void)
{
	const struct CMUnitTest all[] = {
	        cmocka_unit_test(paths),
	        cmocka_unit_test(failures),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}
