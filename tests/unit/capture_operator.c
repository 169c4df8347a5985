/* Operators: what each leaves of a value, that spelling does not change a token, that what is shaped adds up
 * and is given to nobody; keys against published vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "capture/detect/check.h"
#include "capture/detect/detect.h"
#include "capture/mask_key.h"
#include "capture/operator.h"

static struct mask_key *key;
static struct buf out;

static int setup(void **state)
{
	static const uint8_t secret[32] = {1, 2, 3};

	(void)state;
	buf_init(&out, 1 << 16);
	return mask_key_new(secret, &key);
}

static int teardown(void **state)
{
	(void)state;
	mask_key_free(&key);
	buf_fini(&out);
	return 0;
}

static unsigned class_of(const char *name)
{
	for (unsigned i = 1; i < DETECT_CLASSES; i++)
		if (strcmp(detect_class_name(i), name) == 0)
			return i;
	return DETECT_NONE;
}

/* The text that an operator leaves; valid until the next. */
static const char *operate(uint32_t with, const char *by, unsigned class, struct span subject, bool bare,
                           const char *value)
{
	struct mask_by read = {.class = class};
	struct mask_deed deed = {.with = with,
	                         .by = &read,
	                         .class = class,
	                         .domain = SPAN("d"),
	                         .subject = subject,
	                         .bare = bare};

	assert_int_equal(mask_by_read(with, by, &read), 0);
	if (subject.data)
		strcpy(read.subject, "$.user");
	buf_reset(&out);
	mask_operate(&deed, key, span_of(value), &out);
	buf_put(&out, deed.bare ? "#" : "", deed.bare ? 2 : 1);
	assert_int_equal(out.err, 0);
	return out.base + out.head;
}

static const struct {
	uint32_t with;
	const char *by, *class, *in, *want; /* want with #: it stands bare */
	bool bare;
} plain[] = {
        {MASK_REDACT, "", "", "x", "[redacted]", false},
        {MASK_CONSTANT, "J. Doe", "", "x", "J. Doe", false},
        {MASK_TYPE, "", "email", "x", "[email]", false},
        {MASK_TYPE, "", "", "x", "[text]", false},
        {MASK_TYPE, "", "", "12", "[number]", true},
        {MASK_NULL, "", "", "x", "", false},
        {MASK_CHARACTERS, "", "", "4111-1111-1111-1234", "****-****-****-1234", false},
        {MASK_CHARACTERS, "-2", "", "AB12 34 5", "AB** ** *", false},
        {MASK_CHARACTERS, "4", "", "1234567", "*******", false},
        {MASK_CHARACTERS, "0", "", "a b", "* *", false},
        {MASK_CHARACTERS, "1", "", "\xc3\xa9t\xc3\xa9s", "***s", false},
        {MASK_CHARACTERS, "-1", "", "\xc3\xa9t\xc3\xa9s", "\xc3\xa9***", false},
        {MASK_CHARACTERS, "1", "", "ab\xff", "[redacted]", false},
        {MASK_TRUNCATE, "2", "", "\xc3\xa9t\xc3\xa9", "\xc3\xa9t", false},
        {MASK_TRUNCATE, "9", "", "abc", "abc", false},
        {MASK_TRUNCATE, "0", "", "abc", "", false},
        {MASK_TRUNCATE, "3", "", "\xc3\xa9t\xc3\xa9", "\xc3\xa9t\xc3\xa9", false},
        {MASK_TRUNCATE_TIME, "", "", "2024-03-05T10:22:33.5+01:00", "2024-03-05T00:00:00.0+01:00", false},
        {MASK_TRUNCATE_TIME, "hour", "", "2024-03-05T10:22:33Z", "2024-03-05T10:00:00Z", false},
        {MASK_TRUNCATE_TIME, "minute", "", "2024-03-05 10:22:33", "2024-03-05 10:22:00", false},
        {MASK_TRUNCATE_TIME, "month", "", "05.03.2024", "01.03.2024", false},
        {MASK_TRUNCATE_TIME, "year", "", "2024/03/05", "2024/01/01", false},
        {MASK_TRUNCATE_TIME, "year", "", "1709633000", "1704067200#", true},
        {MASK_TRUNCATE_TIME, "day", "", "1709633000123", "1709596800000#", true},
        {MASK_TRUNCATE_TIME, "day", "", "-1", "-86400#", true},
        {MASK_TRUNCATE_TIME, "day", "", "yesterday", "[redacted]", false},
        {MASK_TRUNCATE_TIME, "day", "", "2024-13-05", "[redacted]", false},
        {MASK_BUCKET, "", "", "37", "30#", true},
        {MASK_BUCKET, "0.5", "", "-0.2", "-0.5#", true},
        {MASK_BUCKET, "10", "", "37", "30", false},
        {MASK_BUCKET, "10", "", "many", "[redacted]", false},
        {MASK_BUCKET, "10", "", "true", "[redacted]", true},
        {MASK_BUCKET, "10", "", "NaN", "[redacted]", true},
        {MASK_BUCKET, "0.5", "", "1.7e308", "[redacted]", true},
        {MASK_GENERALISE, "", "gps", "1e308,1", "[redacted]", false},
        {MASK_GENERALISE, "", "", "203.0.113.77", "203.0.113.0", false},
        {MASK_GENERALISE, "", "", "2001:db8:1:2::9", "2001:db8:1::", false},
        {MASK_GENERALISE, "", "email", "bob@example.com", "*@example.com", false},
        {MASK_GENERALISE, "", "postcode", "94107", "94100", false},
        {MASK_GENERALISE, "", "postcode", "SW1A 1AA", "SW1A", false},
        {MASK_GENERALISE, "", "", "1980-02-03", "1980", false},
        {MASK_GENERALISE, "", "age", "37", "30", false},
        {MASK_GENERALISE, "", "gps", "52.5234,13.4114", "52.5,13.4", false},
        {MASK_GENERALISE, "", "", "a word", "[redacted]", false},
        {MASK_SHIFT_DATE, "", "", "soon", "[redacted]", false},
        {MASK_SHIFT_DATE, "", "", "2024-03-05 with Ann Lee", "[redacted]", false},
        {MASK_SHIFT_DATE, "", "", "2024-03-05 10:22 Ann", "[redacted]", false},
        {MASK_SHIFT_DATE, "", "", "2024-03-05T10:22:33.Z", "[redacted]", false},
        {MASK_SHIFT_DATE, "", "", "2024-03-05T10:22:33+01:00 ann", "[redacted]", false},
        {MASK_SHIFT_DATE, "", "", "2024-03-05T25:22", "[redacted]", false},
        {MASK_SHIFT_DATE, "", "", "2024-03-05T10:22+1", "[redacted]", false},
        {MASK_TRUNCATE_TIME, "", "", "2024-03-05 Ann Lee", "[redacted]", false},
        {MASK_TRUNCATE_TIME, "", "", "2024-03-05T10:22:33-ann", "[redacted]", false},
        {MASK_GENERALISE, "", "", "2024-03-05T10:22:33Zz", "[redacted]", false},
        {MASK_GENERALISE, "", "email", "a@b.org, ann@c.org", "[redacted]", false},
        {MASK_GENERALISE, "", "email", "a@b.org Ann", "[redacted]", false},
        {MASK_GENERALISE, "", "email", "a@b@c.org", "[redacted]", false},
        {MASK_GENERALISE, "", "email", "a@b\xc3\xa9.org", "[redacted]", false},
        {MASK_GENERALISE, "", "email", "a@", "[redacted]", false},
        {MASK_GENERALISE, "", "postcode", "Ann Lee, 12 High St", "[redacted]", false},
        {MASK_GENERALISE, "", "postcode", "94107 Ann Lee", "[redacted]", false},
        {MASK_GENERALISE, "", "postcode", "A. Lee", "[redacted]", false},
        {MASK_GENERALISE, "", "postcode", "AnnLeeOfX 1AA", "[redacted]", false},
        {MASK_GENERALISE, "", "postcode", "SW1A 1 AA", "[redacted]", false},
        {MASK_GENERALISE, "", "postcode", "Ann Lee", "[redacted]", false},
        {MASK_GENERALISE, "", "postcode", "94107-1234", "94100", false},
        {MASK_GENERALISE, "", "", "2024-03-05T10:22:33.125+01:00", "2024", false},
        {MASK_GENERALISE, "", "", "2024-03-05 10:22", "2024", false},
        {MASK_TRUNCATE_TIME, "", "", "2024-03-05T10:22Z", "2024-03-05T00:00Z", false},
        {MASK_SHAPE, "", "", "\xc3\xa9t\xc3\xa9", "[redacted]", false},
};

static void test_plain(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
		assert_string_equal(operate(plain[i].with, plain[i].by, class_of(plain[i].class),
		                            (struct span){NULL, 0}, plain[i].bare, plain[i].in),
		                    plain[i].want);
}

static void test_asked(void **state)
{
	(void)state;
	assert_int_equal(mask_asked(key), 0);
	assert_string_equal(operate(MASK_BLOCK, "", 0, SPAN(""), false, "x"), "[redacted]");
	assert_int_equal(mask_asked(key), MASK_ASKED_BLOCK);
	assert_string_equal(operate(MASK_DROP_RECORD, "", 0, SPAN(""), false, "x"), "[redacted]");
	assert_int_equal(mask_asked(key), MASK_ASKED_DROP);
	assert_int_equal(mask_asked(key), 0);
}

static const struct {
	const char *class, *one, *other;
	bool same;
} spelled[] = {
        {"email", "Bob.Ross@Example.COM", " bob.ross@example.com", true},
        {"email", "bob@example.com", "rob@example.com", false},
        {"phone", "+49 (0)30 / 901820", "0049 30 901820", true},
        {"phone", "+49 (0)30 901820", "+49-30-901820", true},
        {"phone", "0049 30 901820", "+49 30 901820", true},
        {"phone", "(212) 555-0143", "+1 212.555.0143", true},
        {"phone", "+1 212 555 0143", "+1 212 555 0144", false},
        {"iban", "DE89 3704 0044 0532 0130 00", "de89370400440532013000", true},
        {"pan", "4111-1111-1111-1111", "4111 1111 1111 1111", true},
        {"pan", "\xef\xbc\x94\x31\x31\x31\x31\x31\x31\x31\x31\x31\x31\x31\x31\x31\x31\x31",
         "4111111111111111", true},
        {"us_ssn", "536-90-4399", "536 90 4399", true},
        {"ipv6", "2001:DB8:0:0::1", "2001:db8::1", true},
        {"mac", "00-1B-44-11-3A-B7", "00:1b:44:11:3a:b7", true},
        {"password", "Secret", "secret", false},
        {"jwt", "a.b", "a.b ", true},
};

static void test_canonical(void **state)
{
	char one[MASK_TOKEN_LEN + 1], other[MASK_TOKEN_LEN + 1];

	(void)state;
	for (size_t i = 0; i < sizeof spelled / sizeof *spelled; i++) {
		unsigned class = class_of(spelled[i].class);

		mask_class_token(key, class, span_of(spelled[i].one), one);
		mask_class_token(key, class, span_of(spelled[i].other), other);
		if ((strcmp(one, other) == 0) != spelled[i].same)
			fail_msg("%s and %s", spelled[i].one, spelled[i].other);
	}
	mask_class_token(key, DETECT_PAN, SPAN("1234"), one);
	mask_class_token(key, DETECT_IBAN, SPAN("1234"), other);
	assert_string_not_equal(one, other);
	mask_class_token(key, DETECT_PAN, SPAN("4111 1111 1111 1111"), one);
	mask_token(key, SPAN("pan"), SPAN("4111111111111111"), other);
	assert_string_equal(one, other);
}

static const char *const shaped[][3] = {
        {"pan", "4111-1111-1111-1111", "9"},
        {"us_ssn", "536-90-4399", "9"},
        {"iban", "DE89 3704 0044 0532 0130 00", "DE"},
        {"phone", "+49 30 901820", "+99 9"},
        {"pl_pesel", "44051401359", ""},
        {"uk_nhs", "943 476 5919", ""},
        {"br_cpf", "111.444.777-35", ""},
        {"fi_hetu", "131052-308T", ""},
        {"it_fiscal_code", "RSSMRA85T10A562S", ""},
        {"", "Ab-12/x", ""},
        {"in_aadhaar", "2363 5861 7894", ""},
        {"nl_bsn", "111222333", ""},
        {"eu_vat", "DE136695976", "DE"},
        {"cn_id", "11010519491231002X", ""},
        {"se_personnummer", "19811228-9874", ""},
        {"za_id", "8001015009087", ""},
};

static bool same_kind(char a, char b)
{
	bool digit = a >= '0' && a <= '9', letter = (a | 32) >= 'a' && (a | 32) <= 'z';

	if (digit)
		return b >= '0' && b <= '9';
	return letter ? (b | 32) >= 'a' && (b | 32) <= 'z' && (a & 32) == (b & 32) : a == b;
}

static void test_shapes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof shaped / sizeof *shaped; i++) {
		const char *in = shaped[i][1];
		char first[64];

		snprintf(first, sizeof first, "%s",
		         operate(MASK_SHAPE, "", class_of(shaped[i][0]), SPAN(""), false, in));
		assert_string_not_equal(first, in);
		assert_int_equal(strlen(first), strlen(in));
		for (size_t j = 0; in[j]; j++)
			if (!same_kind(in[j], first[j]))
				fail_msg("%s became %s", in, first);
		assert_memory_equal(first, shaped[i][2], strlen(shaped[i][2]));
		assert_string_equal(first,
		                    operate(MASK_SHAPE, "", class_of(shaped[i][0]), SPAN(""), false, in));
	}
	assert_true(check_luhn(operate(MASK_SHAPE, "", DETECT_PAN, SPAN(""), false, "4111111111111111")));
	assert_true(check_iban(
	        operate(MASK_SHAPE, "", DETECT_IBAN, SPAN(""), false, "DE89370400440532013000"), 22));
	assert_true(
	        check_pesel(operate(MASK_SHAPE, "", class_of("pl_pesel"), SPAN(""), false, "44051401359")));
	assert_true(check_nhs(operate(MASK_SHAPE, "", class_of("uk_nhs"), SPAN(""), false, "9434765919")));
	assert_non_null(
	        strstr(operate(MASK_SHAPE, "", DETECT_EMAIL, SPAN(""), false, "bob@x.org"), ".example"));
	assert_memory_equal(operate(MASK_SHAPE, "", DETECT_IPV6, SPAN(""), false, "fe80::1"), "2001:db8:", 9);
	assert_true(strtol(operate(MASK_SHAPE, "", DETECT_IPV4, SPAN(""), false, "9.9.9.9"), NULL, 10) >=
	            240);
	assert_true(strchr("2367abefABEF", operate(MASK_SHAPE, "", DETECT_MAC, SPAN(""), false,
	                                           "00:1b:44:11:3a:b7")[1]) != NULL);
}

/* Called what it is not: a letter where a check counts digits is drawn anew, and no check sees it. */
static void test_shapes_misnamed(void **state)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	char value[sizeof letters];

	(void)state;
	for (unsigned class = 1; class < DETECT_CLASSES; class ++)
		for (size_t len = 1; len < sizeof letters; len++) {
			snprintf(value, sizeof value, "%.*s", (int)len, letters);
			assert_null(strstr(operate(MASK_SHAPE, "", class, SPAN(""), false, value), value));
		}
	assert_int_equal(
	        strlen(operate(MASK_SHAPE, "", class_of("de_tax_id"), SPAN(""), false, "zzzzzzzzzzz")), 11);
	assert_int_equal(
	        strlen(operate(MASK_SHAPE, "", class_of("in_aadhaar"), SPAN(""), false, "zzzz zzzz zzzz")),
	        14);
}

/* What no draw can change or make add up is known before any is made. */
static void test_shapes_none(void **state)
{
	static const struct {
		const char *class, *in;
	} none[] = {{"", "--- ---"},
	            {"", ""},
	            {"pan", "4111-1111"},
	            {"pan", "4111-1111-1111-111x"},
	            {"iban", "DE89 3704 0044 0532 0130"},
	            {"iban", "DEAB 3704 0044 0532 0130 00"},
	            {"iban", "ZZ89 3704 0044 0532 0130 00"},
	            {"phone", "+49 30 90\xc3\xa9"}};

	(void)state;
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		assert_string_equal(
		        operate(MASK_SHAPE, "", class_of(none[i].class), SPAN(""), false, none[i].in),
		        "[redacted]");
}

/* However it was written, what is shaped or made up is of the same one. */
static void test_shapes_agree(void **state)
{
	char one[64];

	(void)state;
	snprintf(one, sizeof one, "%s", operate(MASK_SHAPE, "", DETECT_EMAIL, SPAN(""), false, "BOB@x.org"));
	assert_int_equal(strcasecmp(one, operate(MASK_SHAPE, "", DETECT_EMAIL, SPAN(""), false, "bob@x.org")),
	                 0);
	snprintf(one, sizeof one, "%s", operate(MASK_SURROGATE, "", 0, SPAN(""), false, "Grace Hopper"));
	assert_string_equal(one, operate(MASK_SURROGATE, "person", 0, SPAN(""), false, "GRACE hopper"));
	assert_string_not_equal(one, operate(MASK_SURROGATE, "city", 0, SPAN(""), false, "Grace Hopper"));
}

/* The days between dates of one subject stay; another subject's move by others. */
static void test_shift(void **state)
{
	char first[32];
	long a, b, differ = 0;

	(void)state;
	snprintf(first, sizeof first, "%s",
	         operate(MASK_SHIFT_DATE, "30", 0, SPAN("\"u1\""), false, "2024-02-28"));
	assert_string_not_equal(first, "2024-02-28");
	assert_string_equal(first, operate(MASK_SHIFT_DATE, "30", 0, SPAN("\"u1\""), false, "2024-02-28"));
	a = strtol(operate(MASK_SHIFT_DATE, "30", 0, SPAN("\"u1\""), true, "1000000"), NULL, 10);
	b = strtol(operate(MASK_SHIFT_DATE, "30", 0, SPAN("\"u1\""), true, "2000000"), NULL, 10);
	assert_int_equal(b - a, 1000000);
	assert_true(labs(a - 1000000) >= 86400 && labs(a - 1000000) <= 30 * 86400L);
	for (char id[] = "\"a\""; id[1] <= 'z'; id[1]++)
		differ += strtol(operate(MASK_SHIFT_DATE, "30", 0, span_of(id), true, "1000000"), NULL, 10) !=
		          a;
	assert_true(differ > 20);
}

/* Whatever is drawn, no number leaves that is none. */
static void test_noise(void **state)
{
	char value[32];

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		const char *got;

		snprintf(value, sizeof value, "1.7%ue308", i);
		got = operate(MASK_NOISE, "100", 0, SPAN(""), true, value);
		assert_true(strcmp(got, "[redacted]") == 0 || strchr("-0123456789", *got));
		snprintf(value, sizeof value, "1%u", i);
		assert_string_not_equal(operate(MASK_NOISE, "", 0, SPAN(""), true, value), "[redacted]");
	}
}

static void test_arguments(void **state)
{
	static const struct {
		uint32_t with;
		const char *by;
	} bad[] = {{MASK_TOKEN, "x"},          {MASK_CONSTANT, ""},      {MASK_CONSTANT, "a\nb"},
	           {MASK_CHARACTERS, "many"},  {MASK_CHARACTERS, "1.5"}, {MASK_SHIFT_DATE, "0"},
	           {MASK_TRUNCATE_TIME, "ms"}, {MASK_BUCKET, "0"},       {MASK_BUCKET, "-1"},
	           {MASK_BUCKET, "inf"},       {MASK_SURROGATE, "x"},    {MASK_TRUNCATE, "-1"}};
	struct mask_by by;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(mask_by_read(bad[i].with, bad[i].by, &by), ERR_CONFIG);
}

/* RFC 4231, test cases 1 to 4: a key under 64 bytes is as good with zeros behind it. What they check is the
 * hand that checks digests, whose text has a zero between domain and value. */
static void test_hmac_vectors(void **state)
{
	static const uint8_t counted[25] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13,
	                                    14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25};
	static const struct {
		const char *key, *data; /* key NULL: counted */
		size_t key_len, times;  /* the data again and again; 0: as text */
		const char *want;
	} cases[] = {
	        {"\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b",
	         "Hi There", 20, 0, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
	        {"Jefe", "what do ya want for nothing?", 4, 0,
	         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
	        {"\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa", "\xdd",
	         20, 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
	        {NULL, "\xcd", sizeof counted, 50,
	         "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t len = cases[i].times ? cases[i].times : strlen(cases[i].data);
		uint8_t secret[32] = {0}, data[64], got[32], by_hand[32];
		char hex[65];
		struct mask_key *k;
		unsigned hash_len;

		memcpy(secret, cases[i].key ? (const uint8_t *)cases[i].key : counted, cases[i].key_len);
		for (size_t j = 0; j < len; j++)
			data[j] = (uint8_t)cases[i].data[cases[i].times ? 0 : j];
		assert_non_null(HMAC(EVP_sha256(), secret, 32, data, len, by_hand, &hash_len));
		for (unsigned j = 0; j < 32; j++)
			snprintf(hex + 2 * j, 3, "%02x", by_hand[j]);
		assert_string_equal(hex, cases[i].want);
		assert_int_equal(mask_key_new(secret, &k), 0);
		for (unsigned again = 0; again < 3; again++) {
			mask_digest(k, SPAN("email"), SPAN("a@b"), got);
			HMAC(EVP_sha256(), secret, 32, (const uint8_t *)"email\0a@b", 9, by_hand, &hash_len);
			assert_memory_equal(got, by_hand, 32);
		}
		mask_key_free(&k);
	}
}

static void hkdf(const uint8_t *ikm, int ikm_len, const uint8_t *info, size_t info_len, uint8_t okm[32])
{
	uint8_t prk[32], block[128];
	unsigned len;

	HMAC(EVP_sha256(), (uint8_t[32]){0}, 32, ikm, (size_t)ikm_len, prk, &len);
	memcpy(block, info, info_len);
	block[info_len] = 1;
	HMAC(EVP_sha256(), prk, 32, block, info_len + 1, okm, &len);
}

/* RFC 5869 A.3 checks the hand that checks keys of tenants. */
static void test_hkdf_vectors(void **state)
{
	static const uint8_t want[32] = {0x8d, 0xa4, 0xe7, 0x75, 0xa5, 0x63, 0xc1, 0x8f, 0x71, 0x5f, 0x80,
	                                 0x2a, 0x06, 0x3c, 0x5a, 0x31, 0xb8, 0xa1, 0x1f, 0x5c, 0x5e, 0xe1,
	                                 0x87, 0x9e, 0xc3, 0x45, 0x4e, 0x5f, 0x3c, 0x73, 0x8d, 0x2d};
	uint8_t ikm[22], root[32] = {7}, got[32], other[32], by_hand[32];

	(void)state;
	memset(ikm, 0x0b, sizeof ikm);
	hkdf(ikm, sizeof ikm, (const uint8_t *)"", 0, by_hand);
	assert_memory_equal(by_hand, want, 32);
	assert_int_equal(mask_key_derive(root, SPAN("acme"), 258, got), 0);
	hkdf(root, 32, (const uint8_t *)"mask\0acme\0\0\0\1\2", 14, by_hand);
	assert_memory_equal(got, by_hand, 32);
	assert_int_equal(mask_key_derive(root, SPAN("acme"), 259, other), 0);
	assert_memory_not_equal(got, other, 32);
	assert_int_equal(mask_key_derive(root, SPAN("acmf"), 258, other), 0);
	assert_memory_not_equal(got, other, 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_plain),        cmocka_unit_test(test_asked),
	        cmocka_unit_test(test_canonical),    cmocka_unit_test(test_shapes),
	        cmocka_unit_test(test_shapes_agree), cmocka_unit_test(test_shift),
	        cmocka_unit_test(test_arguments),    cmocka_unit_test(test_hmac_vectors),
	        cmocka_unit_test(test_hkdf_vectors), cmocka_unit_test(test_shapes_misnamed),
	        cmocka_unit_test(test_shapes_none),  cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
