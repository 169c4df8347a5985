/*
 * Recall and precision at exact places, and the characters of entities that would leak, over texts that are
 * composed from a seed: chats, forms and rows of numbers, with entities and with what only looks like them.
 * UNDERSTUDY_DETECT_SEEDS=FIRST-LAST runs other seeds than the few of every day.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "capture/detect/check.h"
#include "capture/detect/detect.h"

enum { TEXTS = 4000, TEXT_MAX = 2000, SPANS_MAX = 64 };

static uint64_t state;

/* splitmix64 */
static uint64_t draw(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static unsigned below(unsigned n)
{
	return (unsigned)(draw() % n);
}

#define PICK(list) ((list)[below(sizeof(list) / sizeof *(list))])

/* # is any digit, * one from 2 to 9, ^ a capital, ~ a hex digit. */
static size_t fill(const char *pattern, char *out)
{
	size_t n = 0;

	for (const char *p = pattern; *p; p++) {
		char c = *p;

		out[n++] = c == '#'   ? (char)('0' + below(10))
		           : c == '*' ? (char)('2' + below(8))
		           : c == '^' ? (char)('A' + below(26))
		           : c == '~' ? "0123456789abcdef"[below(16)]
		                      : c;
	}
	out[n] = '\0';
	return n;
}

static void card(char *out, bool valid)
{
	static const char *const shapes[] = {"4###############", "51##############", "55##############",
	                                     "2221############", "34#############",  "37#############",
	                                     "6011############", "3530############", "300###########",
	                                     "36############"};
	char digits[20];
	size_t n = fill(PICK(shapes), digits);
	unsigned style = below(4);

	while (check_luhn_n(digits, n) != valid)
		digits[n - 1] = (char)('0' + below(10));
	for (size_t i = 0; i < n; i++) {
		if (n == 16 && style < 2 && i && i % 4 == 0)
			*out++ = style ? '-' : ' ';
		*out++ = digits[i];
	}
	*out = '\0';
}

static void iban(char *out, bool valid)
{
	static const char *const shapes[] = {"DE####################",      "GB##^^^^##############",
	                                     "FR#########################", "NL##^^^^##########",
	                                     "ES######################",    "CH###################"};
	char text[40];
	size_t n;

	fill(PICK(shapes), text);
	n = check_iban_length(text);
	for (unsigned check = 2; check <= 98; check++) {
		text[2] = (char)('0' + check / 10);
		text[3] = (char)('0' + check % 10);
		if (check_iban(text, n))
			break;
	}
	if (!valid)
		text[n - 1] = text[n - 1] == '9' ? '0' : (char)(text[n - 1] + 1);
	for (size_t i = 0, spaced = below(2); i < n; i++) {
		if (spaced && i && i % 4 == 0)
			*out++ = ' ';
		*out++ = text[i];
	}
	*out = '\0';
}

static void ssn(char *out, bool valid)
{
	static const char *const bad[] = {"000-##-####", "666-##-####", "5*#-00-####", "4*#-*#-0000"};

	fill(valid ? "*##-*#-*###" : PICK(bad), out);
	if (valid) {
		out[0] = (char)('2' + below(4));
		if (memcmp(out, "666", 3) == 0)
			out[0] = '5';
	}
}

static void email(char *out, bool valid)
{
	static const char *const names[] = {"anna", "j.doe", "bob_smith", "x+y", "M.Curie", "o'neil", "a-b"};
	static const char *const hosts[] = {"example.com", "mail.example.co.uk", "x.org", "sub.a-b.io",
	                                    "uni-bonn.de"};
	static const char *const near[] = {"@handle",   "name@",      "user@@host.com",
	                                   "pkg@1.2.3", "img@2x.png", "a@b"};

	if (valid)
		sprintf(out, "%s%u@%s", PICK(names), below(100), PICK(hosts));
	else
		strcpy(out, PICK(near));
}

static void ipv4(char *out, bool valid)
{
	static const char *const near[] = {"1.2.3", "256.1.2.3", "1.2.3.4.5", "10.0.0.01", "v1.2.3.4"};

	if (valid)
		sprintf(out, "%u.%u.%u.%u", 1 + below(254), below(256), below(256), below(256));
	else
		strcpy(out, PICK(near));
}

static void ipv6(char *out, bool valid)
{
	static const char *const good[] = {"2001:db8:~~~~:~~~~::1", "fe80::~~~~:~~~~:~~~~:1~~~",
	                                   "2a02:1~~:~~~:1::~~~2"};
	static const char *const near[] = {"12:34:56", "std::string", "2001:db8::~~~g", "10:20"};

	fill(valid ? PICK(good) : PICK(near), out);
}

static void phone(char *out, bool valid)
{
	static const char *const good[] = {"(*##) *##-####",    "*##-*##-####",      "+1 *## *## ####",
	                                   "+1-*##-*##-####",   "*##.*##.####",      "+49 30 *######",
	                                   "+44 20 *### ####",  "+33 6 ## ## ## ##", "020 *### ####",
	                                   "+86 13# #### ####", "0171 *######",      "+91 9#### #####"};
	static const char *const near[] = {"##:##:##",   "20##-0*-1#",    "#.#.#",
	                                   "17########", "17###########", "*# x *#"};

	fill(valid ? PICK(good) : PICK(near), out);
}

static void nothing(char *out, bool valid)
{
	static const char *const shapes[] = {"~~~~~~~~-~~~~-4~~~-a~~~-~~~~~~~~~~~~",
	                                     "~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~",
	                                     "2024-03-1#T1#:##:##.######Z",
	                                     "0.################",
	                                     "-1.######e-##",
	                                     "17########",
	                                     "17###########",
	                                     "17##############",
	                                     "$1,*##.##",
	                                     "#*%",
	                                     "v1.##.#",
	                                     "order ####-###",
	                                     "0.###, 0.###, 0.###, 0.###"};

	(void)valid;
	fill(PICK(shapes), out);
}

static const struct kind {
	unsigned class;
	void (*make)(char *out, bool valid);
	const char *names[3];
	unsigned recall, precision; /* per mille, at least */
} kinds[] = {
        {DETECT_PAN, card, {"card", "pan", "payment"}, 990, 970},
        {DETECT_IBAN, iban, {"iban", "account", "transfer to"}, 990, 970},
        {DETECT_EMAIL, email, {"email", "contact", "write to"}, 990, 970},
        {DETECT_IPV4, ipv4, {"ip", "host", "from"}, 990, 970},
        {DETECT_IPV6, ipv6, {"ip", "host", "from"}, 990, 970},
        {DETECT_US_SSN, ssn, {"ssn", "number", "social security"}, 950, 900},
        {DETECT_PHONE, phone, {"phone", "call", "reach me at"}, 950, 900},
        {DETECT_NONE, nothing, {"id", "at", "value"}, 0, 0},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static struct score {
	unsigned wanted, hit, right, chars, leaked;
} scores[DETECT_CLASSES];

struct text {
	char bytes[TEXT_MAX];
	size_t len;
	unsigned count;
	struct detect_hit spans[SPANS_MAX];
};

static void put(struct text *t, const char *s)
{
	size_t n = strlen(s);

	memcpy(t->bytes + t->len, s, n);
	t->len += n;
}

static void put_entity(struct text *t, bool in_words)
{
	const struct kind *k = &PICK(kinds);
	bool valid = k->class != DETECT_NONE && below(3) > 0;
	char value[128];

	k->make(value, valid);
	if (in_words) {
		put(t, PICK(k->names));
		put(t, below(2) ? ": " : " ");
	}
	if (valid)
		t->spans[t->count++] =
		        (struct detect_hit){t->len, t->len + strlen(value), (uint8_t)k->class, 0};
	put(t, value);
}

static void compose(struct text *t)
{
	static const char *const prose[] = {"Please look at this. ",      "I told them that ",
	                                    "Thanks, and see you soon; ", "As we said, ",
	                                    "The report of 2023 says ",   "Could you check "};
	static const char *const after[] = {". ", ", and ", " is what I have. ", "; ", "\n", " (again). "};
	unsigned style = below(3);

	t->len = t->count = 0;
	for (unsigned i = 0, n = 1 + below(6); i < n; i++) {
		if (style == 0)
			put(t, PICK(prose));
		put_entity(t, style == 0 || below(2));
		put(t, style == 0 ? PICK(after) : style == 1 ? "\n" : " | ");
	}
}

static void found(void *arg, const struct detect_hit *hit)
{
	struct text *t = arg;

	scores[hit->class].hit++;
	for (unsigned i = 0; i < t->count; i++) {
		struct detect_hit *s = &t->spans[i];

		if (s->class == hit->class && s->start == hit->start && s->end == hit->end)
			scores[hit->class].right++;
		if (s->start < hit->end && hit->start < s->end) /* `score` counts what is covered */
			s->score += (uint8_t)((s->end < hit->end ? s->end : hit->end) -
			                      (s->start > hit->start ? s->start : hit->start));
	}
}

static void run(const struct detectors *d, uint64_t seed)
{
	static struct text t;

	state = seed;
	memset(scores, 0, sizeof scores);
	for (unsigned i = 0; i < TEXTS; i++) {
		compose(&t);
		detect_text(d, SPAN("content"), (struct span){t.bytes, t.len}, found, &t);
		for (unsigned j = 0; j < t.count; j++) {
			struct score *s = &scores[t.spans[j].class];

			s->wanted++;
			s->chars += (unsigned)(t.spans[j].end - t.spans[j].start);
			s->leaked += (unsigned)(t.spans[j].end - t.spans[j].start) - t.spans[j].score;
		}
	}
}

static void test_bars(void **cmocka_state)
{
	static struct detect_policy policy = {.min_score = DETECT_SCORE};
	const char *asked = getenv("UNDERSTUDY_DETECT_SEEDS");
	unsigned first = 1, last = 3;
	struct detectors *d;

	(void)cmocka_state;
	if (asked)
		assert_int_equal(sscanf(asked, "%u-%u", &first, &last), 2);
	detect_set_add_name(&policy.classes, "all");
	assert_int_equal(detectors_new(&policy, NULL, &d), 0);
	for (unsigned seed = first; seed <= last; seed++) {
		run(d, seed);
		for (unsigned i = 0; i < KINDS - 1; i++) {
			const struct score *s = &scores[kinds[i].class];

			print_message("seed %u %-7s %5u wanted: recall %.4f precision %.4f leaked %.5f\n",
			              seed, detect_class_name(kinds[i].class), s->wanted,
			              (double)s->right / s->wanted, (double)s->right / s->hit,
			              (double)s->leaked / s->chars);
			assert_true(s->wanted > 100);
			assert_true(s->right * 1000ull >= (uint64_t)s->wanted * kinds[i].recall);
			assert_true(s->right * 1000ull >= (uint64_t)s->hit * kinds[i].precision);
			assert_true(s->leaked * 100ull <= s->chars);
		}
	}
	detectors_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_bars)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
