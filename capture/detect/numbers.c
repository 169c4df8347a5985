/*
 * numbers.c - numbers whose grouping varies: how they are read, and payment cards.
 */
#include "capture/detect/numbers.h"

#include "capture/detect/check.h"

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
	if ((c == ' ' || c == '-') && next == '(' && is_digit(peek(v, at + 2))) {
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

/* 15 or 16 digits in groups of any two or more: only its context makes a card of them. */
static bool odd_groups(const struct number *n, unsigned groups)
{
	for (unsigned i = 0; i < groups; i++)
		if (n->len[i] < 2)
			return false;
	return n->upto[groups - 1] == 15 || n->upto[groups - 1] == 16;
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
		bool usual = card_groups(n, groups);

		if (count < 12 || count > 19 || (!usual && !odd_groups(n, groups)))
			continue;
		range = check_card_range(n->digits, count);
		if (!range || !check_luhn_n(n->digits, count) || !card_alone(v, n, groups))
			continue;
		glued = !stands_alone(v, n->start, end) ? 25 : 0;
		alone = (range == 2 ? 80 : 55) + (groups > 1 ? 15 : 0) - glued;
		if (groups == count) /* a row of digits may add up by chance */
			alone = 30;
		if (!usual) {
			offer(v, DETECT_PAN, n->start, end, 0, 80);
			continue;
		}
		offer(v, DETECT_PAN, n->start, end, alone, 98);
		track = track_end(v, end);
		if (track) {
			bool first = peek(v, n->start - 2) == '%';

			offer(v, DETECT_CARD_TRACK, n->start - (first ? 2 : peek(v, n->start - 1) == ';'),
			      track, 99, 99);
		}
	}
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
		match_telephone(v, &n);
}
