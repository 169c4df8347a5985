/*
 * telephones.c - telephone numbers: with a calling code, and as countries write their own.
 */
#include "capture/detect/numbers.h"

enum { TELEPHONE_GROUPS = 7 };

static bool groups_are(const struct number *n, unsigned first, const char *lengths)
{
	unsigned i = 0;

	for (; lengths[i]; i++)
		if (first + i >= n->groups || n->len[first + i] != (unsigned)(lengths[i] - '0'))
			return false;
	return true;
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

static bool is_separator_of_phone(char c)
{
	return c && (c == WIDE_DASH || strchr(" -.)", c));
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

/* A telephone number has a dash or a slash between blanks behind its area, or where '+' or a parenthesis says
 * what it is; else it ends there. */
static void cut_wide(struct number *n)
{
	bool sure = n->plus || n->parenthesis || groups_are(n, 0, "334");

	for (unsigned i = 0; i + 1 < n->groups; i++) {
		char c = n->separator[i];
		bool dash = c == WIDE_DASH || c == WIDE_SLASH;

		if (!dash && c != WIDE)
			continue;
		if (dash && ((sure && n->len[i + 1] > 2) || (i == 0 && n->digits[0] == '0')))
			continue;
		n->groups = i + 1;
		n->count = n->upto[i];
		n->separator[i] = 0;
		n->digits[n->count] = '\0';
	}
}

void match_telephone(struct view *v, struct number *n)
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
