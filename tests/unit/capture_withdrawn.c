/* The withdrawal list: whole tokens only, and a line that is none is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "capture/withdrawn.h"

static void found(void **state)
{
	struct withdrawn *w;
	unsigned line;

	(void)state;
	assert_int_equal(withdrawn_new(SPAN("# b\n\ntok_c\r\ntok_bb\ntok_a\ntok_a"), &w, &line), 0);
	assert_true(withdrawn_has(w, SPAN("tok_a")));
	assert_true(withdrawn_has(w, SPAN("tok_bb")));
	assert_true(withdrawn_has(w, SPAN("tok_c")));
	assert_false(withdrawn_has(w, SPAN("tok_b")));
	assert_false(withdrawn_has(w, SPAN("tok_aa")));
	assert_false(withdrawn_has(w, SPAN("# b")));
	assert_false(withdrawn_has(w, SPAN("")));
	withdrawn_free(&w);
	assert_false(withdrawn_has(NULL, SPAN("tok_a")));
	assert_int_equal(withdrawn_new(SPAN(""), &w, &line), 0);
	assert_false(withdrawn_has(w, SPAN("a")));
	withdrawn_free(&w);
}

static void refused(void **state)
{
	struct span large = {calloc(1, WITHDRAWN_BYTES_MAX + 1), WITHDRAWN_BYTES_MAX + 1};
	char line[WITHDRAWN_TOKEN_MAX + 2];
	struct withdrawn *w;
	unsigned number;

	(void)state;
	assert_int_equal(withdrawn_new(SPAN("a\n#\nb c\n"), &w, &number), ERR_PROTO);
	assert_int_equal(number, 3);
	assert_int_equal(withdrawn_new(SPAN("a\nb\x80\n"), &w, &number), ERR_PROTO);
	memset(line, 'a', sizeof line);
	assert_int_equal(withdrawn_new((struct span){line, WITHDRAWN_TOKEN_MAX + 1}, &w, &number), ERR_PROTO);
	assert_int_equal(withdrawn_new((struct span){line, WITHDRAWN_TOKEN_MAX}, &w, &number), 0);
	withdrawn_free(&w);
	assert_int_equal(withdrawn_new(large, &w, &number), ERR_LIMIT);
	assert_null(w);
	free((char *)large.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(found), cmocka_unit_test(refused)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
