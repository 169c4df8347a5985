/* Regular expressions: what they find, what is refused with words, and that no text makes them slow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "proto/pattern.h"

static struct pattern compiled;

static bool finds(const char *pattern, const char *text)
{
	const char *why = pattern_compile(&compiled, span_of(pattern));

	if (why)
		fail_msg("%s: %s", pattern, why);
	return pattern_found(&compiled, span_of(text));
}

/* Each row: a pattern, texts that it finds, NULL, texts that it does not, NULL. */
static void what_is_found(void **state)
{
	static const char *const rows[][12] = {
	        {"", "", "x", NULL, NULL},
	        {"abc", "abc", "xabcx", NULL, "ab", "ABC", NULL},
	        {"^a.c$", "abc",
	         "a\xc3\xa9"
	         "c",
	         NULL, "abcd", "a\nc", "xabc", NULL},
	        {"a*", "", "b", "aaa", NULL, NULL},
	        {"^a+$", "a", "aaa", NULL, "", "ab", NULL},
	        {"^colou?r$", "color", "colour", NULL, "colouur", NULL},
	        {"^(ab|c(d|e))+f$", "abf", "cdcef", "abcdf", NULL, "f", "acf", NULL},
	        {"^[A-Z]{2}\\d{3,4}$", "AB123", "AB1234", NULL, "AB12", "AB12345", "ab123", NULL},
	        {"^a{2,}$", "aa", "aaaaa", NULL, "a", NULL},
	        {"^a{0}b$", "b", NULL, "ab", NULL},
	        {"^(a{2}){2}$", "aaaa", NULL, "aaa", "aaaaa", NULL},
	        {"^(a*)*$", "", "aaa", NULL, "b", NULL},
	        {"^[^a-c\\d]$", "d", "\xe2\x82\xac", NULL, "b", "7", "", NULL},
	        {"^[\\w.-]+@[\\w-]+\\.[a-z]{2,8}$", "a.b-c@d-e.org", NULL, "a@b", "a b@c.de", NULL},
	        {"^[\\-\\]a]$", "-", "]", "a", NULL, "\\", NULL},
	        {"^\\u20ac\\x41\\u{1F600}$",
	         "\xe2\x82\xac"
	         "A\xf0\x9f\x98\x80",
	         NULL, "A", NULL},
	        {"\\bcat\\b", "a cat.", "cat", NULL, "concat", "cats", "cat_", NULL},
	        {"\\Bat", "cat", NULL, "at", " at", NULL},
	        {"^\\s\\S\\D\\W$",
	         "\xc2\xa0"
	         "xy!",
	         NULL, "xxy!", NULL},
	        {"^.$", "\xff", NULL, "\n", NULL},
	        {"a|b|", "", "z", NULL, NULL},
	        {"^(?:x|yy)*?z", "z", "xyyz", NULL, "yz", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		size_t k = 1;

		for (; rows[i][k]; k++)
			if (!finds(rows[i][0], rows[i][k]))
				fail_msg("%s does not find '%s'", rows[i][0], rows[i][k]);
		for (k++; rows[i][k]; k++)
			if (finds(rows[i][0], rows[i][k]))
				fail_msg("%s finds '%s'", rows[i][0], rows[i][k]);
	}
}

static void what_is_refused(void **state)
{
	static const char *const refused[] = {"(",
	                                      ")",
	                                      "a)",
	                                      "[a",
	                                      "*",
	                                      "a**",
	                                      "\\",
	                                      "(a)\\1",
	                                      "(?=a)",
	                                      "(?<!a)",
	                                      "(?<n>a)",
	                                      "\\p{L}",
	                                      "[z-a]",
	                                      "a{3,2}",
	                                      "a{9999}",
	                                      "\\xg0",
	                                      "\\u{110000}",
	                                      "a{1",
	                                      "((((((((((((((((((((a))))))))))))))))))))",
	                                      "(a{99}){99}"};

	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		if (!pattern_compile(&compiled, span_of(refused[i])))
			fail_msg("%s is taken", refused[i]);
}

/* What takes a backtracking engine two to the power of 40000. */
static void no_text_is_slow(void **state)
{
	static char text[40001];

	(void)state;
	memset(text, 'a', sizeof text - 1);
	assert_false(finds("^(a+)+$b", text));
	assert_false(finds("^(a|a)*(a|a)*(a|a)*c", text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_found), cmocka_unit_test(what_is_refused),
	                                   cmocka_unit_test(no_text_is_slow)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
