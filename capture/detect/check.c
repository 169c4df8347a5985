/*
 * check.c - what most schemes share: Luhn, ISO 7064, weighted sums, dates, ranges of cards, IBAN; and those
 * of the United States and of the United Kingdom. The others are in check_eu.c and check_world.c.
 */
#include "capture/detect/check_inside.h"

bool check_luhn_n(const char *digits, size_t n)
{
	int sum = 0;

	for (size_t i = 0; i < n; i++) {
		int d = digits[i] - '0';

		if ((n - i) % 2 == 0)
			d = d > 4 ? 2 * d - 9 : 2 * d;
		sum += d;
	}
	return sum % 10 == 0;
}

bool check_luhn(const char *compact)
{
	return check_luhn_n(compact, strlen(compact));
}

int check_weighted(const char *digits, const char *weights)
{
	int sum = 0;

	for (size_t i = 0; weights[i]; i++)
		sum += (digits[i] - '0') * (weights[i] - '0');
	return sum;
}

unsigned check_mod(const char *digits, size_t n, unsigned m)
{
	unsigned rest = 0;

	for (size_t i = 0; i < n; i++)
		rest = (rest * 10 + (unsigned)(digits[i] - '0')) % m;
	return rest;
}

int check_number(const char *digits, size_t n)
{
	return (int)check_mod(digits, n, 1000000000);
}

bool check_all_same(const char *digits)
{
	for (size_t i = 1; digits[i]; i++)
		if (digits[i] != digits[0])
			return false;
	return true;
}

/* ISO/IEC 7064 MOD 11,10 */
bool check_iso7064_11_10(const char *digits)
{
	int p = 10;
	size_t n = strlen(digits);

	for (size_t i = 0; i + 1 < n; i++) {
		int s = (digits[i] - '0' + p) % 10;

		p = 2 * (s ? s : 10) % 11;
	}
	return (11 - p) % 10 == digits[n - 1] - '0';
}

bool check_date(int year, int month, int day)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (year < 1900 || year > 2099 || month < 1 || month > 12 || day < 1)
		return false;
	return day <= days[month - 1] + (month == 2 && year % 4 == 0 && year != 1900);
}

bool check_two_digit_date(const char *yymmdd)
{
	return check_date(2000 + NUMBER2(yymmdd), NUMBER2(yymmdd + 2), NUMBER2(yymmdd + 4));
}

bool check_ymd(const char *d)
{
	return check_date(check_number(d, 4), NUMBER2(d + 4), NUMBER2(d + 6));
}

/* Day and month in either order, of n digits together; one of one digit came with no zero before it. */
static bool day_and_month(int year, const char *d, size_t n)
{
	if (n == 2)
		return check_date(year, d[0] - '0', d[1] - '0') || check_date(year, d[1] - '0', d[0] - '0');
	if (n == 3)
		return check_date(year, d[0] - '0', NUMBER2(d + 1)) ||
		       check_date(year, NUMBER2(d + 1), d[0] - '0') ||
		       check_date(year, NUMBER2(d), d[2] - '0') || check_date(year, d[2] - '0', NUMBER2(d));
	return check_date(year, NUMBER2(d + 2), NUMBER2(d)) || check_date(year, NUMBER2(d), NUMBER2(d + 2));
}

bool check_dmy(const char *d)
{
	size_t n = strlen(d) - 4;

	return day_and_month(check_number(d + n, 4), d, n);
}

bool check_dmy_short(const char *d)
{
	size_t n = strlen(d) - 2;

	return day_and_month(2000 + NUMBER2(d + n), d, n) ||
	       (n == 4 && check_date(2000 + NUMBER2(d), NUMBER2(d + 2), NUMBER2(d + 4)));
}

struct card_range {
	int first, last; /* of the first six digits */
	int shortest, longest, common;
};

int check_card_range(const char *digits, size_t n)
{
	static const struct card_range ranges[] = {
	        {400000, 499999, 16, 16, 2}, {400000, 499999, 13, 13, 1}, {400000, 499999, 19, 19, 1},
	        {510000, 559999, 16, 16, 2}, {222100, 272099, 16, 16, 2}, {340000, 349999, 15, 15, 2},
	        {370000, 379999, 15, 15, 2}, {300000, 305999, 14, 19, 2}, {309500, 309599, 14, 19, 2},
	        {360000, 369999, 14, 19, 2}, {380000, 399999, 14, 19, 2}, {601100, 601199, 16, 19, 2},
	        {644000, 659999, 16, 19, 2}, {622126, 622925, 16, 19, 2}, {352800, 358999, 16, 19, 2},
	        {180000, 180099, 15, 15, 1}, {213100, 213199, 15, 15, 1}, {620000, 629999, 16, 19, 1},
	        {810000, 819999, 16, 19, 1}, {220000, 220499, 16, 19, 1}, {979200, 979299, 16, 16, 1},
	        {508500, 508999, 16, 16, 1}, {606900, 608999, 16, 16, 1}, {501800, 501899, 12, 19, 1},
	        {502000, 502099, 12, 19, 1}, {503800, 503899, 12, 19, 1}, {561200, 561299, 12, 19, 1},
	        {589300, 589399, 12, 19, 1}, {630400, 630499, 12, 19, 1}, {675900, 675999, 12, 19, 1},
	        {676100, 676399, 12, 19, 1}, {560000, 589999, 16, 19, 1}, {500000, 509999, 16, 16, 1},
	};
	int iin = check_number(digits, 6), found = 0;

	for (size_t i = 0; n >= 12 && i < sizeof(ranges) / sizeof(*ranges); i++)
		if (iin >= ranges[i].first && iin <= ranges[i].last && n >= (size_t)ranges[i].shortest &&
		    n <= (size_t)ranges[i].longest && ranges[i].common > found)
			found = ranges[i].common;
	return found;
}

/* ISO 13616 registry: country and length, by the letters */
size_t check_iban_length(const char country[2])
{
	static const char lengths[] =
	        "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24"
	        "FI18FK18FO18FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32"
	        "LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24"
	        "RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30";

	for (size_t i = 0; i + 4 < sizeof(lengths); i += 4)
		if (lengths[i] == country[0] && lengths[i + 1] == country[1])
			return (size_t)NUMBER2(lengths + i + 2);
	return 0;
}

bool check_iban(const char *compact, size_t n)
{
	unsigned rest = 0;

	if (n < 15 || n != check_iban_length(compact))
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = compact[(i + 4) % n];

		rest = c <= '9' ? rest * 10 + (unsigned)(c - '0') : rest * 100 + (unsigned)(c - 'A') + 10;
		rest %= 97;
	}
	return rest == 1;
}

/* The two that were printed on wallet cards and in advertisements are no one's. */
bool check_ssn(const char *d)
{
	int area = check_number(d, 3);

	if (!area || area == 666 || area >= 900 || check_all_same(d))
		return false;
	if (strcmp(d, "078051120") == 0 || strcmp(d, "219099999") == 0)
		return false;
	return NUMBER2(d + 3) && check_number(d + 5, 4);
}

bool check_itin(const char *d)
{
	int group = NUMBER2(d + 3);

	return d[0] == '9' && ((group >= 50 && group <= 65) || (group >= 70 && group <= 88) ||
	                       (group >= 90 && group <= 92) || group >= 94);
}

bool check_ein(const char *d)
{
	static const char gaps[] = "00 07 08 09 17 18 19 28 29 49 69 70 78 79 89 96 97";
	const char prefix[] = {d[0], d[1], '\0'};

	return !strstr(gaps, prefix);
}

bool check_npi(const char *d)
{
	char whole[16] = "80840";

	memcpy(whole + 5, d, 10);
	return (d[0] == '1' || d[0] == '2') && check_luhn_n(whole, 15);
}

bool check_mbi(const char *d)
{
	return d[0] != '0' && !strpbrk(d, "SLOIBZ");
}

bool check_dea(const char *d)
{
	int sum = d[2] + d[4] + d[6] - 3 * '0' + 2 * (d[3] + d[5] + d[7] - 3 * '0');

	return strchr("ABCDEFGHJKLMPRSTUX", d[0]) && sum % 10 == d[8] - '0';
}

bool check_aba(const char *d)
{
	int area = NUMBER2(d);

	if (area > 80 || (area > 12 && area < 21) || (area > 32 && area < 61) || (area > 72 && area < 80))
		return false;
	return !check_all_same(d) && check_weighted(d, "371371371") % 10 == 0;
}

bool check_ndc(const char *d)
{
	return !check_all_same(d);
}

bool check_nhs(const char *d)
{
	int sum = 10 * (d[0] - '0') + check_weighted(d + 1, "98765432"), check = (11 - sum % 11) % 11;

	return !check_all_same(d) && check == d[9] - '0';
}

bool check_nino(const char *d)
{
	static const char unused[] = "BG GB NK KN TN NT ZZ";
	const char prefix[] = {d[0], d[1], '\0'};

	return !strchr("DFIQUV", d[0]) && !strchr("DFIOQUV", d[1]) && !strstr(unused, prefix) &&
	       d[8] >= 'A' && d[8] <= 'D';
}

/* Five letters of the name, decade, month (women 50 more), day, year, initials. */
bool check_uk_licence(const char *d)
{
	int month = NUMBER2(d + 6), day = NUMBER2(d + 8);

	return ((month >= 1 && month <= 12) || (month >= 51 && month <= 62)) && day >= 1 && day <= 31;
}

bool check_uk_postcode(const char *d)
{
	size_t n = strlen(d);

	return !strchr("QVX", d[0]) && !strchr("CIKMOV", d[n - 1]) && !strchr("CIKMOV", d[n - 2]);
}

bool check_imei(const char *d)
{
	return !check_all_same(d) && check_luhn_n(d, 15);
}

bool check_age(const char *d)
{
	int age = check_number(d, strlen(d));

	return age > 0 && age <= 120;
}

/* ISO 3779 with the check digit of 49 CFR 565 in the ninth place */
bool check_vin(const char *d)
{
	static const char letters[] = "0123456789.ABCDEFGH..JKLMN.P.R..STUVWXYZ";
	static const int weights[] = {8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2};
	int sum = 0;

	for (size_t i = 0; i < 17; i++) {
		const char *at = strchr(letters, d[i]);

		if (!at || *at == '.')
			return false;
		sum += (int)((at - letters) % 10) * weights[i];
	}
	return d[8] == "0123456789X"[sum % 11];
}
