/*
 * What is found in a text: marked in each case as {class:what}; nothing else may be found. The same for every
 * way to cut it, and without AVX2.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "capture/detect/check.h"
#include "capture/detect/detect.h"
#include "capture/detect/gazetteer.h"
#include "capture/detect/sieve.h"
#include "tests/unit/detect_cases.h"

enum { TEXT_MAX = 40000, HITS_MAX = 64 };

struct hits {
	unsigned count;
	struct detect_hit at[HITS_MAX];
};

static struct detectors *all, *portable;
static struct detect *stream, *stream_portable;

static void found(void *arg, const struct detect_hit *hit)
{
	struct hits *h = arg;

	assert_true(h->count < HITS_MAX);
	h->at[h->count++] = *hit;
}

static struct hits whole(const struct detectors *d, struct span text)
{
	struct hits h = {0};

	detect_text(d, SPAN(""), text, found, &h);
	return h;
}

/* Cut at a and at b. */
static struct hits cut(struct detect *s, struct span text, size_t a, size_t b)
{
	struct hits h = {0};

	detect_begin(s, SPAN(""), found, &h);
	detect_feed(s, (struct span){text.data, a});
	detect_feed(s, (struct span){text.data + a, b - a});
	detect_feed(s, (struct span){text.data + b, text.len - b});
	detect_end(s);
	return h;
}

static struct hits by_bytes(struct detect *s, struct span text)
{
	struct hits h = {0};

	detect_begin(s, SPAN(""), found, &h);
	for (size_t i = 0; i < text.len; i++) {
		uint64_t settled = detect_settled(s);
		unsigned before = h.count;

		detect_feed(s, (struct span){text.data + i, 1});
		for (unsigned j = before; j < h.count; j++)
			assert_true(h.at[j].start >= settled);
		assert_true(i + 1 - detect_settled(s) <= DETECT_HELD + DETECT_RUN_MAX);
	}
	detect_end(s);
	return h;
}

static void same(const struct hits *a, const struct hits *b, struct span text)
{
	bool equal = a->count == b->count;

	for (unsigned i = 0; equal && i < a->count; i++)
		equal = a->at[i].start == b->at[i].start && a->at[i].end == b->at[i].end &&
		        a->at[i].class == b->at[i].class && a->at[i].score == b->at[i].score;
	if (!equal)
		fail_msg("%u hits, then %u, in: %.*s", a->count, b->count, (int)text.len, text.data);
}

/* Take the marks out: the text, and what they say. */
static struct span unmark(const char *marked, char *out, struct hits *want)
{
	size_t n = 0;

	want->count = 0;
	for (const char *c = marked; *c; c++) {
		if (*c == '{') {
			size_t len = strcspn(c + 1, ":");
			struct detect_hit *hit = &want->at[want->count];

			for (hit->class = 1; hit->class < DETECT_CLASSES; hit->class ++)
				if (strncmp(detect_class_name(hit->class), c + 1, len) == 0 &&
				    !detect_class_name(hit->class)[len])
					break;
			assert_true(hit->class < DETECT_CLASSES);
			hit->start = n;
			c += 1 + len;
		} else if (*c == '}') {
			want->at[want->count++].end = n;
		} else {
			out[n++] = *c;
		}
	}
	return (struct span){out, n};
}

static void test_cases(void **state)
{
	char text[TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct hits want, got;
		struct span s = unmark(cases[i], text, &want);

		got = whole(all, s);
		for (unsigned j = 0; j < got.count || j < want.count; j++)
			if (j >= got.count || j >= want.count || got.at[j].start != want.at[j].start ||
			    got.at[j].end != want.at[j].end || got.at[j].class != want.at[j].class)
				fail_msg("%s: hit %u of %u is %s [%.*s]", cases[i], j, got.count,
				         j < got.count ? detect_class_name(got.at[j].class) : "missing",
				         j < got.count ? (int)(got.at[j].end - got.at[j].start) : 0,
				         j < got.count ? s.data + got.at[j].start : "");
	}
}

static void test_every_split(void **state)
{
	char text[TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct hits want, got;
		struct span s = unmark(cases[i], text, &want);

		want = whole(all, s);
		got = by_bytes(stream, s);
		same(&want, &got, s);
		for (size_t a = 0; a <= s.len; a++) {
			for (size_t b = s.len <= 64 ? a : s.len; b <= s.len; b++) {
				got = cut(stream, s, a, b);
				same(&want, &got, s);
			}
		}
	}
}

/* Long enough for the window to slide; cases between fillers that shift them against blocks. */
static struct span long_text(char *out, unsigned seed)
{
	struct hits want;
	size_t n = 0;

	srand(seed);
	while (n < TEXT_MAX - 3000) {
		unsigned filler = (unsigned)rand() % 90;
		const char *one = cases[(unsigned)rand() % (sizeof cases / sizeof *cases)];

		if (rand() % 8 == 0)
			filler += 600;
		while (filler--)
			out[n++] = "etaoin shrdlu, 7"[rand() % 16];
		if (rand() % 6 == 0)
			n += (size_t)sprintf(out + n, "\xe2\x80\x8b\xc2\xa0\xe2\x80\x93");
		n += unmark(one, out + n, &want).len;
	}
	return (struct span){out, n};
}

struct digest {
	unsigned count;
	uint64_t sum, last;
};

static void digest(void *arg, const struct detect_hit *h)
{
	struct digest *d = arg;

	assert_true(h->start >= d->last && h->end > h->start);
	d->last = h->end;
	d->count++;
	d->sum = d->sum * 1099511628211ull + h->start * 31 + h->end * 7 + h->class * 3u + h->score;
}

static void test_long_texts(void **state)
{
	static char text[TEXT_MAX];

	(void)state;
	for (unsigned seed = 1; seed <= 40; seed++) {
		struct span s = long_text(text, seed);
		struct digest want = {0}, got = {0}, twin = {0};

		detect_text(all, SPAN("x"), s, digest, &want);
		detect_text(portable, SPAN("x"), s, digest, &twin);
		detect_begin(stream, SPAN("x"), digest, &got);
		for (size_t i = 0, n; i < s.len; i += n) {
			n = 1 + (size_t)rand() % (seed % 2 ? 20 : 3000);
			n = n < s.len - i ? n : s.len - i;
			detect_feed(stream, (struct span){s.data + i, n});
		}
		detect_end(stream);
		assert_true(want.count > 20);
		assert_int_equal(want.count, got.count);
		assert_int_equal(want.count, twin.count);
		assert_true(want.sum == got.sum && want.sum == twin.sum);
	}
}

static void test_twins_on_random_bytes(void **state)
{
	unsigned char block[SIEVE_BLOCK];
	struct sieve_bytes a, b;

	(void)state;
	if (!sieve_has_avx2())
		print_message("no AVX2 here: the portable code is compared with itself\n");
	srand(7);
	for (unsigned i = 0; i < 200000; i++) {
		for (unsigned j = 0; j < SIEVE_BLOCK; j++)
			block[j] = i < 256 ? (unsigned char)i : (unsigned char)rand();
		sieve_sort_portable(block, &a);
		sieve_best()(block, &b);
		assert_memory_equal(&a, &b, sizeof a);
	}
}

/* A token or a key that never ends is found in pieces that leave no gap. */
static void test_endless(void **state)
{
	static char text[TEXT_MAX];
	static const char *const starts[] = {"sk-proj-", "-----BEGIN PRIVATE KEY-----"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct span s = {text, TEXT_MAX};
		struct hits h, got;

		memset(text, 'x', TEXT_MAX);
		memcpy(text, starts[i], strlen(starts[i]));
		h = whole(all, s);
		assert_int_equal(h.count, TEXT_MAX / DETECT_RUN_MAX + 1);
		for (unsigned j = 0; j < h.count; j++)
			assert_int_equal(h.at[j].start, j * DETECT_RUN_MAX);
		assert_int_equal(h.at[h.count - 1].end, TEXT_MAX);
		got = by_bytes(stream, s);
		same(&h, &got, (struct span){text, 40});
	}
}

static void test_folded(void **state)
{
	/* full-width digits and blank, a zero-width space, a no-break space */
	struct span s = SPAN("\xef\xbc\x94\xef\xbc\x91\xef\xbc\x91\xef\xbc\x91\xe3\x80\x80"
	                     "11\xe2\x80\x8b"
	                     "11\xc2\xa0"
	                     "1111 1111 and bob\xef\xbc\xa0"
	                     "example.com");
	struct hits h = whole(all, s), got;

	(void)state;
	assert_int_equal(h.count, 2);
	assert_int_equal(h.at[0].class, DETECT_PAN);
	assert_int_equal(h.at[0].start, 0);
	assert_int_equal(h.at[0].end, 33);
	assert_int_equal(h.at[1].class, DETECT_EMAIL);
	assert_int_equal(h.at[1].end, s.len);
	for (size_t a = 0; a <= s.len; a++) {
		got = cut(stream, s, a, s.len);
		same(&h, &got, s);
	}
	got = by_bytes(stream, s);
	same(&h, &got, s);
}

/* The member's name is context; so is nothing else here. */
static void test_name(void **state)
{
	static const struct {
		const char *name, *text;
		unsigned class;
	} rows[] = {
	        {"ssn", "536904399", DETECT_US_SSN},
	        {"phoneNumber", "4155552671", DETECT_PHONE},
	        {"account_id", "12345678", DETECT_BANK_ACCOUNT},
	        {"x", "536904399", DETECT_NONE},
	        {"age", "42", DETECT_AGE},
	        {"count", "42", DETECT_NONE},
	        {"dateOfBirth", "12.03.1985", DETECT_BIRTH_DATE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct hits h = {0};

		detect_text(all, span_of(rows[i].name), span_of(rows[i].text), found, &h);
		assert_int_equal(h.count, rows[i].class != DETECT_NONE);
		if (h.count)
			assert_int_equal(h.at[0].class, rows[i].class);
	}
}

static void test_policy(void **state)
{
	struct detect_policy p = {
	        .min_score = 50, .allow_count = 3, .allow = {"support@Example.com", "*@our.org", "127.*"}};
	struct span s = SPAN("a@b.org support@example.com x@our.org 127.0.0.1 10.0.0.1 4111111111111111");
	struct detectors *d;
	struct hits h;

	(void)state;
	assert_true(detect_set_add_name(&p.classes, "email"));
	assert_true(detect_set_add_name(&p.classes, "network"));
	assert_false(detect_set_add_name(&p.classes, "emails"));
	assert_int_equal(detectors_new(&p, NULL, &d), 0);
	h = whole(d, s);
	assert_int_equal(h.count, 2);
	assert_int_equal(h.at[0].start, 0);
	assert_int_equal(h.at[1].class, DETECT_IPV4);
	assert_memory_equal(s.data + h.at[1].start, "10.0.0.1", 8);
	p.min_score = 90;
	h = whole(d, s);
	assert_int_equal(h.count, 1);
	detectors_free(&d);
}

static void test_gazetteer(void **state)
{
	static const char file[] = "# people\nAda Lovelace\nJean-Luc Picard\nZ\xc3\xbcrich\nNew York\nAda\n";
	struct detect_policy p = {.min_score = 50};
	struct span s =
	        SPAN("ada  lovelace met Jean-Luc Picard in z\xc3\x9cRICH, Adam went to New\nYork, Ada");
	static const uint64_t ends[] = {13, 33, 44, 67, 72};
	struct gazetteer *g;
	struct detectors *d;
	struct detect *t;
	unsigned line;
	struct hits h, got;

	(void)state;
	assert_int_equal(gazetteer_new(SPAN("fine\nx\n"), &g, &line), ERR_PROTO);
	assert_int_equal(line, 2);
	assert_int_equal(gazetteer_new(SPAN("bad \xff\n"), &g, &line), ERR_PROTO);
	assert_int_equal(gazetteer_new(span_of(file), &g, &line), 0);
	detect_set_add_name(&p.classes, "gazetteer");
	assert_int_equal(detectors_new(&p, g, &d), 0);
	assert_int_equal(detect_new(d, &t), 0);
	h = whole(d, s);
	assert_int_equal(h.count, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(h.at[i].end, ends[i]);
	for (size_t a = 0; a <= s.len; a++) {
		got = cut(t, s, a, s.len);
		same(&h, &got, s);
	}
	detect_free(&t);
	detectors_free(&d);
	gazetteer_free(&g);
}

struct number {
	detect_check *check;
	const char *good;
};

/* Published examples: NPI of CMS, NHS of its data dictionary, HETU of Finland's population register,
 * personnummer of Skatteverket, ABN and TFN of the Australian Taxation Office, resident id of GB 11643-1999,
 * routing number of the Federal Reserve, IBAN of ISO 13616, the rest of textbooks. Each digit changed must be
 * refused by those that have a check digit. */
static void test_checks(void **state)
{
	static const struct number rows[] = {
	        {check_npi, "1234567893"},
	        {check_nhs, "9434765919"},
	        {check_es_nif, "12345678Z"},
	        {check_it_fiscal, "RSSMRA85T10A562S"},
	        {check_pesel, "44051401359"},
	        {check_de_tax, "86095742719"},
	        {check_rvnr, "15070649C103"},
	        {check_kvnr, "A123456780"},
	        {check_vat_iso7064, "DE136695976"},
	        {check_vat_be, "BE0428759497"},
	        {check_vat_pt, "PT501964843"},
	        {check_vat_pl, "PL8567346215"},
	        {check_hetu, "131052308T"},
	        {check_pnr, "8112289874"},
	        {check_nir, "255081416802538"},
	        {check_bsn, "111222333"},
	        {check_nrn, "85073003328"},
	        {check_sin, "046454286"},
	        {check_abn, "51824753556"},
	        {check_acn, "004085616"},
	        {check_tfn, "123456782"},
	        {check_aadhaar, "234123412346"},
	        {check_gstin, "27AAPFU0939F1ZV"},
	        {check_nric, "S1234567D"},
	        {check_brn, "1208800767"},
	        {check_thai, "1101700230708"},
	        {check_tckn, "10000000146"},
	        {check_za_id, "8001015009087"},
	        {check_cpf, "52998224725"},
	        {check_cnpj, "11222333000181"},
	        {check_cn_id, "11010519491231002X"},
	        {check_my_number, "123456789018"},
	        {check_imei, "490154203237518"},
	        {check_aba, "021000021"},
	        {check_vin, "1M8GDM9AXKP042788"},
	        {check_luhn, "79927398713"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		size_t n = strlen(rows[i].good), wrong = 0, tried = 0;
		char text[24];

		if (rows[i].check != check_sin && !rows[i].check(rows[i].good))
			fail_msg("row %zu: %s", i, rows[i].good);
		for (size_t at = 0; at < n; at++) {
			memcpy(text, rows[i].good, n + 1);
			if (text[at] < '0' || text[at] > '9')
				continue;
			for (char c = '0'; c <= '9'; c++) {
				text[at] = c;
				tried += c != rows[i].good[at];
				wrong += c != rows[i].good[at] && rows[i].check(text);
			}
		}
		if (wrong * 8 > tried) /* mod 10 with weights 2, 4.. and month digits let few through */
			fail_msg("row %zu: %zu of %zu changes of %s pass", i, wrong, tried, rows[i].good);
	}
	assert_true(check_iban("DE89370400440532013000", 22));
	assert_false(check_iban("DE88370400440532013000", 22));
}

static int setup(void **state)
{
	static struct detect_policy policy = {.min_score = DETECT_SCORE};

	(void)state;
	detect_set_add_name(&policy.classes, "all");
	if (detectors_new(&policy, NULL, &all) || detectors_new(&policy, NULL, &portable))
		return 1;
	detectors_portable(portable);
	return detect_new(all, &stream) || detect_new(portable, &stream_portable);
}

static int teardown(void **state)
{
	(void)state;
	detect_free(&stream);
	detect_free(&stream_portable);
	detectors_free(&all);
	detectors_free(&portable);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_cases),      cmocka_unit_test(test_every_split),
	        cmocka_unit_test(test_long_texts), cmocka_unit_test(test_twins_on_random_bytes),
	        cmocka_unit_test(test_endless),    cmocka_unit_test(test_folded),
	        cmocka_unit_test(test_name),       cmocka_unit_test(test_policy),
	        cmocka_unit_test(test_gazetteer),  cmocka_unit_test(test_checks),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
