/*
 * certificate.h - certificates made on the spot, for tests: P-256 keys, PEM in memory, no files.
 */
#ifndef TESTS_LIB_CERTIFICATE_H
#define TESTS_LIB_CERTIFICATE_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

enum { CERTIFICATE_DAY = 24 * 3600 };

struct certificate {
	X509 *x509;
	EVP_PKEY *key;
	char *pem, *key_pem; /* NUL-terminated */
};

static inline char *certificate_text(BIO *bio)
{
	char *bytes, *text;
	long len = BIO_get_mem_data(bio, &bytes);

	text = strndup(bytes, (size_t)len);
	BIO_free(bio);
	assert(text != NULL);
	return text;
}

static inline void certificate_extend(X509 *x509, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert(extension != NULL && X509_add_ext(x509, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

/*
 * `names` is a subjectAltName like "DNS:a.test,IP:127.0.0.1"; NULL makes an authority. `issuer` NULL: signs
 * itself. Valid from `from` to `to`, seconds relative to now. The caller calls certificate_fini().
 */
static inline struct certificate certificate_make(const char *subject, const char *names,
                                                  const struct certificate *issuer, long from, long to)
{
	static long serial;
	struct certificate c = {X509_new(), EVP_EC_gen("P-256"), NULL, NULL};
	BIO *pem = BIO_new(BIO_s_mem()), *key_pem = BIO_new(BIO_s_mem());

	assert(c.x509 != NULL && c.key != NULL && pem != NULL && key_pem != NULL);
	X509_set_version(c.x509, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(c.x509), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(c.x509), from);
	X509_gmtime_adj(X509_getm_notAfter(c.x509), to);
	X509_set_pubkey(c.x509, c.key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(c.x509), "CN", MBSTRING_UTF8,
	                           (const unsigned char *)subject, -1, -1, 0);
	X509_set_issuer_name(c.x509, X509_get_subject_name(issuer == NULL ? c.x509 : issuer->x509));
	certificate_extend(c.x509, NID_basic_constraints, names == NULL ? "critical,CA:TRUE" : "CA:FALSE");
	if (names != NULL)
		certificate_extend(c.x509, NID_subject_alt_name, names);
	assert(X509_sign(c.x509, issuer == NULL ? c.key : issuer->key, EVP_sha256()) > 0);
	assert(PEM_write_bio_X509(pem, c.x509) == 1);
	assert(PEM_write_bio_PrivateKey(key_pem, c.key, NULL, NULL, 0, NULL, NULL) == 1);
	c.pem = certificate_text(pem);
	c.key_pem = certificate_text(key_pem);
	return c;
}

static inline void certificate_fini(struct certificate *c)
{
	X509_free(c->x509);
	EVP_PKEY_free(c->key);
	free(c->pem);
	free(c->key_pem);
}

#endif
