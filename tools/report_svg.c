#include "tools/report_svg.h"

#include <math.h>
#include <stdio.h>

#include "tools/report_html.h"
#include "tools/run.h"

enum {
	WIDTH = 1040,
	LABEL = 150,  /* of the names on the left */
	RIGHT = 1000, /* where the scale ends */
	ROW = 30,
	NAME_SHOWN = 20,
	POINTS_MAX = 400
};

static void open_svg(struct buf *out, int height, const char *title)
{
	buf_printf(out,
	           "<div class=\"chart\"><svg role=\"img\" viewBox=\"0 0 %d %d\" width=\"100%%\" "
	           "style=\"max-width:%dpx\">"
	           "<title>%s</title>\n",
	           WIDTH, height, WIDTH, title);
}

static void put_label(struct buf *out, int y, const char *name)
{
	buf_printf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", LABEL - 12, y + 4);
	report_escape(out, span_of(name), NAME_SHOWN);
	buf_puts(out, "</text>\n");
}

/* A round step that divides `top` into at most six. */
static double round_step(double top)
{
	double step = pow(10, floor(log10(top / 6)));

	for (int i = 0; i < 4 && top / step > 6; i++)
		step *= i % 2 ? 2 : 2.5;
	return step;
}

static double scale(double value, double top)
{
	return LABEL + fmin(1, fmax(0, value / top)) * (RIGHT - LABEL);
}

static void percent_axis(struct buf *out, double top, int height)
{
	double step = round_step(top);

	for (double v = 0; v <= top * 1.0001; v += step)
		buf_printf(out,
		           "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"8\" y2=\"%d\"/><text "
		           "x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" class=\"dim\">%.3g %%</text>\n",
		           scale(v, top), scale(v, top), height - 24, scale(v, top), height - 8, v * 100);
}

/* --- divergence --- */

static double declared_limit(const struct node *candidate)
{
	const struct node *gates = doc_get(candidate, "gates");

	for (const struct node *g = gates ? gates->child : NULL; g; g = g->next)
		if (!strcmp(doc_text(g, "metric"), "divergence_rate"))
			return doc_number(g, "limit");
	return NAN;
}

static void divergence_row(struct buf *out, const struct node *c, int y, double top)
{
	double low, high, rate = doc_number(c, "divergence_rate"), limit = declared_limit(c);
	bool baseline = !strcmp(doc_text(c, "role"), "baseline");

	put_label(out, y, doc_text(c, "name"));
	doc_interval(c, "divergence_ci", &low, &high);
	if (!(doc_number(c, "pairs") > 0)) {
		buf_printf(out, "<text class=\"dim\" x=\"%d\" y=\"%d\">no pair</text>\n", LABEL + 6, y + 4);
		return;
	}
	if (isfinite(low) && isfinite(high))
		buf_printf(out,
		           "<rect class=\"%s\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"10\" rx=\"5\"/>\n",
		           baseline ? "noise" : "bar", scale(low, top), y - 5,
		           fmax(2, scale(high, top) - scale(low, top)));
	if (isfinite(rate))
		buf_printf(out, "<circle class=\"dot\" cx=\"%.1f\" cy=\"%d\" r=\"4.5\"/>\n", scale(rate, top),
		           y);
	if (isfinite(limit))
		buf_printf(out, "<line class=\"limit\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>\n",
		           scale(limit, top), scale(limit, top), y - 13, y + 13);
}

void svg_divergence(struct buf *out, const struct node *candidates)
{
	double top = 0.001;
	int rows = 0, y = 24;

	for (const struct node *c = candidates ? candidates->child : NULL; c; c = c->next) {
		double low, high, limit = declared_limit(c);

		doc_interval(c, "divergence_ci", &low, &high);
		if (doc_number(c, "pairs") > 0)
			top = fmax(top, fmax(isfinite(high) ? high : 0, isfinite(limit) ? limit : 0));
		rows++;
	}
	top = fmin(1, top * 1.08);
	open_svg(out, rows * ROW + 44, "divergence rate with its interval, per candidate");
	percent_axis(out, top, rows * ROW + 44);
	for (const struct node *c = candidates ? candidates->child : NULL; c; c = c->next, y += ROW)
		divergence_row(out, c, y, top);
	buf_puts(out, "</svg></div>\n");
}

/* --- latency --- */

struct range {
	double low, high; /* us */
};

static double log_scale(double us, struct range r)
{
	return LABEL + (log(us) - log(r.low)) / (log(r.high) - log(r.low)) * (RIGHT - LABEL);
}

static struct range latency_range(const struct node *candidates)
{
	static const char *const sides[] = {"live", "candidate"};
	struct range r = {INFINITY, 0};

	for (const struct node *c = candidates ? candidates->child : NULL; c; c = c->next) {
		for (int s = 0; s < 2; s++) {
			const struct node *l = doc_get(doc_get(c, "latency_us"), sides[s]);
			double low = doc_number(l, "p50"), high = doc_number(l, "p99");

			if (isfinite(low) && low > 0)
				r.low = fmin(r.low, low);
			if (isfinite(high))
				r.high = fmax(r.high, high);
		}
	}
	if (!isfinite(r.low) || r.high <= 0)
		return (struct range){0, 0};
	return (struct range){r.low / 1.3, fmax(r.high, r.low * 2) * 1.2};
}

static void latency_axis(struct buf *out, struct range r, int height)
{
	static const double steps[] = {1, 2, 5};
	double span = log10(r.high / r.low);

	for (double decade = pow(10, floor(log10(r.low))); decade < r.high; decade *= 10) {
		for (int i = 0; i < (span > 2 ? 1 : 3); i++) {
			double v = decade * steps[i], x;
			char text[24];

			if (v < r.low || v > r.high)
				continue;
			x = log_scale(v, r);
			run_time(v, text);
			buf_printf(out,
			           "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"8\" y2=\"%d\"/><text "
			           "x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" class=\"dim\">%s</text>\n",
			           x, x, height - 24, x, height - 8, text);
		}
	}
}

static void latency_side(struct buf *out, const struct node *l, const char *class, int y, struct range r)
{
	static const char *const quantiles[] = {"p50", "p90", "p99"};
	double low = doc_number(l, "p50"), high = doc_number(l, "p99");

	if (!isfinite(low) || !isfinite(high) || low <= 0)
		return;
	buf_printf(out, "<line class=\"%s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>", class,
	           log_scale(low, r), log_scale(high, r), y, y);
	for (int q = 0; q < 3; q++)
		buf_printf(out, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%d\" r=\"%.1f\"/>", class,
		           log_scale(fmax(doc_number(l, quantiles[q]), 1), r), y, 5.5 - q);
	buf_puts(out, "\n");
}

void svg_latency(struct buf *out, const struct node *candidates)
{
	struct range r = latency_range(candidates);
	int rows = 0, y = 24, height;

	if (r.high <= 0)
		return;
	for (const struct node *c = candidates->child; c; c = c->next)
		rows++;
	height = rows * ROW + 44;
	open_svg(out, height, "latency quantiles of live and candidate");
	latency_axis(out, r, height);
	for (const struct node *c = candidates->child; c; c = c->next, y += ROW) {
		put_label(out, y, doc_text(c, "name"));
		latency_side(out, doc_get(doc_get(c, "latency_us"), "live"), "side-live", y - 5, r);
		latency_side(out, doc_get(doc_get(c, "latency_us"), "candidate"), "side-candidate", y + 5, r);
	}
	buf_puts(out, "</svg></div>\n");
}

/* --- timeline --- */

struct point {
	double pairs, rate, low, high;
};

static unsigned read_points(sqlite3 *db, const struct node *c, struct point points[POINTS_MAX])
{
	sqlite3_stmt *s;
	unsigned n = 0;

	if (!db || sqlite3_prepare_v2(
	                   db,
	                   "SELECT pairs, diverged, low, high FROM (SELECT *, ROW_NUMBER() OVER (ORDER"
	                   " BY pairs) AS at, COUNT(*) OVER () AS total FROM timeline WHERE route = ?1 AND"
	                   " candidate = ?2 AND pairs > 0) WHERE at = total OR at % (1 + total / 390) = 0"
	                   " ORDER BY pairs",
	                   -1, &s, NULL) != SQLITE_OK)
		return 0;
	sqlite3_bind_text(s, 1, doc_text(c, "route"), -1, SQLITE_STATIC);
	sqlite3_bind_text(s, 2, doc_text(c, "name"), -1, SQLITE_STATIC);
	while (n < POINTS_MAX && sqlite3_step(s) == SQLITE_ROW) {
		points[n].pairs = sqlite3_column_double(s, 0);
		points[n].rate = sqlite3_column_double(s, 1) / points[n].pairs;
		points[n].low = sqlite3_column_double(s, 2);
		points[n++].high = sqlite3_column_double(s, 3);
	}
	sqlite3_finalize(s);
	return n;
}

static void put_curve(struct buf *out, const struct point *p, unsigned n, double top, int height)
{
	double most = p[n - 1].pairs;

#define X(i) (60 + p[i].pairs / most * (RIGHT - 60))
#define Y(v) ((height - 30) - fmin(1, (v) / top) * (height - 44))
	buf_puts(out, "<polygon class=\"band\" points=\"");
	for (unsigned i = 0; i < n; i++)
		buf_printf(out, "%.1f,%.1f ", X(i), Y(p[i].high));
	for (unsigned i = n; i-- > 0;)
		buf_printf(out, "%.1f,%.1f ", X(i), Y(p[i].low));
	buf_puts(out, "\"/><polyline class=\"curve\" points=\"");
	for (unsigned i = 0; i < n; i++)
		buf_printf(out, "%.1f,%.1f ", X(i), Y(p[i].rate));
	buf_puts(out, "\"/>\n");
#undef X
#undef Y
}

void svg_timeline(struct buf *out, sqlite3 *db, const struct node *c)
{
	struct point points[POINTS_MAX];
	unsigned n = read_points(db, c, points);
	double limit = declared_limit(c), top = isfinite(limit) ? limit * 2 : 0;
	const int height = 170;

	if (n < 3)
		return;
	buf_puts(out, "<h3>Divergence rate as pairs came <span class=\"dim\">band: 95 % interval; "
	              "dashed: limit</span></h3>\n");
	top = fmin(1, fmax(fmax(top, points[n - 1].high * 1.5), 0.001));
	open_svg(out, height, "interval of the divergence rate as pairs came in");
	for (double v = 0, step = round_step(top); v <= top * 1.0001; v += step) {
		double y = height - 30 - v / top * (height - 44);

		buf_printf(out,
		           "<line class=\"grid\" x1=\"60\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/><text x=\"52\" "
		           "y=\"%.1f\" text-anchor=\"end\" class=\"dim\">%.3g %%</text>\n",
		           RIGHT, y, y, y + 4, v * 100);
	}
	put_curve(out, points, n, top, height);
	if (isfinite(limit) && limit <= top)
		buf_printf(out, "<line class=\"limit\" x1=\"60\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>\n",
		           RIGHT, height - 30 - limit / top * (height - 44),
		           height - 30 - limit / top * (height - 44));
	buf_printf(
	        out,
	        "<text x=\"60\" y=\"%d\" class=\"dim\">0</text><text x=\"%d\" y=\"%d\" text-anchor=\"end\" "
	        "class=\"dim\">%.0f pairs</text></svg></div>\n",
	        height - 10, RIGHT, height - 10, points[n - 1].pairs);
}

/* --- a gate --- */

void svg_gate(struct buf *out, double low, double high, double value, double limit)
{
	double top = fmax(fmax(isfinite(high) ? high : 0, isfinite(value) ? value : 0), limit) * 1.08, end;

	if (!(top > 0) || !isfinite(low))
		return;
	end = isfinite(high) ? high / top * 130 : 130;
	buf_printf(
	        out,
	        "<svg role=\"img\" width=\"130\" height=\"18\" viewBox=\"0 0 130 18\"><title>interval, value "
	        "and limit</title><line class=\"grid\" x1=\"0\" x2=\"130\" y1=\"9\" y2=\"9\"/><rect "
	        "class=\"bar\" x=\"%.1f\" y=\"5\" width=\"%.1f\" height=\"8\" rx=\"4\"/>",
	        low / top * 130, fmax(end - low / top * 130, 2));
	if (isfinite(value))
		buf_printf(out, "<circle class=\"dot\" cx=\"%.1f\" cy=\"9\" r=\"3.5\"/>", value / top * 130);
	buf_printf(out, "<line class=\"limit\" x1=\"%.1f\" x2=\"%.1f\" y1=\"0\" y2=\"18\"/></svg>",
	           limit / top * 130, limit / top * 130);
}
