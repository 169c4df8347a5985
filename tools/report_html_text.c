/*
 * report_html_text.c - text that anybody may have written, escaped and cut, and the tables it stands in.
 */
#include "tools/report_html_inside.h"

#include <math.h>

#include "tools/report_html.h"

enum { WORD_MAX = 200 };

static unsigned decode(struct span s, size_t n)
{
	unsigned c = (unsigned char)s.data[0];

	c = n == 1 ? c : c & (0x7fu >> n);
	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)s.data[i] & 0x3f);
	return c;
}

/* The length of a character that may be shown, else 0. */
static size_t shown_len(struct span s)
{
	unsigned char c = (unsigned char)s.data[0];
	size_t n = c < 0x80                ? 1
	           : c >= 0xc2 && c < 0xe0 ? 2
	           : c >= 0xe0 && c < 0xf0 ? 3
	           : c >= 0xf0 && c < 0xf5 ? 4
	                                   : 0;
	unsigned point;

	if (!n || n > s.len || (n == 1 && c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
		return 0;
	for (size_t i = 1; i < n; i++)
		if (((unsigned char)s.data[i] & 0xc0) != 0x80)
			return 0;
	point = decode(s, n);
	if ((point >= 0x80 && point < 0xa0) || (point >= 0x200b && point <= 0x200f) ||
	    (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069))
		return 0;
	return n;
}

static void put_char(struct buf *out, struct span s, size_t n)
{
	const char *entity = s.data[0] == '&'    ? "&amp;"
	                     : s.data[0] == '<'  ? "&lt;"
	                     : s.data[0] == '>'  ? "&gt;"
	                     : s.data[0] == '"'  ? "&quot;"
	                     : s.data[0] == '\'' ? "&#39;"
	                     : n                 ? NULL
	                                         : "\xef\xbf\xbd";

	if (entity)
		buf_puts(out, entity);
	else
		buf_put(out, s.data, n);
}

void report_escape(struct buf *out, struct span s, size_t max)
{
	for (size_t at = 0; s.len; at++) {
		size_t n = shown_len(s);

		if (at == max) {
			buf_puts(out, "\xe2\x80\xa6");
			return;
		}
		put_char(out, s, n);
		s.data += n ? n : 1;
		s.len -= n ? n : 1;
	}
}

void html_word(struct buf *out, const char *text)
{
	report_escape(out, span_of(text), WORD_MAX);
}

void html_body(struct buf *out, struct span body, size_t max)
{
	if (!body.len || !memchr(body.data, 0, body.len)) {
		report_escape(out, body.len ? body : SPAN(""), max);
		return;
	}
	buf_printf(out, "%zu bytes: ", body.len);
	for (size_t i = 0; i < body.len && i < max; i++)
		put_char(out,
		         body.data[i] >= ' ' && body.data[i] < 0x7f ? (struct span){body.data + i, 1}
		                                                    : SPAN("."),
		         1);
	if (body.len > max)
		buf_puts(out, "\xe2\x80\xa6");
}

void html_cell(struct buf *out, const char *class, const char *text)
{
	buf_printf(out, "<td class=\"%s\">", class);
	html_word(out, text);
	buf_puts(out, "</td>");
}

void html_count(struct buf *out, double value)
{
	if (isfinite(value))
		buf_printf(out, "<td class=\"n\">%.0f</td>", value);
	else
		buf_puts(out, "<td class=\"n\">-</td>");
}

const char *html_state(const char *state)
{
	return !strcmp(state, "pass") ? "pass" : !strcmp(state, "fail") ? "fail" : "undecided";
}

void html_badge(struct buf *out, const char *state)
{
	buf_printf(out, "<span class=\"badge %s\">", html_state(state));
	html_word(out, state);
	buf_puts(out, "</span>");
}

void html_table(struct buf *out, const char *columns)
{
	buf_puts(out, "<div class=\"scroll\"><table><thead><tr>");
	while (*columns) {
		size_t n = strcspn(columns, "|");
		bool number = *columns == '>';

		buf_printf(out, "<th scope=\"col\"%s>%.*s</th>", number ? " class=\"n\"" : "",
		           (int)(n - number), columns + number);
		columns += n + (columns[n] == '|');
	}
	buf_puts(out, "</tr></thead><tbody>\n");
}

void html_table_end(struct buf *out)
{
	buf_puts(out, "</tbody></table></div>\n");
}
