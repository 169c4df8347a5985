/*
 * http.c - names of fields and what they stand for, byte classes, lists, reasons.
 */
#include "proto/http_inside.h"

#include <string.h>

#if defined(__SSE2__) && !defined(H1_PORTABLE)
#include <emmintrin.h>
#endif

#define T C_TCHAR | C_TEXT | C_TARGET
#define H T | C_HOST
#define X H | C_IP6
#define D X | C_DIGIT
#define V C_TEXT | C_TARGET

const uint8_t http_class[256] = {
        ['\t'] = C_TEXT,   [' '] = C_TEXT,    ['!'] = T,         ['"'] = V,         ['#'] = C_TCHAR | C_TEXT,
        ['$'] = T,         ['%'] = T,         ['&'] = T,         ['\''] = T,        ['('] = V,
        [')'] = V,         ['*'] = T,         ['+'] = T,         [','] = V,         ['-'] = H,
        ['.'] = X,         ['/'] = V,         ['0' ... '9'] = D, [':'] = V | C_IP6, [';'] = V,
        ['<'] = V,         ['='] = V,         ['>'] = V,         ['?'] = V,         ['@'] = V,
        ['A' ... 'F'] = X, ['G' ... 'Z'] = H, ['['] = V,         ['\\'] = V,        [']'] = V,
        ['^'] = T,         ['_'] = H,         ['`'] = T,         ['a' ... 'f'] = X, ['g' ... 'z'] = H,
        ['{'] = V,         ['|'] = T,         ['}'] = V,         ['~'] = H,         [0x80 ... 0xff] = C_TEXT,
};

#undef T
#undef H
#undef X
#undef D
#undef V

#define L(c) [c] = c, [c - 32] = c
const char http_fold[256] = {
        ['!'] = '!', ['#'] = '#', ['$'] = '$', ['%'] = '%', ['&'] = '&', ['\''] = '\'', ['*'] = '*',
        ['+'] = '+', ['-'] = '-', ['.'] = '.', ['0'] = '0', ['1'] = '1', ['2'] = '2',   ['3'] = '3',
        ['4'] = '4', ['5'] = '5', ['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9',   ['^'] = '^',
        ['_'] = '-', ['`'] = '`', ['|'] = '|', ['~'] = '~', L('a'),      L('b'),        L('c'),
        L('d'),      L('e'),      L('f'),      L('g'),      L('h'),      L('i'),        L('j'),
        L('k'),      L('l'),      L('m'),      L('n'),      L('o'),      L('p'),        L('q'),
        L('r'),      L('s'),      L('t'),      L('u'),      L('v'),      L('w'),        L('x'),
        L('y'),      L('z'),
};
#undef L

bool http_cut(struct span *rest, char byte, struct span *before_out)
{
	const char *at = rest->len > 0 ? memchr(rest->data, byte, rest->len) : NULL;

	if (at == NULL)
		return false;
	*before_out = (struct span){rest->data, (size_t)(at - rest->data)};
	rest->len -= before_out->len + 1;
	rest->data = at + 1;
	return true;
}

bool http_list_next(struct span *rest, struct span *element_out)
{
	if (rest->data == NULL)
		return false;
	if (!http_cut(rest, ',', element_out)) {
		*element_out = *rest;
		*rest = (struct span){NULL, 0};
	}
	*element_out = trim(*element_out);
	return true;
}

static bool is_port(struct span s)
{
	return s.len > 0 && s.len <= 5 && all(s, C_DIGIT);
}

bool http_is_authority(struct span s)
{
	struct span host;

	if (s.len > 0 && s.data[0] == '[') {
		if (!http_cut(&s, ']', &host) || host.len < 3)
			return false;
		host.data++;
		host.len--;
		if (!all(host, C_IP6))
			return false;
		if (s.len == 0)
			return true;
		return s.data[0] == ':' && is_port((struct span){s.data + 1, s.len - 1});
	}
	if (http_cut(&s, ':', &host))
		return host.len > 0 && all(host, C_HOST) && is_port(s);
	return s.len > 0 && all(s, C_HOST);
}

int http_read_length(struct span text, uint64_t *n_out)
{
	uint64_t n = 0;

	if (text.len == 0 || !all(text, C_DIGIT))
		return ERR_PROTO;
	for (size_t i = 0; i < text.len; i++) {
		unsigned digit = (unsigned)(text.data[i] - '0');

		if (n > ((uint64_t)INT64_MAX - digit) / 10)
			return ERR_LIMIT;
		n = n * 10 + digit;
	}
	*n_out = n;
	return 0;
}

static const struct {
	const char *text;
	uint8_t len, flags;
} known_names[HTTP_NAME_COUNT] = {
#define X(id, text, flags) [HTTP_NAME_##id] = {text, sizeof(text) - 1, flags},
        HTTP_NAMES(X)
#undef X
};

/* The first row whose name has at least that length; HTTP_NAMES is in the order of lengths. */
static const uint8_t row_of_length[HTTP_NAME_MAX_LEN + 1] = {
        [0 ... 2] = HTTP_NAME_TE,
        [3 ... 4] = HTTP_NAME_HOST,
        [5 ... 6] = HTTP_NAME_EXPECT,
        [7] = HTTP_NAME_TRAILER,
        [8 ... 9] = HTTP_NAME_FORWARDED,
        [10] = HTTP_NAME_CONNECTION,
        [11 ... 12] = HTTP_NAME_CONTENT_TYPE,
        [13] = HTTP_NAME_AUTHORIZATION,
        [14] = HTTP_NAME_CONTENT_LENGTH,
        [15 ... 16] = HTTP_NAME_PROXY_CONNECTION,
        [17] = HTTP_NAME_TRANSFER_ENCODING,
        [18] = HTTP_NAME_PROXY_AUTHENTICATE,
        [19] = HTTP_NAME_PROXY_AUTHORIZATION,
        [20] = HTTP_NAME_COUNT,
};

static bool has_prefix(const struct http_name_read *n, struct span prefix)
{
	return n->len >= prefix.len && memcmp(n->folded, prefix.data, prefix.len) == 0;
}

static void classify(struct http_name_read *n)
{
	size_t len = n->len < HTTP_NAME_MAX_LEN ? n->len : HTTP_NAME_MAX_LEN;

	n->id = HTTP_OTHER;
	n->flags = 0;
	for (unsigned i = row_of_length[len]; i < HTTP_NAME_COUNT && known_names[i].len == n->len; i++)
		if (n->folded[0] == known_names[i].text[0] &&
		    memcmp(n->folded, known_names[i].text, n->len) == 0) {
			n->id = (uint8_t)i;
			n->flags = known_names[i].flags;
		}
	if (n->folded[0] == 'x' && has_prefix(n, SPAN("x-forwarded-")))
		n->flags |= HTTP_GUARD;
	else if (n->folded[0] == 'u' && has_prefix(n, SPAN("understudy-")))
		n->flags |= HTTP_GUARD;
	else if (n->folded[0] == 'c' && has_prefix(n, SPAN("content-")))
		n->flags |= HTTP_NO_TRAILER;
}

/* How many letters, digits and "-" come first, folded at once: at most 16, and 0 where that cannot be done.
 * Of these only capitals change when bit 0x20 is set. */
static size_t fold_start(struct span text, char *folded)
{
#if defined(__SSE2__) && !defined(H1_PORTABLE)
	if (text.len >= 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)text.data);
		__m128i low = _mm_or_si128(v, _mm_set1_epi8(0x20));
		__m128i letter = _mm_and_si128(_mm_cmpgt_epi8(low, _mm_set1_epi8('a' - 1)),
		                               _mm_cmplt_epi8(low, _mm_set1_epi8('z' + 1)));
		__m128i digit = _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8('0' - 1)),
		                              _mm_cmplt_epi8(v, _mm_set1_epi8('9' + 1)));
		__m128i dash = _mm_cmpeq_epi8(v, _mm_set1_epi8('-'));
		int others = ~_mm_movemask_epi8(_mm_or_si128(letter, _mm_or_si128(digit, dash)));

		_mm_storeu_si128((__m128i *)folded, low);
		return (size_t)__builtin_ctz((unsigned)others);
	}
#endif
	(void)text, (void)folded;
	return 0;
}

struct http_name_read http_read_name(struct span text)
{
	struct http_name_read n = {.underscore = false};

	for (n.len = fold_start(text, n.folded); n.len < text.len; n.len++) {
		char c = text.data[n.len], folded = http_fold[(unsigned char)c];

		if (folded == '\0')
			break;
		if (n.len < HTTP_NAME_MAX_LEN)
			n.folded[n.len] = folded;
		n.underscore |= c == '_';
	}
	classify(&n);
	return n;
}

unsigned http_name_flags(enum http_name id)
{
	return known_names[id].flags;
}

bool http_belongs_to_hop(const struct http_name_read *n)
{
	return n->flags & (n->underscore ? HTTP_HOP | HTTP_GUARD | HTTP_SINGLE : HTTP_HOP);
}

bool http_is_trailer_name(const struct http_name_read *n)
{
	return !(n->flags & (HTTP_HOP | HTTP_GUARD | HTTP_NO_TRAILER));
}

bool http_trailer_forwardable(struct span name)
{
	struct http_name_read n = http_read_name(name);

	return http_is_trailer_name(&n);
}

struct span http_known(const struct http_message *m, enum http_name id)
{
	return m->known[id] ? m->fields[m->known[id] - 1].value : (struct span){NULL, 0};
}

struct span http_field(const struct http_message *m, struct span name)
{
	for (size_t i = 0; i < m->field_count; i++)
		if (span_eq_nocase(m->fields[i].name, name))
			return m->fields[i].value;
	return (struct span){NULL, 0};
}

bool http_list_has(struct span list, struct span token)
{
	struct span element;

	while (http_list_next(&list, &element))
		if (span_eq_nocase(element, token))
			return true;
	return false;
}

bool http_hop_by_hop(const struct http_message *m, struct span name)
{
	for (size_t i = 0; i < m->field_count; i++)
		if (m->fields[i].name.data == name.data && m->fields[i].name.len == name.len)
			return m->fields[i].hop;
	struct http_name_read n = http_read_name(name);
	if (http_belongs_to_hop(&n))
		return true;
	for (size_t i = 0; i < m->field_count && !(n.flags & HTTP_GUARD); i++)
		if (m->fields[i].id == HTTP_NAME_CONNECTION && http_list_has(m->fields[i].value, name))
			return true;
	return false;
}

static const struct {
	unsigned status;
	const char *text;
} reasons[] = {
        {100, "Continue"},
        {101, "Switching Protocols"},
        {103, "Early Hints"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
};

const char *http_reason(unsigned status)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Unknown";
}
