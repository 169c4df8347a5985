#include <math.h>
#include <stdio.h>
#include <string.h>

#include "replay/results_inside.h"

void results_reference(struct results *r, uint16_t route, const struct portrait *p)
{
	r->references[route] = *p;
	for (unsigned c = 0; c < r->plan->routes[route].candidate_count; c++) {
		struct tally *t = tally_at(r, route, (uint16_t)c);

		if (!t->pairs)
			t->inputs = *p;
	}
}

static void observe_inputs(const struct tally *t, struct span body, struct observation *o)
{
	struct feature features[FEATURES_MAX];
	unsigned n = t->inputs.count ? features_of(body, features) : 0;

	for (uint32_t i = 0; i < PORTRAIT_FEATURES; i++)
		o->inputs[i] = NAN;
	for (unsigned k = 0; k < n; k++) {
		/* the portrait is the tally's, and only looked at */
		struct portrait_feature *f =
		        portrait_find((struct portrait *)&t->inputs, features[k].name, features[k].word);

		if (f)
			o->inputs[f - t->inputs.at] = features[k].value;
	}
}

static void observe_output(struct observation *o, const struct feature *f, bool live)
{
	uint32_t i = 0;

	while (i < o->output_count &&
	       (strcmp(o->outputs[i].name, f->name) != 0 || o->outputs[i].word != f->word))
		i++;
	if (i == FEATURES_MAX)
		return;
	if (i == o->output_count) {
		o->outputs[i] = (struct output){.word = f->word, .live = NAN, .other = NAN};
		memcpy(o->outputs[i].name, f->name, FEATURE_BYTES);
		o->output_count++;
	}
	*(live ? &o->outputs[i].live : &o->outputs[i].other) = f->value;
}

static void observe_side(struct observation *o, const struct row *row, uint32_t label, struct span body,
                         bool live)
{
	struct feature features[FEATURES_MAX], f = {.name = "(label)", .word = true, .value = label + 1.0};
	unsigned n = features_of(body, features);

	if (row && row->has_measures)
		observe_output(o, &f, live);
	for (unsigned k = 0; k < n; k++)
		observe_output(o, &features[k], live);
}

void results_observe_drift(const struct results *r, const struct results_pair *p, struct observation *o)
{
	const struct row *row = p->comparison->row_count ? p->comparison->rows : NULL;

	observe_inputs(tally_at(r, p->route, p->candidate), p->request_body, o);
	o->output_count = 0;
	if (!r->plan->routes[p->route].drift.outputs)
		return;
	observe_side(o, row, row ? row->live_label : 0, p->live.body, true);
	observe_side(o, row, row ? row->candidate_label : 0, p->other.body, false);
}

/* Bins are set by live's first values, which are counted on neither side. */
static void count_output(struct tally *t, const struct output *o)
{
	struct portrait_feature *f = portrait_find(&t->outputs, o->name, o->word);
	double values[OUTPUTS_WARM];
	uint32_t at;

	if (!f && t->outputs.count == PORTRAIT_FEATURES)
		return;
	if (!f) {
		f = &t->outputs.at[t->outputs.count++];
		f->word = o->word;
		memcpy(f->name, o->name, FEATURE_BYTES);
	}
	at = (uint32_t)(f - t->outputs.at);
	if (f->bins) {
		if (!isnan(o->live))
			portrait_count(f, PORTRAIT_REFERENCE, o->live);
		if (!isnan(o->other))
			portrait_count(f, PORTRAIT_CURRENT, o->other);
		return;
	}
	if (isnan(o->live))
		return;
	t->warm[at][t->warm_count[at]++] = o->live;
	if (t->warm_count[at] < OUTPUTS_WARM)
		return;
	memcpy(values, t->warm[at], sizeof values);
	portrait_set(f, values, OUTPUTS_WARM);
}

void results_count_drift(struct tally *t, const struct observation *o)
{
	for (uint32_t i = 0; i < t->inputs.count; i++)
		if (!isnan(o->inputs[i]))
			portrait_count(&t->inputs.at[i], PORTRAIT_CURRENT, o->inputs[i]);
	for (uint32_t i = 0; i < o->output_count; i++)
		count_output(t, &o->outputs[i]);
}

static void put_side(struct buf *b, const char *name, const struct portrait *p, bool paired)
{
	struct portrait_drift drift = portrait_drift(p, paired, GATE_ALPHA, GATE_T_OPT);

	buf_printf(b, "\"%s\":{", name);
	put_double(b, "value", drift.value);
	buf_puts(b, ",");
	put_interval(b, "ci", drift.ci);
	buf_puts(b, ",");
	portrait_write(p, paired, b);
	buf_puts(b, "}");
}

void results_put_drift(struct buf *b, const struct results *r, const struct tally *t)
{
	const struct plan_drift *d = &tally_route(r, t)->drift;

	if (!d->reference[0] && !d->outputs)
		return;
	buf_puts(b, "\"drift\":{");
	if (d->reference[0])
		put_side(b, "inputs", &t->inputs, false);
	if (d->outputs) {
		buf_puts(b, d->reference[0] ? "," : "");
		put_side(b, "outputs", &t->outputs, true);
	}
	buf_puts(b, "},");
}
