#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>

#include "capture/fold.h"
#include "capture/head.h"
#include "proto/base/siphash.h"
#include "proto/json_edit.h"
#include "replay/request.h"
#include "replay/results_inside.h"

enum { STATE_LEVEL = 1 };

/* Values come from clients: printable ASCII only, and cut to length. */
static void name_slice(char out[SLICE_NAME_BYTES], const char *name, struct span value)
{
	size_t at = (size_t)snprintf(out, SLICE_NAME_BYTES, "%.*s=", NAME_MAX_BYTES - 1, name);

	if (!value.len)
		value = SPAN("(none)");
	for (size_t i = 0; i < value.len && i < SLICE_VALUE_BYTES; i++)
		out[at++] = value.data[i] > 0x20 && value.data[i] < 0x7f ? value.data[i] : '?';
	out[at] = '\0';
}

int results_tallies_new(struct results *r)
{
	unsigned n = 0;

	for (unsigned i = 0; i < r->plan->route_count; i++) {
		r->first_tally[i] = n;
		n += r->plan->routes[i].candidate_count;
	}
	r->tally_count = n;
	r->tallies = calloc(SEGMENTS_MAX * (n ? n : 1), sizeof *r->tallies);
	r->stored = calloc(SEGMENTS_MAX * (n ? n : 1), sizeof *r->stored);
	r->route_slices = calloc(r->plan->route_count + 1, sizeof *r->route_slices);
	r->references = calloc(r->plan->route_count + 1, sizeof *r->references);
	if (!r->tallies || !r->stored || !r->route_slices || !r->references)
		return ERR_NOMEM;
	for (unsigned i = 0; i < SEGMENTS_MAX * n; i++)
		buf_init(&r->stored[i], ZSTD_compressBound(sizeof(struct tally)));
	for (uint16_t i = 0; i < r->plan->route_count; i++) {
		name_slice(r->route_slices[i], "route", span_of(r->plan->routes[i].name));
		for (uint16_t c = 0; c < r->plan->routes[i].candidate_count; c++) {
			tally_at(r, i, c)->route = i;
			tally_at(r, i, c)->candidate = c;
		}
	}
	return 0;
}

const struct tally *results_baseline(const struct results *r, uint16_t route)
{
	for (unsigned c = 0; c < r->plan->routes[route].candidate_count; c++)
		if (r->plan->routes[route].candidates[c].baseline)
			return tally_at(r, route, c);
	return NULL;
}

/* --- one pair --- */

/* A class counted in pairs counts a pair once. */
static uint32_t class_count(enum divergence class, uint32_t count)
{
	return strcmp(divergence_unit(class), "pair") ? count : count > 0;
}

static void observe_row(const struct plan_route *route, struct observation *o, const struct row *row)
{
	if (row->has_measures) {
		o->label_rows++;
		o->live_favoured += row->live_label == route->fairness.label;
		o->other_favoured += row->candidate_label == route->fairness.label;
	}
	for (int m = 0; m < MEASURES; m++) {
		double value = measure_of(row, m);

		if (isnan(value))
			continue;
		o->measured[m]++;
		o->sums[m] += value;
	}
}

/* Flips by live's label; of labels past the last that is counted, together with it. */
static void observe_labels(const struct comparison *c, struct observation *o)
{
	for (uint32_t i = 0; i < c->row_count; i++) {
		uint32_t label = c->rows[i].live_label;

		if (!c->rows[i].has_measures)
			continue;
		label = label < LABELS_COUNTED ? label : LABELS_COUNTED - 1;
		o->labels[label]++;
		o->flips[label] = (uint16_t)(o->flips[label] + c->rows[i].flipped);
	}
}

/* NaN: there is none. */
static double number_at(struct span body, const char *path)
{
	struct span text = json_at(body, path);
	double value;

	return text.len && !json_double(text, &value) ? value : (double)NAN;
}

/* "17 0" is the request as it was, "17 1" the same with one number moved. */
static void observe_move(const struct plan_move *m, const struct results_pair *p, struct observation *o)
{
	struct span text = m->path[0] ? head_field(p->request_head, SPAN(REQUEST_MOVED)) : SPAN("");
	uint64_t number = 0;
	size_t i = 0;

	o->move = (struct move){0};
	for (; i < text.len && i < 18 && text.data[i] >= '0' && text.data[i] <= '9'; i++)
		number = number * 10 + (uint64_t)(text.data[i] - '0');
	if (i + 2 != text.len || text.data[i] != ' ')
		return;
	o->move = (struct move){.number = number,
	                        .moved = text.data[i + 1] == '1',
	                        .live = number_at(p->live.body, m->score),
	                        .other = number_at(p->other.body, m->score)};
}

/* A session's place. Requests that name none share one, as nothing tells them apart. */
static uint32_t session_of(struct span head, const char *header)
{
	static const uint8_t key[16] = "sessions";

	return (uint32_t)(siphash(key, head_field(head, span_of(header))) % SESSIONS_COUNTED);
}

/* A status of HTTP below 500, or grpc-status OK. */
static bool is_good(const struct answer *a, uint64_t us, uint32_t slo_ms)
{
	bool ok = a->grpc && a->status < 100 ? a->status == 0 : a->status < 500;

	return ok && us <= (uint64_t)slo_ms * 1000;
}

static void observe_value(const struct plan_route *route, const struct results_pair *p, struct observation *o)
{
	double value = route->weight.path[0] ? number_at(p->request_body, route->weight.path) : (double)NAN;

	o->weight = value >= 0 ? fmin(value, route->weight.cap) : (double)NAN;
	o->session =
	        route->session.header[0] ? session_of(p->request_head, route->session.header) : UINT32_MAX;
	o->live_good = route->slo_ms && is_good(&p->live, p->live_us, route->slo_ms);
	o->other_good = route->slo_ms && is_good(&p->other, p->other_us, route->slo_ms);
}

/* Those of `fairness` first: a stored pair has the first alone, and labels ask for its group. */
static void observe_slices(const struct plan_route *route, struct span head, struct observation *o)
{
	for (int turn = 0; turn < 2; turn++)
		for (uint32_t i = 0; i < route->slice_count && i < SLICES_MAX; i++) {
			const struct plan_slice *s = &route->slices[i];
			bool first = route->fairness.on && !strcmp(s->name, route->fairness.slice);

			if (first == !turn)
				name_slice(o->slices[o->slice_count++], s->name,
				           head_field(head, span_of(s->header)));
		}
}

void results_observe(const struct results *r, const struct results_pair *p, struct observation *o)
{
	const struct plan_route *route = &r->plan->routes[p->route];
	const struct comparison *c = p->comparison;

	memset(o, 0, offsetof(struct observation, slices));
	o->versions = p->versions ? *p->versions : (struct versions){0};
	o->seen_us = p->seen_us;
	o->live_us = p->live_us;
	o->other_us = p->other_us;
	o->first_us = p->first_us;
	o->response_us = p->response_us;
	o->lag_us = p->lag_us;
	o->diverged = c->diverged;
	o->against_baseline = p->against_baseline;
	o->privacy = (uint8_t)p->privacy;
	o->rows = c->row_count;
	o->rows_diverged = c->rows_diverged;
	for (int i = 0; i < DIVERGENCES; i++)
		o->classes[i] = class_count(i, c->counts[i]);
	o->read_as = c->read_as;
	o->agreement = c->agreement;
	o->live_pace = c->live_pace;
	o->other_pace = c->candidate_pace;
	for (uint32_t i = 0; i < c->row_count; i++)
		observe_row(route, o, &c->rows[i]);
	observe_labels(c, o);
	o->features.count = 0;
	if (route->auto_slices)
		auto_features_of(p->request_body, &o->features);
	o->feature_count = o->features.count;
	results_observe_drift(r, p, o);
	observe_value(route, p, o);
	observe_move(&r->plan->replay_move, p, o);
	o->auto_half = auto_half_of(p->id);
	o->noise_known = p->noise.known;
	o->baseline_diverged = p->noise.diverged;
	o->baseline_us = p->noise.us;
	o->control = p->control;
	for (uint32_t i = 0; i < p->noise.path_count && i < RESULTS_PATHS_MAX; i++) {
		o->differs[i] = (uint8_t)(p->noise.paths[i].candidate | p->noise.paths[i].baseline << 1);
		snprintf(o->paths[o->path_count++], RESULTS_PATH_BYTES, "%s", p->noise.paths[i].name);
	}
	observe_slices(route, p->request_head, o);
}

static struct slice *slice_named(struct tally *t, const char *name)
{
	uint32_t last = t->slice_count < SLICES_COUNTED - 1 ? t->slice_count : SLICES_COUNTED - 1;

	for (uint32_t i = 0; i < t->slice_count; i++)
		if (!strcmp(t->slices[i].name, name))
			return &t->slices[i];
	if (t->slice_count == last)
		t->slice_count++;
	snprintf(t->slices[last].name, SLICE_NAME_BYTES, "%s", last < SLICES_COUNTED - 1 ? name : "(other)");
	return &t->slices[last];
}

static void count_in(struct slice *s, const struct observation *o)
{
	s->pairs++;
	s->diverged += o->diverged;
	s->rows += o->label_rows;
	s->live_favoured += o->live_favoured;
	s->other_favoured += o->other_favoured;
}

static struct path *path_named(struct tally *t, const char *name)
{
	uint32_t last = t->path_count < PATHS_COUNTED - 1 ? t->path_count : PATHS_COUNTED - 1;

	for (uint32_t i = 0; i < t->path_count; i++)
		if (!strcmp(t->paths[i].name, name))
			return &t->paths[i];
	if (t->path_count == last)
		t->path_count++;
	snprintf(t->paths[last].name, RESULTS_PATH_BYTES, "%s", last < PATHS_COUNTED - 1 ? name : "(other)");
	return &t->paths[last];
}

static void count_noise(struct tally *t, const struct observation *o)
{
	unsigned others = 0;

	if (o->noise_known) {
		t->noise.pairs++;
		t->noise.candidate_only += o->diverged && !o->baseline_diverged;
		t->noise.baseline_only += !o->diverged && o->baseline_diverged;
	}
	for (uint32_t i = 0; i < o->path_count && i < RESULTS_PATHS_MAX; i++) {
		struct path *p = path_named(t, o->paths[i]);

		if (p == &t->paths[PATHS_COUNTED - 1] && others++)
			continue; /* a pair counts once in "(other)" */
		p->diverged += o->differs[i] & 1;
		p->candidate_only += o->noise_known && o->differs[i] == 1;
		p->baseline_only += o->noise_known && o->differs[i] == 2;
	}
}

/* Candidate less what its latency is held against. */
static void count_shift(const struct results *r, struct tally *t, const struct observation *o)
{
	uint64_t from = results_baseline(r, t->route) ? o->baseline_us : o->live_us;

	if (results_baseline(r, t->route) && !o->noise_known)
		return;
	if (o->other_us < from)
		sketch_add(&t->faster, from - o->other_us);
	else
		sketch_add(&t->slower, o->other_us - from);
}

static void add_pace(struct sketch sketches[PACE_FIGURES], const struct pace *p)
{
	for (int i = 0; i < PACE_FIGURES; i++)
		if (p->figures[i] != PACE_NONE)
			sketch_add(&sketches[i], (uint64_t)p->figures[i]);
}

static void count_pace(struct tally *t, const struct observation *o)
{
	int64_t live = o->live_pace.figures[PACE_ttft], other = o->other_pace.figures[PACE_ttft];

	add_pace(t->live_pace, &o->live_pace);
	add_pace(t->other_pace, &o->other_pace);
	if (live == PACE_NONE || other == PACE_NONE)
		return;
	t->paced++;
	t->first_later += other > live;
}

/* Once in each, though several may have come to be "(other)". */
static void count_slices(const struct results *r, struct tally *t, const struct observation *o)
{
	struct slice *in[SLICES_MAX + 1] = {slice_named(t, r->route_slices[t->route])};
	uint32_t n = 1;

	count_in(in[0], o);
	for (uint32_t i = 0; i < o->slice_count && i < SLICES_MAX; i++) {
		struct slice *s = slice_named(t, o->slices[i]);
		uint32_t k = 0;

		while (k < n && in[k] != s)
			k++;
		if (k < n)
			continue;
		in[n++] = s;
		count_in(s, o);
	}
}

static void count_value(struct tally *t, const struct observation *o)
{
	t->live_good += o->live_good;
	t->other_good += o->other_good;
	if (isnan(o->weight))
		return;
	t->weighed++;
	t->weight += o->weight;
	t->weight_diverged += o->diverged ? o->weight : 0;
}

static bool violates(double before, double after, bool falls)
{
	return falls ? after > before : after < before;
}

/* Which of the two comes first depends on how long both took. */
static void count_move(struct tally *t, const struct observation *o, bool falls)
{
	struct move *open = &t->moves[o->move.number % MOVES_OPEN];
	const struct move *before = o->move.moved ? open : &o->move, *after = o->move.moved ? &o->move : open;

	if (!o->move.number)
		return;
	if (open->number != o->move.number || open->moved == o->move.moved) {
		*open = o->move;
		return;
	}
	if (!isnan(before->live + before->other + after->live + after->other)) {
		t->moved++;
		t->live_violations += violates(before->live, after->live, falls);
		t->other_violations += violates(before->other, after->other, falls);
	}
	open->number = 0;
}

static void count_session(struct tally *t, const struct observation *o)
{
	if (o->session >= SESSIONS_COUNTED)
		return;
	t->sessions[o->session].pairs++;
	t->sessions[o->session].rows += o->rows;
	t->sessions[o->session].diverged += o->diverged;
	if (t->sessions[o->session].pairs > t->session_pairs)
		t->session_pairs = t->sessions[o->session].pairs;
	if (t->sessions[o->session].rows > t->session_rows)
		t->session_rows = t->sessions[o->session].rows;
}

void results_count(const struct results *r, struct tally *t, const struct observation *o)
{
	t->pairs++;
	t->diverged += o->diverged;
	t->against_baseline += o->against_baseline;
	t->looked += o->privacy != PRIVACY_UNKNOWN;
	t->privacy_new += o->privacy == PRIVACY_NEW;
	if (!t->first_us || o->seen_us < t->first_us)
		t->first_us = o->seen_us;
	if (o->seen_us > t->last_us)
		t->last_us = o->seen_us;
	sketch_add(&t->live, o->live_us);
	sketch_add(&t->other, o->other_us);
	sketch_add(&t->first, o->first_us);
	if (r->plan->replay && r->plan->replay_speed > 0) {
		sketch_add(&t->response, o->response_us);
		sketch_add(&t->lag, o->lag_us);
	}
	t->rows += o->rows;
	t->rows_diverged += o->rows_diverged;
	if (o->rows > t->rows_largest)
		t->rows_largest = o->rows;
	for (int i = 0; i < DIVERGENCES; i++)
		t->classes[i] += o->classes[i];
	t->read_as[o->read_as]++;
	agreement_merge(&t->agreement, &o->agreement);
	count_pace(t, o);
	for (int m = 0; m < MEASURES; m++) {
		if (!o->measured[m])
			continue;
		stat_mean_add(&t->measures[m], o->sums[m] / o->measured[m], GATE_ALPHA);
		t->rows_measured[m] += o->measured[m];
		t->row_sums[m] += o->sums[m];
	}
	if (tally_route(r, t)->auto_slices)
		auto_count(&t->auto_slices, &o->features, o->auto_half, o->diverged);
	results_count_drift(t, o);
	count_value(t, o);
	count_session(t, o);
	count_move(t, o, r->plan->replay_move.falls);
	stat_lag_add(&t->lag_diverged, o->diverged);
	stat_lag_add(&t->lag_latency, (double)o->other_us - (double)o->live_us);
	count_noise(t, o);
	count_shift(r, t, o);
	t->planted += o->control != CONTROL_NONE;
	t->planted_found += o->control == CONTROL_FOUND;
	for (int i = 0; i < LABELS_COUNTED; i++) {
		t->label_rows[i] += o->labels[i];
		t->label_flips[i] += o->flips[i];
	}
	count_slices(r, t, o);
}

/* --- storing: what it is, and what it was before the last batch --- */

static int pack(const struct tally *t, struct buf *out)
{
	size_t room = ZSTD_compressBound(sizeof *t), n;
	char *to;

	buf_reset(out);
	to = buf_room(out, room);
	if (!to)
		return ERR_NOMEM;
	n = ZSTD_compress(to, room, t, sizeof *t, STATE_LEVEL);
	if (ZSTD_isError(n))
		return ERR_NOMEM;
	buf_grown(out, n);
	return 0;
}

/* Nothing: as if it had not begun. Memory that no segment has used yet is left untouched. */
static int unpack(const struct results *r, struct span from, unsigned index, struct tally *out)
{
	const struct tally *first = &r->tallies[index % r->tally_count];
	uint16_t route = first->route, candidate = first->candidate;

	if (!from.len && index >= r->tally_count && !out->begun)
		return 0;
	if (!from.len)
		memset(out, 0, sizeof *out);
	else if (ZSTD_decompress(out, sizeof *out, from.data, from.len) != sizeof *out)
		return ERR_PROTO;
	if (!out->pairs)
		out->inputs = r->references[route];
	out->route = route;
	out->candidate = candidate;
	return 0;
}

static int store_tally(struct results *r, unsigned index)
{
	const struct tally *t = &r->tallies[index];
	struct buf before = r->stored[index], now;
	sqlite3_stmt *s = r->statements[STATEMENT_STATE];
	int rc;

	buf_init(&now, before.limit_bytes);
	rc = pack(t, &now);
	if (!rc) {
		sqlite3_bind_text(s, 1, tally_route(r, t)->name, -1, SQLITE_STATIC);
		sqlite3_bind_text(s, 2, tally_candidate(r, t)->name, -1, SQLITE_STATIC);
		sqlite3_bind_int(s, 3, (int)t->segment);
		sqlite3_bind_blob(s, 4, buf_span(&before).data, (int)buf_len(&before), SQLITE_STATIC);
		sqlite3_bind_blob(s, 5, buf_span(&now).data, (int)buf_len(&now), SQLITE_STATIC);
		rc = results_run(s);
	}
	if (rc) {
		buf_fini(&now);
		return rc;
	}
	buf_fini(&before);
	r->stored[index] = now;
	return 0;
}

int results_store_tallies(struct results *r)
{
	int rc = 0;

	for (unsigned i = 0; !rc && i < r->tally_count; i++)
		for (unsigned s = 0; !rc && s < results_segments(r, i); s++)
			if (tally_segment(r, i, s)->batch == r->batch)
				rc = store_tally(r, s * r->tally_count + i);
	return rc;
}

/* Of a row of `state`: its place in the tallies, or -1. */
static int tally_index(const struct results *r, sqlite3_stmt *s)
{
	const char *route = (const char *)sqlite3_column_text(s, 0);
	const char *candidate = (const char *)sqlite3_column_text(s, 1);
	int segment = sqlite3_column_int(s, 3);

	if (segment < 0 || segment >= SEGMENTS_MAX)
		return -1;
	for (unsigned i = 0; i < r->tally_count; i++)
		if (!strcmp(tally_route(r, &r->tallies[i])->name, route) &&
		    !strcmp(tally_candidate(r, &r->tallies[i])->name, candidate))
			return segment * (int)r->tally_count + (int)i;
	return -1;
}

static struct span blob(sqlite3_stmt *s, int column)
{
	return (struct span){sqlite3_column_blob(s, column), (size_t)sqlite3_column_bytes(s, column)};
}

int results_load_tallies(struct results *r)
{
	sqlite3_stmt *s;
	int rc = 0, step = SQLITE_DONE;

	if (sqlite3_prepare_v2(r->db, "SELECT route, candidate, now, segment FROM state ORDER BY segment", -1,
	                       &s, NULL) != SQLITE_OK)
		return ERR_SYS;
	for (unsigned i = 0; !rc && i < SEGMENTS_MAX * r->tally_count; i++) {
		buf_reset(&r->stored[i]);
		rc = unpack(r, SPAN(""), i, &r->tallies[i]);
	}
	while (!rc && (step = sqlite3_step(s)) == SQLITE_ROW) {
		int i = tally_index(r, s);

		if (i < 0)
			continue;
		rc = unpack(r, blob(s, 2), (unsigned)i, &r->tallies[i]);
		buf_span_put(&r->stored[i], blob(s, 2));
		if (r->tallies[i].batch > r->batch)
			r->batch = r->tallies[i].batch;
	}
	sqlite3_finalize(s);
	return rc ? rc : step == SQLITE_DONE ? 0 : ERR_SYS;
}

/* The tallies that the last batch changed, as they were before it. */
static int step_back(struct results *r)
{
	sqlite3_stmt *s;
	int rc = 0, step = SQLITE_DONE;

	if (sqlite3_prepare_v2(r->db, "SELECT route, candidate, before, segment FROM state", -1, &s, NULL) !=
	    SQLITE_OK)
		return ERR_SYS;
	while (!rc && (step = sqlite3_step(s)) == SQLITE_ROW) {
		int i = tally_index(r, s);

		if (i < 0 || r->tallies[i].batch != r->batch)
			continue;
		rc = unpack(r, blob(s, 2), (unsigned)i, &r->tallies[i]);
		r->tallies[i].batch = r->batch;
		buf_reset(&r->stored[i]);
		buf_span_put(&r->stored[i], blob(s, 2));
	}
	sqlite3_finalize(s);
	return rc ? rc : step == SQLITE_DONE ? 0 : ERR_SYS;
}

int results_refresh(struct results *r)
{
	int rc;

	if (!r->stale)
		return 0;
	rc = step_back(r);
	if (!rc) {
		results_batch_count(r);
		rc = results_store_tallies(r);
	}
	if (!rc)
		rc = results_batch_store(r);
	r->stale = rc != 0;
	return rc;
}
