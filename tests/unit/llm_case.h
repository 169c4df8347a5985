/*
 * llm_case.h - one answer of a language model, built as a stream in any chunking and held against what it
 * must be read as. For a test that includes it once.
 */
#ifndef TESTS_UNIT_LLM_CASE_H
#define TESTS_UNIT_LLM_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "replay/llm.h"

static const char TEXT[] = "a \"b\"\n{c}", ARGUMENTS[] = "{\"n\": [1]}";
static const char *const ENDS[] = {"\n", "\r\n", "\r"};

static struct llm_answer got;
static struct buf body;
static const char *end_of_line;

static int begin(void **state)
{
	(void)state;
	buf_init(&body, 1 << 20);
	end_of_line = "\n";
	return 0;
}

static int done(void **state)
{
	(void)state;
	llm_fini(&got);
	buf_fini(&body);
	return 0;
}

static int decode_span(enum llm_api api, struct span s)
{
	llm_fini(&got);
	return llm_read(api, s, 1 << 20, &got);
}

static int decode(enum llm_api api, const char *text)
{
	return decode_span(api, span_of(text));
}

static void same(const struct buf *b, const char *want)
{
	struct span s = buf_span(b);

	assert_int_equal(s.len, strlen(want));
	assert_memory_equal(s.data, want, s.len);
}

/* One choice with one call. */
static void holds(const char *text, const char *finish, const char *name, const char *arguments)
{
	assert_false(got.failed);
	assert_int_equal(got.choice_count, 1);
	same(&got.choices[0].text, text);
	same(&got.choices[0].finish, finish);
	assert_int_equal(got.tool_count, name ? 1 : 0);
	if (name) {
		same(&got.tools[0].name, name);
		same(&got.tools[0].arguments, arguments);
	}
}

static inline void event(const char *name, const char *format, ...)
{
	char data[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(data, sizeof data, format, args);
	va_end(args);
	if (name)
		buf_printf(&body, "event: %s%s", name, end_of_line);
	buf_printf(&body, "data: %s%s%s", data, end_of_line, end_of_line);
}

/* `text` in pieces, cut behind each byte whose bit is set, each as `put` sends it. */
static inline void in_pieces(const char *text, unsigned cuts, void (*put)(const char *json))
{
	struct buf piece;
	size_t from = 0;

	buf_init(&piece, 1024);
	for (size_t at = 0; text[at]; at++) {
		if (!(cuts >> at & 1) && text[at + 1])
			continue;
		buf_reset(&piece);
		buf_json_string(&piece, (struct span){text + from, at + 1 - from});
		buf_put(&piece, "", 1);
		put(buf_span(&piece).data);
		from = at + 1;
	}
	buf_fini(&piece);
}

static inline void every_chunking(enum llm_api api, void (*stream)(unsigned cuts), const char *finish)
{
	for (unsigned cuts = 0; cuts < 1u << (sizeof TEXT - 2); cuts++) {
		end_of_line = ENDS[cuts % 3];
		buf_reset(&body);
		stream(cuts);
		assert_int_equal(decode_span(api, buf_span(&body)), 0);
		holds(TEXT, finish, "f", ARGUMENTS);
		assert_int_equal(got.tokens_in, 7);
		assert_int_equal(got.tokens_out, 9);
	}
	for (size_t n = 0; n < buf_len(&body); n++) /* cut anywhere: less, never other than what was sent */
		if (!decode_span(api, (struct span){buf_span(&body).data, n}) && got.choice_count)
			assert_int_equal(strncmp(TEXT, buf_span(&got.choices[0].text).data,
			                         buf_len(&got.choices[0].text)),
			                 0);
}

#endif
