#include "tools/rehearse_compare.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { EXCERPT = 16 };
void ignore_field(struct ignored *list, const char *name)
{
	for (unsigned i = 0; i < list->count; i++)
		if (!strcasecmp(list->names[i], name))
			return;
	if (list->count < IGNORED_MAX)
		list->names[list->count++] = name;
}

static bool is_ignored(const struct ignored *list, struct span name)
{
	for (unsigned i = 0; i < list->count; i++)
		if (span_eq_nocase(name, span_of(list->names[i])))
			return true;
	return false;
}

/* --- header fields --- */

/* The next line of `left`, with its name; false at the end. */
static bool next_field(struct span *left, struct span *name_out, struct span *value_out)
{
	const char *lf = left->len ? memchr(left->data, '\n', left->len) : NULL, *colon;
	size_t n = lf ? (size_t)(lf - left->data) : 0;

	if (!lf)
		return false;
	colon = memchr(left->data, ':', n);
	*name_out = (struct span){left->data, (size_t)(colon - left->data)};
	*value_out = (struct span){colon + 2, n - name_out->len - 2};
	left->data += n + 1;
	left->len -= n + 1;
	return true;
}

/* The n-th value of that name. */
static bool nth_value(struct span fields, struct span wanted, unsigned n, struct span *value_out)
{
	struct span name;

	while (next_field(&fields, &name, value_out))
		if (span_eq(name, wanted) && n-- == 0)
			return true;
	return false;
}

static void put_plain(char *to, size_t size, struct span text)
{
	size_t n = text.len < size - 1 ? text.len : size - 1;

	for (size_t i = 0; i < n; i++)
		to[i] = isprint((unsigned char)text.data[i]) ? text.data[i] : '?';
	to[n] = '\0';
}

static void say_field(struct span name, const struct span *direct, const struct span *through,
                      char why[DIFFERENCE_MAX])
{
	char key[64], a[160] = "(absent)", b[160] = "(absent)";

	put_plain(key, sizeof key, name);
	if (direct)
		put_plain(a, sizeof a, *direct);
	if (through)
		put_plain(b, sizeof b, *through);
	snprintf(why, DIFFERENCE_MAX, "header field %s\n  directly  %s\n  through   %s", key, a, b);
}

/* Every field of `one` that is not ignored is in `other`, with its value; `swapped`: `one` came through. */
static bool covers(const struct ignored *list, struct span one, struct span other, bool swapped,
                   char why[DIFFERENCE_MAX])
{
	struct span left = one, name, value, its, before;

	while (next_field(&left, &name, &value)) {
		unsigned n = 0;
		bool there;

		if (is_ignored(list, name))
			continue;
		before = (struct span){one.data, (size_t)(name.data - one.data)};
		while (nth_value(before, name, n, &its))
			n++;
		there = nth_value(other, name, n, &its);
		if (there && span_eq(value, its))
			continue;
		say_field(name, swapped ? there ? &its : NULL : &value,
		          swapped ? &value
		          : there ? &its
		                  : NULL,
		          why);
		return false;
	}
	return true;
}

/* --- bodies --- */

static void put_excerpt(char *to, size_t size, struct span body, size_t at)
{
	size_t n = body.len - at < EXCERPT ? body.len - at : EXCERPT, used = 0;
	char text[EXCERPT + 1];

	for (size_t i = 0; i < n; i++)
		used += (size_t)snprintf(to + used, size - used, "%02x ", (unsigned char)body.data[at + i]);
	put_plain(text, sizeof text, (struct span){body.data + at, n});
	snprintf(to + used, size - used, "%s|%s|", n ? "" : "(end) ", text);
}

static bool same_body(struct span direct, struct span through, char why[DIFFERENCE_MAX])
{
	size_t least = direct.len < through.len ? direct.len : through.len, at = 0;
	char a[128], b[128];

	while (at < least && direct.data[at] == through.data[at])
		at++;
	if (at == direct.len && at == through.len)
		return true;
	put_excerpt(a, sizeof a, direct, at);
	put_excerpt(b, sizeof b, through, at);
	snprintf(why, DIFFERENCE_MAX,
	         "body byte %zu, of %zu directly and %zu through the proxy\n  directly  %s\n  through   %s",
	         at, direct.len, through.len, a, b);
	return false;
}

bool compare_answers(const struct ignored *list, const struct reach_answer *direct,
                     const struct reach_answer *through, char why[DIFFERENCE_MAX])
{
	if (direct->status != through->status) {
		snprintf(why, DIFFERENCE_MAX, "status %u directly, %u through the proxy", direct->status,
		         through->status);
		return false;
	}
	/* The body first: a length in the head only says that it differs. */
	return same_body(buf_span(&direct->body), buf_span(&through->body), why) &&
	       covers(list, buf_span(&direct->fields), buf_span(&through->fields), false, why) &&
	       covers(list, buf_span(&through->fields), buf_span(&direct->fields), true, why);
}
