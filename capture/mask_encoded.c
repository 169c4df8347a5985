/*
 * mask_encoded.c - texts that are another text in base64, or a data URI (RFC 2397): what they hold is
 * searched, too, and written the same way again.
 *
 * Only a text that is one as a whole is taken for it, and only when it decodes to readable UTF-8: pictures
 * and sound pass.
 */
#include "capture/mask_text.h"
#include "proto/base/utf8.h"
#include "proto/base64.h"
#include "proto/url.h"

static bool is_readable(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.data[i] < ' ' && !strchr("\t\r\n", text.data[i]))
			return false;
	return utf8_valid(text.data, text.len) && (!text.len || !memchr(text.data, 0, text.len));
}

/* So that most texts cost a look at their first word. */
static bool may_be_base64(struct span text)
{
	static const bool never[256] = {
	        ['.'] = true,  [','] = true, [':'] = true, [';'] = true, ['@'] = true, ['"'] = true,
	        ['\''] = true, ['{'] = true, ['['] = true, ['('] = true, ['<'] = true, ['%'] = true};

	if (text.len < MASK_ENCODED_LEAST)
		return false;
	for (size_t i = 0; i < MASK_ENCODED_LEAST; i++)
		if (text.data[i] <= ' ' || never[(unsigned char)text.data[i]])
			return false;
	return true;
}

/* "data:...," is cut off; `base64_out`: what follows is. */
static struct span cut_uri(struct span *text, bool *base64_out)
{
	const char *comma = memchr(text->data, ',', text->len);
	struct span front = {text->data, comma ? (size_t)(comma - text->data) + 1 : 0};

	*text = (struct span){text->data + front.len, text->len - front.len};
	*base64_out = front.len > 8 && memcmp(front.data + front.len - 8, ";base64,", 8) == 0;
	return front;
}

uint32_t mask_text_deep(const struct mask_finder *f, struct mask_key *key, enum mask_look how,
                        struct span name, struct span text, struct buf *out, bool *whole_out)
{
	struct span left = text, front = {"", 0};
	struct base64_form form = {0};
	struct buf plain, found;
	bool base64 = true,
	     uri = text.len > 5 && text.data[4] == ':' && strncasecmp(text.data, "data:", 5) == 0;
	uint32_t finds = mask_text(f, key, how, name, text, out, whole_out);
	int err;

	if (finds || (!uri && !may_be_base64(text)))
		return finds;
	if (uri)
		front = cut_uri(&left, &base64);
	buf_init(&plain, left.len + 1);
	buf_init(&found, out->limit_bytes);
	err = base64 ? base64_decode(left, &form, &plain) : url_decode(left, false, &plain);
	if (!err && !plain.err && is_readable(buf_span(&plain)))
		finds = mask_text(f, key, how, name, buf_span(&plain), &found, whole_out);
	if (finds && !*whole_out) {
		buf_span_put(out, front);
		if (base64)
			base64_encode(buf_span(&found), form, out);
		else
			url_encode(buf_span(&found), "", out);
	}
	out->err = out->err ? out->err : plain.err == ERR_NOMEM ? plain.err : found.err;
	buf_fini(&plain);
	buf_fini(&found);
	return finds;
}
