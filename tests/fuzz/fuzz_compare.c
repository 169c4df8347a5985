/*
 * fuzz_compare.c - two hostile bodies: a body never diverges from itself, what is missing one way is
 * extra the other way, and every figure stays within its bounds.
 * Input: protocol, tolerance and ignore choice, length of the first body (2 bytes), the bodies.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "replay/compare.h"
#include "replay/jsondiff.h"
#include "replay/oip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_printable(const char *where, size_t size)
{
	size_t n = strnlen(where, size);

	if (n == size)
		abort();
	for (size_t i = 0; i < n; i++)
		if (where[i] < ' ' || where[i] > '~')
			abort();
}

static void check_rows(const struct comparison *c)
{
	uint32_t diverged = 0;

	if (c->row_count > COMPARE_ROWS_MAX)
		abort();
	for (uint32_t i = 0; i < c->row_count; i++) {
		const struct row *r = &c->rows[i];

		diverged += r->diverged;
		if (r->has_measures && !(r->js_bits >= 0 && r->js_bits <= 1 && r->tv >= 0 && r->tv <= 1))
			abort();
		if (r->flipped && (!r->diverged || r->live_label == r->candidate_label))
			abort();
	}
	if (diverged != c->rows_diverged || (diverged && !c->diverged))
		abort();
	check_printable(c->where, sizeof c->where);
	if (c->diverged != (c->where[0] != '\0'))
		abort();
}

static void check_pair(const struct plan_route *route, struct span a, struct span b, unsigned status)
{
	struct answer live = {status, SPAN(""), a}, candidate = {status, SPAN(""), b};
	struct comparison c;
	int err = compare_pair(route, &live, &candidate, SIZE_MAX, &c);

	if (!err)
		check_rows(&c);
	comparison_fini(&c);
	candidate = live;
	err = compare_pair(route, &live, &candidate, SIZE_MAX, &c);
	if (!err && (c.diverged || c.rows_diverged))
		abort();
	comparison_fini(&c);
	candidate.status++;
	err = compare_pair(route, &live, &candidate, SIZE_MAX, &c);
	if (err || !c.diverged || c.rows_diverged != c.row_count)
		abort();
	comparison_fini(&c);
}

static void check_symmetry(struct span a, struct span b, struct ignore_paths ignore)
{
	struct tolerance exact = {0, 0};
	struct jsondiff there, back;
	int err = jsondiff(a, b, exact, ignore, SIZE_MAX, &there);

	if (!err != !jsondiff(b, a, exact, ignore, SIZE_MAX, &back))
		abort();
	if (!err && (there.missing != back.extra || there.extra != back.missing || there.type != back.type ||
	             there.value != back.value))
		abort();
	check_printable(there.where, sizeof there.where);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const paths[] = {"$.id", "$..x", "$.outputs[0]", "$..a..a..a..a..a..a..a..b",
	                                    "$.a[*].b"};
	struct plan_route route = {.ignore_count = 1};
	const char *path;
	size_t split;

	if (size < 4 || size > 1 << 14)
		return 0;
	route.protocol = data[0] % 4;
	route.tolerance_rel = data[1] & 1 ? 0.25 : 0;
	path = paths[(data[1] >> 1) % (sizeof paths / sizeof *paths)];
	snprintf(route.ignore[0], sizeof route.ignore[0], "%s", path);
	split = (size_t)(data[2] | data[3] << 8);
	data += 4;
	size -= 4;
	split = split > size ? size : split;
	struct span a = {(const char *)data, split}, b = {(const char *)data + split, size - split};
	check_pair(&route, a, b, 200);
	check_pair(&route, a, b, 500);
	check_symmetry(a, b, (struct ignore_paths){&path, 1});
	return 0;
}
