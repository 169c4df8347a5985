/* Each line that is a token is found, and none of them is found once it is one byte longer. */
#include <stdint.h>
#include <stdlib.h>

#include "capture/withdrawn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span left = {(const char *)data, len};
	struct withdrawn *w;
	unsigned line;
	int err = withdrawn_new(left, &w, &line);

	if (err && (w || withdrawn_has(w, SPAN("a"))))
		abort();
	while (w && left.len) {
		const char *lf = memchr(left.data, '\n', left.len);
		struct span one = {left.data, lf ? (size_t)(lf - left.data) : left.len};

		left = (struct span){left.data + one.len + (lf != NULL), left.len - one.len - (lf != NULL)};
		if (one.len && one.data[one.len - 1] == '\r')
			one.len--;
		if (one.len && one.data[0] != '#' && !withdrawn_has(w, one))
			abort();
		if (one.len && one.data[0] != '#' && withdrawn_has(w, (struct span){one.data, 0}))
			abort();
	}
	withdrawn_free(&w);
	return 0;
}
