#include "replay/reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/capfile.h"
#include "capture/fold.h"

enum { FOLD_BYTES = 16 << 20 };

struct gathered {
	struct feature feature; /* its name and kind */
	size_t n;
	double *values; /* of REFERENCE_EXCHANGES */
};

struct reading {
	struct fold *fold;
	unsigned count, exchanges;
	struct gathered at[FEATURES_MAX];
};

/* Of a route that the capture names, or -1: of any. */
static int route_of(const struct capfile_reader *reader, const char *name)
{
	const struct capfile_facts *facts = capfile_facts(reader);

	for (uint32_t i = 0; i < facts->route_count; i++)
		if (!strcmp(facts->routes[i].name, name))
			return (int)i;
	return -1;
}

static int gather(struct reading *r, const struct feature *f)
{
	unsigned i = 0;

	while (i < r->count &&
	       (strcmp(r->at[i].feature.name, f->name) != 0 || r->at[i].feature.word != f->word))
		i++;
	if (i == FEATURES_MAX)
		return 0;
	if (i == r->count) {
		r->at[i].values = malloc(REFERENCE_EXCHANGES * sizeof(double));
		if (!r->at[i].values)
			return ERR_NOMEM;
		r->at[i].feature = *f;
		r->count++;
	}
	r->at[i].values[r->at[i].n++] = f->value;
	return 0;
}

/* A record of a request; with its last one the request is taken. */
static int take(struct reading *r, const struct record *record, const void *payload)
{
	struct feature features[FEATURES_MAX];
	struct exchange *x = NULL;
	int err = fold_add(r->fold, record, payload, &x);
	unsigned n;

	if (err == ERR_NOMEM)
		return err;
	if (x && (err || x->legs[LEG_CLIENT]->error)) {
		fold_drop(r->fold, &x);
	} else if (x && x->legs[LEG_CLIENT]->ended) {
		n = features_of(buf_span(&x->legs[LEG_CLIENT]->body), features);
		fold_drop(r->fold, &x);
		r->exchanges++;
		for (unsigned i = 0; i < n; i++)
			if (gather(r, &features[i]))
				return ERR_NOMEM;
	}
	return 0;
}

/* Words that repeat too little to say anything, such as ids. */
static bool scattered(const struct portrait_feature *f)
{
	return f->word && f->counts[PORTRAIT_REFERENCE][f->bins - 1] * 2 > portrait_n(f, PORTRAIT_REFERENCE);
}

static void keep(struct gathered *g, struct portrait *out)
{
	struct portrait_feature *f = &out->at[out->count];

	if (out->count == PORTRAIT_FEATURES || g->n < REFERENCE_LEAST)
		return;
	*f = (struct portrait_feature){.word = g->feature.word};
	memcpy(f->name, g->feature.name, sizeof f->name);
	portrait_set(f, g->values, g->n);
	for (size_t i = 0; i < g->n; i++)
		portrait_count(f, PORTRAIT_REFERENCE, g->values[i]);
	out->count += !scattered(f);
}

int reference_read(int fd, const char *route, struct portrait *out, const char **why_out)
{
	struct reading r = {.fold = fold_new(FOLD_BYTES)};
	struct capfile_reader *reader = NULL;
	const void *payload;
	struct record record;
	int err = capfile_open_fd(fd, &reader, why_out), only = err ? -1 : route_of(reader, route);

	memset(out, 0, sizeof *out);
	if (!err && !r.fold)
		err = ERR_NOMEM;
	while (!err && r.exchanges < REFERENCE_EXCHANGES && !capfile_next(reader, &record, &payload))
		if (record.leg == LEG_CLIENT && (only == -1 || record.route == only))
			err = take(&r, &record, payload);
	for (unsigned i = 0; i < r.count; i++) {
		if (!err)
			keep(&r.at[i], out);
		free(r.at[i].values);
	}
	if (reader)
		capfile_reader_free(&reader);
	if (r.fold)
		fold_free(&r.fold);
	return err;
}
