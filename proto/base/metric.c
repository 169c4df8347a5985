#include "proto/base/metric.h"

#include <math.h>
#include <stdio.h>

enum { EDGE_FIRST = 10, EDGE_LAST = 34 }; /* powers of two, in ns */

static bool ends_in(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n > m && !strcmp(text + n - m, end);
}

/* [a-z_][a-z0-9_]*: what the format allows, in lower case and without colons. */
static bool good_name(const char *name)
{
	if (!name[0] || (name[0] >= '0' && name[0] <= '9'))
		return false;
	return name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static const char *fault(const struct metric *m)
{
	static const char *const reserved[] = {"le", "quantile", "job", "instance"};
	char unit[48];

	if (!m->name || !good_name(m->name))
		return "is no name";
	if (!m->help || !m->help[0])
		return "has no help";
	if ((m->kind == METRIC_COUNTER) != ends_in(m->name, "_total"))
		return "must end in _total when it is a counter, and only then";
	snprintf(unit, sizeof unit, "_%s%s", m->unit ? m->unit : "",
	         m->kind == METRIC_COUNTER ? "_total" : "");
	if (!m->unit || (m->unit[0] && !ends_in(m->name, unit)))
		return "does not end in its unit";
	if (m->kind == METRIC_HISTOGRAM && strcmp(m->unit, "seconds"))
		return "is a histogram, so its unit is seconds";
	for (unsigned i = 0; i < METRIC_LABELS_MAX && m->labels[i]; i++) {
		if (!good_name(m->labels[i]) || !strncmp(m->labels[i], "__", 2))
			return "has a label that is no name";
		for (unsigned r = 0; r < sizeof reserved / sizeof *reserved; r++)
			if (!strcmp(m->labels[i], reserved[r]))
				return "has a label that belongs to the scraper";
	}
	return NULL;
}

int metric_check(const struct metric *rows, unsigned count, char why[160])
{
	for (unsigned i = 0; i < count; i++) {
		const char *wrong = fault(&rows[i]);

		for (unsigned j = 0; !wrong && j < i; j++)
			if (!strcmp(rows[i].name, rows[j].name))
				wrong = "is there twice";
		if (wrong) {
			snprintf(why, 160, "%s %s", rows[i].name ? rows[i].name : "?", wrong);
			return ERR_CONFIG;
		}
	}
	return 0;
}

/* Help escapes backslash and LF; label values the double quote too. */
static void put_escaped(struct buf *out, const char *text, bool quotes)
{
	for (; *text; text++) {
		if (*text == '\n')
			buf_puts(out, "\\n");
		else if (*text == '\\' || (quotes && *text == '"'))
			buf_printf(out, "\\%c", *text);
		else
			buf_put(out, text, 1);
	}
}

void metric_family(struct buf *out, const struct metric *m)
{
	static const char *const kinds[] = {"counter", "gauge", "histogram"};

	buf_printf(out, "# HELP %s ", m->name);
	put_escaped(out, m->help, false);
	buf_printf(out, "\n# TYPE %s %s\n", m->name, kinds[m->kind]);
}

static void put_series(struct buf *out, const struct metric *m, const char *suffix, const char *const *values,
                       const char *le)
{
	const char *before = "{";

	buf_printf(out, "%s%s", m->name, suffix);
	for (unsigned i = 0; i < METRIC_LABELS_MAX && m->labels[i]; i++) {
		buf_printf(out, "%s%s=\"", before, m->labels[i]);
		put_escaped(out, values[i], true);
		buf_puts(out, "\"");
		before = ",";
	}
	if (le) {
		buf_printf(out, "%sle=\"%s\"", before, le);
		before = ",";
	}
	buf_puts(out, *before == ',' ? "} " : " ");
}

void metric_uint(struct buf *out, const struct metric *m, const char *const *values, uint64_t value)
{
	put_series(out, m, "", values, NULL);
	buf_printf(out, "%llu\n", (unsigned long long)value);
}

void metric_real(struct buf *out, const struct metric *m, const char *const *values, double value)
{
	put_series(out, m, "", values, NULL);
	if (isnan(value))
		buf_puts(out, "NaN\n");
	else if (isinf(value))
		buf_puts(out, value > 0 ? "+Inf\n" : "-Inf\n");
	else
		buf_printf(out, "%.12g\n", value);
}

void metric_histogram(struct buf *out, const struct metric *m, const char *const *values,
                      const struct hist_view *view)
{
	char le[32];

	for (unsigned k = EDGE_FIRST; k <= EDGE_LAST; k++) {
		uint64_t ns = UINT64_C(1) << k;

		snprintf(le, sizeof le, "%.12g",
		         (double)(ns - 1) / 1e9); /* whole ns: below 2^k is at most 2^k - 1 */
		put_series(out, m, "_bucket", values, le);
		buf_printf(out, "%llu\n", (unsigned long long)hist_below(view, ns));
	}
	put_series(out, m, "_bucket", values, "+Inf");
	buf_printf(out, "%llu\n", (unsigned long long)view->count);
	put_series(out, m, "_sum", values, NULL);
	buf_printf(out, "%.9f\n", (double)view->sum_ns / 1e9);
	put_series(out, m, "_count", values, NULL);
	buf_printf(out, "%llu\n", (unsigned long long)view->count);
}
