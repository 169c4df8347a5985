#include "replay/compare.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "replay/compare_inside.h"
#include "replay/predictions.h"

static const double LIVE_SUM_ERROR = 1e-6;
/* A candidate row further from 1 is no distribution: a VALUE divergence without measures. Wide enough for
 * FP16. */
static const double CANDIDATE_SUM_ERROR = 1e-2;

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
	err = jsondiff(j->live->body, j->candidate->body, j->tolerance, j->ignore, j->work_bytes, &diff);

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

static bool rows_sum_to_one(const double *values, size_t count, size_t width)
{
	for (size_t from = 0; from < count; from += width) {
		double sum = 0;

		for (size_t i = from; i < from + width; i++) {
			if (!(values[i] >= 0))
				return false;
			sum += values[i];
		}
		if (!(fabs(sum - 1) <= LIVE_SUM_ERROR))
			return false;
	}
	return true;
}

/* Rank 1 is one row only when no other output tells of a batch. */
static bool batch_of_one(const struct oip_answer *a)
{
	for (unsigned i = 0; i < a->count; i++)
		if (a->tensors[i].rank >= 2 && a->tensors[i].shape[0] != 1)
			return false;
	return true;
}

/* Classes of a classification, else 0. */
static size_t class_count(const struct oip_answer *live, const struct oip_tensor *t)
{
	size_t width = t->rank ? t->shape[t->rank - 1] : 0;

	if (!t->values || t->count == 0 || width < 2 || (t->rank == 1 && !batch_of_one(live)))
		return 0;
	return rows_sum_to_one(t->values, t->count, width) ? width : 0;
}

static size_t tensor_rows(const struct oip_tensor *t, size_t classes)
{
	if (classes)
		return t->count / classes;
	return t->rank ? t->shape[0] : 1;
}

/* "$.outputs[i]" or its data is named by an ignore path. */
static bool tensor_ignored(const struct job *j, size_t index)
{
	const struct path_step steps[] = {{SPAN("outputs"), 0}, {{NULL, 0}, index}, {SPAN("data"), 0}};

	return jsondiff_ignored(j->ignore, steps, 1) || jsondiff_ignored(j->ignore, steps, 2) ||
	       jsondiff_ignored(j->ignore, steps, 3);
}

size_t compare_oip_rows(const struct job *j, const struct oip_answer *live)
{
	size_t most = 0;

	for (unsigned i = 0; i < live->count; i++) {
		const struct oip_tensor *t = &live->tensors[i];
		size_t rows = tensor_ignored(j, i) ? 0 : tensor_rows(t, class_count(live, t));

		most = rows > most ? rows : most;
	}
	return most;
}

/* The first maximum; as in numpy a NaN is one. */
static uint32_t first_maximum(const double *values, size_t count)
{
	size_t best = 0;

	for (size_t i = 1; i < count && !isnan(values[best]); i++)
		if (isnan(values[i]) || values[i] > values[best])
			best = i;
	return (uint32_t)best;
}

static bool is_distribution(const double *q, size_t count)
{
	double sum = 0;

	for (size_t i = 0; i < count; i++) {
		if (!(q[i] >= 0))
			return false;
		sum += q[i];
	}
	return fabs(sum - 1) <= CANDIDATE_SUM_ERROR;
}

/* Total variation 1/2 sum |p - q| and Jensen-Shannon in bits (Lin 1991), summed in index order, held in
 * [0,1]. */
static void measure(struct row *row, const double *p, const double *q, size_t count)
{
	double tv = 0, from_p = 0, from_q = 0;

	for (size_t i = 0; i < count; i++) {
		double middle = 0.5 * (p[i] + q[i]);

		tv += fabs(p[i] - q[i]);
		if (p[i] > 0)
			from_p += p[i] * log2(p[i] / middle);
		if (q[i] > 0)
			from_q += q[i] * log2(q[i] / middle);
	}
	row->tv = fmin(1, 0.5 * tv);
	row->js_bits = fmin(1, fmax(0, 0.5 * from_p + 0.5 * from_q));
	row->has_measures = true;
}

/* Of several classifications the first gives the measures, and the first that flips the labels. */
static void compare_classes(struct job *j, unsigned tensor, size_t at, const double *p, const double *q,
                            size_t count)
{
	struct row *row = &j->rows[at];
	uint32_t live = first_maximum(p, count), candidate = first_maximum(q, count);

	if (!row->flipped && (!row->has_measures || live != candidate)) {
		row->live_label = live;
		row->candidate_label = candidate;
	}
	if (live != candidate) {
		compare_note(j, "outputs[%u] row %zu: %u -> %u", tensor, at, live, candidate);
		j->out->counts[DIVERGENCE_LABEL_FLIP] += !row->flipped;
		row->flipped = row->diverged = true;
	}
	if (!is_distribution(q, count)) {
		compare_note(j, "outputs[%u] row %zu: no distribution", tensor, at);
		compare_value_differs(j, row);
	} else if (!row->has_measures) {
		measure(row, p, q, count);
	}
}

static int compare_values(struct job *j, const struct oip_answer *live, unsigned tensor, size_t at,
                          const struct oip_tensor *b, size_t width)
{
	const struct oip_tensor *a = &live->tensors[tensor];

	for (size_t i = at * width; i < (at + 1) * width; i++) {
		int equal = a->values ? tolerance_equal(j->tolerance, a->values[i], b->values[i])
		                      : oip_text_eq(live, a->texts[i], b->texts[i]);

		if (equal < 0)
			return equal;
		if (equal)
			continue;
		if (a->values)
			compare_note(j, "outputs[%u] row %zu: element %zu: %.9g -> %.9g", tensor, at,
			             i - at * width, a->values[i], b->values[i]);
		else
			compare_note(j, "outputs[%u] row %zu: element %zu differs", tensor, at,
			             i - at * width);
		compare_value_differs(j, &j->rows[at]);
		return 0;
	}
	return 0;
}

static void structure_differs(struct job *j, unsigned tensor, const char *what)
{
	compare_note(j, "outputs[%u]: %s", tensor, what);
	j->out->counts[DIVERGENCE_STRUCTURE] = 1;
}

static bool same_shape(const struct oip_tensor *a, const struct oip_tensor *b)
{
	return a->rank == b->rank && memcmp(a->shape, b->shape, a->rank * sizeof(a->shape[0])) == 0;
}

static int compare_tensor(struct job *j, const struct oip_answer *live, unsigned tensor,
                          const struct oip_tensor *b)
{
	const struct oip_tensor *a = &live->tensors[tensor];
	size_t classes = class_count(live, a), rows = tensor_rows(a, classes);
	int err = oip_text_eq(live, a->datatype, b->datatype);

	if (err < 0)
		return err;
	if (!err || !same_shape(a, b)) {
		structure_differs(j, tensor, err ? "shape differs" : "datatype differs");
		return 0;
	}
	err = 0;
	for (size_t at = 0; at < rows && !err; at++) {
		if (classes)
			compare_classes(j, tensor, at, a->values + at * classes, b->values + at * classes,
			                classes);
		else
			err = compare_values(j, live, tensor, at, b, a->count / rows);
	}
	return err;
}

/* The tensor of that name: its index, -1, or ERR_NOMEM (below -1). */
static int find_tensor(const struct oip_answer *a, struct span name)
{
	for (unsigned i = 0; i < a->count; i++) {
		int same = oip_text_eq(a, a->tensors[i].name, name);

		if (same)
			return same < 0 ? same : (int)i;
	}
	return -1;
}

int compare_oip_outputs(struct job *j, const struct oip_answer *live, const struct oip_answer *candidate)
{
	int err = 0;

	for (unsigned i = 0; i < live->count && !err; i++) {
		int at = tensor_ignored(j, i) ? -1 : find_tensor(candidate, live->tensors[i].name);

		if (at >= 0)
			err = compare_tensor(j, live, i, &candidate->tensors[at]);
		else if (at != -1)
			err = at;
		else if (!tensor_ignored(j, i))
			structure_differs(j, i, "missing");
	}
	for (unsigned i = 0; i < candidate->count && !err; i++) {
		int at = tensor_ignored(j, i) ? 0 : find_tensor(live, candidate->tensors[i].name);

		if (at == -1)
			structure_differs(j, i, "extra");
		else if (at < 0)
			err = at;
	}
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
	struct oip_answer live, candidate = {0};
	bool same = span_eq(j->live->body, j->candidate->body) &&
	            j->live->binary_from == j->candidate->binary_from;
	int err = read(j->live, j->work_bytes / 2, &live);

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
	struct oip_answer live = {0};
	size_t rows = 1;
	int err = read ? read(j->live, j->work_bytes / 2, &live) : ERR_PROTO;

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
	j->out->read_as = PROTOCOL_OPENAI + api;
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
		return compare_llm(j, (enum llm_api)(protocol - PROTOCOL_OPENAI));
	}
}

int compare_pair(const struct plan_route *route, const struct answer *live, const struct answer *candidate,
                 size_t work_bytes, struct comparison *out)
{
	struct job j = {.live = live,
	                .candidate = candidate,
	                .out = out,
	                .work_bytes = work_bytes,
	                .tolerance = {route->tolerance_abs, route->tolerance_rel}};
	int err;

	*out = (struct comparison){0};
	for (uint32_t i = 0; i < route->ignore_count && i < IGNORES_MAX; i++)
		j.paths[i] = route->ignore[i];
	j.ignore = (struct ignore_paths){j.paths, route->ignore_count < IGNORES_MAX ? route->ignore_count
	                                                                            : IGNORES_MAX};
	if (live->grpc)
		err = compare_grpc(&j, route->protocol);
	else if (live->status != candidate->status)
		err = compare_status(&j, tensors_of(route->protocol, live->target));
	else
		err = compare_bodies(&j, route->protocol);
	if (err)
		comparison_fini(out);
	else
		finish(out);
	return err;
}

void comparison_fini(struct comparison *c)
{
	free(c->rows);
	*c = (struct comparison){0};
}
