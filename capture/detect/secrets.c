/*
 * secrets.c - long runs: keys by their vendors' prefixes, JSON web tokens, PEM, addresses of crypto coins,
 * and what looks random beside a word that says so.
 */
#include <math.h>
#include <openssl/sha.h>

#include "capture/detect/inside.h"

enum { BACK_MAX = 96, RANDOM_LEAST = 16 };

static const struct key_prefix {
	const char *text;
	uint16_t shortest, longest; /* of the whole; 0: no limit */
} prefixes[] = {
        {"AKIA", 20, 20},     {"ASIA", 20, 20},
        {"ABIA", 20, 20},     {"ACCA", 20, 20},
        {"AIza", 35, 45},     {"ya29.", 30, 0},
        {"ghp_", 36, 0},      {"gho_", 36, 0},
        {"ghu_", 36, 0},      {"ghs_", 36, 0},
        {"ghr_", 36, 0},      {"github_pat_", 40, 0},
        {"glpat-", 24, 0},    {"gldt-", 24, 0},
        {"glrt-", 24, 0},     {"xoxb-", 24, 0},
        {"xoxa-", 24, 0},     {"xoxp-", 24, 0},
        {"xoxr-", 24, 0},     {"xoxs-", 24, 0},
        {"xapp-", 24, 0},     {"sk_live_", 24, 0},
        {"sk_test_", 24, 0},  {"rk_live_", 24, 0},
        {"rk_test_", 24, 0},  {"pk_live_", 24, 0},
        {"whsec_", 30, 0},    {"sk-ant-", 30, 0},
        {"sk-proj-", 30, 0},  {"sk-or-", 30, 0},
        {"sk-", 24, 0},       {"hf_", 30, 0},
        {"r8_", 36, 0},       {"gsk_", 36, 0},
        {"pplx-", 36, 0},     {"xai-", 40, 0},
        {"SG.", 50, 0},       {"npm_", 36, 0},
        {"pypi-", 40, 0},     {"dop_v1_", 60, 0},
        {"shpat_", 38, 0},    {"shpss_", 38, 0},
        {"dapi", 36, 40},     {"hvs.", 24, 0},
        {"hvb.", 24, 0},      {"AGE-SECRET-KEY-1", 60, 0},
        {"ATATT3", 40, 0},    {"EAACEdEose0cBA", 30, 0},
        {"key-", 36, 36},     {"lin_api_", 40, 0},
        {"ntn_", 40, 0},      {"secret_", 40, 0},
        {"tfp_", 40, 0},      {"sntrys_", 40, 0},
        {"dckr_pat_", 30, 0}, {"AccountKey=", 60, 0},
        {"GOCSPX-", 35, 35},  {"sq0atp-", 29, 0},
        {"sq0csp-", 50, 0},   {"glsa_", 40, 0},
        {"glc_", 40, 0},      {"xoxe-", 40, 0},
        {"xoxe.", 40, 0},     {"shpca_", 38, 0},
        {"shppa_", 38, 0},    {"rubygems_", 50, 0},
        {"phc_", 40, 0},      {"phx_", 40, 0},
        {"sbp_", 40, 0},      {"PMAK-", 50, 0},
        {"NRAK-", 30, 0},     {"CFPAT-", 40, 0},
        {"dp.pt.", 40, 0},    {"dp.st.", 40, 0},
        {"figd_", 40, 0},     {"nvapi-", 60, 0},
        {"tvly-", 30, 0},     {"LTAI", 20, 30},
        {"amzn.mws.", 40, 0}, {"pk_test_", 24, 0},
        {"glptt-", 40, 0},    {"gloas-", 60, 0},
        {"cio_", 30, 0},      {"EAACEdEose", 30, 0},
};

static bool in_long(unsigned char c)
{
	return is_alnum(c) || c == '-' || c == '_';
}

static bool has_prefix(const struct view *v, size_t at, const char *prefix)
{
	for (size_t i = 0; prefix[i]; i++)
		if (peek(v, at + i) != (unsigned char)prefix[i])
			return false;
	return true;
}

static bool match_prefix(struct view *v, size_t start, size_t end)
{
	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
		const struct key_prefix *p = &prefixes[i];

		if (!has_prefix(v, start, p->text) || end - start < p->shortest ||
		    (p->longest && end - start > p->longest))
			continue;
		offer_run(v, DETECT_API_KEY, start, end, 95, RUN_TOKEN);
		return true;
	}
	return false;
}

static int base64url(unsigned char c)
{
	if (is_letter(c))
		return c & 32 ? c - 'a' + 26 : c - 'A';
	if (is_digit(c))
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* RFC 7519 and 7515: the first part is JSON that names an algorithm. */
static bool jwt_header(const struct view *v, size_t start)
{
	char plain[4 * BACK_MAX + 1];
	unsigned bits = 0, have = 0;
	size_t n = 0;

	for (size_t i = start; n < sizeof plain - 1; i++) {
		int six = base64url(peek(v, i));

		if (six < 0)
			break;
		bits = bits << 6 | (unsigned)six;
		have += 6;
		if (have >= 8) {
			have -= 8;
			plain[n++] = (char)(bits >> have);
		}
	}
	plain[n] = '\0';
	return plain[0] == '{' && (strstr(plain, "\"alg\"") || strstr(plain, "\"enc\""));
}

static bool match_jwt(struct view *v, size_t start, size_t end)
{
	size_t dots = 0, i;

	if (!has_prefix(v, start, "eyJ"))
		return false;
	for (i = start; i < end; i++)
		dots += peek(v, i) == '.';
	if (!jwt_header(v, start) || (dots < 1 && end != v->hi))
		return false;
	offer_run(v, DETECT_JWT, start, end, 97, RUN_TOKEN);
	return true;
}

static bool is_base58(unsigned char c)
{
	return is_alnum(c) && c != '0' && c != 'O' && c != 'I' && c != 'l';
}

/* Base58check: version and hash, then four bytes of their double SHA-256. */
static bool base58check(const struct view *v, size_t start, size_t end)
{
	static const char alphabet[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
	unsigned char bytes[25] = {0}, hash[32];

	for (size_t i = start; i < end; i++) {
		const char *at = is_base58(v->text[i]) ? strchr(alphabet, v->text[i]) : NULL;
		unsigned carry = at ? (unsigned)(at - alphabet) : 0;

		if (!at)
			return false;
		for (int j = 24; j >= 0; j--) {
			carry += 58u * bytes[j];
			bytes[j] = (unsigned char)carry;
			carry >>= 8;
		}
		if (carry)
			return false;
	}
	SHA256(bytes, 21, hash);
	SHA256(hash, sizeof hash, hash);
	return memcmp(hash, bytes + 21, 4) == 0;
}

/* BIP 173 and 350: the checksum of "bc1" and what follows. */
static bool bech32(const struct view *v, size_t start, size_t end)
{
	static const char alphabet[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
	static const uint32_t generator[] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
	static const unsigned char human[] = {3, 3, 0, 2, 3}; /* "bc", spread */
	uint32_t sum = 1;

	for (size_t i = 0; i < sizeof human + end - start - 3; i++) {
		const char *at = alphabet;
		unsigned top = sum >> 25;

		if (i >= sizeof human)
			at = strchr(alphabet, v->text[start + 3 + i - sizeof human] | 32);
		if (!at)
			return false;
		sum = (sum & 0x1ffffff) << 5 ^ (i < sizeof human ? human[i] : (unsigned)(at - alphabet));
		for (unsigned j = 0; j < 5; j++)
			sum ^= top >> j & 1 ? generator[j] : 0;
	}
	return sum == 1 || sum == 0x2bc830a3;
}

static bool match_coin(struct view *v, size_t start, size_t end)
{
	size_t len = end - start, hex = start + 2;

	if (peek(v, start) == '0' && (peek(v, start + 1) | 32) == 'x' && len == 42) {
		while (hex < end && is_hex(v->text[hex]))
			hex++;
		if (hex == end)
			offer(v, DETECT_ETH, start, end, 75, 95);
		return hex == end;
	}
	if (len >= 26 && len <= 35 && (peek(v, start) == '1' || peek(v, start) == '3') &&
	    detect_wants(v, DETECT_BTC) && base58check(v, start, end)) {
		offer(v, DETECT_BTC, start, end, 97, 97);
		return true;
	}
	if (len >= 14 && len <= 90 && (has_prefix(v, start, "bc1") || has_prefix(v, start, "BC1")) &&
	    bech32(v, start, end)) {
		offer(v, DETECT_BTC, start, end, 97, 97);
		return true;
	}
	return false;
}

/* Shannon entropy, bits a character. */
static double entropy(const struct view *v, size_t start, size_t end)
{
	unsigned counts[256] = {0};
	double bits = 0, n = (double)(end - start);

	for (size_t i = start; i < end; i++)
		counts[v->text[i]]++;
	for (unsigned i = 0; i < 256; i++)
		if (counts[i])
			bits -= counts[i] / n * log2(counts[i] / n);
	return bits;
}

/* Words of letters between '_' or '-': a name in a program. */
static bool is_name(const struct view *v, size_t start, size_t end)
{
	unsigned words = 0, parts = 0;

	for (size_t i = start, n; i < end; i += n + 1) {
		bool letters = true;

		for (n = 0; i + n < end && is_alnum(v->text[i + n]); n++)
			letters &= is_letter(v->text[i + n]);
		parts += n > 0;
		words += letters && n > 2 ? 1 + (n > 7) : 0;
	}
	return parts > 1 && words > 1;
}

static void match_random(struct view *v, size_t start, size_t end)
{
	unsigned digits = 0, letters = 0;

	for (size_t i = start; i < end; i++) {
		digits += is_digit(v->text[i]);
		letters += is_letter(v->text[i]);
	}
	if (end - start < RANDOM_LEAST || !letters || digits < 2 || is_name(v, start, end) ||
	    !detect_context(v, DETECT_TOKEN))
		return;
	if (entropy(v, start, end) >= 3.0)
		offer_run(v, DETECT_TOKEN, start, end, 65, RUN_TOKEN);
}

static bool is_uuid(const struct view *v, size_t start, size_t end)
{
	static const unsigned dashes[] = {8, 13, 18, 23};

	if (end - start != 36)
		return false;
	for (unsigned i = 0; i < 4; i++)
		if (v->text[start + dashes[i]] != '-')
			return false;
	return true;
}

static bool small_hex(const struct view *v, size_t start, size_t end)
{
	for (size_t i = start; i < end; i++)
		if (!is_hex(v->text[i]) || (v->text[i] & 0x60) == 0x40)
			return false;
	return true;
}

static bool is_code(unsigned char c)
{
	return is_digit(c) || c == '/' || (is_letter(c) && !(c & 32));
}

/* Keys without a prefix of their own: a bot's number before ':', 32 hex digits behind SK, what stands in the
 * path of a hook. */
static bool match_vendor(struct view *v, size_t start, size_t end)
{
	size_t len = end - start, before = start - (peek(v, start - 1) == ':');
	static const char hook[] = "hooks.slack.com/services";

	if (len == 34 && has_prefix(v, start, "SK") && small_hex(v, start + 2, end)) {
		offer(v, DETECT_API_KEY, start, end, 80, 80);
		return true;
	}
	while (before < start && start - before < 11 && is_digit(peek(v, before - 1)))
		before--;
	if (len == 35 && has_prefix(v, start, "AA") && start - before > 8 && !is_alnum(peek(v, before - 1))) {
		offer(v, DETECT_API_KEY, before, end, 95, 95);
		return true;
	}
	for (before = start; start - before < 32 && is_code(peek(v, before - 1));)
		before--;
	if (start - before > 4 && has_prefix(v, before - (sizeof hook - 1), hook)) {
		offer(v, DETECT_API_KEY, before + 1, end, 95, 95);
		return true;
	}
	return false;
}

/* The end of a token: '=' pads it, or belongs to a name that goes before a value. */
static size_t token_end(const struct view *v, size_t at)
{
	while (at < v->hi && in_token(v->text[at]) && !(v->text[at] == '=' && is_alnum(peek(v, at + 1))))
		at++;
	return at;
}

void match_long(struct view *v)
{
	size_t start = v->at - (SIEVE_LONG - 1), end = token_end(v, v->at), first;

	while (end > v->at && end < v->hi && v->text[end - 1] == '.')
		end--;
	while (peek(v, start) == '-')
		start++;
	/* parts before this one, joined by dots: a JWT's header, "SG.", "ya29." */
	for (first = start;
	     v->at - first < BACK_MAX && (in_long(peek(v, first - 1)) || peek(v, first - 1) == '.');)
		first--;
	while (first < start && peek(v, first) == '.')
		first++;
	if (match_vendor(v, start, end) || match_jwt(v, first, end) || match_prefix(v, first, end) ||
	    match_prefix(v, start, end))
		return;
	if (peek(v, start - 1) == '.' || peek(v, end) == '@')
		return;
	if (match_coin(v, start, end) || is_uuid(v, start, end))
		return;
	match_random(v, start, end);
}

/* RFC 7468: "-----BEGIN ... PRIVATE KEY-----"; what follows to the line that ends it is run through. */
void match_dashes(struct view *v)
{
	size_t at = v->at + 1, name;

	if (!has_prefix(v, at, "BEGIN "))
		return;
	for (name = at + 6; name < at + 48 && (is_alnum(peek(v, name)) || peek(v, name) == ' '); name++)
		;
	if (!has_prefix(v, name, "-----") ||
	    !(has_prefix(v, name - 11, "PRIVATE KEY") || has_prefix(v, name - 17, "PRIVATE KEY BLOCK")))
		return;
	offer_run(v, DETECT_PRIVATE_KEY, v->at - 4, name + 5, 99, RUN_PEM);
}
