/*
 * pairs.c - values that only their name betrays: "password: x", "api_key=x", "religion = x", "password is x".
 */
#include "capture/detect/inside.h"

enum { NAME_WORD_MAX = 40, VALUE_MAX = 256, VALUE_LEAST = 3 };

static const struct pair_name {
	const char *text; /* the name ends with it, in either case */
	uint8_t len, class, score;
} names[] = {
        {"password", sizeof "password" - 1, DETECT_PASSWORD, 75},
        {"passwd", sizeof "passwd" - 1, DETECT_PASSWORD, 75},
        {"passwort", sizeof "passwort" - 1, DETECT_PASSWORD, 75},
        {"kennwort", sizeof "kennwort" - 1, DETECT_PASSWORD, 75},
        {"passphrase", sizeof "passphrase" - 1, DETECT_PASSWORD, 75},
        {"passcode", sizeof "passcode" - 1, DETECT_PASSWORD, 75},
        {"contrasena", sizeof "contrasena" - 1, DETECT_PASSWORD, 75},
        {"mot de passe", sizeof "mot de passe" - 1, DETECT_PASSWORD, 75},
        {"pwd", sizeof "pwd" - 1, DETECT_PASSWORD, 75},
        {"secret", sizeof "secret" - 1, DETECT_TOKEN, 70},
        {"apikey", sizeof "apikey" - 1, DETECT_TOKEN, 75},
        {"api_key", sizeof "api_key" - 1, DETECT_TOKEN, 75},
        {"api-key", sizeof "api-key" - 1, DETECT_TOKEN, 75},
        {"api key", sizeof "api key" - 1, DETECT_TOKEN, 75},
        {"access_key", sizeof "access_key" - 1, DETECT_TOKEN, 75},
        {"accesskey", sizeof "accesskey" - 1, DETECT_TOKEN, 75},
        {"secret_key", sizeof "secret_key" - 1, DETECT_TOKEN, 75},
        {"secret key", sizeof "secret key" - 1, DETECT_TOKEN, 75},
        {"private_key", sizeof "private_key" - 1, DETECT_TOKEN, 75},
        {"token", sizeof "token" - 1, DETECT_TOKEN, 60},
        {"authorization", sizeof "authorization" - 1, DETECT_TOKEN, 75},
        {"cookie", sizeof "cookie" - 1, DETECT_TOKEN, 70},
        {"credential", sizeof "credential" - 1, DETECT_TOKEN, 60},
        {"sig", sizeof "sig" - 1, DETECT_TOKEN, 60},
        {"sessionid", sizeof "sessionid" - 1, DETECT_TOKEN, 70},
        {"session_id", sizeof "session_id" - 1, DETECT_TOKEN, 70},
        {"phpsessid", sizeof "phpsessid" - 1, DETECT_TOKEN, 80},
        {"jsessionid", sizeof "jsessionid" - 1, DETECT_TOKEN, 80},
        {"username", sizeof "username" - 1, DETECT_USERNAME, 70},
        {"user name", sizeof "user name" - 1, DETECT_USERNAME, 70},
        {"user_name", sizeof "user_name" - 1, DETECT_USERNAME, 70},
        {"login", sizeof "login" - 1, DETECT_USERNAME, 55},
        {"userid", sizeof "userid" - 1, DETECT_USERNAME, 65},
        {"user_id", sizeof "user_id" - 1, DETECT_USERNAME, 65},
        {"bic", sizeof "bic" - 1, DETECT_BIC, 75},
        {"swift", sizeof "swift" - 1, DETECT_BIC, 75},
        {"swift code", sizeof "swift code" - 1, DETECT_BIC, 75},
        {"religion", sizeof "religion" - 1, DETECT_SPECIAL, 75},
        {"ethnicity", sizeof "ethnicity" - 1, DETECT_SPECIAL, 75},
        {"race", sizeof "race" - 1, DETECT_SPECIAL, 60},
        {"nationality", sizeof "nationality" - 1, DETECT_SPECIAL, 75},
        {"political party", sizeof "political party" - 1, DETECT_SPECIAL, 75},
        {"political affiliation", sizeof "political affiliation" - 1, DETECT_SPECIAL, 75},
        {"political views", sizeof "political views" - 1, DETECT_SPECIAL, 75},
        {"trade union", sizeof "trade union" - 1, DETECT_SPECIAL, 75},
        {"union membership", sizeof "union membership" - 1, DETECT_SPECIAL, 75},
        {"sexual orientation", sizeof "sexual orientation" - 1, DETECT_SPECIAL, 80},
        {"sexual_orientation", sizeof "sexual_orientation" - 1, DETECT_SPECIAL, 80},
        {"gender identity", sizeof "gender identity" - 1, DETECT_SPECIAL, 75},
        {"biometric", sizeof "biometric" - 1, DETECT_SPECIAL, 70},
};

static bool name_ends(const struct view *v, size_t end, const char *name, size_t n)
{
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

		if ((unsigned char)text[names[i].len - 1] == last && name_ends(v, end, text, names[i].len))
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
	static const struct pair_name password = {"password", sizeof "password" - 1, DETECT_PASSWORD, 65};
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
