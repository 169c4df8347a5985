/*
 * numbers.c - numbers whose grouping varies: payment cards, telephones, IBAN, and what only its context
 * tells.
 */
#include "capture/detect/check.h"
#include "capture/detect/inside.h"

enum { WIDE = 'w', WIDE_DASH = 'd', WIDE_SLASH = 's' };
enum { TELEPHONE_GROUPS = 7 };
enum { DIGITS_MAX = 24, GROUPS_MAX = 19, IBAN_MAX = 34, CODE_MAX = 24 };

/* Groups of digits with one separator between two: a blank, '-', '.', '/', or a parenthesis with or without a
 * blank; WIDE for two blanks, WIDE_DASH and WIDE_SLASH for one with a blank on either side. */
struct number {
	size_t start;
	unsigned groups, count;
	unsigned len[GROUPS_MAX];
	char separator[GROUPS_MAX]; /* behind the group; 0: none that joins */
	size_t end[GROUPS_MAX];     /* of the group */
	unsigned upto[GROUPS_MAX];  /* digits to the end of the group */
	char digits[DIGITS_MAX + 1];
	bool plus, parenthesis;
};

static size_t wide_separator(const struct view *v, size_t at, char *separator_out)
{
	unsigned char next = peek(v, at + 1);

	if (next == ' ' && is_digit(peek(v, at + 2))) {
		*separator_out = WIDE;
		return at + 2;
	}
	if ((next == '-' || next == '/') && peek(v, at + 2) == ' ' && is_digit(peek(v, at + 3))) {
		*separator_out = next == '-' ? WIDE_DASH : WIDE_SLASH;
		return at + 3;
	}
	return 0;
}

static size_t separator_at(const struct view *v, size_t at, char *separator_out)
{
	unsigned char c = peek(v, at), next = peek(v, at + 1);

	*separator_out = 0;
	if (c == ')' && (next == ' ' || next == '-')) {
		*separator_out = ')';
		return is_digit(peek(v, at + 2)) ? at + 2 : 0;
	}
	if (c == ' ' && next == '(' && is_digit(peek(v, at + 2))) {
		*separator_out = '(';
		return at + 2;
	}
	if ((c == ' ' || c == '-' || c == '.' || c == '/' || c == ')' || c == '(') && is_digit(next)) {
		*separator_out = (char)c;
		return at + 1;
	}
	return c == ' ' ? wide_separator(v, at, separator_out) : 0;
}

static void read_number(const struct view *v, struct number *n)
{
	size_t at = v->at;

	n->start = at;
	n->groups = n->count = 0;
	n->parenthesis = peek(v, at - 1) == '(';
	n->plus = peek(v, at - 1 - n->parenthesis) == '+' || (n->parenthesis && peek(v, at - 2) == '+');
	do {
		unsigned g = n->groups;

		n->len[g] = 0;
		while (is_digit(peek(v, at)) && n->count < DIGITS_MAX) {
			n->digits[n->count++] = (char)peek(v, at++);
			n->len[g]++;
		}
		n->end[g] = at;
		n->upto[g] = n->count;
		n->groups++;
		at = separator_at(v, at, &n->separator[g]);
	} while (at && n->groups < GROUPS_MAX && n->count < DIGITS_MAX);
	n->separator[n->groups - 1] = 0;
	n->digits[n->count] = '\0';
}

static bool same_separators(const struct number *n, unsigned groups, const char *allowed)
{
	for (unsigned i = 0; i + 1 < groups; i++)
		if (!n->separator[i] || !strchr(allowed, n->separator[i]) ||
		    n->separator[i] != n->separator[0])
			return false;
	return true;
}

static bool by_ones(const struct number *n, unsigned groups)
{
	for (unsigned i = 0; i < groups; i++)
		if (n->len[i] != 1)
			return false;
	return true;
}

/* Whole, in fours, 4-6-5 or 4-6-4, or digit by digit. */
static bool card_groups(const struct number *n, unsigned groups)
{
	if (groups == 1)
		return true;
	if (!same_separators(n, groups, " -.wd"))
		return false;
	if (by_ones(n, groups))
		return true;
	if (groups == 3 && n->len[0] == 4 && n->len[1] == 6)
		return n->len[2] == 4 || n->len[2] == 5;
	for (unsigned i = 0; i + 1 < groups; i++)
		if (n->len[i] != 4)
			return false;
	return groups > 2 && n->len[groups - 1] <= 4;
}

/* What follows on a magnetic stripe: track 1 has ^, track 2 = or D, and both end with '?'. */
static size_t track_end(const struct view *v, size_t at)
{
	unsigned char mark = peek(v, at);

	if (mark != '^' && mark != '=')
		return 0;
	if (mark == '=' && !(is_digit(peek(v, at + 1)) && is_digit(peek(v, at + 7))))
		return 0;
	for (size_t i = at + 1; i < at + 100; i++) {
		unsigned char c = peek(v, i);

		if (c == '?')
			return i + 1;
		if (!is_alnum(c) && !(c && strchr(" /^.-=", c)))
			return mark == '=' ? i : 0;
		if (mark == '=' && !is_digit(c))
			return i;
	}
	return 0;
}

static bool card_alone(const struct view *v, const struct number *n, unsigned groups)
{
	size_t end = n->end[groups - 1];
	unsigned char behind = peek(v, end), before = peek(v, n->start - 1);

	if (before == '.' && is_digit(peek(v, n->start - 2)))
		return false;
	if (is_alnum(before) && !(upper(before) == 'B' && peek(v, n->start - 2) == '%'))
		return false;
	if (is_alnum(behind))
		return false;
	if (behind == '.' && is_digit(peek(v, end + 1)))
		return false;
	return true;
}

static void match_card(struct view *v, const struct number *n)
{
	for (unsigned groups = n->groups; groups; groups--) {
		unsigned count = n->upto[groups - 1];
		size_t end = n->end[groups - 1], track;
		int range, glued, alone;

		if (count < 12 || count > 19 || !card_groups(n, groups))
			continue;
		range = check_card_range(n->digits, count);
		if (!range || !check_luhn_n(n->digits, count) || !card_alone(v, n, groups))
			continue;
		glued = !stands_alone(v, n->start, end) ? 25 : 0;
		alone = (range == 2 ? 80 : 55) + (groups > 1 ? 15 : 0) - glued;
		if (groups == count) /* a row of digits may add up by chance */
			alone = 30;
		offer(v, DETECT_PAN, n->start, end, alone, 98);
		track = track_end(v, end);
		if (track) {
			bool first = peek(v, n->start - 2) == '%';

			offer(v, DETECT_CARD_TRACK, n->start - (first ? 2 : peek(v, n->start - 1) == ';'),
			      track, 99, 99);
		}
	}
}

/* ITU-T E.164 calling codes in use, by their digits; the zone's codes are of two digits unless listed. */
static unsigned calling_code(const char *d)
{
	static const char two[] =
	        "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 "
	        "63 64 65 66 81 82 84 86 90 91 92 93 94 95 98";
	static const char three[] = "21 22 23 24 25 26 29 35 37 38 42 50 59 67 68 69 80 85 87 88 96 97 99";

	if (d[0] == '1' || d[0] == '7')
		return 1;
	for (const char *c = two; *c; c += 3) {
		if (c[0] == d[0] && c[1] == d[1])
			return 2;
		if (!c[2])
			break;
	}
	for (const char *c = three; *c; c += 3) {
		if (c[0] == d[0] && c[1] == d[1])
			return 3;
		if (!c[2])
			break;
	}
	return 0;
}

/* An extension goes with it: x123, ext. 123. */
static size_t with_extension(const struct view *v, size_t end)
{
	size_t at = end;

	while (peek(v, at) == ' ' || peek(v, at) == ',')
		at++;
	if ((peek(v, at) | 32) == 'e' && (peek(v, at + 1) | 32) == 'x' && (peek(v, at + 2) | 32) == 't')
		at += 3;
	else if ((peek(v, at) | 32) == 'x')
		at++;
	else
		return end;
	while (peek(v, at) == '.' || peek(v, at) == ' ' || peek(v, at) == ':')
		at++;
	if (!is_digit(peek(v, at)))
		return end;
	for (unsigned i = 0; i < 7 && is_digit(peek(v, at)); i++)
		at++;
	return is_alnum(peek(v, at)) ? end : at;
}

/* A parenthesis belongs to it when it closes inside. */
static size_t phone_start(const struct view *v, const struct number *n, unsigned groups)
{
	size_t at = n->start;
	bool closes = memchr(n->separator, ')', groups - 1) != NULL;

	at -= closes && peek(v, at - 1) == '(';
	at -= peek(v, at - 1) == '+';
	at -= closes && peek(v, at) == '+' && peek(v, at - 1) == '(';
	return at;
}

static bool phone_alone(const struct view *v, size_t start, size_t end)
{
	unsigned char before = peek(v, start - 1), behind = peek(v, end);

	if (is_alnum(before) || before == '_' || is_alnum(behind) || behind == '_' || before == '$')
		return false;
	if ((before == '.' || before == '-' || before == '/') && is_alnum(peek(v, start - 2)))
		return false;
	return !((behind == '.' || behind == '-' || behind == ':') && is_digit(peek(v, end + 1)));
}

static void offer_phone(struct view *v, const struct number *n, unsigned groups, int alone, int with)
{
	size_t start = phone_start(v, n, groups), end = n->end[groups - 1], whole = with_extension(v, end);

	if (phone_alone(v, start, whole))
		offer(v, DETECT_PHONE, start, whole, alone, with);
}

/* "+49 30 1234567", "0049 30 1234567": as many groups as make 15 digits at most. */
static void match_international(struct view *v, const struct number *n)
{
	unsigned skip = n->plus ? 0 : strncmp(n->digits, "011", 3) == 0 ? 3 : 2, groups = n->groups, code;

	if (!n->plus &&
	    (n->len[0] < skip || (strncmp(n->digits, "00", 2) != 0 && strncmp(n->digits, "011", 3) != 0)))
		return;
	code = n->count > skip + 7 ? calling_code(n->digits + skip) : 0;
	while (groups > 1 && n->upto[groups - 1] - skip > 15)
		groups--;
	if (!code || n->upto[groups - 1] < skip + 8 || n->upto[groups - 1] > skip + 15)
		return;
	if (n->plus)
		offer_phone(v, n, groups, 85, 95);
	else
		offer_phone(v, n, groups, groups > 1 ? 60 : 20, 90);
}

static bool groups_are(const struct number *n, unsigned first, const char *lengths)
{
	unsigned i = 0;

	for (; lengths[i]; i++)
		if (first + i >= n->groups || n->len[first + i] != (unsigned)(lengths[i] - '0'))
			return false;
	return true;
}

static bool is_separator_of_phone(char c)
{
	return c && strchr(" -.)", c);
}

/* NXX-NXX-XXXX with or without 1 before it. */
static void match_nanp(struct view *v, const struct number *n)
{
	unsigned trunk = n->len[0] == 1 && n->digits[0] == '1'                 ? 1
	                 : n->len[0] == 3 && strncmp(n->digits, "001", 3) == 0 ? 1
	                                                                       : 0;
	const char *d = n->digits + (trunk ? n->upto[0] : 0);
	char first = n->separator[trunk], second = n->separator[trunk + 1];
	bool valid, bracket = n->parenthesis || first == ')';

	if (groups_are(n, trunk, "334") && is_separator_of_phone(first) && is_separator_of_phone(second) &&
	    (first == second || bracket)) {
		valid = d[0] >= '2' && d[3] >= '2';
		offer_phone(v, n, trunk + 3, (valid ? 70 : 55) + (bracket ? 15 : 0) - (first == ' ' ? 15 : 0),
		            95);
	} else if (groups_are(n, trunk, "334") && first == '/' && second == '-') {
		offer_phone(v, n, trunk + 3, 30, 85);
	} else if (groups_are(n, trunk, "37") && bracket) {
		offer_phone(v, n, trunk + 2, 65, 95);
	} else if (!trunk && n->len[0] == 10 && d[0] > '1') {
		offer_phone(v, n, 1, 25, d[0] >= '2' && d[3] >= '2' ? 80 : 65);
	} else if (!trunk && n->len[0] == 11 && d[0] == '1') {
		offer_phone(v, n, 1, 25, 75);
	} else if (groups_are(n, 0, "34") && n->groups == 2 && first == '-') {
		offer_phone(v, n, 2, 30, 80);
	}
}

/* How countries group what begins with 0. */
static bool is_known_area(const struct number *n)
{
	static const char *const shapes[] = {"56",  "433",  "434",  "344",  "536",  "533", "244",
	                                     "334", "3322", "4322", "4222", "3222", "444", "234"};

	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
		if (groups_are(n, 0, shapes[i]))
			return true;
	return groups_are(n, 0, "28") && n->digits[1] == '6';
}

/* 0 before the area, two groups or more. */
static void match_trunk_zero(struct view *v, const struct number *n)
{
	unsigned groups = n->groups;
	bool pairs = groups_are(n, 0, "22222");
	bool slash = n->separator[0] == '/' || n->separator[0] == WIDE_SLASH;
	int alone = 45;

	while (groups > 1 && (n->upto[groups - 1] > 12 || n->separator[groups - 2] == '/') &&
	       !(groups == 2 && slash))
		groups--;
	if (n->digits[0] != '0' || n->digits[1] == '0' || n->upto[groups - 1] < 8 || n->upto[groups - 1] > 12)
		return;
	if (groups == 1) {
		offer_phone(v, n, 1, 25, 80);
		return;
	}
	if (groups_are(n, 0, "54") && n->separator[0] == '-') /* a ZIP code with its four more */
		return;
	if (n->separator[0] == '.' && !pairs)
		alone = 30;
	else if (pairs || n->parenthesis || is_known_area(n))
		alone = 60;
	else if (slash || (n->len[0] >= 3 && n->len[0] <= 5 && n->len[groups - 1] >= 5))
		alone = 50;
	offer_phone(v, n, groups, alone, 85);
}

static bool is_date(const struct number *n)
{
	return n->groups == 3 &&
	       (groups_are(n, 0, "422") || groups_are(n, 0, "224") || groups_are(n, 0, "222"));
}

/* Shapes of single countries: Brazil's "(11) 91234-5678", Russia's "8 (912) 345-67-89", China's "138 1234
 * 5678". */
static void match_national(struct view *v, const struct number *n)
{
	const char *d = n->digits;

	if (n->parenthesis && n->separator[0] == ')' && (groups_are(n, 0, "254") || groups_are(n, 0, "244")))
		offer_phone(v, n, 3, 60, 90);
	else if (groups_are(n, 0, "13322") && (d[0] == '8' || d[0] == '7'))
		offer_phone(v, n, 5, 60, 90);
	else if (groups_are(n, 0, "344") && d[0] == '1' && d[1] > '2')
		offer_phone(v, n, 3, 50, 90);
}

/* Digits without a break beside a word that can mean nothing else; not 20240315, nor the seconds or
 * milliseconds of a day around these years. */
static void match_bare(struct view *v, const struct number *n)
{
	bool day = n->len[0] == 8 && (strncmp(n->digits, "19", 2) == 0 || strncmp(n->digits, "20", 2) == 0);

	bool time = (n->len[0] == 10 || n->len[0] == 13) && n->digits[0] == '1' && n->digits[1] > '4';

	if (n->len[0] >= 7 && n->len[0] <= 13 && !day && !time && detect_context_near(v, CONTEXT_TELEPHONE))
		offer_phone(v, n, 1, 60, 60);
}

/* A telephone number has nothing wide inside, but for what is behind its area. */
static void cut_wide(struct number *n)
{
	for (unsigned i = 0; i + 1 < n->groups; i++) {
		char c = n->separator[i];

		if (c != WIDE && c != WIDE_DASH && c != WIDE_SLASH)
			continue;
		if (c != WIDE && i == 0 && (n->digits[0] == '0' || n->parenthesis))
			continue;
		n->groups = i + 1;
		n->count = n->upto[i];
		n->separator[i] = 0;
		n->digits[n->count] = '\0';
	}
}

static void match_phone(struct view *v, struct number *n)
{
	unsigned groups;

	cut_wide(n);
	groups = n->groups;
	if (!n->plus && groups > TELEPHONE_GROUPS)
		return;
	if (n->plus || n->digits[0] == '0')
		match_international(v, n);
	if (n->plus || n->count < 7)
		return;
	match_nanp(v, n);
	match_national(v, n);
	match_bare(v, n);
	if (n->digits[0] == '0')
		match_trunk_zero(v, n);
	while (groups > 1 && n->upto[groups - 1] > 12)
		groups--;
	if (!is_date(n) && !groups_are(n, 0, "324") && n->upto[groups - 1] >= 7 &&
	    n->upto[groups - 1] <= 12 && groups > 1 && n->len[0] <= 5 && n->separator[0] != '/' &&
	    n->len[0] + n->len[1] > 3 &&
	    (groups > 2 || n->digits[0] == '0' || (groups_are(n, 0, "44") && n->separator[0] == ' ') ||
	     detect_context_near(v, CONTEXT_TELEPHONE)))
		offer_phone(v, n, groups, 15, 65);
}

void match_numbers(struct view *v)
{
	struct number n;
	size_t end = v->at;
	char separator;

	if (is_letter(peek(v, v->at - 1)) && peek(v, v->at - 2) != '%')
		return;
	while (end - v->at < 7 && is_digit(peek(v, end)))
		end++;
	if (end - v->at < 7 && !separator_at(v, end, &separator))
		return;
	read_number(v, &n);
	if (n.count < 7)
		return;
	if (n.count >= 12 && detect_wants(v, DETECT_PAN))
		match_card(v, &n);
	if (detect_wants(v, DETECT_PHONE))
		match_phone(v, &n);
}

/* "IBANDE89...", as forms that lost their blank have it. */
static bool iban_before(const struct view *v, size_t at)
{
	static const char word[] = "iban";

	for (size_t i = 0; i < 4; i++)
		if ((peek(v, at - 4 + i) | 32) != (unsigned char)word[i])
			return false;
	return !is_alnum(peek(v, at - 5));
}

static bool is_small(unsigned char c)
{
	return is_letter(c) && c & 32;
}

/* Two letters, two digits, then groups of four or none; words before and behind that lost their blank. */
static void match_iban(struct view *v)
{
	char compact[IBAN_MAX + 1],
	        country[2] = {(char)upper(peek(v, v->at - 2)), (char)upper(peek(v, v->at - 1))};
	size_t at = v->at - 2, n = 0, want = check_iban_length(country);
	unsigned char gap = 0;
	bool glued;

	if (!want || !is_digit(peek(v, v->at + 1)))
		return;
	glued = is_alnum(peek(v, v->at - 3)) && !iban_before(v, v->at - 2);
	if (glued &&
	    (!is_small(peek(v, v->at - 3)) || is_small(peek(v, v->at - 2)) || is_small(peek(v, v->at - 1))))
		return;
	while (n < want) {
		unsigned char c = peek(v, at);

		if (is_alnum(c)) {
			compact[n++] = (char)upper(c);
		} else if ((c != ' ' && c != '-' && c != '.') || (gap && gap != c) ||
		           !is_alnum(peek(v, at + 1))) {
			return;
		} else {
			gap = c;
		}
		at++;
	}
	glued |= is_letter(peek(v, at));
	if (!is_digit(peek(v, at)) && check_iban(compact, want))
		offer(v, DETECT_IBAN, v->at - 2, at, glued ? 75 : 99, 99);
}

static void match_vin(struct view *v, size_t start, size_t end)
{
	char compact[18];
	unsigned letters = 0, digits = 0;

	for (size_t i = start; i < end; i++) {
		compact[i - start] = (char)upper(peek(v, i));
		letters += is_letter(peek(v, i));
		digits += is_digit(peek(v, i));
	}
	compact[17] = '\0';
	if (letters > 2 && digits > 3)
		offer(v, DETECT_VIN, start, end, check_vin(compact) ? 75 : 20, 90);
}

/* "2015-2018", "2024-03-15": four digits that begin with 19 or 20, and a dash. */
static bool is_years(const struct view *v, size_t start, size_t end)
{
	bool century = (peek(v, start) == '1' && peek(v, start + 1) == '9') ||
	               (peek(v, start) == '2' && peek(v, start + 1) == '0');

	return century && peek(v, start + 4) == '-' && (end - start == 9 || end - start == 10);
}

/* Codes without a check: letters, digits and dashes with three digits or more, where the context names them.
 */
static void match_by_context(struct view *v, size_t start, size_t end, bool letters)
{
	static const struct {
		uint8_t class, shortest, longest, score;
	} codes[] = {
	        {DETECT_PASSPORT, 6, 10, 75},     {DETECT_DRIVER_LICENCE, 5, 18, 70},
	        {DETECT_BANK_ACCOUNT, 6, 18, 65}, {DETECT_MRN, 5, 14, 70},
	        {DETECT_INSURANCE_ID, 6, 18, 65}, {DETECT_BIC, 8, 11, 80},
	        {DETECT_PLATE, 5, 9, 60},         {DETECT_DEVICE_ID, 36, 36, 80},
	};
	size_t len = end - start;

	if (is_years(v, start, end) || (peek(v, start) == '0' && (peek(v, start + 1) | 32) == 'x'))
		return;
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
		unsigned class = codes[i].class;
		bool wordy = class == DETECT_DRIVER_LICENCE || class == DETECT_INSURANCE_ID;

		if ((!letters && class == DETECT_PLATE) || len < codes[i].shortest || len > codes[i].longest)
			continue;
		if (!wordy || detect_context_near(v, class))
			offer(v, class, start, end, 0, codes[i].score);
	}
}

/* ISO 9362: six letters first. */
static void match_bic(struct view *v, size_t start, size_t end)
{
	for (size_t i = start; i < start + 6; i++)
		if (!is_letter(peek(v, i)) || peek(v, i) & 32)
			return;
	offer(v, DETECT_BIC, start, end, 0, 80);
}

void match_codes(struct view *v)
{
	size_t start = v->at, end = v->at;
	unsigned digits = 0, letters = 0;

	unsigned char before = peek(v, v->at - 1), next = peek(v, v->at + 1);

	if (!is_alnum(before) && before != '-' && !is_alnum(next) && next != '-')
		return;
	if (is_letter(before) && is_letter(peek(v, v->at - 2)))
		match_iban(v);
	while (v->at - start < CODE_MAX &&
	       (is_alnum(peek(v, start - 1)) || (peek(v, start - 1) == '-' && is_alnum(peek(v, start - 2)))))
		start--;
	while (end - start < 2 * CODE_MAX &&
	       (is_alnum(peek(v, end)) || (peek(v, end) == '-' && is_alnum(peek(v, end + 1))))) {
		digits += is_digit(peek(v, end));
		letters += is_letter(peek(v, end));
		end++;
	}
	if (end - start == 17)
		match_vin(v, start, end);
	if (digits && digits < 4 && (end - start == 8 || end - start == 11))
		match_bic(v, start, end);
	if (digits < 3 || end - start < 5 || end - start > 36 || peek(v, start - 1) == '_' ||
	    peek(v, end) == '_' || (peek(v, start - 1) == '.' && is_digit(peek(v, start - 2))) ||
	    (peek(v, end) == '.' && is_digit(peek(v, end + 1))))
		return;
	match_by_context(v, start, end, letters > 0);
}
