#include "capture/mask_why.h"

#include "proto/base/utf8.h"
#include "proto/coding.h"
#include "proto/json.h"

const char *mask_why_name(unsigned why)
{
	static const char *const names[] = {
#define X(name, text) text,
	        MASK_WHY_TABLE(X)
#undef X
	};

	return why < MASK_WHYS ? names[why] : "";
}

static enum mask_why why_text(int err, struct span text)
{
	struct json_reader json;
	enum json_token token = JSON_MORE;
	int rc = 0;

	if (!utf8_valid(text.data, text.len))
		return MASK_WHY_UTF8;
	json_reader_init(&json, text, JSON_NONFINITE);
	while (!rc && token != JSON_END)
		rc = json_next(&json, &token);
	if (rc == ERR_LIMIT)
		return MASK_WHY_DEEP;
	return err == ERR_LIMIT ? MASK_WHY_ROOM : MASK_WHY_FORMAT;
}

enum mask_why mask_why(const struct mask_body *b, int err, struct span body)
{
	enum mask_why why;
	struct buf plain;

	if (err == ERR_NOMEM)
		return MASK_WHY_ROOM;
	if (err == ERR_UNSUPPORTED)
		return MASK_WHY_ENCODING;
	if (!b->coding[0])
		return why_text(err, body);
	buf_init(&plain, b->limit_bytes);
	switch (coding_decode(span_of(b->coding), body, &plain)) {
	case 0:
		why = why_text(err, buf_span(&plain));
		break;
	case ERR_LIMIT:
		why = MASK_WHY_BOMB;
		break;
	default:
		why = MASK_WHY_FORMAT;
	}
	buf_fini(&plain);
	return why;
}

enum mask_why mask_why_message(int err, struct span messages)
{
	switch (err) {
	case ERR_NOMEM:
		return MASK_WHY_ROOM;
	case ERR_UNSUPPORTED:
		return MASK_WHY_ENCODING;
	case ERR_LIMIT:
		return messages.len && messages.data[0] ? MASK_WHY_BOMB : MASK_WHY_DEEP;
	default:
		return MASK_WHY_FORMAT;
	}
}
