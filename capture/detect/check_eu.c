#include "capture/detect/check_inside.h"

static bool mod23(unsigned number, char letter)
{
	return letter == "TRWAGMYFPDXBNJZSQVHLCKE"[number % 23];
}

bool check_es_nif(const char *d)
{
	return mod23(check_mod(d, 8, 23), d[8]);
}

/* X, Y, Z stand for 0, 1, 2. */
bool check_es_nie(const char *d)
{
	char digits[9];

	if (d[0] < 'X')
		return false;
	memcpy(digits, d, 8);
	digits[0] = (char)('0' + d[0] - 'X');
	return mod23(check_mod(digits, 8, 23), d[8]);
}

/* DM 23-12-1976: characters in odd places have values of their own. */
bool check_it_fiscal(const char *d)
{
	static const char odd[] =
	        "BAFHJNPRTVCESULDGIMOQKWZYX"; /* value of the i-th letter or digit, from A */
	int sum = 0, day = NUMBER2(d + 9);

	for (size_t i = 0; i < 15; i++) {
		int value = d[i] <= '9' ? d[i] - '0' : d[i] - 'A';

		sum += i % 2 == 0 ? odd[value] - 'A' : value;
	}
	return strchr("ABCDEHLMPRST", d[8]) && day >= 1 && day <= 71 && (day <= 31 || day > 40) &&
	       d[15] == 'A' + sum % 26;
}

/* The month tells the century. */
bool check_pesel(const char *d)
{
	int month = NUMBER2(d + 2) % 20;

	return check_date(2000 + NUMBER2(d), month, NUMBER2(d + 4)) &&
	       (check_weighted(d, "1379137913") + d[10] - '0') % 10 == 0;
}

/* One digit stands twice or three times among the first ten, the others once at most. */
bool check_de_tax(const char *d)
{
	int count[10] = {0}, more = 0, most = 0;

	for (size_t i = 0; i < 10; i++)
		count[d[i] - '0']++;
	for (size_t i = 0; i < 10; i++) {
		more += count[i] > 1;
		most = count[i] > most ? count[i] : most;
	}
	return d[0] != '0' && more == 1 && most <= 3 && check_iso7064_11_10(d);
}

/* The sum of the digits of each product. */
static int product_sum(const char *digits, const char *weights)
{
	int sum = 0;

	for (size_t i = 0; weights[i]; i++) {
		int product = (digits[i] - '0') * (weights[i] - '0');

		sum += product / 10 + product % 10;
	}
	return sum;
}

static void put_letter(char *out, char letter)
{
	int value = letter - 'A' + 1;

	out[0] = (char)('0' + value / 10);
	out[1] = (char)('0' + value % 10);
}

/* Area, day, month, year, letter of the name, serial, check: VKVV. */
bool check_rvnr(const char *d)
{
	char digits[12];
	int day = NUMBER2(d + 2);

	memcpy(digits, d, 8);
	put_letter(digits + 8, d[8]);
	memcpy(digits + 10, d + 9, 2);
	if (!check_date(2000 + NUMBER2(d + 6), NUMBER2(d + 4), day > 50 ? day - 50 : day))
		return false;
	return product_sum(digits, "212571212121") % 10 == d[11] - '0';
}

bool check_kvnr(const char *d)
{
	char digits[10];

	put_letter(digits, d[0]);
	memcpy(digits + 2, d + 1, 8);
	return product_sum(digits, "1212121212") % 10 == d[9] - '0';
}

bool check_vat_iso7064(const char *d)
{
	return check_iso7064_11_10(d + 2);
}

bool check_vat_luhn(const char *d)
{
	return check_luhn(d + 2);
}

bool check_vat_be(const char *d)
{
	return 97 - check_mod(d + 2, 8, 97) == check_mod(d + 10, 2, 100);
}

bool check_vat_pt(const char *d)
{
	return check_pt_nif(d + 2);
}

bool check_vat_pl(const char *d)
{
	return check_weighted(d + 2, "657234567") % 11 == d[11] - '0';
}

/* The sign between date and number may be a letter. */
bool check_hetu(const char *d)
{
	size_t letter = strlen(d) == 11;
	char digits[9];

	memcpy(digits, d, 6);
	memcpy(digits + 6, d + 6 + letter, 3);
	for (size_t i = 6; i < 9; i++)
		if (digits[i] > '9')
			return false;
	return (!letter || strchr("ABCDEFUVWXY", d[6])) &&
	       check_date(2000 + NUMBER2(d + 4), NUMBER2(d + 2), NUMBER2(d)) &&
	       d[9 + letter] == "0123456789ABCDEFHJKLMNPRSTUVWXY"[check_mod(digits, 9, 31)];
}

/* A coordination number has 60 more in its day. */
bool check_pnr(const char *d)
{
	int day = NUMBER2(d + 4);

	return check_date(2000 + NUMBER2(d), NUMBER2(d + 2), day > 60 ? day - 60 : day) &&
	       check_luhn_n(d, 10);
}

bool check_pnr_long(const char *d)
{
	return (NUMBER2(d) == 19 || NUMBER2(d) == 20) && check_pnr(d + 2);
}

bool check_se_org(const char *d)
{
	return d[0] != '0' && d[2] >= '2' && check_luhn_n(d, 10);
}

/* Corsica's departments 2A and 2B count as 19 and 18. */
bool check_nir(const char *d)
{
	char digits[16];
	int month;

	memcpy(digits, d, 16);
	if (d[6] == 'A' || d[6] == 'B') {
		digits[5] = '1';
		digits[6] = d[6] == 'A' ? '9' : '8';
	}
	month = NUMBER2(digits + 3);
	return strchr("123478", d[0]) && month >= 1 && (month <= 12 || month >= 20) &&
	       97 - check_mod(digits, 13, 97) == check_mod(digits + 13, 2, 100);
}

bool check_bsn(const char *d)
{
	return !check_all_same(d) && (check_weighted(d, "98765432") - (d[8] - '0')) % 11 == 0;
}

/* Who was born from 2000 on has a 2 put before. */
bool check_nrn(const char *d)
{
	char later[10] = "2";
	unsigned check = check_mod(d + 9, 2, 100);
	int month = NUMBER2(d + 2) % 20, day = NUMBER2(d + 4);

	memcpy(later + 1, d, 9);
	return month <= 12 && day <= 31 &&
	       (97 - check_mod(d, 9, 97) == check || 97 - check_mod(later, 10, 97) == check);
}

bool check_pt_nif(const char *d)
{
	int rest = check_weighted(d, "98765432") % 11;

	return strchr("1235689", d[0]) && (rest < 2 ? 0 : 11 - rest) == d[8] - '0';
}
