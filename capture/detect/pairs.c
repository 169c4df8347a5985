/*
 * pairs.c - values that only their name betrays: "password: x", "api_key=x", "religion = x", "password is x".
 */
#include "capture/detect/inside.h"

enum { NAME_WORD_MAX = 40, VALUE_MAX = 256, VALUE_LEAST = 3 };

static const struct pair_name {
	const char *text; /* the name ends with it, in either case */
	uint8_t class, score;
} names[] = {
        {"password", DETECT_PASSWORD, 75},
        {"passwd", DETECT_PASSWORD, 75},
        {"passwort", DETECT_PASSWORD, 75},
        {"kennwort", DETECT_PASSWORD, 75},
        {"passphrase", DETECT_PASSWORD, 75},
        {"passcode", DETECT_PASSWORD, 75},
        {"contrasena", DETECT_PASSWORD, 75},
        {"mot de passe", DETECT_PASSWORD, 75},
        {"pwd", DETECT_PASSWORD, 75},
        {"secret", DETECT_TOKEN, 70},
        {"apikey", DETECT_TOKEN, 75},
        {"api_key", DETECT_TOKEN, 75},
        {"api-key", DETECT_TOKEN, 75},
        {"api key", DETECT_TOKEN, 75},
        {"access_key", DETECT_TOKEN, 75},
        {"accesskey", DETECT_TOKEN, 75},
        {"secret_key", DETECT_TOKEN, 75},
        {"secret key", DETECT_TOKEN, 75},
        {"private_key", DETECT_TOKEN, 75},
        {"token", DETECT_TOKEN, 60},
        {"authorization", DETECT_TOKEN, 75},
        {"cookie", DETECT_TOKEN, 70},
        {"credential", DETECT_TOKEN, 60},
        {"sig", DETECT_TOKEN, 60},
        {"sessionid", DETECT_TOKEN, 70},
        {"session_id", DETECT_TOKEN, 70},
        {"phpsessid", DETECT_TOKEN, 80},
        {"jsessionid", DETECT_TOKEN, 80},
        {"username", DETECT_USERNAME, 70},
        {"user name", DETECT_USERNAME, 70},
        {"user_name", DETECT_USERNAME, 70},
        {"login", DETECT_USERNAME, 55},
        {"userid", DETECT_USERNAME, 65},
        {"user_id", DETECT_USERNAME, 65},
        {"bic", DETECT_BIC, 75},
        {"swift", DETECT_BIC, 75},
        {"swift code", DETECT_BIC, 75},
        {"religion", DETECT_SPECIAL, 75},
        {"ethnicity", DETECT_SPECIAL, 75},
        {"race", DETECT_SPECIAL, 60},
        {"nationality", DETECT_SPECIAL, 75},
        {"political party", DETECT_SPECIAL, 75},
        {"political affiliation", DETECT_SPECIAL, 75},
        {"political views", DETECT_SPECIAL, 75},
        {"trade union", DETECT_SPECIAL, 75},
        {"union membership", DETECT_SPECIAL, 75},
        {"sexual orientation", DETECT_SPECIAL, 80},
        {"sexual_orientation", DETECT_SPECIAL, 80},
        {"gender identity", DETECT_SPECIAL, 75},
        {"biometric", DETECT_SPECIAL, 70},
};

static bool name_ends(const struct view *v, size_t end, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		if ((peek(v, end - n + i) | 32) != ((unsigned char)name[i] | 32))
			return false;
	return !is_alnum(peek(v, end - n - 1)) || !(peek(v, end - n) & 32);
}

static const struct pair_name *name_before(const struct view *v, size_t end)
{
	unsigned char last = peek(v, end - 1) | 32;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const char *text = names[i].text;

		if ((unsigned char)text[strlen(text) - 1] == last && name_ends(v, end, text))
			return &names[i];
	}
	return NULL;
}

static bool ends_value(unsigned char c, unsigned char quote)
{
	if (quote)
		return c == quote || c == 0 || c == '\n';
	return c <= ' ' || c == '"' || c == '\'' || c == ',' || c == ';' || c == '&' || c == '<' ||
	       c == '>' || c == ')' || c == '}' || c == ']' || c == '|';
}

/* A word of a sentence: small letters, and the sentence goes on. */
static bool is_prose(const struct view *v, size_t start, size_t end)
{
	for (size_t i = start; i < end; i++)
		if (!is_letter(v->text[i]))
			return false;
	return peek(v, end) == ' ' && is_letter(peek(v, end + 1));
}

static bool is_bic(const struct view *v, size_t start, size_t end)
{
	if (end - start != 8 && end - start != 11)
		return false;
	for (size_t i = start; i < start + 6; i++)
		if (!is_letter(v->text[i]) || v->text[i] & 32)
			return false;
	return true;
}

/* Schemes of authorization stand before the value. */
static size_t skip_scheme(const struct view *v, size_t at)
{
	static const char *const schemes[] = {"bearer ", "basic ", "token ", "digest "};

	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
		size_t n = 0;

		while (schemes[i][n] && (peek(v, at + n) | 32) == (unsigned char)schemes[i][n])
			n++;
		if (!schemes[i][n])
			return at + n;
	}
	return at;
}

/* The value that begins at or behind `at`, which is `name`'s. */
static void offer_value(struct view *v, const struct pair_name *name, size_t at, bool sure)
{
	unsigned char quote = 0;
	size_t start, end;
	int score = name->score;

	while (peek(v, at) == ' ' || peek(v, at) == '\t')
		at++;
	if (peek(v, at) == '\\')
		at++;
	if (peek(v, at) == '"' || peek(v, at) == '\'' || peek(v, at) == '`')
		quote = v->text[at++];
	if (name->class == DETECT_TOKEN)
		at = skip_scheme(v, at);
	start = at;
	for (end = start; end - start < VALUE_MAX && !ends_value(peek(v, end), quote); end++)
		;
	while (end > start && !quote && strchr(".?:\\", v->text[end - 1]))
		end--;
	if (end - start < VALUE_LEAST || (name->class == DETECT_BIC && !is_bic(v, start, end)))
		return;
	if (name->class != DETECT_SPECIAL && !quote && is_prose(v, start, end))
		score -= 30;
	if (!sure && !quote) {
		bool letters = true;

		for (size_t i = start; i < end; i++)
			letters &= is_letter(v->text[i]);
		score -= letters ? 30 : 0;
	}
	offer(v, name->class, start, end, score, 0);
}

void match_pair(struct view *v)
{
	const struct pair_name *name;
	size_t end = v->at;

	if (peek(v, v->at + 1) == '/' || peek(v, v->at + 1) == '=' || peek(v, v->at + 1) == ':')
		return;
	while (peek(v, end - 1) == ' ')
		end--;
	if (peek(v, end - 1) == '"' || peek(v, end - 1) == '\'')
		end--;
	if (peek(v, end - 1) == '\\')
		end--;
	if (!is_letter(peek(v, end - 1)))
		return;
	name = name_before(v, end);
	if (name && detect_wants(v, name->class))
		offer_value(v, name, v->at + 1, true);
}

/* Behind "passw": "password is x", "passwort lautet x", "password x" when x is no word. */
void match_password(struct view *v)
{
	static const struct pair_name password = {"password", DETECT_PASSWORD, 65};
	static const char *const verbs[] = {" is ", " was ", " lautet ", " ist ", " es ", " est "};
	size_t end = v->at;

	if (!detect_wants(v, DETECT_PASSWORD) || (peek(v, v->at - 2) | 32) != 'a' ||
	    (peek(v, v->at - 3) | 32) != 'p')
		return;
	while (is_letter(peek(v, end)))
		end++;
	if (end - v->at != 1 && end - v->at != 5 && end - v->at != 3)
		return;
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
		size_t n = 0;

		while (verbs[i][n] && (peek(v, end + n) | 32) == (unsigned char)verbs[i][n])
			n++;
		if (!verbs[i][n])
			offer_value(v, &password, end + n, false);
	}
}
