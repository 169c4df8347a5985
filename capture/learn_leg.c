/* Whole messages: which form a body has is told by its head, as for the masker. */
#include "capture/head.h"
#include "capture/learn.h"
#include "proto/base/buf.h"
#include "proto/coding.h"
#include "proto/url.h"

/* What is before `c`, and in `*rest` what is behind it. */
static struct span cut(struct span *rest, char c)
{
	const char *hit = rest->len ? memchr(rest->data, c, rest->len) : NULL;
	struct span before = {rest->data, hit ? (size_t)(hit - rest->data) : rest->len};

	rest->data += before.len + (hit != NULL);
	rest->len -= before.len + (hit != NULL);
	return before;
}

static int pair(struct learn *l, struct span raw)
{
	struct span value = raw, name = cut(&value, '=');
	struct buf n, v;
	int err;

	buf_init(&n, raw.len + 1);
	buf_init(&v, raw.len + 1);
	err = url_decode(name, true, &n) || url_decode(value, true, &v) ? ERR_PROTO : 0;
	if (!err)
		err = n.err ? n.err : v.err;
	if (!err)
		err = learn_value(l, LEARN_FORM, buf_span(&n), buf_span(&v));
	buf_fini(&n);
	buf_fini(&v);
	return err;
}

static int pairs(struct learn *l, struct span body)
{
	int err = 0, one;

	while (body.len) {
		one = pair(l, cut(&body, '&'));
		err = one ? one : err;
	}
	return err;
}

static int lines(struct learn *l, struct span body)
{
	int err = 0, one;

	while (body.len) {
		struct span line = cut(&body, '\n');

		if (!line.len)
			continue;
		learn_document(l);
		one = learn_json(l, line);
		err = one ? one : err;
	}
	return err;
}

static int coded(struct learn *l, const struct mask_body *form, struct span body, size_t limit_bytes)
{
	struct mask_body plain = *form;
	struct buf out;
	int err;

	buf_init(&out, limit_bytes);
	err = coding_decode(span_of(form->coding), body, &out);
	plain.coding[0] = '\0';
	if (!err)
		err = learn_body(l, &plain, buf_span(&out), limit_bytes);
	buf_fini(&out);
	return err;
}

int learn_body(struct learn *l, const struct mask_body *form, struct span body, size_t limit_bytes)
{
	if (!body.len)
		return 0;
	if (form->coding[0])
		return coded(l, form, body, limit_bytes);
	if (form->form == MASK_LINES)
		return lines(l, body);
	learn_document(l);
	if (form->form == MASK_JSON)
		return learn_json(l, body);
	return form->form == MASK_PAIRS ? pairs(l, body) : learn_value(l, LEARN_TEXT, SPAN(""), body);
}

bool learn_leg(struct learn *l, struct span head, struct span body, size_t limit_bytes)
{
	struct span name, value;
	struct mask_body form;
	size_t at = 0;
	bool read = !mask_body_of(head, &form) && !learn_body(l, &form, body, limit_bytes);

	while (head_next(head, &at, &name, &value))
		read &= !learn_value(l, LEARN_HEADER, name, value);
	return read;
}
