/* A filter that compiles can be asked of any exchange; one that does not points into itself. */
#include <stdint.h>
#include <stdlib.h>

#include "capture/fold.h"
#include "capture/where.h"

static void explain(const char *expression, const struct where_error *error)
{
	struct buf b;

	if (error->at > strlen(expression) || !error->text[0])
		abort();
	buf_init(&b, 4096);
	where_explain(expression, error, &b);
	for (size_t i = 0; i < buf_len(&b); i++)
		if ((b.base[i] < 0x20 && b.base[i] != '\n') || b.base[i] == 0x7f)
			abort();
	buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct leg request = {.begun = true, .ended = true, .start_ns = 1, .end_ns = 2};
	struct exchange none = {.id = 1}, some = {.id = 2, .legs = {&request}};
	const struct where_facts facts = {.route = SPAN("chat"), .wall_ns = 1};
	char *expression = malloc(len + 1);
	struct where_error error;
	struct where w;

	if (!expression)
		return 0;
	memcpy(expression, data, len);
	expression[len] = '\0';
	buf_init(&request.head, 4096);
	buf_puts(&request.head, "POST /v1/chat?a=b");
	if (where_compile(expression, where_fields, &w, &error)) {
		explain(expression, &error);
	} else {
		where_holds(&w, &none, &facts);
		where_holds(&w, &some, &facts);
	}
	buf_fini(&request.head);
	free(expression);
	return 0;
}
