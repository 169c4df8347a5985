#include "capture/fault.h"

#include <stdio.h>
#include <string.h>

#include "proto/base/siphash.h"

enum { ALL_PPM = 1000000 };

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit times[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {0}},
                         rates[] = {{"/s", 1}, {0}}, shares[] = {{"%", 10000}, {0}};

static const struct {
	const char *name;
	const struct unit *amount; /* NULL: it has none */
	uint64_t most;
} kinds[FAULT_KINDS] = {
        [FAULT_DELAY] = {"delay", times, 3600000}, [FAULT_RESET] = {"reset", NULL, 0},
        [FAULT_HANG] = {"hang", NULL, 0},          [FAULT_GARBAGE] = {"garbage", NULL, 0},
        [FAULT_OUTAGE] = {"outage", NULL, 0},      [FAULT_SLOW] = {"slow", rates, 1000000000},
};

const char *fault_name(uint32_t kind)
{
	return kind < FAULT_KINDS ? kinds[kind].name : "?";
}

static struct span next_word(struct span *text)
{
	struct span word;

	while (text->len && *text->data == ' ')
		text->data++, text->len--;
	word = (struct span){text->data, 0};
	while (text->len && *text->data != ' ')
		text->data++, text->len--, word.len++;
	return word;
}

/* A decimal number and one of the units, up to `most` in the last unit's terms. False: it is none. */
static bool measure(struct span word, const struct unit *units, uint64_t most, uint32_t *out)
{
	uint64_t value = 0, scale = 1;
	bool point = false, digits = false;
	size_t i = 0;

	for (; i < word.len && scale < 100000 && value < 1000000000; i++) {
		char c = word.data[i];

		if (c == '.' && !point) {
			point = true;
		} else if (c >= '0' && c <= '9') {
			value = value * 10 + (uint64_t)(c - '0');
			scale *= point ? 10 : 1;
			digits = true;
		} else {
			break;
		}
	}
	word.data += i;
	word.len -= i;
	for (; units->name; units++)
		if (digits && span_eq(word, span_of(units->name)) && value * units->factor / scale <= most) {
			*out = (uint32_t)(value * units->factor / scale);
			return *out > 0;
		}
	return false;
}

static int read_kind(struct span *text, struct plan_fault *f, const char **why)
{
	struct span word = next_word(text);

	while (f->kind < FAULT_KINDS && !span_eq(word, span_of(kinds[f->kind].name)))
		f->kind++;
	*why = "begin with delay, reset, hang, garbage, outage or slow";
	if (f->kind == FAULT_KINDS)
		return ERR_CONFIG;
	*why = f->kind == FAULT_SLOW ? "say how many bytes a second, such as slow 1000/s"
	                             : "say by how much, such as delay 200ms";
	if (kinds[f->kind].amount &&
	    !measure(next_word(text), kinds[f->kind].amount, kinds[f->kind].most, &f->amount))
		return ERR_CONFIG;
	return 0;
}

int fault_read(struct span text, struct plan_fault *out, const char **why)
{
	struct plan_fault f = {.share_ppm = ALL_PPM};
	bool shared = false;
	struct span word;

	if (read_kind(&text, &f, why))
		return ERR_CONFIG;
	*why = "behind the fault may stand a share such as 20%, from TIME, for TIME, each once";
	while ((word = next_word(&text)).len) {
		bool from = span_eq(word, SPAN("from")), lasts = span_eq(word, SPAN("for"));
		uint32_t *to = from ? &f.start_ms : lasts ? &f.for_ms : &f.share_ppm;

		if (from || lasts) {
			if (*to || !measure(next_word(&text), times, 30 * 86400000u, to))
				return ERR_CONFIG;
		} else if (shared || !measure(word, shares, ALL_PPM, to)) {
			return ERR_CONFIG;
		} else {
			shared = true;
		}
	}
	*out = f;
	return 0;
}

/* " WORD 10s"; in the largest unit that leaves it whole. */
static size_t put_time(char *out, size_t size, const char *word, uint32_t ms)
{
	const struct unit *u = times;

	for (unsigned i = 0; times[i].name; i++)
		if (ms % times[i].factor == 0)
			u = &times[i];
	return (size_t)snprintf(out, size, "%s%llu%s", word, (unsigned long long)(ms / u->factor), u->name);
}

void fault_write(const struct plan_fault *f, char out[FAULT_TEXT_BYTES])
{
	size_t n = (size_t)snprintf(out, FAULT_TEXT_BYTES, "%s", fault_name(f->kind));

	if (f->kind == FAULT_DELAY)
		n += put_time(out + n, FAULT_TEXT_BYTES - n, " ", f->amount);
	if (f->kind == FAULT_SLOW)
		n += (size_t)snprintf(out + n, FAULT_TEXT_BYTES - n, " %u/s", f->amount);
	if (f->share_ppm < ALL_PPM)
		n += (size_t)snprintf(out + n, FAULT_TEXT_BYTES - n, " %.6g%%", f->share_ppm / 1e4);
	if (f->start_ms)
		n += put_time(out + n, FAULT_TEXT_BYTES - n, " from ", f->start_ms);
	if (f->for_ms)
		put_time(out + n, FAULT_TEXT_BYTES - n, " for ", f->for_ms);
}

bool fault_lasts(const struct plan_fault *f, uint64_t after_ns)
{
	uint64_t after_ms = after_ns / 1000000u;

	return after_ms >= f->start_ms && (!f->for_ms || after_ms - f->start_ms < f->for_ms);
}

bool fault_draws(const struct plan_fault *f, uint64_t seed, uint64_t id, uint32_t number)
{
	uint8_t key[16] = "fault";
	uint64_t text[2] = {id, number};

	memcpy(key + 8, &seed, sizeof seed);
	return siphash(key, (struct span){(const char *)text, sizeof text}) % ALL_PPM < f->share_ppm;
}
