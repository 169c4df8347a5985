/*
 * words.c - the words that speak for a class. One word may speak for many: it only makes a shape and a check
 * that are there already surer.
 */
#include "capture/detect/inside.h"

enum { CLASSES_MAX = 12, SLOTS = 1024 };

#define C(name) DETECT_##name
static const struct word {
	const char *text;
	uint8_t classes[CLASSES_MAX]; /* ends with DETECT_NONE */
} table[] = {
        {"card", {C(PAN)}},
        {"cards", {C(PAN)}},
        {"credit", {C(PAN)}},
        {"debit", {C(PAN)}},
        {"visa", {C(PAN), C(PASSPORT)}},
        {"mastercard", {C(PAN)}},
        {"amex", {C(PAN)}},
        {"discover", {C(PAN)}},
        {"diners", {C(PAN)}},
        {"maestro", {C(PAN)}},
        {"jcb", {C(PAN)}},
        {"unionpay", {C(PAN)}},
        {"cc", {C(PAN)}},
        {"pan", {C(PAN), C(IN_PAN)}},
        {"karte", {C(PAN)}},
        {"kreditkarte", {C(PAN)}},
        {"kartennummer", {C(PAN)}},
        {"carte", {C(PAN)}},
        {"tarjeta", {C(PAN)}},
        {"carta", {C(PAN)}},
        {"payment", {C(PAN)}},
        {"cvv", {C(CVV)}},
        {"cvc", {C(CVV)}},
        {"csc", {C(CVV)}},
        {"cid", {C(CVV)}},
        {"iban", {C(IBAN)}},
        {"bic", {C(BIC)}},
        {"swift", {C(BIC)}},
        {"routing", {C(US_ROUTING)}},
        {"aba", {C(US_ROUTING)}},
        {"rtn", {C(US_ROUTING)}},
        {"transit", {C(US_ROUTING)}},
        {"account", {C(BANK_ACCOUNT)}},
        {"accounts", {C(BANK_ACCOUNT)}},
        {"acct", {C(BANK_ACCOUNT)}},
        {"bank", {C(BANK_ACCOUNT), C(US_ROUTING)}},
        {"checking", {C(BANK_ACCOUNT)}},
        {"savings", {C(BANK_ACCOUNT)}},
        {"konto", {C(BANK_ACCOUNT)}},
        {"kontonummer", {C(BANK_ACCOUNT)}},
        {"cuenta", {C(BANK_ACCOUNT)}},
        {"sort", {C(BANK_ACCOUNT)}},
        {"ssn", {C(US_SSN), C(US_ITIN)}},
        {"ssns", {C(US_SSN)}},
        {"social", {C(US_SSN), C(CA_SIN)}},
        {"security", {C(US_SSN), C(CVV)}},
        {"itin", {C(US_ITIN)}},
        {"taxpayer", {C(US_ITIN), C(US_EIN), C(US_SSN), C(PH_TIN), C(AU_TFN), C(PT_NIF)}},
        {"tax",
         {C(US_ITIN), C(US_EIN), C(PH_TIN), C(AU_TFN), C(PT_NIF), C(DE_TAX_ID), C(IT_VAT), C(EU_VAT),
          C(NL_BSN), C(US_SSN), C(BR_CPF)}},
        {"ein", {C(US_EIN)}},
        {"fein", {C(US_EIN)}},
        {"employer", {C(US_EIN)}},
        {"npi", {C(US_NPI)}},
        {"provider", {C(US_NPI)}},
        {"mbi", {C(US_MBI)}},
        {"medicare", {C(US_MBI), C(HICN), C(AU_MEDICARE)}},
        {"beneficiary", {C(US_MBI), C(HICN)}},
        {"dea", {C(US_DEA)}},
        {"prescriber", {C(US_DEA), C(US_NPI)}},
        {"passport", {C(PASSPORT)}},
        {"passports", {C(PASSPORT)}},
        {"reisepass", {C(PASSPORT)}},
        {"passeport", {C(PASSPORT)}},
        {"pasaporte", {C(PASSPORT)}},
        {"passaporto", {C(PASSPORT)}},
        {"licence", {C(DRIVER_LICENCE), C(UK_DRIVING_LICENCE)}},
        {"license", {C(DRIVER_LICENCE), C(UK_DRIVING_LICENCE), C(PLATE)}},
        {"driver", {C(DRIVER_LICENCE), C(UK_DRIVING_LICENCE)}},
        {"drivers", {C(DRIVER_LICENCE), C(UK_DRIVING_LICENCE)}},
        {"driving", {C(DRIVER_LICENCE), C(UK_DRIVING_LICENCE)}},
        {"dl", {C(DRIVER_LICENCE)}},
        {"dvla", {C(UK_DRIVING_LICENCE), C(PLATE)}},
        {"nhs", {C(UK_NHS)}},
        {"patient", {C(UK_NHS), C(MRN)}},
        {"nino", {C(UK_NINO)}},
        {"insurance", {C(UK_NINO), C(CA_SIN), C(INSURANCE_ID), C(DE_RVNR), C(DE_KVNR)}},
        {"ni", {C(UK_NINO)}},
        {"nif", {C(ES_NIF), C(PT_NIF)}},
        {"dni", {C(ES_NIF)}},
        {"nie", {C(ES_NIE)}},
        {"codice", {C(IT_FISCAL_CODE)}},
        {"fiscale", {C(IT_FISCAL_CODE)}},
        {"partita", {C(IT_VAT)}},
        {"piva", {C(IT_VAT)}},
        {"iva", {C(IT_VAT)}},
        {"pesel", {C(PL_PESEL)}},
        {"steuer", {C(DE_TAX_ID)}},
        {"steuernummer", {C(DE_TAX_ID)}},
        {"steueridentifikationsnummer", {C(DE_TAX_ID)}},
        {"steuerid", {C(DE_TAX_ID)}},
        {"idnr", {C(DE_TAX_ID)}},
        {"tin", {C(DE_TAX_ID), C(PH_TIN), C(US_ITIN)}},
        {"rentenversicherungsnummer", {C(DE_RVNR)}},
        {"sozialversicherungsnummer", {C(DE_RVNR)}},
        {"krankenversicherung", {C(DE_KVNR)}},
        {"versichertennummer", {C(DE_KVNR)}},
        {"krankenkasse", {C(DE_KVNR)}},
        {"vat", {C(EU_VAT), C(IT_VAT)}},
        {"ust", {C(EU_VAT)}},
        {"ustid", {C(EU_VAT)}},
        {"tva", {C(EU_VAT)}},
        {"hetu", {C(FI_HETU)}},
        {"personnummer", {C(SE_PERSONNUMMER)}},
        {"samordningsnummer", {C(SE_PERSONNUMMER)}},
        {"organisationsnummer", {C(SE_ORG)}},
        {"orgnr", {C(SE_ORG)}},
        {"nir", {C(FR_NIR)}},
        {"insee", {C(FR_NIR)}},
        {"bsn", {C(NL_BSN)}},
        {"burgerservicenummer", {C(NL_BSN)}},
        {"sofinummer", {C(NL_BSN)}},
        {"rijksregisternummer", {C(BE_NRN)}},
        {"nrn", {C(BE_NRN)}},
        {"contribuinte", {C(PT_NIF)}},
        {"sin", {C(CA_SIN)}},
        {"abn", {C(AU_ABN)}},
        {"acn", {C(AU_ACN)}},
        {"tfn", {C(AU_TFN)}},
        {"aadhaar", {C(IN_AADHAAR)}},
        {"aadhar", {C(IN_AADHAAR)}},
        {"uidai", {C(IN_AADHAAR)}},
        {"permanent", {C(IN_PAN)}},
        {"gstin", {C(IN_GSTIN)}},
        {"gst", {C(IN_GSTIN)}},
        {"nric", {C(SG_NRIC)}},
        {"fin", {C(SG_NRIC)}},
        {"uen", {C(SG_UEN)}},
        {"rrn", {C(KR_RRN), C(KR_FRN)}},
        {"resident", {C(KR_RRN), C(KR_FRN), C(CN_ID)}},
        {"brn", {C(KR_BRN)}},
        {"business", {C(KR_BRN), C(AU_ABN)}},
        {"thai", {C(TH_TNIN)}},
        {"tckn", {C(TR_TCKN)}},
        {"tc", {C(TR_TCKN)}},
        {"kimlik", {C(TR_TCKN)}},
        {"nin", {C(NG_NIN)}},
        {"cpf", {C(BR_CPF)}},
        {"cnpj", {C(BR_CNPJ)}},
        {"mynumber", {C(JP_MY_NUMBER)}},
        {"national",
         {C(PL_PESEL), C(TH_TNIN), C(ZA_ID), C(NG_NIN), C(TR_TCKN), C(BE_NRN), C(UK_NINO), C(CN_ID),
          C(JP_MY_NUMBER), C(FI_HETU), C(ES_NIF)}},
        {"identity",
         {C(PL_PESEL), C(ZA_ID), C(TR_TCKN), C(CN_ID), C(TH_TNIN), C(BE_NRN), C(ES_NIF), C(SG_NRIC)}},
        {"citizen", {C(TR_TCKN), C(PL_PESEL), C(NL_BSN), C(ZA_ID)}},
        {"mail", {C(EMAIL)}},
        {"email", {C(EMAIL)}},
        {"phone", {C(PHONE)}},
        {"phones", {C(PHONE)}},
        {"telephone", {C(PHONE)}},
        {"tel", {C(PHONE)}},
        {"telefon", {C(PHONE)}},
        {"telefono", {C(PHONE)}},
        {"mobile", {C(PHONE)}},
        {"handy", {C(PHONE)}},
        {"movil", {C(PHONE)}},
        {"portable", {C(PHONE)}},
        {"cell", {C(PHONE)}},
        {"cellphone", {C(PHONE)}},
        {"call", {C(PHONE)}},
        {"called", {C(PHONE)}},
        {"calling", {C(PHONE)}},
        {"dial", {C(PHONE)}},
        {"ring", {C(PHONE)}},
        {"text", {C(PHONE)}},
        {"sms", {C(PHONE)}},
        {"whatsapp", {C(PHONE)}},
        {"fax", {C(PHONE)}},
        {"hotline", {C(PHONE)}},
        {"reach", {C(PHONE)}},
        {"contact", {C(PHONE)}},
        {"landline", {C(PHONE)}},
        {"ext", {C(PHONE)}},
        {"extension", {C(PHONE)}},
        {"zip", {C(POSTCODE)}},
        {"zipcode", {C(POSTCODE)}},
        {"postcode", {C(POSTCODE)}},
        {"postal", {C(POSTCODE)}},
        {"plz", {C(POSTCODE)}},
        {"postleitzahl", {C(POSTCODE)}},
        {"born", {C(BIRTH_DATE)}},
        {"birth", {C(BIRTH_DATE)}},
        {"birthday", {C(BIRTH_DATE)}},
        {"birthdate", {C(BIRTH_DATE)}},
        {"dob", {C(BIRTH_DATE)}},
        {"geboren", {C(BIRTH_DATE)}},
        {"geburtsdatum", {C(BIRTH_DATE)}},
        {"naissance", {C(BIRTH_DATE)}},
        {"nacimiento", {C(BIRTH_DATE)}},
        {"age", {C(AGE)}},
        {"aged", {C(AGE)}},
        {"lat", {C(GPS)}},
        {"latitude", {C(GPS)}},
        {"lon", {C(GPS)}},
        {"lng", {C(GPS)}},
        {"longitude", {C(GPS)}},
        {"gps", {C(GPS)}},
        {"coordinates", {C(GPS)}},
        {"coords", {C(GPS)}},
        {"location", {C(GPS)}},
        {"plate", {C(PLATE)}},
        {"registration", {C(PLATE)}},
        {"kennzeichen", {C(PLATE)}},
        {"vin", {C(VIN)}},
        {"chassis", {C(VIN)}},
        {"ip", {C(IPV4), C(IPV6)}},
        {"address", {C(IPV4), C(IPV6), C(MAC)}},
        {"mac", {C(MAC)}},
        {"imei", {C(IMEI)}},
        {"imsi", {C(IMSI)}},
        {"device", {C(DEVICE_ID), C(IMEI)}},
        {"idfa", {C(DEVICE_ID)}},
        {"idfv", {C(DEVICE_ID)}},
        {"gaid", {C(DEVICE_ID)}},
        {"aaid", {C(DEVICE_ID)}},
        {"advertising", {C(DEVICE_ID)}},
        {"udid", {C(DEVICE_ID)}},
        {"password", {C(PASSWORD)}},
        {"passcode", {C(PASSWORD)}},
        {"pin", {C(PASSWORD)}},
        {"otp", {C(PASSWORD)}},
        {"key", {C(TOKEN)}},
        {"keys", {C(TOKEN)}},
        {"apikey", {C(TOKEN)}},
        {"token", {C(TOKEN)}},
        {"secret", {C(TOKEN)}},
        {"bearer", {C(TOKEN)}},
        {"authorization", {C(TOKEN)}},
        {"auth", {C(TOKEN)}},
        {"credential", {C(TOKEN)}},
        {"credentials", {C(TOKEN)}},
        {"signature", {C(TOKEN)}},
        {"session", {C(TOKEN)}},
        {"sessionid", {C(TOKEN)}},
        {"cookie", {C(TOKEN)}},
        {"csrf", {C(TOKEN)}},
        {"bitcoin", {C(BTC)}},
        {"btc", {C(BTC)}},
        {"wallet", {C(BTC), C(ETH)}},
        {"eth", {C(ETH)}},
        {"ethereum", {C(ETH)}},
        {"mrn", {C(MRN)}},
        {"medical", {C(MRN)}},
        {"icd", {C(ICD)}},
        {"diagnosis", {C(ICD)}},
        {"diagnosed", {C(ICD)}},
        {"diagnoses", {C(ICD)}},
        {"ndc", {C(NDC)}},
        {"drug", {C(NDC)}},
        {"hicn", {C(HICN)}},
        {"claim", {C(HICN)}},
        {"member", {C(INSURANCE_ID)}},
        {"policy", {C(INSURANCE_ID)}},
        {"subscriber", {C(INSURANCE_ID), C(IMSI)}},
        {"insured", {C(INSURANCE_ID)}},
};

static uint16_t slots[SLOTS];    /* open addressing: a place in the table, plus one */
static uint32_t lengths[26][26]; /* bit n: a word of n letters begins with these two */
static bool slots_full;

static unsigned hash_more(unsigned h, unsigned char c)
{
	return (h ^ (c | 32)) * 16777619u;
}

void words_init(void)
{
	if (slots_full)
		return;
	slots_full = true;
	for (uint16_t i = 0; i < sizeof table / sizeof *table; i++) {
		unsigned h = 2166136261u;

		for (const char *c = table[i].text; *c; c++)
			h = hash_more(h, (unsigned char)*c);
		lengths[table[i].text[0] - 'a'][table[i].text[1] - 'a'] |= 1u << strlen(table[i].text) % 32;
		for (h ^= h >> 15; slots[h % SLOTS]; h++)
			;
		slots[h % SLOTS] = (uint16_t)(i + 1);
	}
}

/* The word's row, or NULL. Most words are told from their first two letters and their length. */
static const struct word *find(const unsigned char *word, size_t len)
{
	unsigned h = 2166136261u;

	if (len < 2 || !(lengths[(word[0] | 32) - 'a'][(word[1] | 32) - 'a'] >> len % 32 & 1))
		return NULL;
	for (size_t i = 0; i < len; i++)
		h = hash_more(h, word[i]);
	for (h ^= h >> 15; slots[h % SLOTS]; h++) {
		const struct word *w = &table[slots[h % SLOTS] - 1];

		if (strncasecmp((const char *)word, w->text, len) == 0 && !w->text[len])
			return w;
	}
	return NULL;
}

/* The end of the word that begins at `at`, which is a letter. */
static size_t word_end(const unsigned char *text, size_t len, size_t at)
{
	bool small = false;

	for (; at < len; at++) {
		unsigned char c = text[at];

		if ((unsigned char)(c - 'a') < 26)
			small = true;
		else if ((unsigned char)(c - 'A') >= 26 || small)
			break;
	}
	return at;
}

size_t words_next(const unsigned char *text, size_t len, size_t at, size_t *behind_out,
                  struct detect_set *out)
{
	while (at < len) {
		const struct word *w;
		size_t start = at;

		if (!is_letter(text[at])) {
			at++;
			continue;
		}
		at = word_end(text, len, at);
		w = find(text + start, at - start);
		if (!w)
			continue;
		for (unsigned i = 0; i < CLASSES_MAX && w->classes[i]; i++)
			detect_set_add(out, w->classes[i]);
		*behind_out = at;
		return start;
	}
	return len;
}

void words_classes(const unsigned char *text, size_t len, struct detect_set *out)
{
	for (size_t at = 0; at < len;)
		if (words_next(text, len, at, &at, out) == len)
			return;
}
