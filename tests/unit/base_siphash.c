/* The 64 published vectors begin with these (SipHash paper, appendix A, and its reference vectors): key
 * 00..0f, text 00, 01, 02 ... of growing length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "proto/base/siphash.h"

static void published_vectors(void **state)
{
	static const struct {
		size_t len;
		uint64_t hash;
	} vectors[] = {{0, 0x726fdb47dd0e0e31u},  {1, 0x74f839c593dc67fdu}, {7, 0xab0200f58b01d137u},
	               {8, 0x93f5f5799a932462u},  {9, 0x9e0082df0ba9e4b0u}, {15, 0xa129ca6149be45e5u},
	               {16, 0x3f2acc7f57c29bdbu}, {63, 0x958a324ceb064572u}};
	uint8_t key[16];
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (char)i;
	for (size_t i = 0; i < sizeof key; i++)
		key[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
		assert_int_equal(siphash(key, (struct span){text, vectors[i].len}), vectors[i].hash);
}

/* All 64 lengths, and keys of all kinds, as OpenSSL's own SipHash-2-4 has them. */
static void as_openssl(void **state)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
	size_t size = 8;
	OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
	                       OSSL_PARAM_construct_end()};
	uint8_t key[16], text[64], want[8];
	size_t len;

	(void)state;
	assert_non_null(mac);
	for (unsigned i = 0; i < 64 * 64; i++) {
		EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
		uint64_t got;

		for (size_t j = 0; j < sizeof text; j++)
			text[j] = (uint8_t)(j * (2 * i + 1) + i / 64);
		for (size_t j = 0; j < sizeof key; j++)
			key[j] = (uint8_t)(j + i / 64 * 37);
		assert_int_equal(EVP_MAC_init(ctx, key, sizeof key, params), 1);
		assert_int_equal(EVP_MAC_update(ctx, text, i % 64), 1);
		assert_int_equal(EVP_MAC_final(ctx, want, &len, sizeof want), 1);
		got = siphash(key, (struct span){(const char *)text, i % 64});
		for (unsigned j = 0; j < 8; j++)
			assert_int_equal((uint8_t)(got >> 8 * j), want[j]);
		EVP_MAC_CTX_free(ctx);
	}
	EVP_MAC_free(mac);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(published_vectors), cmocka_unit_test(as_openssl)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
