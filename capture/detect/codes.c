/*
 * codes.c - letters and digits together: IBAN, VIN, and what only its context tells.
 */
#include "capture/detect/check.h"
#include "capture/detect/inside.h"

enum { IBAN_MAX = 34, CODE_MAX = 24 };

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
static void match_iban(struct view *v, size_t start)
{
	char compact[IBAN_MAX + 1],
	        country[2] = {(char)upper(peek(v, start)), (char)upper(peek(v, start + 1))};
	size_t at = start, n = 0, want = check_iban_length(country);
	unsigned char gap = 0;
	bool glued;

	if (!want || !is_digit(peek(v, v->at + 1)))
		return;
	glued = is_alnum(peek(v, start - 1)) && !iban_before(v, start);
	if (glued &&
	    (!is_small(peek(v, start - 1)) || is_small(peek(v, start)) || is_small(peek(v, start + 1))))
		return;
	while (n < want) {
		unsigned char c = peek(v, at), next = peek(v, at + 1);

		if (is_alnum(c)) {
			compact[n++] = (char)upper(c);
		} else if ((c != ' ' && c != '-' && c != '.') || (gap && gap != c) ||
		           !(is_alnum(next) || (next == ' ' && is_alnum(peek(v, at + 2))))) {
			return;
		} else {
			gap = c;
		}
		at++;
	}
	glued |= is_letter(peek(v, at));
	if (!is_digit(peek(v, at)) && check_iban(compact, want))
		offer(v, DETECT_IBAN, start, at, glued ? 75 : 99, 99);
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
		match_iban(v, v->at - 2);
	else if (before == ' ' && is_letter(peek(v, v->at - 2)) && is_letter(peek(v, v->at - 3)))
		match_iban(v, v->at - 3);
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
