/*
 * report_svg.h - the report's charts as inline SVG: no script, colours from the page's variables.
 */
#ifndef TOOLS_REPORT_SVG_H
#define TOOLS_REPORT_SVG_H

#include <sqlite3.h>
#include "tools/run.h"

/* Divergence rate of every candidate with its interval, and the limit where one is declared. */
void svg_divergence(struct buf *out, const struct node *candidates);
/* p50, p90 and p99 of both sides of every candidate, on one logarithmic axis. */
void svg_latency(struct buf *out, const struct node *candidates);
/* How the interval of one candidate narrowed with its pairs (table timeline), under its title; nothing of
 * fewer than three points. `db` may be NULL. */
void svg_timeline(struct buf *out, sqlite3 *db, const struct node *candidate);
/* One gate: the interval as a bar, the value as a dot, the limit as a line. */
void svg_gate(struct buf *out, double low, double high, double value, double limit);

#endif
