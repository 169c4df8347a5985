#include "replay/compare.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "replay/compare_inside.h"
#include "replay/predictions.h"

const char *divergence_name(enum divergence d)
{
	static const char *const names[] = {
#define X(name, text, unit) text,
	        DIVERGENCE_TABLE(X)
#undef X
	};

	return names[d];
}

const char *divergence_unit(enum divergence d)
{
	static const char *const units[] = {
#define X(name, text, unit) unit,
	        DIVERGENCE_TABLE(X)
#undef X
	};

	return units[d];
}

const char *measure_name(enum measure m)
{
	static const char *const names[] = {
#define X(name, has) #name,
	        MEASURE_TABLE(X)
#undef X
	};

	return names[m];
}

double measure_of(const struct row *row, enum measure m)
{
	switch (m) {
#define X(name, has)                                                                                         \
	case MEASURE_##name:                                                                                 \
		return row->has ? row->name : NAN;
		MEASURE_TABLE(X)
#undef X
	default:
		return NAN;
	}
}

void compare_note(struct job *j, const char *format, ...)
{
	char *where = j->out->where;
	size_t room = sizeof j->out->where;
	va_list args;
	int n = 0;

	if (where[0])
		return;
	if (j->stream)
		n = snprintf(where, room, "message %zu: ", j->message);
	va_start(args, format);
	vsnprintf(where + n, room - (size_t)n, format, args);
	va_end(args);
}

int compare_rows_add(struct job *j, size_t count)
{
	struct comparison *c = j->out;
	size_t had = c->row_count;
	struct row *rows;

	if (count > COMPARE_ROWS_MAX - had && j->stream && count <= had) {
		j->rows = c->rows + had - count;
		return 0;
	}
	if (count > COMPARE_ROWS_MAX - had)
		return ERR_LIMIT;
	rows = realloc(c->rows, (had + count + 1) * sizeof(*rows));
	if (!rows)
		return ERR_NOMEM;
	memset(rows + had, 0, count * sizeof(*rows));
	c->rows = rows;
	c->row_count = (uint32_t)(had + count);
	j->rows = rows + had;
	return 0;
}

void compare_value_differs(struct job *j, struct row *row)
{
	row->diverged = true;
	if (row->value_off)
		return;
	row->value_off = true;
	j->out->counts[DIVERGENCE_VALUE]++;
}

/* A divergence of the pair is one of each of its rows, yet counts once in its class. */
static void finish(struct comparison *c)
{
	bool pair = c->counts[DIVERGENCE_STATUS] || c->counts[DIVERGENCE_STRUCTURE];

	c->diverged = pair;
	for (uint32_t i = 0; i < c->row_count; i++) {
		c->rows[i].diverged = c->rows[i].diverged || pair;
		c->rows_diverged += c->rows[i].diverged;
	}
	c->diverged = c->diverged || c->rows_diverged;
}

int compare_spans(struct job *j, struct span a, struct span b)
{
	size_t same = 0;
	int err = compare_rows_add(j, 1);

	if (err || span_eq(a, b))
		return err;
	while (same < a.len && same < b.len && a.data[same] == b.data[same])
		same++;
	compare_note(j, "bytes differ from offset %zu", same);
	compare_value_differs(j, j->rows);
	return 0;
}

static int compare_bytes(struct job *j)
{
	return compare_spans(j, j->live->body, j->candidate->body);
}

/* The same bytes are the same answer, whatever they mean. */
static int compare_json(struct job *j)
{
	struct jsondiff diff;
	int err;

	if (span_eq(j->live->body, j->candidate->body))
		return compare_rows_add(j, 1);
	err = jsondiff_by(j->live->body, j->candidate->body, &j->rules, j->work_bytes, &diff);

	if (!err)
		err = compare_rows_add(j, 1);
	if (err)
		return err;
	if (diff.where[0])
		compare_note(j, "%s", diff.where);
	j->out->paths = diff.paths;
	if (diff.missing || diff.extra || diff.type)
		j->out->counts[DIVERGENCE_STRUCTURE] = 1;
	if (diff.value)
		compare_value_differs(j, j->rows);
	if (diff.order) {
		j->rows->diverged = true;
		j->out->counts[DIVERGENCE_ORDER]++;
	}
	return 0;
}

static int compare_json_or_bytes(struct job *j)
{
	int err = compare_json(j);

	j->out->read_as = PROTOCOL_JSON;
	if (err != ERR_PROTO && err != ERR_LIMIT)
		return err;
	j->out->read_as = PROTOCOL_BYTES;
	return compare_bytes(j);
}

/* Of what is no answer of a language model, the body is the text. */
static int with_content(struct job *j, int err)
{
	if (!err && j->out->row_count && j->live->status < 400 &&
	    (j->out->read_as == PROTOCOL_JSON || j->out->read_as == PROTOCOL_BYTES))
		compare_content(j, 0, j->live->body, j->candidate->body);
	return err;
}

typedef int read_tensors(const struct answer *, size_t work_bytes, struct oip_answer *out);

static int read_openinference(const struct answer *a, size_t work_bytes, struct oip_answer *out)
{
	return oip_read_binary(a->body, a->binary_from ? a->binary_from : a->body.len, work_bytes, out);
}

static int read_predictions(const struct answer *a, size_t work_bytes, struct oip_answer *out)
{
	return predictions_read(a->body, work_bytes, out);
}

static int compare_tensors(struct job *j, read_tensors *read)
{
	struct oip_answer live, candidate;
	bool same = span_eq(j->live->body, j->candidate->body) &&
	            j->live->binary_from == j->candidate->binary_from;
	int err = read(j->live, j->work_bytes / 2, &live);

	candidate.count = 0;
	if (!err && !same)
		err = read(j->candidate, j->work_bytes / 2, &candidate);
	if (!err)
		err = compare_rows_add(j, compare_oip_rows(j, &live));
	if (!err)
		err = compare_oip_outputs(j, &live, same ? &live : &candidate);
	oip_fini(&live);
	oip_fini(&candidate);
	return err;
}

static int compare_openinference(struct job *j)
{
	return compare_tensors(j, read_openinference);
}

/* What is no tensor, as of TensorFlow Serving's :classify and of models that answer objects, is JSON. */
static int compare_predictions(struct job *j)
{
	int err = compare_tensors(j, read_predictions);

	return err == ERR_PROTO ? compare_json(j) : err;
}

/* What the rows of an answer can be told by, when nothing of it is compared; NULL: nothing. */
static read_tensors *tensors_of(uint32_t protocol, struct span target)
{
	if (protocol == PROTOCOL_TFSERVING || protocol == PROTOCOL_KSERVE_V1 ||
	    (protocol == PROTOCOL_AUTO && predictions_asked(target)))
		return read_predictions;
	return protocol == PROTOCOL_AUTO || protocol == PROTOCOL_OPENINFERENCE ? read_openinference : NULL;
}

/* Statuses differ: nothing is compared; the rows are live's when it can be read, else one. */
static int compare_status(struct job *j, read_tensors *read)
{
	struct oip_answer live;
	size_t rows = 1;
	int err;

	live.count = 0;
	err = read ? read(j->live, j->work_bytes / 2, &live) : ERR_PROTO;

	compare_note(j, "status %u -> %u", j->live->status, j->candidate->status);
	j->out->counts[DIVERGENCE_STATUS] = 1;
	if (!err)
		rows = compare_oip_rows(j, &live);
	oip_fini(&live);
	return compare_rows_add(j, rows < COMPARE_ROWS_MAX ? rows : COMPARE_ROWS_MAX);
}

/* PROTOCOL_AUTO: what the request's path and the bodies tell. */
static int compare_chosen(struct job *j)
{
	enum llm_api api;
	int err;

	if (predictions_asked(j->live->target)) {
		j->out->read_as = PROTOCOL_TFSERVING;
		err = compare_predictions(j);
		return err == ERR_PROTO || err == ERR_LIMIT ? compare_json_or_bytes(j) : err;
	}
	if (oip_looks_like(j->live->body) && oip_looks_like(j->candidate->body)) {
		j->out->read_as = PROTOCOL_OPENINFERENCE;
		return compare_openinference(j);
	}
	api = llm_api_of(j->live->target, j->live->body);
	if (api == LLM_APIS)
		return compare_json_or_bytes(j);
	j->out->read_as = compare_llm_protocol(api);
	err = compare_llm(j, api);
	return err == ERR_PROTO || err == ERR_LIMIT ? compare_json_or_bytes(j) : err;
}

static int compare_bodies(struct job *j, uint32_t protocol)
{
	if (j->live->status >= 400)
		return compare_json_or_bytes(j);
	j->out->read_as = protocol;
	switch (protocol) {
	case PROTOCOL_OPENINFERENCE:
		return compare_openinference(j);
	case PROTOCOL_JSON:
		return compare_json(j);
	case PROTOCOL_BYTES:
		return compare_bytes(j);
	case PROTOCOL_AUTO:
		return compare_chosen(j);
	case PROTOCOL_TFSERVING:
	case PROTOCOL_KSERVE_V1:
		return compare_predictions(j);
	default:
		return compare_llm(j, compare_llm_api(protocol));
	}
}

/* Times, and ids of the call: no two answers share them. */
const char *const *compare_default_ignores(size_t *count_out)
{
	static const char *const paths[] = {"$..request_id", "$..requestId",  "$..trace_id",
	                                    "$..traceId",    "$..span_id",    "$..timestamp",
	                                    "$.created",     "$..created_at", "$..latency_ms",
	                                    "$..elapsed_ms", "$..duration_ms"};

	*count_out = sizeof paths / sizeof *paths;
	return paths;
}

static void set_rules(struct job *j)
{
	const struct plan_route *route = j->route;
	struct jsondiff_rules *rules = &j->rules;
	size_t count;
	const char *const *defaults = compare_default_ignores(&count);

	*rules = (struct jsondiff_rules){.tolerance = j->tolerance,
	                                 .ignore.paths = j->paths,
	                                 .tolerances = j->tolerances,
	                                 .arrays = j->arrays};
	for (uint32_t i = 0; i < route->ignore_count && i < IGNORES_MAX; i++)
		j->paths[rules->ignore.count++] = route->ignore[i];
	j->declared = rules->ignore;
	for (size_t i = 0; !route->ignore_named_only && i < count; i++)
		j->paths[rules->ignore.count++] = defaults[i];
	for (uint32_t i = 0; i < route->path_tolerance_count && i < PATH_RULES_MAX; i++) {
		const struct plan_path_tolerance *t = &route->path_tolerances[i];

		j->tolerances[rules->tolerance_count++] = (struct path_tolerance){t->path, {t->abs, t->rel}};
	}
	for (uint32_t i = 0; i < route->array_count && i < PATH_RULES_MAX; i++)
		j->arrays[rules->array_count++] =
		        (struct path_array){route->arrays[i].path, span_of(route->arrays[i].key)};
}

int compare_pair(const struct plan_route *route, const struct answer *live, const struct answer *candidate,
                 size_t work_bytes, struct comparison *out)
{
	struct job j = {.route = route,
	                .live = live,
	                .candidate = candidate,
	                .out = out,
	                .work_bytes = work_bytes,
	                .tolerance = {route->tolerance_abs, route->tolerance_rel}};
	int err;

	*out = (struct comparison){0};
	set_rules(&j);
	pace_of_chunks(&live->pace, &out->live_pace);
	pace_of_chunks(&candidate->pace, &out->candidate_pace);
	if (live->grpc)
		err = compare_grpc(&j, route->protocol);
	else if (live->status != candidate->status)
		err = compare_status(&j, tensors_of(route->protocol, live->target));
	else
		err = with_content(&j, compare_bodies(&j, route->protocol));
	if (err)
		comparison_fini(out);
	else
		finish(out);
	return err;
}

void comparison_fini(struct comparison *c)
{
	free(c->rows);
	free(c->scores);
	*c = (struct comparison){0};
}
