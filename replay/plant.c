#include "replay/plant.h"

#include <math.h>
#include <stdio.h>

#include "proto/json.h"

static uint64_t mixed(uint64_t x) /* splitmix64's finaliser */
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

bool plant_chosen(uint64_t seed, uint64_t id)
{
	return mixed(seed + mixed(id)) % PLANT_ONE_IN == 0;
}

/* What of a document can be changed: numbers by value, and the last text. */
struct finds {
	struct span least, text; /* the last number of the least value; empty: there is none */
	double low, high;
	bool whole; /* every number is written as an integer */
};

struct place { /* where a reader is */
	struct path_step steps[JSON_DEPTH_MAX + 1];
	size_t depth;
};

static bool is_whole(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] != '-' && (text.data[i] < '0' || text.data[i] > '9'))
			return false;
	return true;
}

static void find_number(struct finds *f, struct span text)
{
	double value;

	if (json_double(text, &value) || !isfinite(value))
		return;
	if (!f->least.len || value <= f->low) {
		f->least = text;
		f->low = value;
	}
	f->high = fmax(f->high, value);
	f->whole &= is_whole(text);
}

/* Keep where the token is: a key names its member, an element counts. */
static void step(struct place *p, const struct json_reader *r, enum json_token token)
{
	size_t open = (size_t)r->scanner.depth;
	size_t at =
	        token == JSON_OBJECT || token == JSON_ARRAY ? open - 1 : open; /* what the value lies in */

	p->depth = at;
	if (token == JSON_KEY) {
		p->steps[open - 1].key = (struct span){r->text.data + 1, r->text.len - 2};
	} else if (token != JSON_OBJECT_END && token != JSON_ARRAY_END && at > 0 &&
	           !p->steps[at - 1].key.data) {
		p->steps[at - 1].index++;
	}
	if (token == JSON_OBJECT || token == JSON_ARRAY)
		p->steps[open - 1] = (struct path_step){
		        token == JSON_OBJECT ? SPAN("") : (struct span){NULL, 0}, SIZE_MAX};
}

/* Where the comparison looks: of tensors at what is data, of predictions at them, of JSON everywhere. */
static bool is_data(uint32_t read_as, const struct place *p)
{
	struct span first = p->depth ? p->steps[0].key : (struct span){NULL, 0};

	if (read_as == PROTOCOL_OPENINFERENCE)
		return p->depth >= 3 && span_eq(first, SPAN("outputs")) &&
		       span_eq(p->steps[2].key, SPAN("data"));
	if (read_as == PROTOCOL_TFSERVING || read_as == PROTOCOL_KSERVE_V1)
		return span_eq(first, SPAN("predictions")) || span_eq(first, SPAN("outputs"));
	return true;
}

static bool is_ignored(struct ignore_paths ignore, const struct place *p)
{
	for (size_t n = 1; n <= p->depth; n++)
		if (jsondiff_ignored(ignore, p->steps, n))
			return true;
	return false;
}

/* False: it is no JSON. */
static bool find(struct span body, uint32_t read_as, struct ignore_paths ignore, struct finds *f)
{
	struct place place = {.depth = 0};
	struct json_reader reader;
	enum json_token token = JSON_MORE;

	*f = (struct finds){.low = INFINITY, .high = -INFINITY, .whole = true};
	json_reader_init(&reader, body, JSON_NONFINITE);
	while (token != JSON_END) {
		if (json_next(&reader, &token))
			return false;
		step(&place, &reader, token);
		if (token != JSON_NUMBER && token != JSON_STRING)
			continue;
		if (!is_data(read_as, &place) || is_ignored(ignore, &place))
			continue;
		if (token == JSON_NUMBER)
			find_number(f, reader.text);
		else
			f->text = reader.text;
	}
	return true;
}

static struct ignore_paths ignored(const struct plan_route *route, const char *paths[IGNORES_MAX])
{
	uint32_t n = route->ignore_count < IGNORES_MAX ? route->ignore_count : IGNORES_MAX;

	for (uint32_t i = 0; i < n; i++)
		paths[i] = route->ignore[i];
	return (struct ignore_paths){paths, n};
}

static void splice(struct span body, struct span from, const char *with, struct buf *out)
{
	size_t at = (size_t)(from.data - body.data);

	buf_span_put(out, (struct span){body.data, at});
	buf_puts(out, with);
	buf_span_put(out, (struct span){from.data + from.len, body.len - at - from.len});
}

static bool plant_value(const struct plan_route *route, uint32_t read_as, struct answer *a, struct buf *body)
{
	const char *paths[IGNORES_MAX];
	struct finds f;
	char text[64];
	double to = 0;

	if (!find(a->body, read_as, ignored(route, paths), &f))
		return false;
	if (f.least.len) {
		to = f.high + 1 + 2 * (route->tolerance_abs + route->tolerance_rel * fabs(f.low));
		if (!(to > f.high)) /* beyond what doubles tell apart */
			return false;
		snprintf(text, sizeof text, f.whole ? "%.0f" : "%.17g", f.whole ? ceil(to) : to);
		splice(a->body, f.least, text, body);
	} else if (f.text.len) {
		splice(a->body, (struct span){f.text.data, 1}, "\"planted ", body);
	} else {
		return false;
	}
	if (body->err || !isfinite(to))
		return false;
	a->body = buf_span(body);
	return true;
}

/* A box is another by its place or class, hardly by one number. */
static bool has_boxes(const struct plan_route *route)
{
	for (uint32_t i = 0; i < route->output_count; i++)
		if (route->outputs[i].kind == OUTPUT_DETECTION)
			return true;
	return false;
}

static bool in_body(const struct plan_route *route, uint32_t read_as, const struct answer *a)
{
	return !has_boxes(route) && !a->grpc && !a->binary_from && a->status < 400 &&
	       (read_as == PROTOCOL_OPENINFERENCE || read_as == PROTOCOL_JSON ||
	        read_as == PROTOCOL_TFSERVING || read_as == PROTOCOL_KSERVE_V1);
}

void plant(const struct plan_route *route, uint32_t read_as, uint64_t seed, struct answer *a,
           struct buf *body)
{
	enum { INTERNAL = 13 /* of grpc-status */ };

	if (mixed(seed) & 1 && in_body(route, read_as, a) && plant_value(route, read_as, a, body))
		return;
	if (a->grpc)
		a->status = a->status == INTERNAL ? INTERNAL + 1 : INTERNAL;
	else
		a->status = a->status == 500 ? 503 : 500;
}
