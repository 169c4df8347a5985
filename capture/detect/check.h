/*
 * check.h - validators: does a number or an id add up? Each takes what is left of it when separators are
 * gone: digits and upper-case letters, NUL-terminated, of the length that its pattern has.
 */
#ifndef CAPTURE_DETECT_CHECK_H
#define CAPTURE_DETECT_CHECK_H

#include <stdbool.h>
#include <stddef.h>

typedef bool detect_check(const char *compact);

/* ISO/IEC 7812-1 annex B, over n digits. */
bool check_luhn_n(const char *digits, size_t n);
/* A payment card: a range of some scheme with a length that it issues. 0: none; 1: seldom; 2: common. */
int check_card_range(const char *digits, size_t n);
/* ISO 13616-1: the country's length and mod 97. */
bool check_iban(const char *compact, size_t n);
/* The length of an IBAN of a country by its two letters; 0: none is registered. */
size_t check_iban_length(const char country[2]);
/* Gregorian, years 1900 to 2099. */
bool check_date(int year, int month, int day);

/* The Luhn sum alone. */
detect_check check_luhn;
/* US */
detect_check check_ssn, check_itin, check_ein, check_npi, check_mbi, check_dea, check_aba, check_ndc;
/* UK */
detect_check check_nhs, check_nino, check_uk_licence, check_uk_postcode;
/* EU */
detect_check check_es_nif, check_es_nie, check_it_fiscal, check_pesel, check_iso7064_11_10, check_de_tax,
        check_rvnr, check_kvnr, check_vat_iso7064, check_vat_luhn, check_vat_be, check_vat_pt, check_vat_pl,
        check_hetu, check_pnr, check_pnr_long, check_se_org, check_nir, check_bsn, check_nrn, check_pt_nif;
/* elsewhere */
detect_check check_sin, check_abn, check_acn, check_tfn, check_au_medicare, check_aadhaar, check_in_pan,
        check_gstin, check_nric, check_rrn, check_frn, check_brn, check_thai, check_tckn, check_za_id,
        check_cpf, check_cnpj, check_cn_id, check_my_number;
/* dates as they are written */
detect_check check_ymd, check_dmy, check_dmy_short;
detect_check check_vin, check_imei, check_age;

#endif
