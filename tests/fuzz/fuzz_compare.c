/*
 * fuzz_compare.c - two hostile bodies: a body never diverges from itself, what is missing one way is
 * extra the other way, and every figure stays within its bounds.
 * Input: protocol (and whether it is gRPC, of which call), tolerance and ignore choice, length of the first
 * body (2 bytes), the bodies.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "replay/compare.h"
#include "replay/jsondiff_inside.h"
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

static void check_answers(const struct plan_route *route, struct answer live, struct answer candidate)
{
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

/* Behind the last brace: where binary tensor data may lie. */
static size_t json_bytes(struct span body)
{
	size_t n = body.len;

	while (n && body.data[n - 1] != '}')
		n--;
	return n;
}

static void check_pair(const struct plan_route *route, struct span a, struct span b, unsigned status)
{
	struct answer live = {.status = status, .body = a}, candidate = {.status = status, .body = b};

	check_answers(route, live, candidate);
	live.binary_from = json_bytes(a);
	candidate.binary_from = json_bytes(b);
	check_answers(route, live, candidate);
}

static void check_grpc(const struct plan_route *route, struct span a, struct span b, bool stream)
{
	struct answer live = {.grpc = true,
	                      .content_type = SPAN("application/grpc"),
	                      .body = a,
	                      .encoding = SPAN("gzip"),
	                      .target = stream ? SPAN("/GRPCInferenceService/ModelStreamInfer")
	                                       : SPAN("/GRPCInferenceService/ModelInfer")};
	struct answer candidate = live;

	candidate.body = b;
	check_answers(route, live, candidate);
}

static void check_symmetry(struct span a, struct span b, struct ignore_paths ignore)
{
	struct tolerance exact = {0, 0};
	struct jsondiff there, back;
	int err = jsondiff(a, b, exact, ignore, SIZE_MAX, &there);

	if (!err != !jsondiff(b, a, exact, ignore, SIZE_MAX, &back))
		abort();
	if (!err && (there.missing != back.extra || there.extra != back.missing || there.type != back.type ||
	             there.value != back.value || there.order != back.order))
		abort();
	check_printable(there.where, sizeof there.where);
}

/* In step and by trees: the same outcome. */
static void check_ways(struct span a, struct span b, struct tolerance tolerance, struct ignore_paths ignore)
{
	struct jsondiff one, two = {0};
	struct jsondiff_rules rules = {.tolerance = tolerance, .ignore = ignore};
	struct jsondiff_walk walk = {.rules = &rules, .out = &two};
	int err = jsondiff(a, b, tolerance, ignore, SIZE_MAX, &one);

	if (err != jsondiff_tree(&walk, a, b, SIZE_MAX))
		abort();
	if (!err && (one.missing != two.missing || one.extra != two.extra || one.type != two.type ||
	             one.value != two.value || one.order != two.order || strcmp(one.where, two.where) != 0))
		abort();
}

/* A body and itself with one byte, and every digit of a kind, changed. */
static void check_near(struct span a, struct span seed, struct tolerance tolerance,
                       struct ignore_paths ignore)
{
	char *near;

	if (a.len == 0 || seed.len < 2 || !(near = malloc(a.len)))
		return;
	memcpy(near, a.data, a.len);
	for (size_t i = 0; i < a.len; i++)
		near[i] = near[i] == '1' && seed.data[1] & 1 ? '2' : near[i];
	check_ways(a, (struct span){near, a.len}, tolerance, ignore);
	near[(unsigned char)seed.data[1] * a.len / 256] = seed.data[0];
	check_ways(a, (struct span){near, a.len}, tolerance, ignore);
	free(near);
}

/* With arrays as sets and by key: the same of itself and of its reverse; whatever differs, differs both ways.
 */
static void check_arrays(struct span a, struct span b)
{
	static const struct path_array arrays[] = {{"$..s", {"", 0}}, {"$..k", {"id", 2}}, {"$", {"", 0}}};
	static const struct path_tolerance within[] = {{"$..t", {0.5, 0}}};
	struct jsondiff_rules rules = {
	        .arrays = arrays, .array_count = 3, .tolerances = within, .tolerance_count = 1};
	struct jsondiff there, back;

	if (!jsondiff_by(a, a, &rules, SIZE_MAX, &there) &&
	    (there.missing || there.extra || there.type || there.value || there.order))
		abort();
	if (jsondiff_by(a, b, &rules, SIZE_MAX, &there))
		return;
	if (jsondiff_by(b, a, &rules, SIZE_MAX, &back) || there.missing != back.extra ||
	    there.extra != back.missing || there.order != back.order)
		abort();
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
	if (data[-4] & 4) {
		check_grpc(&route, a, b, data[-4] & 8);
		return 0;
	}
	check_pair(&route, a, b, 200);
	check_pair(&route, a, b, 500);
	check_arrays(a, b);
	check_symmetry(a, b, (struct ignore_paths){&path, 1});
	check_ways(a, b, (struct tolerance){0, route.tolerance_rel}, (struct ignore_paths){&path, 1});
	check_near(a, b, (struct tolerance){0, route.tolerance_rel}, (struct ignore_paths){&path, 1});
	return 0;
}
