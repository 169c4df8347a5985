#include "capture/detect/check_inside.h"

bool check_sin(const char *d)
{
	return d[0] != '0' && d[0] != '8' && check_luhn_n(d, 9);
}

bool check_abn(const char *d)
{
	static const int weights[] = {10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19};
	int sum = -weights[0];

	for (size_t i = 0; i < 11; i++)
		sum += (d[i] - '0') * weights[i];
	return d[0] != '0' && sum % 89 == 0;
}

bool check_acn(const char *d)
{
	return !check_all_same(d) && (check_weighted(d, "87654321") + d[8] - '0') % 10 == 0;
}

bool check_tfn(const char *d)
{
	return !check_all_same(d) && (check_weighted(d, "14375869") + 10 * (d[8] - '0')) % 11 == 0;
}

bool check_au_medicare(const char *d)
{
	return d[0] >= '2' && d[0] <= '6' && check_weighted(d, "13791379") % 10 == d[8] - '0';
}

/* Verhoeff 1969: the dihedral group of order 10. */
bool check_aadhaar(const char *d)
{
	static const char *const times[] = {"0123456789", "1234067895", "2340178956", "3401289567",
	                                    "4012395678", "5987604321", "6598710432", "7659821043",
	                                    "8765932104", "9876543210"};
	static const char *const turn[] = {"0123456789", "1576283094", "5803796142", "8916043527",
	                                   "9453126870", "4286573901", "2793806415", "7046913258"};
	int c = 0;

	for (size_t i = 0; i < 12; i++)
		c = times[c][turn[i % 8][d[11 - i] - '0'] - '0'] - '0';
	return d[0] >= '2' && c == 0 && !check_all_same(d);
}

bool check_in_pan(const char *d)
{
	return strchr("PCHFATBLJG", d[3]) != NULL;
}

static int base36(char c)
{
	return c <= '9' ? c - '0' : c - 'A' + 10;
}

bool check_gstin(const char *d)
{
	int sum = 0, state = NUMBER2(d);

	for (size_t i = 0; i < 14; i++) {
		int product = base36(d[i]) * (i % 2 ? 2 : 1);

		sum += product / 36 + product % 36;
	}
	return state >= 1 && (state <= 38 || state >= 97) && base36(d[14]) == (36 - sum % 36) % 36;
}

bool check_nric(const char *d)
{
	int sum = check_weighted(d + 1, "2765432");

	switch (d[0]) {
	case 'S':
		return d[8] == "JZIHGFEDCBA"[sum % 11];
	case 'T':
		return d[8] == "JZIHGFEDCBA"[(sum + 4) % 11];
	case 'F':
		return d[8] == "XWUTRQPNMLK"[sum % 11];
	case 'G':
		return d[8] == "XWUTRQPNMLK"[(sum + 4) % 11];
	case 'M':
		return d[8] == "XWUTRQPNJLK"[(sum + 3) % 11];
	default:
		return false;
	}
}

/* The last digit adds up in numbers given before October 2020 only. */
bool check_rrn(const char *d)
{
	return d[6] >= '1' && d[6] <= '4' && check_two_digit_date(d);
}

bool check_frn(const char *d)
{
	return d[6] >= '5' && d[6] <= '8' && check_two_digit_date(d);
}

bool check_brn(const char *d)
{
	int sum = check_weighted(d, "137137135") + (d[8] - '0') * 5 / 10;

	return !check_all_same(d) && (10 - sum % 10) % 10 == d[9] - '0';
}

bool check_thai(const char *d)
{
	int sum = 13 * (d[0] - '0') + 12 * (d[1] - '0') + 11 * (d[2] - '0') + 10 * (d[3] - '0') +
	          check_weighted(d + 4, "98765432");

	return d[0] >= '1' && d[0] <= '8' && (11 - sum % 11) % 10 == d[12] - '0';
}

bool check_tckn(const char *d)
{
	int odd = check_weighted(d, "101010101"), even = check_weighted(d, "01010101");

	return d[0] != '0' && (odd * 7 - even + 100) % 10 == d[9] - '0' &&
	       (odd + even + d[9] - '0') % 10 == d[10] - '0';
}

bool check_za_id(const char *d)
{
	return d[10] <= '2' && check_two_digit_date(d) && check_luhn_n(d, 13);
}

static bool mod11_digit(int sum, char digit)
{
	return sum * 10 % 11 % 10 == digit - '0';
}

bool check_cpf(const char *d)
{
	int first = 10 * (d[0] - '0') + check_weighted(d + 1, "98765432");
	int second = 11 * (d[0] - '0') + 10 * (d[1] - '0') + check_weighted(d + 2, "98765432");

	return !check_all_same(d) && mod11_digit(first, d[9]) && mod11_digit(second, d[10]);
}

bool check_cnpj(const char *d)
{
	return !check_all_same(d) && mod11_digit(check_weighted(d, "543298765432"), d[12]) &&
	       mod11_digit(check_weighted(d, "6543298765432"), d[13]);
}

/* GB 11643-1999: area, date of birth, serial, ISO 7064 MOD 11-2. */
bool check_cn_id(const char *d)
{
	static const int weights[] = {7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
	int sum = 0;

	for (size_t i = 0; i < 17; i++)
		sum += (d[i] - '0') * weights[i];
	return d[0] >= '1' && d[0] <= '8' && check_ymd(d + 6) && d[17] == "10X98765432"[sum % 11];
}

bool check_my_number(const char *d)
{
	int rest = check_weighted(d, "65432765432") % 11;

	return !check_all_same(d) && (rest < 2 ? 0 : 11 - rest) == d[11] - '0';
}
