/* When a streamed answer came: gaps of chunks and of pieces apart, whatever way pieces lie over chunks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "replay/compare.h"

enum { MS = 1000000 };

static void chunks(void **state)
{
	struct leg_mark marks[101];
	struct pace_source s = {.marks = marks};
	struct pace p;

	(void)state;
	pace_of_chunks(&s, &p);
	for (int i = 0; i < PACE_FIGURES; i++)
		assert_int_equal(p.figures[i], PACE_NONE);
	s.mark_count = 1;
	pace_of_chunks(&s, &p);
	assert_int_equal(p.figures[PACE_chunk_gap], PACE_NONE);
	/* gaps of 1 to 100 us, in no order: the 95th */
	s.mark_count = 101;
	marks[0].time_ns = 5;
	for (unsigned i = 1; i <= 100; i++)
		marks[i].time_ns = marks[i - 1].time_ns + 1000u * (i * 37 % 101);
	pace_of_chunks(&s, &p);
	assert_int_equal(p.figures[PACE_chunk_gap], 95);
	assert_int_equal(p.figures[PACE_ttft], PACE_NONE);
}

/* Ten pieces of ten bytes, one each 10 ms, over chunks that hold several, or a part. */
static void pieces(void **state)
{
	struct leg_mark marks[10];
	size_t ends[10];
	struct pace_source s = {.asked_ns = 100 * MS, .marks = marks};
	struct pace p;

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		ends[i] = 10 * (i + 1);
		marks[i] = (struct leg_mark){(uint64_t)(150 + 10 * i) * MS, ends[i]};
	}
	s.mark_count = 10;
	pace_of_pieces(&s, ends, 10, 0, &p);
	assert_int_equal(p.figures[PACE_ttft], 50000);
	assert_int_equal(p.figures[PACE_token_gap], 10000);
	assert_int_equal(p.figures[PACE_chunk_gap], 10000);
	assert_int_equal(p.figures[PACE_tokens_per_second], 100);
	pace_of_pieces(&s, ends, 10, 37, &p); /* the answer says how many */
	assert_int_equal(p.figures[PACE_tokens_per_second], 400);
	/* the first chunk ends in the second piece, the second chunk in the last but one */
	marks[0].end = 15;
	marks[1].end = 95;
	marks[2].end = 100;
	s.mark_count = 3;
	pace_of_pieces(&s, ends, 10, 0, &p);
	assert_int_equal(p.figures[PACE_ttft], 50000);
	assert_int_equal(p.figures[PACE_token_gap], 10000);
	marks[0].end = 9; /* none is whole yet */
	pace_of_pieces(&s, ends, 10, 0, &p);
	assert_int_equal(p.figures[PACE_ttft], 60000);
	s.mark_count = 1; /* at once: no stream */
	pace_of_pieces(&s, ends, 10, 0, &p);
	assert_int_equal(p.figures[PACE_ttft], PACE_NONE);
}

/* A stream's comments and marks bring nothing: the first token is the first event with text, wherever chunks
 * end. */
static void first_token(void **state)
{
	static const char text[] =
	        ": hello\n\ndata: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n"
	        "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"
	        "data: {\"choices\":[{\"delta\":{\"content\":\"b\"},\"finish_reason\":\"stop\"}]}\n\n"
	        "data: [DONE]\n\n";
	const size_t size = sizeof text - 1;
	const char *first = strstr(text, "\"a\"");
	size_t whole = (size_t)(strstr(first, "\n\n") + 2 - text);
	struct plan_route route = {.protocol = PROTOCOL_OPENAI};

	(void)state;
	for (size_t cut = 1; cut < size; cut++) {
		struct leg_mark marks[2] = {{20 * MS, cut}, {50 * MS, size}};
		struct answer live = {.status = 200,
		                      .body = {text, size},
		                      .target = SPAN("/v1/chat/completions"),
		                      .pace = {10 * MS, marks, 2}};
		struct answer whole_answer = live;
		struct comparison c;

		whole_answer.pace.mark_count = 1;
		assert_int_equal(compare_pair(&route, &live, &whole_answer, SIZE_MAX, &c), 0);
		assert_int_equal(c.live_pace.figures[PACE_ttft], cut >= whole ? 10000 : 40000);
		assert_int_equal(c.live_pace.figures[PACE_chunk_gap], 30000);
		assert_int_equal(c.candidate_pace.figures[PACE_ttft], PACE_NONE);
		comparison_fini(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(chunks),
	        cmocka_unit_test(pieces),
	        cmocka_unit_test(first_token),
	};

	return cmocka_run_group_tests_name("replay_pace", tests, NULL, NULL);
}
