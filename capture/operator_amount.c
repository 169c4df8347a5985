/*
 * operator_amount.c - times and numbers made less exact. Dates are Gregorian, as ISO 8601 or RFC 3339 write
 * them, 2024-03-05 and 2024-03-05T10:22:33, also with '/' or '.', and 05.03.2024; a number is seconds since
 * 1970, or milliseconds from 10^11 on.
 */
#include <arpa/inet.h>
#include <math.h>
#include <stdlib.h>

#include "capture/detect/check.h"
#include "capture/operator_inside.h"

enum { DAY_SECONDS = 86400, NUMBER_MAX = 64, ADDRESS_BYTES = 64, POSTCODE_BYTES = 10 };

/* Howard Hinnant's civil calendar: days since 1970-01-01. */
static int64_t days_of(int64_t year, int month, int day)
{
	int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(int64_t days, int *year, int *month, int *day)
{
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, of_era = z - era * 146097;
	int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * y + y / 4 - y / 100), m = (5 * of_year + 2) / 153;

	*day = (int)(of_year - (153 * m + 2) / 5 + 1);
	*month = (int)(m < 10 ? m + 3 : m - 9);
	*year = (int)(y + era * 400 + (*month <= 2));
}

/* n digits, or -1. */
static int digits(struct span s, size_t at, size_t n)
{
	int value = 0;

	if (at + n > s.len)
		return -1;
	for (size_t i = at; i < at + n; i++) {
		if (!operator_is_digit(s.data[i]))
			return -1;
		value = value * 10 + (s.data[i] - '0');
	}
	return value;
}

struct date {
	int year, month, day;
	bool year_first;
	char separator;
	struct span rest; /* behind it: nothing, or a time */
};

/* Two digits up to a most, or false. */
static bool two_digits(struct span s, size_t at, int most)
{
	int n = digits(s, at, 2);

	return n >= 0 && n <= most;
}

/* T or a blank, hh:mm, :ss and a fraction or not, Z, +hh:mm or nothing. */
static bool is_time(struct span s)
{
	size_t at = 6;

	if (s.len < at || (s.data[0] != 'T' && s.data[0] != ' ') || s.data[3] != ':' ||
	    !two_digits(s, 1, 23) || !two_digits(s, 4, 59))
		return false;
	if (at < s.len && s.data[at] == ':') {
		if (!two_digits(s, at + 1, 60))
			return false;
		at += 3;
		if (at + 1 < s.len && s.data[at] == '.' && operator_is_digit(s.data[at + 1]))
			for (at++; at < s.len && operator_is_digit(s.data[at]);)
				at++;
	}
	if (at == s.len)
		return true;
	if (s.data[at] == 'Z')
		return at + 1 == s.len;
	return at + 6 == s.len && (s.data[at] == '+' || s.data[at] == '-') && two_digits(s, at + 1, 23) &&
	       s.data[at + 3] == ':' && two_digits(s, at + 4, 59);
}

static bool read_date(struct span s, struct date *d)
{
	if (s.len < 10)
		return false;
	d->year_first = digits(s, 0, 4) >= 0;
	d->separator = s.data[d->year_first ? 4 : 2];
	d->year = digits(s, d->year_first ? 0 : 6, 4);
	d->month = digits(s, d->year_first ? 5 : 3, 2);
	d->day = digits(s, d->year_first ? 8 : 0, 2);
	d->rest = (struct span){s.data + 10, s.len - 10};
	if (d->separator != s.data[d->year_first ? 7 : 5] || !check_date(d->year, d->month, d->day))
		return false;
	if (d->separator != '.' && !(d->year_first && (d->separator == '-' || d->separator == '/')))
		return false;
	return !d->rest.len || is_time(d->rest);
}

static void put_date(const struct date *d, struct buf *out)
{
	if (d->year_first)
		buf_printf(out, "%04d%c%02d%c%02d", d->year, d->separator, d->month, d->separator, d->day);
	else
		buf_printf(out, "%02d%c%02d%c%04d", d->day, d->separator, d->month, d->separator, d->year);
}

static bool read_number(struct span value, double *out)
{
	char text[NUMBER_MAX], *end;

	while (value.len && value.data[0] == ' ')
		value = (struct span){value.data + 1, value.len - 1};
	if (!value.len || value.len >= sizeof text)
		return false;
	if (!operator_is_digit(value.data[0]) && value.data[0] != '-' && value.data[0] != '+')
		return false;
	memcpy(text, value.data, value.len);
	text[value.len] = '\0';
	*out = strtod(text, &end);
	return !*end && isfinite(*out);
}

/* A number past all that a double holds is none. */
static bool put_number(double value, struct buf *out)
{
	if (!isfinite(value))
		return false;
	buf_printf(out, "%.15g", value);
	return true;
}

/* Of seconds or of milliseconds. */
static double second_of(double stamp)
{
	return fabs(stamp) >= 1e11 ? 1000 : 1;
}

bool operator_shift_date(struct mask_deed *d, struct mask_key *key, struct span value, struct buf *out)
{
	int64_t most = (int64_t)d->by->amount, by;
	uint8_t hash[32];
	uint64_t bits;
	struct date date;
	double stamp;

	if (d->by->subject[0] && !d->subject.data)
		return false;
	mask_digest(key, SPAN("shift_date"), d->by->subject[0] ? d->subject : SPAN(""), hash);
	memcpy(&bits, hash, sizeof bits);
	by = (int64_t)(bits % (uint64_t)(2 * most)) - most;
	by += by >= 0; /* never by nothing */
	if (read_date(value, &date)) {
		date_of(days_of(date.year, date.month, date.day) + by, &date.year, &date.month, &date.day);
		put_date(&date, out);
		buf_span_put(out, date.rest);
		return true;
	}
	if (!read_number(value, &stamp) || fabs(stamp) > 1e14)
		return false;
	return put_number(stamp + (double)by * DAY_SECONDS * second_of(stamp), out);
}

static bool truncate_stamp(double unit, double stamp, struct buf *out)
{
	double second = second_of(stamp);
	int year, month, day;

	if (fabs(stamp) > 1e14)
		return false;
	if (unit > 0)
		return put_number(floor(stamp / second / unit) * unit * second, out);
	date_of((int64_t)floor(stamp / second / DAY_SECONDS), &year, &month, &day);
	return put_number((double)days_of(year, unit == UNIT_YEAR ? 1 : month, 1) * DAY_SECONDS * second,
	                  out);
}

/* The digits of a time behind the hours or minutes that stay become 0; what follows its zone's sign stays. */
static void put_time(struct span rest, double unit, struct buf *out)
{
	size_t stays = unit == 60 ? 6 : unit == 3600 ? 3 : 0;
	bool zone = false;

	for (size_t i = 0; i < rest.len; i++) {
		char c = rest.data[i];

		zone |= c == '+' || c == '-';
		buf_put(out, operator_is_digit(c) && i >= stays && !zone ? "0" : &c, 1);
	}
}

bool operator_truncate_time(struct mask_deed *d, struct span value, struct buf *out)
{
	double unit = d->by->amount, stamp;
	struct date date;

	if (read_date(value, &date)) {
		date.month = unit == UNIT_YEAR ? 1 : date.month;
		date.day = unit < 0 ? 1 : date.day;
		put_date(&date, out);
		put_time(date.rest, unit, out);
		return true;
	}
	return read_number(value, &stamp) && truncate_stamp(unit, stamp, out);
}

bool operator_bucket(struct mask_deed *d, struct span value, struct buf *out)
{
	double number;

	return read_number(value, &number) &&
	       put_number(floor(number / d->by->amount) * d->by->amount + 0.0, out);
}

bool operator_noise(struct mask_deed *d, struct mask_key *key, struct span value, struct buf *out)
{
	uint8_t hash[32];
	uint64_t bits;
	double number, share;

	if (!read_number(value, &number))
		return false;
	mask_digest(key, d->domain, value, hash);
	memcpy(&bits, hash, sizeof bits);
	share = (double)(bits >> 11) / (double)(1ull << 52) - 1; /* -1 to 1 */
	number *= 1 + share * d->by->amount / 100;
	return put_number(memchr(value.data, '.', value.len) ? number : round(number), out);
}

static bool generalise_address(struct span value, struct buf *out)
{
	char text[ADDRESS_BYTES];
	struct in6_addr six;
	struct in_addr four;

	if (value.len >= sizeof text)
		return false;
	memcpy(text, value.data, value.len);
	text[value.len] = '\0';
	if (inet_pton(AF_INET, text, &four) == 1) {
		((uint8_t *)&four)[3] = 0;
		buf_puts(out, inet_ntop(AF_INET, &four, text, sizeof text));
		return true;
	}
	if (inet_pton(AF_INET6, text, &six) != 1)
		return false;
	memset(six.s6_addr + 6, 0, 10);
	buf_puts(out, inet_ntop(AF_INET6, &six, text, sizeof text));
	return true;
}

static bool generalise_email(struct span value, struct buf *out)
{
	const char *at = memchr(value.data, '@', value.len), *end = value.data + value.len;

	if (!at || at + 1 == end)
		return false;
	for (const char *p = at + 1; p < end; p++)
		if (!operator_is_digit(*p) && !operator_is_letter(*p) && *p != '.' && *p != '-')
			return false;
	buf_puts(out, "*");
	buf_put(out, at, (size_t)(end - at));
	return true;
}

static bool generalise_pair(struct span value, struct buf *out)
{
	const char *comma = memchr(value.data, ',', value.len);
	size_t first = comma ? (size_t)(comma - value.data) : 0;
	double latitude, longitude;

	if (!comma || !read_number((struct span){value.data, first}, &latitude) ||
	    !read_number((struct span){comma + 1, value.len - first - 1}, &longitude) ||
	    fabs(latitude) > 90 || fabs(longitude) > 360)
		return false;
	buf_printf(out, "%.1f,%.1f", floor(latitude * 10) / 10, floor(longitude * 10) / 10);
	return true;
}

/* Letters and digits, in one or two parts. */
static bool is_postcode(struct span value)
{
	size_t parts = 1;

	for (size_t i = 0; i < value.len; i++) {
		char c = value.data[i];

		parts += c == ' ' || c == '-';
		if (c != ' ' && c != '-' && !operator_is_digit(c) && !operator_is_letter(c))
			return false;
	}
	return value.len <= POSTCODE_BYTES && parts <= 2;
}

/* Three digits of five; else what is before the blank, as of a British one: four at most, not all letters. */
static bool generalise_postcode(struct span value, struct buf *out)
{
	const char *blank = memchr(value.data, ' ', value.len);
	size_t first = blank ? (size_t)(blank - value.data) : 0, numbers = 0;

	if (!is_postcode(value))
		return false;
	if (digits(value, 0, 5) >= 0) {
		buf_printf(out, "%.3s00", value.data);
		return true;
	}
	for (size_t i = 0; i < first; i++)
		numbers += operator_is_digit(value.data[i]);
	if (!numbers || first > 4)
		return false;
	buf_put(out, value.data, first);
	return true;
}

bool operator_generalise(struct mask_deed *d, struct span value, struct buf *out)
{
	struct date date;
	double age;

	switch (d->class) {
	case DETECT_EMAIL:
		return generalise_email(value, out);
	case DETECT_GPS:
		return generalise_pair(value, out);
	case DETECT_AGE:
		return read_number(value, &age) && age >= 0 && put_number(floor(age / 10) * 10, out);
	case DETECT_POSTCODE:
		return generalise_postcode(value, out);
	default:
		break;
	}
	if (generalise_address(value, out))
		return true;
	if (read_date(value, &date)) {
		buf_printf(out, "%04d", date.year);
		return true;
	}
	return value.len == 5 && generalise_postcode(value, out);
}
