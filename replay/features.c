#include "replay/features.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/siphash.h"
#include "proto/json.h"

struct seen {
	struct feature *out;
	unsigned count;
	uint64_t numbers[FEATURES_MAX];
};

double feature_word(struct span text)
{
	static const uint8_t key[16] = "features";

	return (double)((siphash(key, text) >> 12) | 1);
}

static size_t put_key(char *to, size_t size, struct span key)
{
	size_t n = key.len < size ? key.len : size;

	for (size_t i = 0; i < n; i++)
		to[i] = key.data[i] > ' ' && key.data[i] < 0x7f ? key.data[i] : '?';
	return n;
}

/* "$.a[*].b"; false: it is too long. */
static bool put_path(const struct json_scanner *s, const struct span *keys, char out[FEATURE_BYTES])
{
	size_t at = 1;

	out[0] = '$';
	for (int i = 0; i < s->depth; i++) {
		bool object = json_in_object(s, i);

		if (at + (object ? keys[i].len + 1 : 3) >= FEATURE_BYTES)
			return false;
		memcpy(out + at, object ? "." : "[*]", object ? 1 : 3);
		at += object ? 1 : 3;
		if (object)
			at += put_key(out + at, FEATURE_BYTES - 1 - at, keys[i]);
	}
	out[at] = '\0';
	return true;
}

static void add(struct seen *s, const char *name, bool word, double value)
{
	unsigned i = 0;

	while (i < s->count && (strcmp(s->out[i].name, name) != 0 || s->out[i].word != word))
		i++;
	if (i == FEATURES_MAX)
		return;
	if (i == s->count) {
		s->out[s->count++] = (struct feature){.word = word, .value = value};
		snprintf(s->out[i].name, FEATURE_BYTES, "%s", name);
		s->numbers[i] = 1;
	} else if (!word) {
		double n = (double)++s->numbers[i];

		s->out[i].value =
		        s->out[i].value * ((n - 1) / n) + value / n; /* no difference: it overflows */
	}
}

static void add_token(struct seen *s, const struct json_reader *r, enum json_token token,
                      const struct span *keys)
{
	char name[FEATURE_BYTES];
	double number;

	if (!put_path(&r->scanner, keys, name))
		return;
	if (token == JSON_NUMBER && !json_double(r->text, &number) && isfinite(number))
		add(s, name, false, number);
	else if (token == JSON_STRING || token == JSON_TRUE || token == JSON_FALSE)
		add(s, name, true, feature_word(r->text));
}

unsigned features_of(struct span body, struct feature out[FEATURES_MAX])
{
	struct seen s = {.out = out};
	struct span keys[JSON_DEPTH_MAX];
	struct json_reader r;
	enum json_token token = JSON_MORE;

	add(&s, "(bytes)", false, (double)body.len);
	json_reader_init(&r, body, JSON_NONFINITE);
	for (unsigned n = 0; n < FEATURES_TOKENS && !json_next(&r, &token) && token != JSON_END; n++) {
		if (token == JSON_KEY)
			keys[r.scanner.depth - 1] = (struct span){r.text.data + 1, r.text.len - 2};
		else if (token >= JSON_STRING && token <= JSON_FALSE)
			add_token(&s, &r, token, keys);
	}
	return s.count;
}
