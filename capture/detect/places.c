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

/* "version 1.2.3.4", "section 4.3.2.1", "Chrome/120.0.0.0": named so right before, or a product's (RFC 9110
 * 10.1.5) whose minor numbers are all 0. */
static bool is_version(const struct view *v, size_t end)
{
	static const char *const names[] = {"version",  "ver",    "release",   "build",
	                                    "section",  "sec",    "chapter",   "firmware",
	                                    "revision", "clause", "paragraph", "kapitel"};
	size_t at = v->at, start;

	if (peek(v, at - 1) == '/' && is_letter(peek(v, at - 2)) && end - at > 6 &&
	    memcmp(v->text + end - 6, ".0.0.0", 6) == 0)
		return true;
	while (v->at - at < 4 && peek(v, at - 1) && strchr(" :=.#\"'(", peek(v, at - 1)))
		at--;
	for (start = at; at - start < 10 && is_letter(peek(v, start - 1));)
		start--;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (at - start == strlen(names[i]) &&
		    strncasecmp((const char *)v->text + start, names[i], at - start) == 0)
			return true;
	return false;
}

/* The end of a range: digits with three dots go before its dash. */
static bool address_before(const struct view *v, size_t end)
{
	unsigned dots = 0;
	size_t at = end;

	while (end - at < 15 && (is_digit(peek(v, at - 1)) || peek(v, at - 1) == '.'))
		dots += peek(v, --at) == '.';
	return dots == 3 && is_digit(peek(v, end - 1)) && is_digit(peek(v, at));
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
	    (before == '-' && is_alnum(peek(v, v->at - 2)) && !address_before(v, v->at - 1)))
		return;
	if (is_alnum(peek(v, at)) || peek(v, at) == '_' || (peek(v, at) == '.' && is_digit(peek(v, at + 1))))
		return;
	if (is_version(v, at))
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

/* From ten metres to one centimetre; more digits are those of a computation. */
static bool is_degree(unsigned places)
{
	return places >= 4 && places <= 7;
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
	offer(v, DETECT_GPS, start, end, is_degree(places) && is_degree(more) ? 60 : 30, 90);
}

/* A month's name in one of some languages, or the first three letters of its English one, from `at`: the end,
 * or 0. */
static size_t month_at(const struct view *v, size_t at)
{
	static const char *const months[] = {
	        "january",   "february",  "march",    "april",    "may",        "june",     "july",
	        "august",    "september", "october",  "november", "december",   "januar",   "februar",
	        "märz",      "mai",       "juni",     "juli",     "oktober",    "dezember", "janvier",
	        "février",   "mars",      "avril",    "juin",     "juillet",    "août",     "septembre",
	        "octobre",   "novembre",  "décembre", "enero",    "febrero",    "marzo",    "abril",
	        "mayo",      "junio",     "julio",    "agosto",   "septiembre", "octubre",  "noviembre",
	        "diciembre", "gennaio",   "febbraio", "aprile",   "maggio",     "giugno",   "luglio",
	        "settembre", "ottobre",   "dicembre", "janeiro",  "fevereiro",  "março",    "maio",
	        "junho",     "julho",     "setembro", "outubro",  "novembro",   "dezembro", "januari",
	        "februari",  "maart",     "mei",      "augustus", "stycznia",   "lutego",   "marca",
	        "kwietnia",  "maja",      "czerwca",  "lipca",    "sierpnia",   "września", "października",
	        "listopada", "grudnia",   "января",   "февраля",  "марта",      "апреля",   "мая",
	        "июня",      "июля",      "августа",  "сентября", "октября",    "ноября",   "декабря"};

	for (unsigned i = 0; i < sizeof months / sizeof *months; i++) {
		size_t n = 0;

		while (months[i][n] && (peek(v, at + n) | 32) == ((unsigned char)months[i][n] | 32))
			n++;
		if (is_letter(peek(v, at + n)))
			continue;
		if (!months[i][n] || (i < 12 && (n == 3 || n == 4)))
			return at + n + (peek(v, at + n) == '.');
	}
	return 0;
}

/* Behind "of " or "de ", if one is at `at`. */
static size_t behind_of(const struct view *v, size_t at)
{
	unsigned char first = peek(v, at) | 32, second = peek(v, at + 1) | 32;
	bool of = (first == 'o' && second == 'f') || (first == 'd' && second == 'e');

	return of && peek(v, at + 2) == ' ' ? at + 3 : at;
}

static size_t year_at(const struct view *v, size_t at)
{
	unsigned year;
	size_t end;

	while (peek(v, at) == ' ' || peek(v, at) == ',')
		at++;
	at = behind_of(v, at);
	end = digits_at(v, at, 4, &year);
	return end == at + 4 && year >= 1900 && year < 2100 ? end : 0;
}

/* Digits, at most `most`, and the sign behind them: the end, or 0. */
static size_t counted(const struct view *v, size_t at, unsigned most, const char *sign)
{
	unsigned value;
	size_t end = digits_at(v, at, most, &value);

	if (end == at)
		return 0;
	for (; *sign; sign++, end++)
		if (peek(v, end) != (unsigned char)*sign)
			return 0;
	return end;
}

/* 1985年3月12日 and 1985년 3월 12일 */
static void match_signed_date(struct view *v)
{
	static const char *const signs[2][3] = {{"年", "月", "日"}, {"년", "월", "일"}};

	for (unsigned i = 0; i < 2; i++) {
		size_t at = counted(v, v->at, 4, signs[i][0]);

		at = at ? counted(v, at + (peek(v, at) == ' '), 2, signs[i][1]) : 0;
		at = at ? counted(v, at + (peek(v, at) == ' '), 2, signs[i][2]) : 0;
		if (at)
			offer(v, DETECT_BIRTH_DATE, v->at, at, 0, 85);
	}
}

/* "March 3, 1985", "3 March 1985", "3rd of March 1985", "3 de marzo de 1985" */
static void match_date(struct view *v)
{
	unsigned day;
	size_t end = digits_at(v, v->at, 2, &day), month, year, start;

	if (!detect_context(v, DETECT_BIRTH_DATE))
		return;
	if (end == v->at || day < 1 || day > 31 || is_alnum(peek(v, v->at - 1)))
		return;
	if (is_letter(peek(v, end)) && is_letter(peek(v, end + 1)) && !is_alnum(peek(v, end + 2)))
		end += 2;
	for (month = end; peek(v, month) == ' ' || peek(v, month) == '.'; month++)
		;
	month = month_at(v, behind_of(v, month));
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
	for (; *word; word++, at++)
		if ((peek(v, at) | 32) != ((unsigned char)*word | 32))
			return false;
	return !is_letter(peek(v, at));
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

/* Behind a blank: a parenthesis, one more blank, or a dash or a slash between two, and then digits? */
static bool goes_on(const struct view *v, size_t at)
{
	unsigned char c = peek(v, at + 1);

	if (c == '-' || c == '/')
		return peek(v, at + 2) == ' ' && is_digit(peek(v, at + 3));
	return c == '(' || (c == ' ' && is_digit(peek(v, at + 2)));
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
		behind = is_digit(peek(v, end + 1)) || goes_on(v, end) ? '0' : ' ';
	if (before > ' ' && before != '"' && before != '$' && before != ',')
		return false;
	if (behind > ' ' && behind != '%' && behind != '?' && behind != '!' && behind != '"' && behind != ';')
		return false;
	if ((peek(v, v->at - 3) | 32) == 'r' && (peek(v, v->at - 4) | 32) == 'h')
		return false;
	if (end - v->at < 3 && before == '\n' && peek(v, end) == '.' && peek(v, end + 1) == ' ' &&
	    is_letter(peek(v, end + 2)))
		return true; /* the number of an item in a list */
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
	if (peek(v, v->at + 4) > 127 && detect_wants(v, DETECT_BIRTH_DATE))
		match_signed_date(v);
}
