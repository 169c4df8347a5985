/*
 * words.c - the words that speak for a class. One word may speak for many: it only makes a shape and a check
 * that are there already surer.
 */
#include "capture/detect/inside.h"

enum { CLASSES_MAX = 12, SLOTS = 2048, DOTTED_MAX = 6 };

#define C(name)   DETECT_##name
#define TELEPHONE CONTEXT_TELEPHONE
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
        {"social", {C(US_SSN)}},
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
        {"phone", {C(PHONE), TELEPHONE}},
        {"phones", {C(PHONE), TELEPHONE}},
        {"telephone", {C(PHONE), TELEPHONE}},
        {"tel", {C(PHONE), TELEPHONE}},
        {"telefon", {C(PHONE), TELEPHONE}},
        {"telefono", {C(PHONE), TELEPHONE}},
        {"handy", {C(PHONE), TELEPHONE}},
        {"movil", {C(PHONE), TELEPHONE}},
        {"portable", {C(PHONE)}},
        {"cell", {C(PHONE), TELEPHONE}},
        {"cellphone", {C(PHONE), TELEPHONE}},
        {"call", {C(PHONE)}},
        {"called", {C(PHONE)}},
        {"calling", {C(PHONE)}},
        {"dial", {C(PHONE)}},
        {"ring", {C(PHONE)}},
        {"text", {C(PHONE)}},
        {"sms", {C(PHONE), TELEPHONE}},
        {"whatsapp", {C(PHONE), TELEPHONE}},
        {"fax", {C(PHONE), TELEPHONE}},
        {"hotline", {C(PHONE), TELEPHONE}},
        {"reach", {C(PHONE)}},
        {"contact", {C(PHONE)}},
        {"landline", {C(PHONE), TELEPHONE}},
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
        /* of other languages */
        {"gsm", {C(PHONE), TELEPHONE}},
        {"mob", {C(PHONE), TELEPHONE}},
        {"mobil", {C(PHONE), TELEPHONE}},
        {"mobile", {C(PHONE), TELEPHONE}},
        {"mobiel", {C(PHONE), TELEPHONE}},
        {"mobilnummer", {C(PHONE), TELEPHONE}},
        {"handynummer", {C(PHONE), TELEPHONE}},
        {"rufnummer", {C(PHONE), TELEPHONE}},
        {"telefonnummer", {C(PHONE), TELEPHONE}},
        {"telefoonnummer", {C(PHONE), TELEPHONE}},
        {"telefoon", {C(PHONE), TELEPHONE}},
        {"telefone", {C(PHONE), TELEPHONE}},
        {"teléfono", {C(PHONE), TELEPHONE}},
        {"téléphone", {C(PHONE), TELEPHONE}},
        {"tél", {C(PHONE), TELEPHONE}},
        {"tfno", {C(PHONE), TELEPHONE}},
        {"tlf", {C(PHONE), TELEPHONE}},
        {"tlfn", {C(PHONE), TELEPHONE}},
        {"puh", {C(PHONE), TELEPHONE}},
        {"puhelin", {C(PHONE), TELEPHONE}},
        {"puhelinnumero", {C(PHONE), TELEPHONE}},
        {"natel", {C(PHONE), TELEPHONE}},
        {"móvil", {C(PHONE), TELEPHONE}},
        {"celular", {C(PHONE), TELEPHONE}},
        {"cellulare", {C(PHONE), TELEPHONE}},
        {"telemóvel", {C(PHONE), TELEPHONE}},
        {"cel", {C(PHONE)}},
        {"cep", {C(PHONE), C(POSTCODE)}},
        {"fono", {C(PHONE), TELEPHONE}},
        {"fone", {C(PHONE), TELEPHONE}},
        {"whats", {C(PHONE)}},
        {"zap", {C(PHONE)}},
        {"hp", {C(PHONE)}},
        {"komórka", {C(PHONE), TELEPHONE}},
        {"komórkowy", {C(PHONE), TELEPHONE}},
        {"telefonu", {C(PHONE), TELEPHONE}},
        {"telefonszám", {C(PHONE), TELEPHONE}},
        {"điện", {C(PHONE)}},
        {"thoại", {C(PHONE), TELEPHONE}},
        {"sđt", {C(PHONE), TELEPHONE}},
        {"телефон", {C(PHONE), TELEPHONE}},
        {"Телефон", {C(PHONE), TELEPHONE}},
        {"телефона", {C(PHONE), TELEPHONE}},
        {"тел", {C(PHONE), TELEPHONE}},
        {"Тел", {C(PHONE), TELEPHONE}},
        {"моб", {C(PHONE), TELEPHONE}},
        {"мобильный", {C(PHONE), TELEPHONE}},
        {"звоните", {C(PHONE)}},
        {"позвоните", {C(PHONE)}},
        {"номер", {C(PHONE)}},
        {"τηλ", {C(PHONE), TELEPHONE}},
        {"τηλέφωνο", {C(PHONE), TELEPHONE}},
        {"κινητό", {C(PHONE), TELEPHONE}},
        {"טלפון", {C(PHONE), TELEPHONE}},
        {"נייד", {C(PHONE), TELEPHONE}},
        {"هاتف", {C(PHONE), TELEPHONE}},
        {"الهاتف", {C(PHONE), TELEPHONE}},
        {"جوال", {C(PHONE), TELEPHONE}},
        {"الجوال", {C(PHONE), TELEPHONE}},
        {"موبايل", {C(PHONE), TELEPHONE}},
        {"appelez", {C(PHONE)}},
        {"appeler", {C(PHONE)}},
        {"joignable", {C(PHONE)}},
        {"anrufen", {C(PHONE)}},
        {"erreichbar", {C(PHONE)}},
        {"llamar", {C(PHONE)}},
        {"llámame", {C(PHONE)}},
        {"chiamami", {C(PHONE)}},
        {"contacto", {C(PHONE)}},
        {"prüfziffer", {C(CVV)}},
        {"prüfnummer", {C(CVV)}},
        {"kartenprüfnummer", {C(CVV)}},
        {"cryptogramme", {C(CVV)}},
        {"cvn", {C(CVV)}},
        {"карта", {C(PAN)}},
        {"карты", {C(PAN)}},
        {"карте", {C(PAN)}},
        {"cartão", {C(PAN)}},
        {"karta", {C(PAN)}},
        {"karty", {C(PAN)}},
        {"kort", {C(PAN)}},
        {"kortnummer", {C(PAN)}},
        {"né", {C(BIRTH_DATE)}},
        {"née", {C(BIRTH_DATE)}},
        {"nato", {C(BIRTH_DATE)}},
        {"nata", {C(BIRTH_DATE)}},
        {"nascita", {C(BIRTH_DATE)}},
        {"nascimento", {C(BIRTH_DATE)}},
        {"nascido", {C(BIRTH_DATE)}},
        {"nascida", {C(BIRTH_DATE)}},
        {"nacido", {C(BIRTH_DATE)}},
        {"nacida", {C(BIRTH_DATE)}},
        {"nací", {C(BIRTH_DATE)}},
        {"nació", {C(BIRTH_DATE)}},
        {"geburtstag", {C(BIRTH_DATE)}},
        {"geb", {C(BIRTH_DATE)}},
        {"geboortedatum", {C(BIRTH_DATE)}},
        {"urodzony", {C(BIRTH_DATE)}},
        {"urodzona", {C(BIRTH_DATE)}},
        {"urodzenia", {C(BIRTH_DATE)}},
        {"ur", {C(BIRTH_DATE)}},
        {"född", {C(BIRTH_DATE)}},
        {"födelsedatum", {C(BIRTH_DATE)}},
        {"født", {C(BIRTH_DATE)}},
        {"fødselsdato", {C(BIRTH_DATE)}},
        {"syntynyt", {C(BIRTH_DATE)}},
        {"syntymäaika", {C(BIRTH_DATE)}},
        {"narozen", {C(BIRTH_DATE)}},
        {"narození", {C(BIRTH_DATE)}},
        {"született", {C(BIRTH_DATE)}},
        {"doğum", {C(BIRTH_DATE)}},
        {"рождения", {C(BIRTH_DATE)}},
        {"Рождения", {C(BIRTH_DATE)}},
        {"родился", {C(BIRTH_DATE)}},
        {"родилась", {C(BIRTH_DATE)}},
        {"народження", {C(BIRTH_DATE)}},
        {"dateofbirth", {C(BIRTH_DATE)}},
        {"nhsnumber", {C(UK_NHS)}},
        {"sécu", {C(FR_NIR)}},
        {"sécurité", {C(FR_NIR)}},
        {"паспорт", {C(PASSPORT)}},
        {"Паспорт", {C(PASSPORT)}},
        {"paszport", {C(PASSPORT)}},
        {"paspoort", {C(PASSPORT)}},
        {"führerschein", {C(DRIVER_LICENCE)}},
        {"führerscheinnummer", {C(DRIVER_LICENCE)}},
        {"permis", {C(DRIVER_LICENCE)}},
        {"compte", {C(BANK_ACCOUNT)}},
        {"rachunek", {C(BANK_ACCOUNT)}},
        {"rekening", {C(BANK_ACCOUNT)}},
        {"счет", {C(BANK_ACCOUNT)}},
};

/* In scripts that leave no blanks between words; of three bytes a character. */
static const struct word signs[] = {
        {"电话", {C(PHONE), TELEPHONE}},
        {"電話", {C(PHONE), TELEPHONE}},
        {"手机", {C(PHONE), TELEPHONE}},
        {"手機", {C(PHONE), TELEPHONE}},
        {"联系", {C(PHONE)}},
        {"聯絡", {C(PHONE)}},
        {"拨打", {C(PHONE)}},
        {"携帯", {C(PHONE), TELEPHONE}},
        {"連絡先", {C(PHONE)}},
        {"전화", {C(PHONE), TELEPHONE}},
        {"휴대폰", {C(PHONE), TELEPHONE}},
        {"핸드폰", {C(PHONE), TELEPHONE}},
        {"연락처", {C(PHONE), TELEPHONE}},
        {"โทร", {C(PHONE), TELEPHONE}},
        {"เบอร์", {C(PHONE)}},
        {"फोन", {C(PHONE), TELEPHONE}},
        {"फ़ोन", {C(PHONE), TELEPHONE}},
        {"मोबाइल", {C(PHONE), TELEPHONE}},
        {"生年月日", {C(BIRTH_DATE)}},
        {"誕生日", {C(BIRTH_DATE)}},
        {"出生", {C(BIRTH_DATE)}},
        {"生日", {C(BIRTH_DATE)}},
        {"생년월일", {C(BIRTH_DATE)}},
        {"생일", {C(BIRTH_DATE)}},
        {"जन्म", {C(BIRTH_DATE)}},
        {"เกิด", {C(BIRTH_DATE)}},
        {"信用卡", {C(PAN)}},
        {"银行卡", {C(PAN)}},
        {"卡号", {C(PAN)}},
        {"カード", {C(PAN)}},
        {"카드", {C(PAN)}},
        {"安全码", {C(CVV)}},
        {"セキュリティコード", {C(CVV)}},
        {"账号", {C(BANK_ACCOUNT)}},
        {"賬號", {C(BANK_ACCOUNT)}},
        {"口座", {C(BANK_ACCOUNT)}},
        {"계좌", {C(BANK_ACCOUNT)}},
        {"护照", {C(PASSPORT)}},
        {"護照", {C(PASSPORT)}},
        {"パスポート", {C(PASSPORT)}},
        {"旅券", {C(PASSPORT)}},
        {"여권", {C(PASSPORT)}},
        {"身份证", {C(CN_ID)}},
        {"社会安全", {C(US_SSN)}},
        {"マイナンバー", {C(JP_MY_NUMBER)}},
        {"個人番号", {C(JP_MY_NUMBER)}},
        {"郵便番号", {C(POSTCODE)}},
        {"邮编", {C(POSTCODE)}},
        {"주민등록번호", {C(KR_RRN), C(KR_FRN)}},
        {"आधार", {C(IN_AADHAAR)}},
};

static uint16_t slots[SLOTS];    /* open addressing: a place in the table, plus one */
static uint32_t lengths[32][32]; /* bit n: a word of n bytes begins with these two, but for their case */
static bool slots_full;
static uint64_t sign_seconds; /* bit n: the third byte of a sign ends with these six bits */

static unsigned hash_more(unsigned h, unsigned char c)
{
	return (h ^ (c | 32)) * 16777619u;
}

void words_init(void)
{
	if (slots_full)
		return;
	slots_full = true;
	for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
		sign_seconds |= 1ull << (signs[i].text[2] & 63);
	for (uint16_t i = 0; i < sizeof table / sizeof *table; i++) {
		unsigned h = 2166136261u;

		for (const char *c = table[i].text; *c; c++)
			h = hash_more(h, (unsigned char)*c);
		lengths[table[i].text[0] & 31][table[i].text[1] & 31] |= 1u << strlen(table[i].text) % 32;
		for (h ^= h >> 15; slots[h % SLOTS]; h++)
			;
		slots[h % SLOTS] = (uint16_t)(i + 1);
	}
}

/* Bit 5 is the case of ASCII, of Latin letters with accents and of half of the Cyrillic ones. */
static bool same_word(const unsigned char *word, const char *want, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!want[i] || (word[i] | 32) != ((unsigned char)want[i] | 32))
			return false;
	return !want[len];
}

/* Most words are told from their first two letters and their length. */
static inline bool may_be_word(const unsigned char *word, size_t len)
{
	return len > 1 && lengths[word[0] & 31][word[1] & 31] >> len % 32 & 1;
}

/* The word's row, or NULL. */
static const struct word *find(const unsigned char *word, size_t len)
{
	unsigned h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = hash_more(h, word[i]);
	for (h ^= h >> 15; slots[h % SLOTS]; h++) {
		const struct word *w = &table[slots[h % SLOTS] - 1];

		if (same_word(word, w->text, len))
			return w;
	}
	return NULL;
}

/* A letter of two bytes: Latin with accents, Greek, Cyrillic, Hebrew, Arabic. */
static bool two_bytes(const unsigned char *text, size_t len, size_t at)
{
	return text[at] >= 0xc3 && text[at] < 0xe0 && at + 1 < len && (text[at + 1] & 0xc0) == 0x80;
}

/* The end of the word that begins at `at`, which is a letter; *whole_out: of all letters in a row. */
static size_t word_end(const unsigned char *text, size_t len, size_t at, size_t *whole_out)
{
	bool small = false;
	size_t end = 0, plain = at + 1;

	while (plain < len && (unsigned char)(text[plain] - 'a') < 26) /* most words are no more than this */
		plain++;
	if (plain == len || (text[plain] < 0x80 && !is_letter(text[plain])))
		return *whole_out = plain;
	for (; at < len; at++) {
		unsigned char c = text[at];

		if ((unsigned char)(c - 'a') < 26)
			small = true;
		else if ((unsigned char)(c - 'A') < 26)
			end = small && !end ? at : end;
		else if (two_bytes(text, len, at))
			at++;
		else
			break;
	}
	*whole_out = at;
	return end ? end : at;
}

/* "D.O.B", from its first letter: its end, or 0; the letters in out. */
static size_t dotted(const unsigned char *text, size_t len, size_t at, unsigned char out[DOTTED_MAX],
                     size_t *n_out)
{
	size_t n = 0;

	while (n < DOTTED_MAX && at + 1 < len && is_letter(text[at]) && text[at + 1] == '.') {
		out[n++] = text[at];
		at += 2;
	}
	*n_out = n;
	return n > 2 ? at : 0;
}

/* The word at `at`, which is a letter; *behind_out: where to go on. */
static const struct word *word_at(const unsigned char *text, size_t len, size_t at, size_t *behind_out)
{
	unsigned char letters[DOTTED_MAX];
	size_t whole, end = word_end(text, len, at, &whole), n;
	const struct word *w;

	*behind_out = end;
	if (end == at + 1 && whole == end) {
		if (end == len || text[end] != '.')
			return NULL;
		whole = dotted(text, len, at, letters, &n);
		if (!whole)
			return NULL;
		*behind_out = whole;
		return may_be_word(letters, n) ? find(letters, n) : NULL;
	}
	w = may_be_word(text + at, end - at) ? find(text + at, end - at) : NULL;
	if (w || whole == end)
		return w;
	w = may_be_word(text + at, whole - at) ? find(text + at, whole - at) : NULL;
	*behind_out = w ? whole : end;
	return w;
}

/* Scripts that leave no blanks between words: is one of them here? */
static const struct word *sign_at(const unsigned char *text, size_t len, size_t at)
{
	if (at + 3 > len || !(sign_seconds >> (text[at + 2] & 63) & 1))
		return NULL;
	for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
		size_t n = strlen(signs[i].text);

		if (n <= len - at && memcmp(text + at, signs[i].text, n) == 0)
			return &signs[i];
	}
	return NULL;
}

size_t words_next(const unsigned char *text, size_t len, size_t at, size_t *behind_out,
                  struct detect_set *out)
{
	while (at < len) {
		const struct word *w = NULL;
		size_t start = at;

		if (is_letter(text[at]) || two_bytes(text, len, at))
			w = word_at(text, len, start, &at);
		else if (text[at++] >= 0xe0)
			w = sign_at(text, len, start);
		if (!w)
			continue;
		for (unsigned i = 0; i < CLASSES_MAX && w->classes[i]; i++)
			detect_set_add(out, w->classes[i]);
		*behind_out = at;
		return start;
	}
	return len;
}

/* In the middle of a word or of a character? */
bool words_inside(const unsigned char *text, size_t len, size_t at)
{
	if ((text[at] & 0xc0) == 0x80)
		return true;
	if (!is_letter(text[at]) && !two_bytes(text, len, at))
		return false;
	return is_letter(text[at - 1]) || (at > 1 && two_bytes(text, len, at - 2));
}

void words_classes(const unsigned char *text, size_t len, struct detect_set *out)
{
	for (size_t at = 0; at < len;)
		if (words_next(text, len, at, &at, out) == len)
			return;
}
