/*
 * rules.c - entities of a fixed shape: a pattern, a check, a score alone and one with its context.
 *
 * Patterns: 9 a digit, A a letter, U an upper-case one, X either or a digit; lower-case letters and all else
 * stand for themselves, in either case; ~ is a blank, a dash or a dot, in one pattern the same. A row is
 * tried where its first digit is the anchor.
 */
#include "capture/detect/check.h"
#include "capture/detect/inside.h"

enum { COMPACT_MAX = 24, BUCKETS = 20 };

#define C(name) DETECT_##name
static const struct rule {
	uint8_t class, alone, with;
	const char *pattern;
	detect_check *check;
} rules[] = {
        {C(US_SSN), 80, 95, "999-99-9999", check_ssn},
        {C(US_SSN), 60, 95, "999 99 9999", check_ssn},
        {C(US_SSN), 50, 90, "999.99.9999", check_ssn},
        {C(US_SSN), 60, 90, "999 - 99 - 9999", check_ssn},
        {C(US_SSN), 0, 80, "999-999999", check_ssn},
        {C(US_SSN), 15, 80, "999999999", check_ssn},
        {C(US_ITIN), 75, 95, "999-99-9999", check_itin},
        {C(US_ITIN), 55, 90, "999 99 9999", check_itin},
        {C(US_ITIN), 15, 75, "999999999", check_itin},
        {C(US_EIN), 40, 90, "99-9999999", check_ein},
        {C(US_NPI), 20, 85, "9999999999", check_npi},
        {C(US_MBI), 65, 90, "9AX9AX9AA99", check_mbi},
        {C(US_MBI), 75, 95, "9AX9-AX9-AA99", check_mbi},
        {C(US_DEA), 45, 90, "AA9999999", check_dea},
        {C(US_ROUTING), 20, 85, "999999999", check_aba},
        {C(US_ROUTING), 40, 85, "9999-9999-9", check_aba},
        {C(BANK_ACCOUNT), 20, 80, "99-99-99", NULL},
        {C(UK_NHS), 60, 95, "999 999 9999", check_nhs},
        {C(UK_NHS), 45, 95, "999-999-9999", check_nhs},
        {C(UK_NHS), 20, 85, "9999999999", check_nhs},
        {C(UK_NINO), 70, 95, "AA999999A", check_nino},
        {C(UK_NINO), 80, 95, "AA~99~99~99~A", check_nino},
        {C(UK_NINO), 70, 95, "AA 999999 A", check_nino},
        {C(UK_DRIVING_LICENCE), 75, 95, "AAAAA999999AX9AA", check_uk_licence},
        {C(UK_DRIVING_LICENCE), 75, 95, "AAAA9999999AX9AA", check_uk_licence},
        {C(POSTCODE), 55, 85, "U9 9UU", check_uk_postcode},
        {C(POSTCODE), 60, 85, "U99 9UU", check_uk_postcode},
        {C(POSTCODE), 60, 85, "UU9 9UU", check_uk_postcode},
        {C(POSTCODE), 65, 85, "UU99 9UU", check_uk_postcode},
        {C(POSTCODE), 60, 85, "U9U 9UU", check_uk_postcode},
        {C(POSTCODE), 65, 85, "UU9U 9UU", check_uk_postcode},
        {C(POSTCODE), 55, 85, "U9U 9U9", NULL},
        {C(POSTCODE), 30, 80, "99999-9999", NULL},
        {C(POSTCODE), 0, 70, "99999", NULL},
        {C(PLATE), 50, 80, "UU99 UUU", NULL},
        {C(PLATE), 25, 80, "UU99UUU", NULL},
        {C(PLATE), 0, 80, "UUU-9999", NULL},
        {C(PLATE), 0, 80, "UUU 999", NULL},
        {C(PLATE), 0, 80, "U-UU 9999", NULL},
        {C(PLATE), 0, 80, "UU-UU 9999", NULL},
        {C(PLATE), 0, 80, "9UUU999", NULL},
        {C(ES_NIF), 75, 95, "99999999A", check_es_nif},
        {C(ES_NIF), 75, 95, "99999999-A", check_es_nif},
        {C(ES_NIE), 80, 95, "A9999999A", check_es_nie},
        {C(ES_NIE), 80, 95, "A-9999999-A", check_es_nie},
        {C(IT_FISCAL_CODE), 90, 95, "AAAAAA99A99A999A", check_it_fiscal},
        {C(IT_FISCAL_CODE), 90, 95, "AAA AAA 99A99 A999A", check_it_fiscal},
        {C(IT_VAT), 20, 85, "99999999999", check_luhn},
        {C(PL_PESEL), 40, 90, "99999999999", check_pesel},
        {C(DE_TAX_ID), 30, 90, "99999999999", check_de_tax},
        {C(DE_TAX_ID), 60, 90, "99 999 999 999", check_de_tax},
        {C(DE_RVNR), 75, 90, "99999999A999", check_rvnr},
        {C(DE_RVNR), 80, 90, "99 999999 A 999", check_rvnr},
        {C(DE_KVNR), 45, 90, "A999999999", check_kvnr},
        {C(DE_HRB), 75, 85, "hrb 999", NULL},
        {C(DE_HRB), 80, 85, "hrb 9999", NULL},
        {C(DE_HRB), 85, 90, "hrb 99999", NULL},
        {C(DE_HRB), 85, 90, "hrb 999999", NULL},
        {C(DE_HRB), 80, 85, "hra 9999", NULL},
        {C(DE_HRB), 85, 90, "hra 99999", NULL},
        {C(DE_HRB), 85, 90, "hra 999999", NULL},
        {C(EU_VAT), 75, 90, "de999999999", check_vat_iso7064},
        {C(EU_VAT), 75, 90, "atu99999999", NULL},
        {C(EU_VAT), 80, 90, "be9999999999", check_vat_be},
        {C(EU_VAT), 45, 85, "dk99999999", NULL},
        {C(EU_VAT), 45, 85, "el999999999", NULL},
        {C(EU_VAT), 45, 85, "fi99999999", NULL},
        {C(EU_VAT), 55, 85, "fr99999999999", NULL},
        {C(EU_VAT), 50, 85, "gb999999999", NULL},
        {C(EU_VAT), 60, 85, "ie9999999A", NULL},
        {C(EU_VAT), 60, 85, "ie9999999AA", NULL},
        {C(EU_VAT), 75, 90, "it99999999999", check_vat_luhn},
        {C(EU_VAT), 45, 85, "lu99999999", NULL},
        {C(EU_VAT), 85, 90, "nl999999999b99", NULL},
        {C(EU_VAT), 70, 85, "pl9999999999", check_vat_pl},
        {C(EU_VAT), 65, 85, "pt999999999", check_vat_pt},
        {C(EU_VAT), 55, 85, "se999999999901", NULL},
        {C(EU_VAT), 70, 85, "hr99999999999", check_vat_iso7064},
        {C(EU_VAT), 45, 85, "cz99999999", NULL},
        {C(EU_VAT), 45, 85, "hu99999999", NULL},
        {C(EU_VAT), 45, 85, "sk9999999999", NULL},
        {C(EU_VAT), 45, 85, "si99999999", NULL},
        {C(EU_VAT), 45, 85, "ee999999999", NULL},
        {C(EU_VAT), 45, 85, "lt999999999", NULL},
        {C(EU_VAT), 45, 85, "lv99999999999", NULL},
        {C(EU_VAT), 55, 85, "esA99999999", NULL},
        {C(EU_VAT), 60, 85, "cy99999999A", NULL},
        {C(FI_HETU), 80, 95, "999999-999X", check_hetu},
        {C(FI_HETU), 80, 95, "999999+999X", check_hetu},
        {C(FI_HETU), 80, 95, "999999A999X", check_hetu},
        {C(SE_PERSONNUMMER), 60, 95, "999999-9999", check_pnr},
        {C(SE_PERSONNUMMER), 60, 95, "999999+9999", check_pnr},
        {C(SE_PERSONNUMMER), 65, 95, "99999999-9999", check_pnr_long},
        {C(SE_PERSONNUMMER), 30, 90, "999999999999", check_pnr_long},
        {C(SE_PERSONNUMMER), 20, 85, "9999999999", check_pnr},
        {C(SE_ORG), 55, 90, "999999-9999", check_se_org},
        {C(FR_NIR), 70, 95, "999999999999999", check_nir},
        {C(FR_NIR), 85, 95, "9 99 99 99 999 999 99", check_nir},
        {C(FR_NIR), 75, 95, "999999A99999999", check_nir},
        {C(FR_NIR), 85, 95, "9 99 99 9A 999 999 99", check_nir},
        {C(NL_BSN), 15, 85, "999999999", check_bsn},
        {C(NL_BSN), 55, 90, "9999.99.999", check_bsn},
        {C(BE_NRN), 90, 95, "99.99.99-999.99", check_nrn},
        {C(BE_NRN), 45, 90, "99999999999", check_nrn},
        {C(PT_NIF), 15, 85, "999999999", check_pt_nif},
        {C(PT_NIF), 30, 85, "999 999 999", check_pt_nif},
        {C(CA_SIN), 55, 95, "999-999-999", check_sin},
        {C(CA_SIN), 45, 90, "999 999 999", check_sin},
        {C(CA_SIN), 15, 85, "999999999", check_sin},
        {C(AU_ABN), 65, 95, "99 999 999 999", check_abn},
        {C(AU_ABN), 40, 90, "99999999999", check_abn},
        {C(AU_ACN), 40, 90, "999 999 999", check_acn},
        {C(AU_ACN), 15, 80, "999999999", check_acn},
        {C(AU_TFN), 40, 90, "999 999 999", check_tfn},
        {C(AU_TFN), 15, 80, "999999999", check_tfn},
        {C(AU_MEDICARE), 60, 90, "9999 99999 9", check_au_medicare},
        {C(AU_MEDICARE), 20, 85, "9999999999", check_au_medicare},
        {C(IN_AADHAAR), 60, 95, "9999 9999 9999", check_aadhaar},
        {C(IN_AADHAAR), 60, 95, "9999-9999-9999", check_aadhaar},
        {C(IN_AADHAAR), 40, 90, "999999999999", check_aadhaar},
        {C(IN_PAN), 65, 90, "AAAAA9999A", check_in_pan},
        {C(IN_GSTIN), 90, 95, "99AAAAA9999AXAX", check_gstin},
        {C(SG_NRIC), 80, 95, "A9999999A", check_nric},
        {C(SG_UEN), 30, 80, "99999999A", NULL},
        {C(SG_UEN), 30, 80, "999999999A", NULL},
        {C(SG_UEN), 40, 80, "A99AA9999A", NULL},
        {C(KR_RRN), 65, 95, "999999-9999999", check_rrn},
        {C(KR_RRN), 25, 85, "9999999999999", check_rrn},
        {C(KR_FRN), 65, 95, "999999-9999999", check_frn},
        {C(KR_FRN), 25, 85, "9999999999999", check_frn},
        {C(KR_BRN), 60, 95, "999-99-99999", check_brn},
        {C(KR_BRN), 15, 80, "9999999999", check_brn},
        {C(TH_TNIN), 85, 95, "9-9999-99999-99-9", check_thai},
        {C(TH_TNIN), 75, 95, "9 9999 99999 99 9", check_thai},
        {C(TH_TNIN), 30, 90, "9999999999999", check_thai},
        {C(TR_TCKN), 45, 90, "99999999999", check_tckn},
        {C(ZA_ID), 50, 90, "9999999999999", check_za_id},
        {C(ZA_ID), 60, 90, "999999 9999 99 9", check_za_id},
        {C(NG_NIN), 0, 75, "99999999999", NULL},
        {C(PH_TIN), 30, 85, "999-999-999", NULL},
        {C(PH_TIN), 30, 85, "999-999-999-999", NULL},
        {C(BR_CPF), 90, 95, "999.999.999-99", check_cpf},
        {C(BR_CPF), 45, 90, "99999999999", check_cpf},
        {C(BR_CNPJ), 95, 98, "99.999.999/9999-99", check_cnpj},
        {C(BR_CNPJ), 45, 90, "99999999999999", check_cnpj},
        {C(CN_ID), 85, 95, "99999999999999999X", check_cn_id},
        {C(JP_MY_NUMBER), 20, 85, "999999999999", check_my_number},
        {C(JP_MY_NUMBER), 40, 90, "9999 9999 9999", check_my_number},
        {C(IMEI), 40, 90, "999999999999999", check_imei},
        {C(IMEI), 65, 90, "99-999999-999999-9", check_imei},
        {C(IMSI), 0, 80, "999999999999999", NULL},
        {C(HICN), 45, 85, "999999999A", check_ssn},
        {C(HICN), 70, 90, "999-99-9999-A", check_ssn},
        {C(NDC), 45, 85, "99999-9999-99", check_ndc},
        {C(NDC), 35, 85, "9999-9999-99", check_ndc},
        {C(NDC), 35, 85, "99999-999-99", check_ndc},
        {C(NDC), 35, 85, "99999-9999-9", check_ndc},
        {C(ICD), 0, 75, "U99", NULL},
        {C(ICD), 0, 85, "U99.9", NULL},
        {C(ICD), 0, 85, "U99.99", NULL},
        {C(ICD), 0, 85, "U99.9XX", NULL},
        {C(BIRTH_DATE), 0, 85, "9999-99-99", check_ymd},
        {C(BIRTH_DATE), 0, 85, "9999/99/99", check_ymd},
        {C(BIRTH_DATE), 0, 85, "99/99/9999", check_dmy},
        {C(BIRTH_DATE), 0, 85, "9/99/9999", check_dmy},
        {C(BIRTH_DATE), 0, 85, "99/9/9999", check_dmy},
        {C(BIRTH_DATE), 0, 85, "9/9/9999", check_dmy},
        {C(BIRTH_DATE), 0, 85, "99-99-9999", check_dmy},
        {C(BIRTH_DATE), 0, 85, "99.99.9999", check_dmy},
        {C(BIRTH_DATE), 0, 85, "9.99.9999", check_dmy},
        {C(BIRTH_DATE), 0, 85, "99.9.9999", check_dmy},
        {C(BIRTH_DATE), 0, 85, "9.9.9999", check_dmy},
        {C(BIRTH_DATE), 0, 85, "9-99-9999", check_dmy},
        {C(BIRTH_DATE), 0, 85, "99-9-9999", check_dmy},
        {C(BIRTH_DATE), 0, 85, "9-9-9999", check_dmy},
        {C(BIRTH_DATE), 0, 80, "99/99/99", check_dmy_short},
        {C(BIRTH_DATE), 0, 80, "99-99-99", check_dmy_short},
        {C(BIRTH_DATE), 0, 80, "9/9/99", check_dmy_short},
        {C(BIRTH_DATE), 0, 80, "99/9/99", check_dmy_short},
        {C(BIRTH_DATE), 0, 80, "9/99/99", check_dmy_short},
        {C(BIRTH_DATE), 0, 80, "99.99.99", check_dmy_short},
        {C(BIRTH_DATE), 0, 70, "99999999", check_ymd},
        {C(AGE), 0, 70, "99", check_age},
        {C(AGE), 0, 65, "9", check_age},
        {C(CVV), 0, 80, "999", NULL},
        {C(CVV), 0, 75, "9999", NULL},
        {C(PASSWORD), 0, 70, "9999", NULL},
        {C(PASSWORD), 0, 75, "999999", NULL},
};
enum { RULES = sizeof rules / sizeof *rules };

/* What stands before the first digit and behind the digits that follow it without a break: few rows are left
 * that may fit. */
enum neighbour { LETTER, BLANK, DASH, DOT, SLASH, PLUS, OTHER, NEIGHBOURS };
enum { LISTED_MAX = 2048 };

static struct {
	bool full;
	uint16_t from[BUCKETS][2][NEIGHBOURS + 1]; /* by digits, a letter before, what is behind */
	uint8_t rows[LISTED_MAX], back[RULES]; /* back: characters of the pattern before its first digit */
} listed;
_Static_assert(RULES < 256, "rows are numbered by a byte");

static enum neighbour neighbour(unsigned char c)
{
	static const uint8_t marks[256] = {
	        [' '] = BLANK, ['-'] = DASH, ['.'] = DOT, ['/'] = SLASH, ['+'] = PLUS}; /* 0: LETTER, or none
	                                                                                 */

	return is_letter(c) ? LETTER : marks[c] ? (enum neighbour)marks[c] : OTHER;
}

static bool may_stand(char p, enum neighbour n)
{
	if (p == '~')
		return n == BLANK || n == DASH || n == DOT;
	return n == neighbour((unsigned char)p);
}

static bool may_fit(const char *pattern, unsigned digits, bool letter, enum neighbour behind)
{
	unsigned back = (unsigned)strcspn(pattern, "9"), n = (unsigned)strspn(pattern + back, "9");
	char next = pattern[back + n];

	if (letter != (back && neighbour((unsigned char)pattern[back - 1]) == LETTER))
		return false;
	if (next == 'X' && digits == n + 1) /* it is one more digit */
		next = pattern[back + n + 1];
	else if (digits != n)
		return false;
	return next ? may_stand(next, behind) : behind != LETTER;
}

void rules_init(void)
{
	unsigned filled = 0;

	if (listed.full)
		return;
	for (unsigned i = 0; i < RULES; i++)
		listed.back[i] = (uint8_t)strcspn(rules[i].pattern, "9");
	for (unsigned n = 0; n < BUCKETS * 2 * NEIGHBOURS; n++) {
		unsigned digits = n / (2 * NEIGHBOURS), letter = n / NEIGHBOURS % 2, behind = n % NEIGHBOURS;

		listed.from[digits][letter][behind] = (uint16_t)filled;
		for (unsigned i = 0; i < RULES && filled < LISTED_MAX; i++)
			if (may_fit(rules[i].pattern, digits, letter, behind))
				listed.rows[filled++] = (uint8_t)i;
		listed.from[digits][letter][behind + 1] = (uint16_t)filled;
	}
	listed.full = filled < LISTED_MAX;
}

static bool fits(char p, unsigned char c, unsigned char *separator)
{
	switch (p) {
	case '9':
		return is_digit(c);
	case 'A':
		return is_letter(c);
	case 'U':
		return is_letter(c) && !(c & 32);
	case 'X':
		return is_alnum(c);
	case '~':
		if (c != ' ' && c != '-' && c != '.')
			return false;
		if (*separator && *separator != c)
			return false;
		*separator = c;
		return true;
	default:
		return c == (unsigned char)p || (is_letter(c) && (c | 32) == (unsigned char)p);
	}
}

/* The end of what has the pattern from start on, or 0; *compact: its letters and digits. */
static size_t walk(const struct view *v, size_t start, const char *pattern, char compact[COMPACT_MAX])
{
	unsigned char separator = 0;
	size_t n = 0, at = start;

	for (const char *p = pattern; *p; p++, at++) {
		unsigned char c = peek(v, at);

		if (!fits(*p, c, &separator))
			return 0;
		if (is_alnum(c))
			compact[n++] = (char)upper(c);
	}
	compact[n] = '\0';
	return at;
}

bool stands_alone(const struct view *v, size_t start, size_t end)
{
	unsigned char before = peek(v, start - 1), behind = peek(v, end);

	if (is_alnum(before) || before == '_' || is_alnum(behind) || behind == '_')
		return false;
	if ((before == '.' || before == '-') && is_digit(peek(v, start - 2)))
		return false;
	if (before == '-' && is_hex(peek(v, start - 2)) && is_digit(peek(v, start - 3)))
		return false;
	if (behind == '.' && is_digit(peek(v, end + 1)))
		return false;
	return behind != '-' || !is_alnum(peek(v, end + 1));
}

/* The letters and digits of the pattern, without what stands between them: what its check relies on. */
static bool has_form(const char *pattern, const char *compact)
{
	unsigned char separator = 0;

	for (const char *p = pattern; *p; p++) {
		if (!is_alnum((unsigned char)*p))
			continue;
		if (!fits(*p, (unsigned char)*compact, &separator))
			return false;
		compact++;
	}
	return !*compact;
}

bool rules_valid(unsigned class, const char *compact)
{
	bool checked = false;

	for (unsigned i = 0; i < RULES; i++) {
		if (rules[i].class != class || !rules[i].check || !has_form(rules[i].pattern, compact))
			continue;
		if (rules[i].check(compact))
			return true;
		checked = true;
	}
	return !checked;
}

void match_rules(struct view *v)
{
	char compact[COMPACT_MAX];
	const uint16_t *from;
	size_t run = 0;

	while (run < BUCKETS && is_digit(peek(v, v->at + run)))
		run++;
	if (run == BUCKETS)
		return;
	from = listed.from[run][is_letter(peek(v, v->at - 1))] + neighbour(peek(v, v->at + run));
	for (unsigned i = from[0]; i < from[1]; i++) {
		const struct rule *r = &rules[listed.rows[i]];
		size_t start = v->at - listed.back[listed.rows[i]], end;

		if (!detect_wants(v, r->class))
			continue;
		end = walk(v, start, r->pattern, compact);
		if (!end || !stands_alone(v, start, end) || (r->check && !r->check(compact)))
			continue;
		offer(v, r->class, start, end, r->alone, r->with);
	}
}
