/*
 * classes.h - the one table of what can be found: class, its name in a policy, its group.
 */
#ifndef CAPTURE_DETECT_CLASSES_H
#define CAPTURE_DETECT_CLASSES_H

#include <stdbool.h>
#include <stdint.h>

#define DETECT_TABLE(X)                                                                                      \
	X(PAN, "pan", PAYMENT, "payment cards: Luhn and the issuers' ranges")                                \
	X(CARD_TRACK, "card_track", PAYMENT, "magnetic stripe data")                                         \
	X(CVV, "cvv", PAYMENT, "card verification values, by context")                                       \
	X(IBAN, "iban", PAYMENT, "mod 97 and the country's length")                                          \
	X(BIC, "bic", PAYMENT, "SWIFT codes, by context")                                                    \
	X(US_ROUTING, "us_routing", PAYMENT, "ABA weights, by context")                                      \
	X(BANK_ACCOUNT, "bank_account", PAYMENT, "account numbers and sort codes, by context")               \
	X(US_SSN, "us_ssn", US, "areas, groups and serials that are given out")                              \
	X(US_ITIN, "us_itin", US, "9xx with the groups in use")                                              \
	X(US_EIN, "us_ein", US, "campus prefixes, by context")                                               \
	X(US_NPI, "us_npi", US, "Luhn with 80840, by context")                                               \
	X(US_MBI, "us_mbi", US, "the letters and places in use")                                             \
	X(US_DEA, "us_dea", US, "check digit")                                                               \
	X(PASSPORT, "passport", US, "of any country, by context")                                            \
	X(DRIVER_LICENCE, "driver_licence", US, "of any country, by context")                                \
	X(UK_NHS, "uk_nhs", UK, "mod 11")                                                                    \
	X(UK_NINO, "uk_nino", UK, "prefixes in use")                                                         \
	X(UK_DRIVING_LICENCE, "uk_driving_licence", UK, "date of birth inside")                              \
	X(ES_NIF, "es_nif", EU, "mod 23 letter")                                                             \
	X(ES_NIE, "es_nie", EU, "mod 23 letter")                                                             \
	X(IT_FISCAL_CODE, "it_fiscal_code", EU, "odd and even table")                                        \
	X(IT_VAT, "it_vat", EU, "Luhn, by context")                                                          \
	X(PL_PESEL, "pl_pesel", EU, "date and weights")                                                      \
	X(DE_TAX_ID, "de_tax_id", EU, "ISO 7064 MOD 11,10")                                                  \
	X(DE_RVNR, "de_rvnr", EU, "date and check digit")                                                    \
	X(DE_KVNR, "de_kvnr", EU, "check digit")                                                             \
	X(DE_HRB, "de_hrb", EU, "HRA or HRB with a number")                                                  \
	X(EU_VAT, "eu_vat", EU, "country prefix; check digits where they are known")                         \
	X(FI_HETU, "fi_hetu", EU, "date and mod 31")                                                         \
	X(SE_PERSONNUMMER, "se_personnummer", EU, "date and Luhn")                                           \
	X(SE_ORG, "se_org", EU, "Luhn")                                                                      \
	X(FR_NIR, "fr_nir", EU, "mod 97")                                                                    \
	X(NL_BSN, "nl_bsn", EU, "11-test, by context")                                                       \
	X(BE_NRN, "be_nrn", EU, "mod 97")                                                                    \
	X(PT_NIF, "pt_nif", EU, "mod 11, by context")                                                        \
	X(CA_SIN, "ca_sin", WORLD, "Luhn")                                                                   \
	X(AU_ABN, "au_abn", WORLD, "mod 89")                                                                 \
	X(AU_ACN, "au_acn", WORLD, "weights, by context")                                                    \
	X(AU_TFN, "au_tfn", WORLD, "mod 11, by context")                                                     \
	X(AU_MEDICARE, "au_medicare", WORLD, "weights")                                                      \
	X(IN_AADHAAR, "in_aadhaar", WORLD, "Verhoeff")                                                       \
	X(IN_PAN, "in_pan", WORLD, "kinds of holder")                                                        \
	X(IN_GSTIN, "in_gstin", WORLD, "base 36 check")                                                      \
	X(SG_NRIC, "sg_nric", WORLD, "check letter")                                                         \
	X(SG_UEN, "sg_uen", WORLD, "by context")                                                             \
	X(KR_RRN, "kr_rrn", WORLD, "date")                                                                   \
	X(KR_FRN, "kr_frn", WORLD, "date")                                                                   \
	X(KR_BRN, "kr_brn", WORLD, "weights")                                                                \
	X(TH_TNIN, "th_tnin", WORLD, "mod 11")                                                               \
	X(TR_TCKN, "tr_tckn", WORLD, "two check digits")                                                     \
	X(ZA_ID, "za_id", WORLD, "date and Luhn")                                                            \
	X(NG_NIN, "ng_nin", WORLD, "by context")                                                             \
	X(PH_TIN, "ph_tin", WORLD, "by context")                                                             \
	X(BR_CPF, "br_cpf", WORLD, "two check digits")                                                       \
	X(BR_CNPJ, "br_cnpj", WORLD, "two check digits")                                                     \
	X(CN_ID, "cn_id", WORLD, "date and ISO 7064 MOD 11-2")                                               \
	X(JP_MY_NUMBER, "jp_my_number", WORLD, "check digit, by context")                                    \
	X(EMAIL, "email", CONTACT, "labels and the shape of the top-level domain")                           \
	X(PHONE, "phone", CONTACT, "calling codes and the shapes of national numbers")                       \
	X(POSTCODE, "postcode", CONTACT, "UK and Canada by shape, others by context")                        \
	X(USERNAME, "username", CONTACT, "after its name")                                                   \
	X(BIRTH_DATE, "birth_date", CONTACT, "a date, by context")                                           \
	X(AGE, "age", CONTACT, "1 to 120, by context")                                                       \
	X(GPS, "gps", CONTACT, "a pair of degrees")                                                          \
	X(PLATE, "plate", CONTACT, "UK by shape, others by context")                                         \
	X(VIN, "vin", CONTACT, "check digit")                                                                \
	X(IPV4, "ipv4", NETWORK, "four octets")                                                              \
	X(IPV6, "ipv6", NETWORK, "RFC 4291")                                                                 \
	X(MAC, "mac", NETWORK, "six octets")                                                                 \
	X(IMEI, "imei", NETWORK, "Luhn")                                                                     \
	X(IMSI, "imsi", NETWORK, "by context")                                                               \
	X(DEVICE_ID, "device_id", NETWORK, "a UUID, by context")                                             \
	X(URL_LOGIN, "url_login", NETWORK, "user and password in a URL")                                     \
	X(PASSWORD, "password", SECRET, "after its name")                                                    \
	X(JWT, "jwt", SECRET, "the header is JSON with alg")                                                 \
	X(PRIVATE_KEY, "private_key", SECRET, "PEM")                                                         \
	X(API_KEY, "api_key", SECRET, "prefix, length and alphabet of clouds, forges and model vendors")     \
	X(TOKEN, "token", SECRET, "high entropy, by context")                                                \
	X(BTC, "btc", CRYPTO, "base58check, bech32")                                                         \
	X(ETH, "eth", CRYPTO, "0x and 40 hex digits")                                                        \
	X(MRN, "mrn", HEALTH, "medical record numbers, by context")                                          \
	X(ICD, "icd", HEALTH, "diagnoses, by context")                                                       \
	X(NDC, "ndc", HEALTH, "drug codes, by context")                                                      \
	X(HICN, "hicn", HEALTH, "former Medicare numbers")                                                   \
	X(INSURANCE_ID, "insurance_id", HEALTH, "by context")                                                \
	X(SPECIAL, "special", SPECIAL, "religion, origin, party, union, orientation: after their name")      \
	X(GAZETTEER, "gazetteer", CUSTOM, "what the policy's gazetteer file lists")                          \
	X(PERSON, "person", CUSTOM, "by the policy's recogniser alone")                                      \
	X(PLACE, "place", CUSTOM, "by the policy's recogniser alone")                                        \
	X(ORGANISATION, "organisation", CUSTOM, "by the policy's recogniser alone")                          \
	X(ENTITY, "entity", CUSTOM, "what its recogniser calls by another name")

enum detect_class {
	DETECT_NONE,
#define X(name, text, group, sentence) DETECT_##name,
	DETECT_TABLE(X)
#undef X
	        DETECT_CLASSES,
	/* a policy's own patterns, by their place; captures have these numbers */
	DETECT_PATTERN = 112,
	DETECT_PATTERNS = 16, /* how many there may be */
	DETECT_CLASSES_ALL = DETECT_PATTERN + DETECT_PATTERNS,
	/* what a word may speak for beside classes: a telephone, and nothing else */
	CONTEXT_TELEPHONE = DETECT_PATTERN - 1
};

#define DETECT_GROUP_TABLE(X)                                                                                \
	X(PAYMENT, "payment")                                                                                \
	X(US, "us")                                                                                          \
	X(UK, "uk")                                                                                          \
	X(EU, "eu")                                                                                          \
	X(WORLD, "world")                                                                                    \
	X(CONTACT, "contact")                                                                                \
	X(NETWORK, "network")                                                                                \
	X(SECRET, "secret")                                                                                  \
	X(CRYPTO, "crypto")                                                                                  \
	X(HEALTH, "health")                                                                                  \
	X(SPECIAL, "special")                                                                                \
	X(CUSTOM, "custom")

struct detect_set {
	uint64_t bits[2];
};

static inline bool detect_set_has(const struct detect_set *s, unsigned class)
{
	return s->bits[class / 64] >> class % 64 & 1;
}

static inline void detect_set_add(struct detect_set *s, unsigned class)
{
	s->bits[class / 64] |= 1ull << class % 64;
}

/* Of a class: its name, its group's, and what it is told by. A pattern has another name in each policy; here
 * it is "pattern". */
const char *detect_class_name(unsigned class);
const char *detect_class_group(unsigned class);
const char *detect_class_sentence(unsigned class);
/* Add a class, the classes of a group, or "all". False: there is none of that name. */
bool detect_set_add_name(struct detect_set *, const char *name);

#endif
