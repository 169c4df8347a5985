#include "tools/rehearse_print.h"

#include "proto/base/buf.h"
#include "proto/base/order.h"

enum { JSON_LIMIT_BYTES = 1 << 20 };

static const struct {
	const char *name;
	double q;
} quantiles[] = {{"p50", 0.5}, {"p99", 0.99}};
enum { QUANTILES = sizeof quantiles / sizeof *quantiles };

void rehearse_begin(const struct rehearse_outcome *o, FILE *f)
{
	fprintf(f, "%u requests %u times, to live and through a proxy on %s (clear text, %s)\n", o->requests,
	        o->repeat, o->proxy, o->copies ? "with copies" : "no copies");
	fflush(f);
}

static void quantile_text(const struct rehearse_outcome *o, unsigned i, FILE *f)
{
	struct order_quantile v = order_quantile(o->added_ns, o->timed, quantiles[i].q);
	char low[32] = "unknown", high[32] = "unknown";

	if (v.low)
		snprintf(low, sizeof low, "%.0f", (double)*v.low / 1e3);
	if (v.high)
		snprintf(high, sizeof high, "%.0f", (double)*v.high / 1e3);
	fprintf(f, "  %s %.0f us, between %s and %s us\n", quantiles[i].name, (double)v.value / 1e3, low,
	        high);
}

void rehearse_text(const struct rehearse_outcome *o, FILE *f)
{
	if (o->differs)
		fprintf(f, "differs: %s: %s\n", o->differs, o->why);
	fprintf(f, "identical answers %u/%u: status, header fields but", o->identical,
	        o->pairs - o->unsteady);
	for (unsigned i = 0; i < o->ignored.count; i++)
		fprintf(f, " %s", o->ignored.names[i]);
	fprintf(f, ", body bytes\n");
	if (o->unsteady)
		fprintf(f, "left out %u: live itself answers these differently each time\n", o->unsteady);
	if (o->unrouted)
		fprintf(f, "left out %u requests that no route takes\n", o->unrouted);
	if (!o->timed)
		return;
	fprintf(f, "added time of one request after the other, %u pairs, 95 %% intervals:\n", o->timed);
	for (unsigned i = 0; i < QUANTILES; i++)
		quantile_text(o, i, f);
}

static void put_us(struct buf *b, const char *name, const int64_t *ns)
{
	if (ns)
		buf_printf(b, ",\"%s\":%.3f", name, (double)*ns / 1e3);
	else
		buf_printf(b, ",\"%s\":null", name);
}

static void put_added(struct buf *b, const struct rehearse_outcome *o)
{
	buf_printf(b, ",\"added\":{\"pairs\":%u", o->timed);
	for (unsigned i = 0; o->timed && i < QUANTILES; i++) {
		struct order_quantile v = order_quantile(o->added_ns, o->timed, quantiles[i].q);

		buf_printf(b, ",\"%s\":{\"us\":%.3f", quantiles[i].name, (double)v.value / 1e3);
		put_us(b, "low_us", v.low);
		put_us(b, "high_us", v.high);
		buf_puts(b, "}");
	}
	buf_puts(b, "}");
}

static void put_difference(struct buf *b, const struct rehearse_outcome *o)
{
	buf_puts(b, ",\"difference\":");
	if (!o->differs) {
		buf_puts(b, "null");
		return;
	}
	buf_puts(b, "{\"request\":");
	buf_json_string(b, span_of(o->differs));
	buf_puts(b, ",\"why\":");
	buf_json_string(b, span_of(o->why));
	buf_puts(b, "}");
}

void rehearse_json(const struct rehearse_outcome *o, FILE *f)
{
	struct buf b;

	buf_init(&b, JSON_LIMIT_BYTES);
	buf_printf(&b, "{\"status\":%d,\"proxy\":", o->status);
	buf_json_string(&b, span_of(o->proxy));
	buf_printf(&b,
	           ",\"copies\":%s,\"requests\":%u,\"repeat\":%u,\"unrouted\":%u,\"pairs\":%u,"
	           "\"identical\":%u,\"unsteady\":%u,\"ignored\":[",
	           o->copies ? "true" : "false", o->requests, o->repeat, o->unrouted, o->pairs, o->identical,
	           o->unsteady);
	for (unsigned i = 0; i < o->ignored.count; i++) {
		buf_puts(&b, i ? "," : "");
		buf_json_string(&b, span_of(o->ignored.names[i]));
	}
	buf_puts(&b, "]");
	put_difference(&b, o);
	put_added(&b, o);
	buf_puts(&b, "}");
	fprintf(f, "%.*s\n", (int)buf_len(&b), buf_span(&b).data);
	buf_fini(&b);
}
