/*
 * places.c - numbers with dots and words between them: IPv4 addresses, pairs of degrees, dates with a month's
 * name, ages in a sentence.
 */
#include "capture/detect/check.h"
#include "capture/detect/inside.h"

/* Digits from `at`, at most `most`: the end; *value_out. */
static size_t digits_at(const struct view *v, size_t at, unsigned most, unsigned *value_out)
{
	size_t end = at;

	*value_out = 0;
	while (end - at < most && is_digit(peek(v, end)))
		*value_out = *value_out * 10 + peek(v, end++) - '0';
	return is_digit(peek(v, end)) ? at : end;
}

/* Four octets without leading zeros; no more of them before or behind, as section numbers have. */
static void match_ipv4(struct view *v)
{
	size_t at = v->at;
	unsigned char before = peek(v, at - 1);

	for (unsigned i = 0; i < 4; i++) {
		unsigned octet;
		size_t end = digits_at(v, at, 3, &octet);

		if (end == at || octet > 255 || (end - at > 1 && peek(v, at) == '0'))
			return;
		at = end;
		if (i < 3 && peek(v, at++) != '.')
			return;
	}
	if (is_alnum(before) || before == '_' || (before == '.' && is_digit(peek(v, v->at - 2))) ||
	    (before == '-' && is_alnum(peek(v, v->at - 2))))
		return;
	if (is_alnum(peek(v, at)) || peek(v, at) == '_' || (peek(v, at) == '.' && is_digit(peek(v, at + 1))))
		return;
	offer(v, DETECT_IPV4, v->at, at, 80, 95);
}

/* "48.85661", "-2.35": the end, 0 for none; *places_out: digits behind the point. */
static size_t degrees_at(const struct view *v, size_t at, unsigned most, unsigned *places_out)
{
	unsigned whole;
	size_t point;

	at += peek(v, at) == '-';
	point = digits_at(v, at, 3, &whole);
	*places_out = 0;
	if (point == at || whole > most || peek(v, point) != '.')
		return 0;
	for (at = point + 1; is_digit(peek(v, at)); at++)
		++*places_out;
	return *places_out && *places_out <= 15 ? at : 0;
}

/* Latitude and longitude, and nothing else in the list: rows of a tensor are longer. */
static void match_gps(struct view *v)
{
	size_t start = v->at - (peek(v, v->at - 1) == '-'), end, second;
	unsigned places, more;
	unsigned char before = peek(v, start - 1);

	end = degrees_at(v, v->at, 90, &places);
	if (!end || is_alnum(before) || before == '.')
		return;
	if (places >= 2)
		offer(v, DETECT_GPS, start, end, 0, 65);
	second = end;
	while (peek(v, second) == ' ' || peek(v, second) == ',')
		second++;
	if (second == end || second > end + 3)
		return;
	end = degrees_at(v, second, 180, &more);
	if (!end || is_alnum(peek(v, end)))
		return;
	for (size_t i = start - 1; peek(v, i) == ' ' || peek(v, i) == ','; i--)
		if (is_digit(peek(v, i - 1)))
			return;
	for (size_t i = end; peek(v, i) == ' ' || peek(v, i) == ','; i++)
		if (is_digit(peek(v, i + 1)) || peek(v, i + 1) == '-')
			return;
	offer(v, DETECT_GPS, start, end, places >= 4 && more >= 4 ? 60 : 30, 90);
}

/* A month's English name or its first three letters from `at`: the end, or 0. */
static size_t month_at(const struct view *v, size_t at)
{
	static const char *const months[] = {"january",   "february", "march",    "april",
	                                     "may",       "june",     "july",     "august",
	                                     "september", "october",  "november", "december"};

	static const uint32_t initials = 1u << ('j' & 31) | 1u << ('f' & 31) | 1u << ('m' & 31) |
	                                 1u << ('a' & 31) | 1u << ('s' & 31) | 1u << ('o' & 31) |
	                                 1u << ('n' & 31) | 1u << ('d' & 31);

	if (!is_letter(peek(v, at)) || !(initials >> (peek(v, at) & 31) & 1))
		return 0;
	for (unsigned i = 0; i < 12; i++) {
		size_t n = 0;

		while (months[i][n] && (peek(v, at + n) | 32) == (unsigned char)months[i][n])
			n++;
		if (n >= 3 && !is_letter(peek(v, at + n)) && (n == 3 || !months[i][n] || n == 4))
			return at + n + (peek(v, at + n) == '.');
	}
	return 0;
}

static size_t year_at(const struct view *v, size_t at)
{
	unsigned year;
	size_t end;

	while (peek(v, at) == ' ' || peek(v, at) == ',')
		at++;
	end = digits_at(v, at, 4, &year);
	return end == at + 4 && year >= 1900 && year < 2100 ? end : 0;
}

/* "March 3, 1985", "3 March 1985", "3rd of March 1985" */
static void match_date(struct view *v)
{
	unsigned day;
	size_t end = digits_at(v, v->at, 2, &day), month, year, start;

	if (end == v->at || day < 1 || day > 31 || is_alnum(peek(v, v->at - 1)))
		return;
	if (is_letter(peek(v, end)) && is_letter(peek(v, end + 1)) && !is_alnum(peek(v, end + 2)))
		end += 2;
	for (month = end; peek(v, month) == ' ' || peek(v, month) == '.'; month++)
		;
	if ((peek(v, month) | 32) == 'o' && (peek(v, month + 1) | 32) == 'f' && peek(v, month + 2) == ' ')
		month += 3;
	month = month_at(v, month);
	year = month ? year_at(v, month) : 0;
	if (year) {
		offer(v, DETECT_BIRTH_DATE, v->at, year, 0, 85);
		return;
	}
	for (start = v->at - 1; peek(v, start) == ' ' || peek(v, start) == '.'; start--)
		;
	while (is_letter(peek(v, start)))
		start--;
	year = month_at(v, start + 1) ? year_at(v, end) : 0;
	if (year)
		offer(v, DETECT_BIRTH_DATE, start + 1, year, 0, 85);
}

static bool word_at(const struct view *v, size_t at, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i < n; i++)
		if ((peek(v, at + i) | 32) != ((unsigned char)word[i] | 32))
			return false;
	return !is_letter(peek(v, at + n));
}

/* "42 years old", "42-year-old", "42 yo" */
static void match_age(struct view *v)
{
	unsigned age;
	size_t end = digits_at(v, v->at, 3, &age);

	if (end == v->at || !age || age > 120 || is_alnum(peek(v, v->at - 1)) || peek(v, v->at - 1) == '.')
		return;
	if (word_at(v, end + 1, "years old") || word_at(v, end + 1, "year old") ||
	    word_at(v, end + 1, "year-old") || word_at(v, end + 1, "years of age") ||
	    word_at(v, end + 1, "yo") || word_at(v, end, "yo"))
		offer(v, DETECT_AGE, v->at, end, 70, 80);
}

/* A short number, or one with up to three decimals, that stands by itself in a sentence says nothing without
 * its context; most are such. */
bool match_short(struct view *v)
{
	static struct detect_set speaks;
	unsigned char before = peek(v, v->at - 1), behind;
	size_t end = v->at, point;

	while (end < v->at + 4 && is_digit(peek(v, end)))
		end++;
	if (peek(v, end) == '.' && is_digit(peek(v, end + 1)))
		for (point = end++; is_digit(peek(v, end)); end++)
			if (end > point + 3)
				return false;
	behind = peek(v, end);
	if (behind == ',' || behind == '.' || behind == ' ' || behind == ':')
		behind = is_digit(peek(v, end + 1)) || peek(v, end + 1) == '(' ? '0' : ' ';
	if (before > ' ' && before != '"' && before != '$' && before != ',')
		return false;
	if (behind > ' ' && behind != '%' && behind != '?' && behind != '!' && behind != '"' && behind != ';')
		return false;
	if ((peek(v, v->at - 3) | 32) == 'r' && (peek(v, v->at - 4) | 32) == 'h')
		return false;
	if (!speaks.bits[0])
		for (unsigned i = 1; i < DETECT_CLASSES; i++)
			if (i != DETECT_PHONE && i != DETECT_EMAIL && i != DETECT_TOKEN)
				detect_set_add(&speaks, i);
	if (detect_context_any(v, &speaks))
		return false;
	if (detect_wants(v, DETECT_AGE))
		match_age(v);
	return true;
}

void match_places(struct view *v)
{
	unsigned char next = peek(v, v->at + 1), third = peek(v, v->at + 2), fourth = peek(v, v->at + 3);

	if (next == '.' || third == '.' || fourth == '.') {
		if (detect_wants(v, DETECT_IPV4))
			match_ipv4(v);
		if (detect_wants(v, DETECT_GPS))
			match_gps(v);
	}
	if (!is_digit(third) || !is_digit(fourth)) {
		if (detect_wants(v, DETECT_BIRTH_DATE))
			match_date(v);
		if (detect_wants(v, DETECT_AGE))
			match_age(v);
	}
}
