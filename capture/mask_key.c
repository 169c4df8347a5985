#include "capture/mask_key.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

#include "capture/detect/classes.h"
#include "capture/detect/fold.h"
#include "capture/detect/letters.h"
#include "capture/detect/sieve.h"
#include "capture/found.h"
#include "capture/mask_watch.h"
#include "proto/base/siphash.h"

enum { CANONICAL_MAX = 512, CANONICAL_KEPT = 8192 };

struct mask_key {
	EVP_MAC *mac;
	EVP_MAC_CTX *keyed; /* begun anew for each token, with the same key */
	bool failed;        /* a token could not be made: nothing may leave any more */
	unsigned asked;
	uint8_t note_key[16];     /* of the hashes of values */
	struct found *notes;      /* NULL: nothing is noted */
	struct buf meant;         /* a value in its canonical form */
	struct mask_watch *watch; /* NULL: nobody */
};

void mask_key_watch(struct mask_key *key, struct mask_watch *watch)
{
	key->watch = watch;
}

struct mask_watch *mask_key_watched(const struct mask_key *key)
{
	return key->watch;
}

int mask_key_new(const uint8_t key[32], struct mask_key **key_out)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
	        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
	        OSSL_PARAM_construct_end(),
	};
	struct mask_key *k = calloc(1, sizeof(*k));
	uint8_t notes[32];

	*key_out = NULL;
	if (!k)
		return ERR_NOMEM;
	buf_init(&k->meant, CANONICAL_MAX);
	k->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	if (k->mac)
		k->keyed = EVP_MAC_CTX_new(k->mac);
	if (!k->keyed || !EVP_MAC_init(k->keyed, key, 32, params)) {
		mask_key_free(&k);
		return ERR_NOMEM;
	}
	mask_digest(k, SPAN("what was found"), SPAN(""), notes);
	memcpy(k->note_key, notes, sizeof k->note_key);
	explicit_bzero(notes, sizeof notes);
	*key_out = k;
	return 0;
}

void mask_key_free(struct mask_key **key)
{
	if (!*key)
		return;
	EVP_MAC_CTX_free((*key)->keyed);
	EVP_MAC_free((*key)->mac);
	buf_fini(&(*key)->meant);
	explicit_bzero((*key)->note_key, sizeof(*key)->note_key);
	free(*key);
	*key = NULL;
}

int mask_key_derive(const uint8_t root[32], struct span tenant, uint32_t epoch, uint8_t out[32])
{
	char digest[] = "SHA256",
	     number[4] = {(char)(epoch >> 24), (char)(epoch >> 16), (char)(epoch >> 8), (char)epoch};
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	struct buf info;
	OSSL_PARAM params[4];
	int err = ERR_NOMEM;

	buf_init(&info, tenant.len + 16);
	buf_put(&info, "mask", 5);
	buf_span_put(&info, tenant);
	buf_put(&info, "", 1);
	buf_put(&info, number, sizeof number);
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)root, 32);
	params[2] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info.base, buf_len(&info));
	params[3] = OSSL_PARAM_construct_end();
	if (ctx && !info.err && EVP_KDF_derive(ctx, out, 32, params) > 0)
		err = 0;
	buf_fini(&info);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return err;
}

int mask_key_of(const uint8_t root[32], struct span tenant, uint32_t epoch, struct mask_key **key_out)
{
	uint8_t derived[32];
	int err;

	if (!tenant.len && !epoch)
		return mask_key_new(root, key_out);
	*key_out = NULL;
	err = mask_key_derive(root, tenant, epoch, derived);
	if (!err)
		err = mask_key_new(derived, key_out);
	explicit_bzero(derived, sizeof derived);
	return err;
}

static bool digest(struct mask_key *key, struct span domain, struct span value, uint8_t out[32])
{
	EVP_MAC_CTX *ctx = key->keyed;
	static const uint8_t zero;
	size_t len;

	return EVP_MAC_init(ctx, NULL, 0, NULL) &&
	       EVP_MAC_update(ctx, (const uint8_t *)domain.data, domain.len) &&
	       EVP_MAC_update(ctx, &zero, 1) && EVP_MAC_update(ctx, (const uint8_t *)value.data, value.len) &&
	       EVP_MAC_final(ctx, out, &len, 32) && len == 32;
}

void mask_digest(struct mask_key *key, struct span domain, struct span value, uint8_t out[32])
{
	if (digest(key, domain, value, out))
		return;
	key->failed = true;
	memset(out, 0, 32);
}

void mask_token(struct mask_key *key, struct span domain, struct span value, char out[MASK_TOKEN_LEN + 1])
{
	static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567";
	uint8_t hash[32];
	unsigned bits = 0, have = 0;
	size_t at = 0;

	mask_digest(key, domain, value, hash);
	memcpy(out, "tok_", 4);
	for (size_t i = 4; i < MASK_TOKEN_LEN; i++) {
		if (have < 5) {
			bits = bits << 8 | hash[at++];
			have += 8;
		}
		have -= 5;
		out[i] = base32[bits >> have & 31];
	}
	out[MASK_TOKEN_LEN] = '\0';
}

int mask_result(const struct mask_key *key, const struct buf *out)
{
	if (key->failed)
		return ERR_NOMEM;
	return out->err;
}

void mask_ask(struct mask_key *key, enum mask_asked what)
{
	key->asked |= what;
}

unsigned mask_asked(struct mask_key *key)
{
	unsigned asked = key->asked;

	key->asked = 0;
	return asked;
}

/* --- as it is meant --- */

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 32) : c;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z');
}

static void put_lower(struct span value, struct buf *out)
{
	const unsigned char *s = (const unsigned char *)value.data;

	for (size_t i = 0; i < value.len; i++) {
		char c = lower(value.data[i]);

		if (i + 1 < value.len && letter_is_pair(s[i], s[i + 1])) {
			unsigned pair = letter_small_pair(s[i], s[i + 1]);

			c = (char)(0xc0 | pair >> 6);
			buf_put(out, &c, 1);
			c = (char)(0x80 | (pair & 0x3f));
			i++;
		}
		buf_put(out, &c, 1);
	}
}

/* Letters and digits alone, capitals. */
static void put_compact(struct span value, struct buf *out)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.data[i];

		if (is_alnum(c))
			buf_put(out, (char[]){lower(c) == c && !is_digit(c) ? (char)(c & ~32) : c}, 1);
	}
}

/* E.164 as far as the text says so: +, or 00, or the ten digits of North America; (0) is said to nobody. */
static void put_phone(struct span value, struct buf *out)
{
	size_t start = buf_len(out), n;
	bool plus = false;
	char *digits;

	for (size_t i = 0; i < value.len; i++) {
		if (value.len - i >= 3 && memcmp(value.data + i, "(0)", 3) == 0) {
			i += 2;
			continue;
		}
		plus |= value.data[i] == '+' && buf_len(out) == start;
		if (is_digit(value.data[i]))
			buf_put(out, &value.data[i], 1);
	}
	n = buf_len(out) - start;
	digits = out->base ? out->base + out->head + start : NULL;
	if (out->err || !digits)
		return;
	if (!plus && n > 2 && memcmp(digits, "00", 2) == 0) {
		memmove(digits, digits + 2, n - 2);
		out->tail -= 2;
	} else if (!plus && n == 10 && digits[0] >= '2' && digits[3] >= '2') {
		buf_puts(out, "1");
		digits = out->base + out->head + start;
		if (!out->err) {
			memmove(digits + 1, digits, n);
			digits[0] = '1';
		}
	}
}

static void put_ipv6(struct span value, struct buf *out)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (value.len < sizeof text) {
		memcpy(text, value.data, value.len);
		text[value.len] = '\0';
		if (inet_pton(AF_INET6, text, &address) == 1 &&
		    inet_ntop(AF_INET6, &address, text, sizeof text)) {
			buf_puts(out, text);
			return;
		}
	}
	put_lower(value, out);
}

static void put_as(unsigned class, struct span value, struct buf *out)
{
	switch (class) {
	case DETECT_EMAIL:
	case DETECT_ETH:
	case DETECT_DEVICE_ID:
	case DETECT_GAZETTEER:
	case DETECT_PERSON:
	case DETECT_PLACE:
	case DETECT_ORGANISATION:
	case DETECT_ENTITY:
	case DETECT_SPECIAL:
		put_lower(value, out);
		return;
	case DETECT_PHONE:
		put_phone(value, out);
		return;
	case DETECT_IPV6:
		put_ipv6(value, out);
		return;
	case DETECT_NONE:
	case DETECT_CARD_TRACK:
	case DETECT_IPV4:
	case DETECT_GPS:
	case DETECT_BIRTH_DATE:
	case DETECT_USERNAME:
	case DETECT_URL_LOGIN:
	case DETECT_PASSWORD:
	case DETECT_JWT:
	case DETECT_PRIVATE_KEY:
	case DETECT_API_KEY:
	case DETECT_TOKEN:
	case DETECT_BTC:
	case DETECT_ICD:
		buf_span_put(out, value);
		return;
	default: /* numbers of states, banks and devices: separators and case say nothing */
		if (class >= DETECT_PATTERN)
			buf_span_put(out, value);
		else
			put_compact(value, out);
	}
}

void mask_canonical(unsigned class, struct span value, struct buf *out)
{
	unsigned char folded[CANONICAL_MAX + FOLD_SEQUENCE_MAX];
	struct fold fold;
	size_t took, n;

	while (value.len && strchr(" \t\r\n", value.data[0]) && value.data[0])
		value = (struct span){value.data + 1, value.len - 1};
	while (value.len && strchr(" \t\r\n", value.data[value.len - 1]) && value.data[value.len - 1])
		value.len--;
	if (class != DETECT_NONE && value.len <= CANONICAL_MAX / 4 &&
	    sieve_foldable((const unsigned char *)value.data, value.len)) {
		fold_init(&fold);
		n = fold_put(&fold, value, folded, sizeof folded, &took);
		n += fold_end(&fold, folded + n);
		value = (struct span){(const char *)folded, n};
	}
	put_as(class, value, out);
}

static void meant_reset(struct mask_key *key)
{
	if (key->meant.cap > CANONICAL_KEPT)
		buf_fini(&key->meant);
	buf_reset(&key->meant);
}

/* Behind what lies in key->meant already; valid until the next. */
static struct span meant(struct mask_key *key, unsigned class, struct span value)
{
	key->meant.limit_bytes = buf_len(&key->meant) + value.len + CANONICAL_MAX;
	mask_canonical(class, value, &key->meant);
	key->failed |= key->meant.err != 0;
	return buf_span(&key->meant);
}

void mask_class_token(struct mask_key *key, unsigned class, struct span value, char out[MASK_TOKEN_LEN + 1])
{
	meant_reset(key);
	mask_token(key, span_of(detect_class_name(class)), meant(key, class, value), out);
}

/* --- what was found --- */

void mask_note_in(struct mask_key *key, struct found *notes)
{
	key->notes = notes;
}

uint64_t mask_check(const struct mask_key *key, uint64_t salt)
{
	salt = htole64(salt);
	return siphash(key->note_key, (struct span){(const char *)&salt, sizeof salt});
}

/* Never 0. */
static uint64_t value_hash(struct mask_key *key, unsigned class, struct span value)
{
	char kind = (char)class;
	uint64_t hash, salt = htole64(key->notes->salt);

	meant_reset(key);
	buf_put(&key->meant, &salt, sizeof salt);
	buf_put(&key->meant, &kind, 1);
	hash = siphash(key->note_key, meant(key, class < DETECT_PATTERN ? class : DETECT_NONE, value));
	return hash ? hash : 1;
}

void mask_note(struct mask_key *key, unsigned class, struct span value, struct span put)
{
	if (!key->notes || !class)
		return;
	found_add(key->notes, class, value_hash(key, class, value), 1, false);
	if (put.len)
		found_add(key->notes, class, value_hash(key, class, put), 0, true);
}

bool mask_issued(struct mask_key *key, unsigned class, struct span value)
{
	return key->notes && class && key->notes->known.len &&
	       found_issued(key->notes->known, class, value_hash(key, class, value));
}

void mask_notes_keep(const struct mask_key *key, struct found_mark *mark)
{
	if (key->notes)
		found_keep(key->notes, mark);
}

void mask_notes_back(struct mask_key *key, const struct found_mark *mark)
{
	if (key->notes)
		found_back(key->notes, mark);
}
