#include "capture/mask_watch.h"

void mask_watch_init(struct mask_watch *w, bool values)
{
	*w = (struct mask_watch){.values = values};
	buf_init(&w->place, WATCH_BYTES_MAX);
	buf_init(&w->sights, WATCH_BYTES_MAX);
	buf_init(&w->text, WATCH_BYTES_MAX);
}

void mask_watch_fini(struct mask_watch *w)
{
	buf_fini(&w->place);
	buf_fini(&w->sights);
	buf_fini(&w->text);
}

void mask_watch_forget(struct mask_watch *w)
{
	buf_reset(&w->sights);
	buf_reset(&w->text);
}

const struct mask_sight *mask_watch_sights(const struct mask_watch *w, size_t *count_out)
{
	*count_out = buf_len(&w->sights) / sizeof(struct mask_sight);
	return (const struct mask_sight *)(const void *)buf_span(&w->sights).data;
}

struct span mask_watch_text(const struct mask_watch *w, size_t at, size_t len)
{
	return (struct span){buf_span(&w->text).data + at, len};
}

int mask_watch_error(const struct mask_watch *w)
{
	return w->sights.err ? w->sights.err : w->text.err ? w->text.err : w->place.err;
}

void mask_watch_at(struct mask_key *key, const char *kind, struct span name)
{
	struct mask_watch *w = mask_key_watched(key);

	if (!w)
		return;
	buf_reset(&w->place);
	buf_puts(&w->place, kind);
	if (name.len) {
		buf_puts(&w->place, " ");
		buf_span_put(&w->place, name);
	}
}

static void note(struct mask_watch *w, struct mask_sight *s, struct span value)
{
	s->document = w->document;
	s->place_at = buf_len(&w->text);
	s->place_len = buf_len(&w->place);
	buf_span_put(&w->text, buf_span(&w->place));
	s->value_at = buf_len(&w->text);
	if (w->values) {
		s->value_len = value.len;
		buf_span_put(&w->text, value);
	}
	buf_put(&w->sights, s, sizeof *s);
}

void mask_watch_rule(struct mask_key *key, const struct plan_mask_field *rule, uint32_t with,
                     struct span value)
{
	struct mask_sight s = {.rule = rule, .with = with, .end = value.len};

	if (mask_key_watched(key))
		note(mask_key_watched(key), &s, value);
}

void mask_watch_find(struct mask_key *key, uint32_t with, uint8_t class, uint8_t score, struct span text,
                     size_t start, size_t end)
{
	struct mask_sight s = {.with = with, .class = class, .score = score, .start = start, .end = end};

	if (mask_key_watched(key))
		note(mask_key_watched(key), &s, (struct span){text.data + start, end - start});
}

void mask_watch_prose(struct mask_key *key, struct span text)
{
	struct mask_sight s = {.with = MASK_REDACT, .prose = true, .end = text.len};

	if (mask_key_watched(key))
		note(mask_key_watched(key), &s, text);
}

size_t mask_watch_mark(const struct mask_key *key)
{
	const struct mask_watch *w = mask_key_watched(key);

	return w ? buf_len(&w->sights) : 0;
}

void mask_watch_back(struct mask_key *key, size_t mark)
{
	struct mask_watch *w = mask_key_watched(key);

	if (w && buf_len(&w->sights) > mark)
		w->sights.tail = w->sights.head + mark;
}
