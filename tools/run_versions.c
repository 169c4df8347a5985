/* Of a candidate: who answered, and what of JSON was left out. */
#include <stdio.h>

#include "tools/run.h"

/* "live digits@2, candidate digits@7 of digits". */
static void put_combination(const struct node *v, struct buf *out)
{
	static const char *const sides[] = {"live", "candidate", "baseline"};
	const char *comma = "";

	for (unsigned i = 0; i < 3; i++) {
		if (!*doc_text(v, sides[i]))
			continue;
		buf_printf(out, "%s%s %s", comma, sides[i], doc_text(v, sides[i]));
		comma = ", ";
	}
}

static void put_versions(const struct node *of, struct buf *out)
{
	const struct node *list = doc_get(of, "versions");
	const char *comma = "";

	for (const struct node *v = list ? list->child : NULL; v; v = v->next) {
		buf_puts(out, comma);
		put_combination(v, out);
		comma = "; ";
	}
}

void run_versions(const struct node *c, struct buf *out)
{
	const struct node *segments = doc_get(c, "segments");
	double left_out = doc_number(c, "versions_left_out");
	unsigned n = 0;
	size_t before;

	for (const struct node *s = segments ? segments->child : NULL; s; s = s->next)
		n++;
	buf_puts(out, "answered by ");
	before = buf_len(out);
	put_versions(c, out);
	if (buf_len(out) == before)
		buf_puts(out, "versions that nobody tells");
	if (n > 1)
		buf_printf(out, "; a version changed: these figures are of one of %u segments", n);
	for (const struct node *s = n > 1 ? segments->child : NULL; s; s = s->next) {
		buf_printf(out, "; segment %.0f%s, ", doc_number(s, "segment"),
		           doc_true(s, "current") ? " (this one)" : "");
		put_versions(s, out);
		buf_printf(out, ": %.0f pairs, %.0f diverged, %s", doc_number(s, "pairs"),
		           doc_number(s, "diverged"), doc_text(s, "verdict"));
	}
	if (left_out > 0)
		buf_printf(out, "; %.0f pairs of further versions are in no figure", left_out);
}

static void put_list(const struct node *list, struct buf *out)
{
	const char *comma = "";

	for (const struct node *p = list ? list->child : NULL; p; p = p->next) {
		buf_printf(out, "%s%s", comma, p->text ? p->text : "");
		comma = ", ";
	}
}

void run_ignored(const struct node *c, struct buf *out)
{
	const struct node *ignored = doc_get(c, "ignored"), *by_default = doc_get(ignored, "by_default");
	const struct node *declared = doc_get(ignored, "declared");

	if (!(doc_number(doc_get(c, "read_as"), "json") > 0))
		return;
	if ((declared && declared->child) || (by_default && by_default->child))
		buf_puts(out, "of JSON left out: ");
	put_list(declared, out);
	if (declared && declared->child && by_default && by_default->child)
		buf_puts(out, "; ");
	if (by_default && by_default->child)
		buf_puts(out, "by default ");
	put_list(by_default, out);
}
