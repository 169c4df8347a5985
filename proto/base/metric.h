/*
 * metric.h - one row a metric, and its text in the Prometheus exposition format 0.0.4.
 *
 * A table of rows is the only place where names stand; metric_check() holds it to the conventions of the
 * format. Values are not kept here: whoever answers a scrape reads them where they live and writes them
 * family by family, each exactly once:
 *
 *   metric_family(out, &rows[M]);  metric_uint(out, &rows[M], labels, value);  ...
 */
#ifndef PROTO_BASE_METRIC_H
#define PROTO_BASE_METRIC_H

#include <stdint.h>
#include "proto/base/buf.h"
#include "proto/base/hist.h"

#define METRIC_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum { METRIC_LABELS_MAX = 4 };
enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric {
	const char *name;
	enum metric_kind kind;
	const char *unit; /* "seconds", "bytes", "ratio" end the name (before _total); "" counts things */
	const char *help; /* a sentence */
	const char *labels[METRIC_LABELS_MAX]; /* names, in the order of the values */
};

/* 0, or ERR_CONFIG with a sentence in `why`: an empty help, a wrong name or label, a counter without
 * _total, a unit that the name does not end in, a name twice. */
int metric_check(const struct metric *rows, unsigned count, char why[160]) MUST_CHECK;

/* # HELP and # TYPE. */
void metric_family(struct buf *, const struct metric *);
/* One sample. `values`: one a label of the row, escaped here; may be NULL when it has none. */
void metric_uint(struct buf *, const struct metric *, const char *const *values, uint64_t value);
void metric_real(struct buf *, const struct metric *, const char *const *values, double value);
/* Cumulative buckets from 1 us to 17 s at powers of two, then sum and count; seconds. */
void metric_histogram(struct buf *, const struct metric *, const char *const *values,
                      const struct hist_view *);

#endif
