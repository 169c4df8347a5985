#include "replay/auto_slices.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "proto/json.h"
#include "replay/evidence.h"

enum { EXACT = 16, T_OPT = 1000 };

/* --- what a request is --- */

static void put_printable(char *to, size_t size, struct span text)
{
	size_t n = text.len < size - 1 ? text.len : size - 1;

	for (size_t i = 0; i < n; i++)
		to[i] = text.data[i] > ' ' && text.data[i] < 0x7f ? text.data[i] : '?';
	to[n] = '\0';
}

static void write_number(double value, char out[32])
{
	double low;

	if (!isfinite(value)) {
		snprintf(out, 32, "=%s", isnan(value) ? "NaN" : "infinite");
	} else if (fabs(value) <= EXACT && value == floor(value)) {
		snprintf(out, 32, "=%.0f", value);
	} else {
		low = exp2(floor(log2(fabs(value))));
		snprintf(out, 32, value < 0 ? " in (-%.4g,-%.4g]" : " in [%.4g,%.4g)",
		         value < 0 ? 2 * low : low, value < 0 ? low : 2 * low);
	}
}

/* "=eu"; false: a value that makes no slice. */
static bool write_value(enum json_token token, struct span text, char out[40])
{
	double number;

	if (token == JSON_NUMBER) {
		if (json_double(text, &number))
			return false;
		write_number(number, out);
		return true;
	}
	if ((token != JSON_STRING && token != JSON_TRUE && token != JSON_FALSE) || text.len > 34)
		return false;
	if (token == JSON_STRING)
		text = (struct span){text.data + 1, text.len - 2};
	out[0] = '=';
	put_printable(out + 1, 39, text);
	return true;
}

static bool add_feature(struct auto_features *f, const struct span *keys, int depth, const char *value)
{
	char path[AUTO_FEATURE_BYTES] = "$", key[AUTO_FEATURE_BYTES];
	size_t at = 1;

	for (int i = 0; i < depth; i++) {
		put_printable(key, sizeof key, keys[i]);
		at += (size_t)snprintf(path + at, sizeof path - at, ".%s", key);
		if (at >= sizeof path)
			return false;
	}
	if (at + strlen(value) >= AUTO_FEATURE_BYTES)
		return false;
	memcpy(f->at[f->count], path, at);
	snprintf(f->at[f->count] + at, AUTO_FEATURE_BYTES - at, "%s", value);
	for (uint32_t i = 0; i < f->count; i++)
		if (!strcmp(f->at[i], f->at[f->count]))
			return true; /* a pair counts once for each */
	f->count++;
	return true;
}

void auto_features_of(struct span body, struct auto_features *f)
{
	struct span keys[JSON_DEPTH_MAX];
	struct json_reader r;
	enum json_token token = JSON_MORE;
	char value[40];

	f->count = 0;
	json_reader_init(&r, body, JSON_NONFINITE);
	if (json_next(&r, &token) || token != JSON_OBJECT)
		return;
	while (f->count < AUTO_FEATURES && !json_next(&r, &token) && token != JSON_END) {
		int depth = r.scanner.depth;

		if (token == JSON_KEY)
			keys[depth - 1] = (struct span){r.text.data + 1, r.text.len - 2};
		else if (token == JSON_ARRAY && json_skip(&r, token))
			return;
		else if (write_value(token, r.text, value))
			add_feature(f, keys, depth, value);
	}
}

/* --- counting --- */

enum auto_half auto_half_of(uint64_t id) /* splitmix64's finaliser */
{
	id += 0x9e3779b97f4a7c15u;
	id = (id ^ id >> 30) * 0xbf58476d1ce4e5b9u;
	id = (id ^ id >> 27) * 0x94d049bb133111ebu;
	return id >> 63 ? AUTO_TESTS : AUTO_PROPOSES;
}

static uint32_t hash_of(const char *name) /* FNV-1a */
{
	uint32_t hash = 2166136261u;

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619u;
	return hash;
}

static struct auto_predicate *named(struct auto_slices *s, const char *name)
{
	uint32_t slot = hash_of(name) % AUTO_SLOTS;

	for (; s->slots[slot]; slot = (slot + 1) % AUTO_SLOTS)
		if (!strcmp(s->at[s->slots[slot] - 1].name, name))
			return &s->at[s->slots[slot] - 1];
	if (s->count == AUTO_COUNTED) {
		s->left_out++;
		return NULL;
	}
	snprintf(s->at[s->count].name, sizeof s->at[0].name, "%s", name);
	s->slots[slot] = (uint16_t)++s->count;
	return &s->at[s->count - 1];
}

static void count_one(struct auto_slices *s, const char *name, enum auto_half half, bool diverged)
{
	struct auto_predicate *p = named(s, name);

	if (!p)
		return;
	p->pairs[half]++;
	p->diverged[half] += diverged;
}

void auto_count(struct auto_slices *s, const struct auto_features *f, enum auto_half half, bool diverged)
{
	char both[2 * AUTO_FEATURE_BYTES + 4];

	s->pairs[half]++;
	s->diverged[half] += diverged;
	for (uint32_t i = 0; i < f->count; i++)
		count_one(s, f->at[i], half, diverged);
	for (uint32_t i = 0; i < f->count; i++)
		for (uint32_t j = i + 1; j < f->count; j++) {
			snprintf(both, sizeof both, "%s, %s", f->at[i], f->at[j]);
			count_one(s, both, half, diverged);
		}
}

/* --- what comes of it --- */

double auto_log_e(const struct auto_slices *s, unsigned index, enum auto_half half)
{
	const struct auto_predicate *p = &s->at[index];

	return evidence_more_often(p->diverged[half], p->pairs[half], s->diverged[half] - p->diverged[half],
	                           s->pairs[half] - p->pairs[half], T_OPT);
}

unsigned auto_proposed(const struct auto_slices *s, unsigned index_out[AUTO_PROPOSED])
{
	double strength[AUTO_PROPOSED];
	unsigned n = 0;

	for (unsigned i = 0; i < s->count; i++) {
		double log_e =
		        s->at[i].pairs[AUTO_PROPOSES] < AUTO_LEAST ? 0 : auto_log_e(s, i, AUTO_PROPOSES);
		unsigned at = n < AUTO_PROPOSED ? n : AUTO_PROPOSED;

		if (!(log_e > 0))
			continue;
		for (; at > 0 && strength[at - 1] < log_e; at--) {
			if (at == AUTO_PROPOSED)
				continue;
			strength[at] = strength[at - 1];
			index_out[at] = index_out[at - 1];
		}
		if (at == AUTO_PROPOSED)
			continue;
		strength[at] = log_e;
		index_out[at] = i;
		n += n < AUTO_PROPOSED;
	}
	return n;
}
