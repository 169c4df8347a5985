/*
 * network.c - what stands around '@' and ':': mail addresses, logins in URLs, IPv6 and MAC addresses.
 */
#include <arpa/inet.h>

#include "capture/detect/inside.h"

enum { LOCAL_MAX = 64, LABEL_MAX = 63, DOMAIN_MAX = 253, IPV6_TEXT_MAX = 45, LOGIN_MAX = 160 };

/* A Latin letter of two bytes in UTF-8 ends before i. */
static bool latin_before(const struct view *v, size_t i)
{
	return (peek(v, i - 1) & 0xc0) == 0x80 &&
	       (peek(v, i - 2) == 0xc3 || peek(v, i - 2) == 0xc4 || peek(v, i - 2) == 0xc5);
}

/* RFC 5321 4.1.2, without what text has around an address more often than in it. */
static size_t local_start(const struct view *v)
{
	size_t at = v->at;

	while (v->at - at < LOCAL_MAX) {
		unsigned char c = peek(v, at - 1);

		if (is_alnum(c) || (c && strchr("._%+-'~!$^*", c)))
			at--;
		else if (latin_before(v, at))
			at -= 2;
		else
			break;
	}
	while (at < v->at && !is_alnum(peek(v, at)) && peek(v, at) < 128 && peek(v, at) != '_')
		at++;
	return at;
}

/* A letter of a domain beyond ASCII, which the label has begun with or not: its length in bytes, or 0. Latin
 * ones stand among ASCII; others begin a label, or the text goes on in their script behind the address. */
static size_t foreign_letter(const struct view *v, size_t at, bool ascii)
{
	unsigned char c = peek(v, at), next = peek(v, at + 1);

	if (c >= 0xc3 && c <= 0xc5 && (next & 0xc0) == 0x80)
		return 2;
	if (ascii)
		return 0;
	if (c > 0xc5 && c < 0xe0 && (next & 0xc0) == 0x80)
		return 2;
	if ((c == 0xe0 || (c >= 0xe4 && c <= 0xed) || (c == 0xe3 && next > 0x80)) && (next & 0xc0) == 0x80 &&
	    (peek(v, at + 2) & 0xc0) == 0x80)
		return 3;
	return 0;
}

/* The end of a label, with its dashes; *letters_out: no digits, no dashes but at its end. */
static size_t label_end(const struct view *v, size_t start, bool *letters_out)
{
	bool ascii = false, dashes = false;
	size_t at = start, n = 1;

	*letters_out = true;
	for (; n; at += n) {
		unsigned char c = peek(v, at);

		n = is_alnum(c) || c == '-' ? 1 : foreign_letter(v, at, ascii);
		if (!n)
			break;
		if (c == '-') {
			dashes = true;
			continue;
		}
		*letters_out = *letters_out && !dashes && !is_digit(c);
		ascii |= c < 128;
	}
	return at;
}

static bool file_type(const struct view *v, size_t start, size_t end)
{
	static const char *const types[] = {"png",  "jpg", "jpeg", "gif",  "svg",
	                                    "webp", "css", "js",   "html", "json"};

	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (end - start == strlen(types[i]) &&
		    strncasecmp((const char *)v->text + start, types[i], end - start) == 0)
			return true;
	return false;
}

/* Labels of letters, digits and inner dashes; the last of letters, or xn--. The end, or 0. */
static size_t domain_end(const struct view *v, bool *file_out)
{
	size_t at = v->at + 1, label = at, good = 0;
	unsigned labels = 0;

	while (at - v->at <= DOMAIN_MAX) {
		bool letters;
		size_t end;

		label = at;
		end = at = label_end(v, label, &letters);
		while (end > label && peek(v, end - 1) == '-')
			end--;
		if (end == label || end - label > LABEL_MAX || peek(v, label) == '-')
			break;
		labels++;
		letters |= end - label > 4 && strncasecmp((const char *)v->text + label, "xn--", 4) == 0;
		if (labels > 1 && letters && end - label >= 2) {
			good = end;
			*file_out = file_type(v, label, end);
		}
		if (end != at || peek(v, at) != '.')
			break;
		at++;
	}
	return good;
}

static void match_email(struct view *v)
{
	size_t start = local_start(v), end;
	bool file = false;

	if (start == v->at)
		return;
	if (peek(v, v->at + 1) == '[' && is_digit(peek(v, v->at + 2))) {
		for (end = v->at + 2; is_digit(peek(v, end)) || peek(v, end) == '.'; end++)
			;
		if (peek(v, end) == ']')
			offer(v, DETECT_EMAIL, start, end + 1, 80, 95);
		return;
	}
	end = domain_end(v, &file);
	if (end && v->at - start == 3 && peek(v, end) == ':' &&
	    strncmp((const char *)v->text + start, "git", 3) == 0)
		file = true; /* git@host:path names a repository */
	if (end)
		offer(v, DETECT_EMAIL, start, end, file ? 20 : 90, file ? 40 : 98);
}

/* RFC 3986 3.2.1: what is between "://" and '@'. */
static void match_login(struct view *v)
{
	size_t at = v->at;

	while (v->at - at < LOGIN_MAX) {
		unsigned char c = peek(v, at - 1);

		if (c == '/' && peek(v, at - 2) == '/' && peek(v, at - 3) == ':') {
			if (at < v->at)
				offer(v, DETECT_URL_LOGIN, at, v->at, 99, 99);
			return;
		}
		if (c <= ' ' || c == '/' || c == '"' || c == '<' || c == '>' || c == '@')
			return;
		at--;
	}
}

void match_at(struct view *v)
{
	unsigned char before = peek(v, v->at - 1);

	if (before <= ' ')
		return;
	if (detect_wants(v, DETECT_URL_LOGIN))
		match_login(v);
	if (detect_wants(v, DETECT_EMAIL) && (!v->best.class || v->best.class != DETECT_URL_LOGIN))
		match_email(v);
}

/* "x[::2]", "[1::5]": what programs write for every second; ::1 is none unless it stands behind a name. */
static bool is_step(const struct view *v, size_t start, size_t end)
{
	unsigned char name = peek(v, start - 2);

	if (end - start > 5)
		return false;
	if (end - start == 3 && v->text[end - 1] == '1' && v->text[start] == ':')
		return peek(v, start - 1) == '[' && (is_alnum(name) || (name && strchr("_)]'\"", name)));
	for (size_t i = start; i < end; i++)
		if (is_letter(v->text[i]))
			return false;
	return true;
}

/* Hex digits and colons around the anchor, dots behind: the first colon of them only. */
static void match_ipv6(struct view *v)
{
	char text[IPV6_TEXT_MAX + 1];
	struct in6_addr address;
	size_t start = v->at, end = v->at;
	bool digit = false;

	while (v->at - start < 4 && is_hex(peek(v, start - 1)))
		start--;
	if (is_alnum(peek(v, start - 1)) || peek(v, start - 1) == ':' || peek(v, start - 1) == '.')
		return;
	while (end - start <= IPV6_TEXT_MAX && (is_hex(peek(v, end)) || peek(v, end) == ':' ||
	                                        (peek(v, end) == '.' && is_digit(peek(v, end + 1)))))
		end++;
	if (end - start > IPV6_TEXT_MAX || is_alnum(peek(v, end)))
		return;
	if (peek(v, end - 1) == ':' && peek(v, end - 2) != ':')
		end--;
	for (size_t i = start; i < end; i++) {
		text[i - start] = (char)v->text[i];
		digit |= is_digit(v->text[i]);
	}
	text[end - start] = '\0';
	if (end - start > 2 && digit && inet_pton(AF_INET6, text, &address) == 1)
		offer(v, DETECT_IPV6, start, end,
		      is_step(v, start, end) ? 40
		      : end - start > 5      ? 85
		                             : 55,
		      95);
}

/* Six pairs with ':' or '-', or three fours with '.'. */
static void match_mac_at(struct view *v, size_t start)
{
	unsigned char separator = peek(v, start + 2);
	unsigned each = separator == ':' || separator == '-' ? 2 : 4, groups = each == 2 ? 6 : 3;
	size_t at = start;

	separator = each == 2 ? separator : '.';
	if (is_alnum(peek(v, start - 1)) || (peek(v, start - 1) == separator && separator != '.'))
		return;
	for (unsigned g = 0; g < groups; g++) {
		for (unsigned i = 0; i < each; i++)
			if (!is_hex(peek(v, at++)))
				return;
		if (g + 1 < groups && peek(v, at++) != separator)
			return;
	}
	if (!is_alnum(peek(v, at)) && (peek(v, at) != separator || !is_hex(peek(v, at + 1))))
		offer(v, DETECT_MAC, start, at, each == 2 ? 85 : 60, 95);
}

void match_colon(struct view *v)
{
	unsigned char next = peek(v, v->at + 1);

	if (!is_hex(next) && next != ':')
		return;
	if (detect_wants(v, DETECT_IPV6))
		match_ipv6(v);
	if (detect_wants(v, DETECT_MAC) && is_hex(peek(v, v->at - 1)) && peek(v, v->at - 3) != ':')
		match_mac_at(v, v->at - 2);
}

void match_mac(struct view *v)
{
	size_t start = v->at;

	if (!detect_wants(v, DETECT_MAC))
		return;
	while (v->at - start < 17 &&
	       (is_hex(peek(v, start - 1)) || peek(v, start - 1) == '-' || peek(v, start - 1) == '.'))
		start--;
	if (start + 2 >= v->lo && (peek(v, start + 2) == '-' || peek(v, start + 4) == '.'))
		match_mac_at(v, start);
}
