/*
 * operator_shape.c - tokens that look like what they stand for, and made-up names.
 *
 * Digits stay digits, letters letters of the same case, separators what they are. Where a class has ranges
 * that nobody is given, the token lies in them: mail under .example (RFC 6761), 240.0.0.0/4 (RFC 1112),
 * 2001:db8::/32 (RFC 3849), locally administered MACs, country code 999, social security areas 9xx. Check
 * digits are found by drawing until the class's own validator agrees.
 */
#define _GNU_SOURCE /* memrchr */
#include <arpa/inet.h>
#include <stdio.h>

#include "capture/detect/check.h"
#include "capture/detect/inside.h"
#include "capture/operator_inside.h"

enum { TRIES_MAX = 1 << 12, SHAPE_MAX = 256, COMPACT_MAX = 64 };

/* splitmix64, from a digest: what is drawn depends on key, class and value alone. */
static uint64_t draw(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint64_t seed(struct mask_key *key, struct span domain, unsigned class, struct span value)
{
	uint8_t hash[32];
	uint64_t first;
	struct buf meant;

	buf_init(&meant, value.len + SHAPE_MAX);
	mask_canonical(class, value, &meant);
	mask_digest(key, class ? span_of(detect_class_name(class)) : domain, buf_span(&meant), hash);
	buf_fini(&meant);
	memcpy(&first, hash, sizeof first);
	return first;
}

/* Never all as before where there is anything to change. */
static void shape_text(struct span value, uint64_t *state, char *out)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < value.len; i++) {
		char c = value.data[i];

		bits = i % 8 ? bits >> 8 : draw(state);
		if (operator_is_digit(c))
			out[i] = (char)('0' + (bits & 255) % 10);
		else if (operator_is_letter(c))
			out[i] = (char)((c & 32) | ('A' + (bits & 255) % 26));
		else
			out[i] = c;
	}
}

/* Fixed ends of ranges that nobody is given, in the letters and digits of the text. */
static void place(unsigned class, struct span value, char *out)
{
	const char *fixed = class == DETECT_US_SSN                                     ? "9"
	                    : class == DETECT_PAN                                      ? "9"
	                    : class == DETECT_PHONE && value.len && *value.data == '+' ? "999"
	                                                                               : "";

	for (size_t i = 0; i < value.len && *fixed; i++)
		if (operator_is_digit(value.data[i]))
			out[i] = *fixed++;
	if (class != DETECT_IBAN && class != DETECT_EU_VAT)
		return;
	for (size_t i = 0, n = 0; i < value.len && n < 2; i++) { /* the country: it has a form of its own */
		out[i] = value.data[i];
		n += operator_is_digit(value.data[i]) || operator_is_letter(value.data[i]);
	}
}

/* A date that was drawn becomes one of the calendar, where its check would seldom be met by chance. */
static void place_date(unsigned class, struct span value, char *out)
{
	static const struct {
		uint8_t class, len; /* letters and digits; 0: any */
		const char *form;   /* C a century, M a month, D a day, of two digits each */
	} rows[] = {{DETECT_CN_ID, 18, "......CC..MMDD"},
	            {DETECT_SE_PERSONNUMMER, 12, "CC..MMDD"},
	            {DETECT_FI_HETU, 0, "DDMM"},
	            {DETECT_ZA_ID, 13, "..MMDD"}};
	char *at[COMPACT_MAX];
	size_t n = 0;

	for (size_t i = 0; i < value.len && n < COMPACT_MAX; i++)
		if (is_alnum((unsigned char)out[i]))
			at[n++] = out + i;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (rows[i].class != class || (rows[i].len && rows[i].len != n))
			continue;
		for (size_t j = 0; rows[i].form[j] && j + 1 < n; j += 2) {
			char kind = rows[i].form[j];
			int drawn = (*at[j] - '0') * 10 + *at[j + 1] - '0';
			int is = kind == 'C' ? 19 + drawn % 2 : kind == 'M' ? 1 + drawn % 12 : 1 + drawn % 28;

			if (kind == '.' || !is_digit((unsigned char)*at[j]) ||
			    !is_digit((unsigned char)*at[j + 1]))
				continue;
			*at[j] = (char)('0' + is / 10);
			*at[j + 1] = (char)('0' + is % 10);
		}
	}
}

/* Letters, upper-case, and digits: how many of them, those with no room included. */
static size_t compact_of(struct span value, char compact[COMPACT_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < value.len; i++) {
		if (!is_alnum((unsigned char)value.data[i]))
			continue;
		if (n + 1 < COMPACT_MAX)
			compact[n] = (char)upper((unsigned char)value.data[i]);
		n++;
	}
	compact[n < COMPACT_MAX ? n : COMPACT_MAX - 1] = '\0';
	return n;
}

/* Can any draw stand for it? There is something to draw, and a card or an IBAN has the form of one. */
static bool has_shape(unsigned class, struct span value)
{
	char compact[COMPACT_MAX];
	size_t n = compact_of(value, compact);

	for (size_t i = 0; i < value.len; i++)
		if (value.data[i] & 0x80)
			return false;
	if (class == DETECT_PAN)
		return n >= 12 && n <= 19 && strspn(compact, "0123456789") == n;
	if (class == DETECT_IBAN)
		return n >= 15 && n == check_iban_length(compact) && is_digit((unsigned char)compact[2]) &&
		       is_digit((unsigned char)compact[3]);
	return n > 0;
}

static bool adds_up(unsigned class, struct span shaped)
{
	char compact[COMPACT_MAX];
	size_t n = compact_of(shaped, compact);

	if (class == DETECT_PAN)
		return check_luhn(compact);
	if (class == DETECT_IBAN)
		return check_iban(compact, n);
	return class == DETECT_US_SSN || rules_valid(class, compact);
}

static void put_ipv4(uint64_t *state, struct buf *out)
{
	uint64_t bits = draw(state);

	buf_printf(out, "%u.%u.%u.%u", 240 + (unsigned)(bits & 15) % 15, (unsigned)(bits >> 8 & 255),
	           (unsigned)(bits >> 16 & 255), 1 + (unsigned)(bits >> 24 & 255) % 254);
}

static void put_ipv6(uint64_t *state, struct buf *out)
{
	struct in6_addr address = {.s6_addr = {0x20, 0x01, 0x0d, 0xb8}};
	uint64_t a = draw(state), b = draw(state);
	char text[INET6_ADDRSTRLEN];

	memcpy(address.s6_addr + 4, &a, 4);
	memcpy(address.s6_addr + 8, &b, 8);
	if (inet_ntop(AF_INET6, &address, text, sizeof text))
		buf_puts(out, text);
}

static bool put_mac(struct span value, uint64_t *state, struct buf *out)
{
	unsigned nth = 0;

	for (size_t i = 0; i < value.len; i++) {
		char c = value.data[i];
		unsigned nibble = (unsigned)(draw(state) & 15);

		if (!is_hex((unsigned char)c)) {
			buf_put(out, &c, 1);
			continue;
		}
		nibble = nth == 1 ? (nibble & 12) | 2 : nibble; /* locally administered, one station */
		nth++;
		buf_put(out, &((c & 96) == 64 ? "0123456789ABCDEF" : "0123456789abcdef")[nibble], 1);
	}
	return nth == 12;
}

static bool put_email(struct span value, uint64_t *state, struct buf *out)
{
	static const char domain[] = ".example";
	const char *at = memrchr(value.data, '@', value.len), *dot;
	char shaped[SHAPE_MAX];
	size_t len = value.len;

	if (!at || len >= SHAPE_MAX)
		return false;
	dot = memrchr(at, '.', len - (size_t)(at - value.data));
	len = dot ? (size_t)(dot - value.data) : len;
	shape_text((struct span){value.data, len}, state, shaped);
	for (size_t i = 0; i < len; i++)
		shaped[i] = value.data[i] & 0x80 ? 'x' : shaped[i];
	buf_put(out, shaped, len);
	buf_puts(out, domain);
	return true;
}

bool operator_shape(struct mask_key *key, unsigned class, struct span domain, struct span value,
                    struct buf *out)
{
	uint64_t state = seed(key, domain, class, value);
	char shaped[SHAPE_MAX];

	switch (class) {
	case DETECT_IPV4:
		put_ipv4(&state, out);
		return true;
	case DETECT_IPV6:
		put_ipv6(&state, out);
		return true;
	case DETECT_MAC:
		return put_mac(value, &state, out);
	case DETECT_EMAIL:
		return put_email(value, &state, out);
	default:
		break;
	}
	if (value.len > sizeof shaped || !has_shape(class, value))
		return false;
	for (unsigned i = 0; i < TRIES_MAX; i++) {
		shape_text(value, &state, shaped);
		place(class, value, shaped);
		place_date(class, value, shaped);
		if (span_eq((struct span){shaped, value.len}, value) ||
		    !adds_up(class, (struct span){shaped, value.len}))
			continue;
		buf_put(out, shaped, value.len);
		return true;
	}
	return false;
}

static const char *const first_names[] = {
        "Ada",   "Aiko",  "Amir",  "Anna",   "Bela",  "Bruno", "Carla", "Chen",  "Clara",  "Dario",  "Deniz",
        "Elena", "Emil",  "Farah", "Felix",  "Freya", "Goran", "Greta", "Hana",  "Henrik", "Ines",   "Ivan",
        "Jana",  "Jonas", "Kaito", "Karim",  "Lara",  "Leo",   "Lina",  "Luca",  "Maja",   "Marco",  "Mina",
        "Milan", "Nadia", "Nils",  "Nora",   "Omar",  "Paula", "Pavel", "Petra", "Rafael", "Rosa",   "Ruben",
        "Sara",  "Selim", "Sofia", "Stefan", "Tara",  "Theo",  "Tomas", "Uma",   "Vera",   "Viktor", "Wanda",
        "Yara",  "Yuki",  "Yusuf", "Zoe",    "Zoran", "Malik", "Irma",  "Hugo",  "Edda"};
static const char *const last_names[] = {
        "Abend", "Acker",   "Bakker", "Barros", "Berg",   "Blanco", "Brandt",  "Castro", "Cole",   "Dahl",
        "Diaz",  "Drake",   "Eklund", "Ersoy",  "Falk",   "Ferrer", "Fischer", "Gallo",  "Garner", "Grant",
        "Haas",  "Halonen", "Hansen", "Ito",    "Jansen", "Kaya",   "Keller",  "Kim",    "Koval",  "Larsen",
        "Lenz",  "Lopez",   "Marsh",  "Meier",  "Moreno", "Mori",   "Nagy",    "Novak",  "Olsen",  "Ortiz",
        "Park",  "Pereira", "Quist",  "Ramos",  "Reyes",  "Rossi",  "Sato",    "Schmid", "Silva",  "Sorel",
        "Stone", "Tanaka",  "Torres", "Usman",  "Vance",  "Vogel",  "Walsh",   "Weber",  "Wolf",   "Yilmaz",
        "Young", "Zeman",   "Zhou",   "Ziegler"};
static const char *const cities[] = {
        "Alderby",  "Ambleford", "Birkvale", "Brackwell", "Calverton",  "Cresthill", "Dunmore",   "Eastleigh",
        "Elmstead", "Fairhaven", "Glenrock", "Harwick",   "Ironbridge", "Kingsmere", "Lakemont",  "Larkfield",
        "Marlow",   "Northam",   "Oakhurst", "Pinecrest", "Queensford", "Redcliff",  "Silverton", "Stonebury",
        "Thornby",  "Upwell",    "Valemont", "Westmere",  "Wexcombe",   "Windrush",  "Wolverley", "Yarrowby"};

enum { FIRST_NAMES = sizeof first_names / sizeof *first_names };
enum { LAST_NAMES = sizeof last_names / sizeof *last_names, CITIES = sizeof cities / sizeof *cities };

bool operator_dictionary(const char *name)
{
	return strcmp(name, "person") == 0 || strcmp(name, "first_name") == 0 ||
	       strcmp(name, "last_name") == 0 || strcmp(name, "city") == 0;
}

bool operator_surrogate(struct mask_key *key, const char *dictionary, struct span value, struct buf *out)
{
	uint64_t bits = seed(key, span_of(dictionary), DETECT_GAZETTEER, value);
	bool person = strcmp(dictionary, "person") == 0;

	if (person || strcmp(dictionary, "first_name") == 0)
		buf_puts(out, first_names[bits % FIRST_NAMES]);
	if (person)
		buf_puts(out, " ");
	if (person || strcmp(dictionary, "last_name") == 0)
		buf_puts(out, last_names[(bits >> 20) % LAST_NAMES]);
	if (strcmp(dictionary, "city") == 0)
		buf_puts(out, cities[(bits >> 40) % CITIES]);
	return true;
}
