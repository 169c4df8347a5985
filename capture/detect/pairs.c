/*
 * pairs.c - values that only their name betrays: "password: x", "api_key=x", "religion = x", "password is x".
 */
#include "capture/detect/inside.h"

enum { NAME_WORD_MAX = 40, VALUE_MAX = 256, VALUE_LEAST = 3 };
enum { WORDS_BETWEEN = 4 };
enum { JOINED_LEAST = 5 }; /* longer names may end a word: csrftoken */

#define NAME(text, class, score)                                                                             \
	{                                                                                                    \
		text, sizeof text - 1, DETECT_##class, score                                                 \
	}
static const struct pair_name {
	const char *text; /* the name ends with it, in either case */
	uint8_t len, class, score;
} names[] = {
        NAME("password", PASSWORD, 75),
        NAME("passwd", PASSWORD, 75),
        NAME("passwort", PASSWORD, 75),
        NAME("kennwort", PASSWORD, 75),
        NAME("passphrase", PASSWORD, 75),
        NAME("passcode", PASSWORD, 75),
        NAME("contrasena", PASSWORD, 75),
        NAME("mot de passe", PASSWORD, 75),
        NAME("pwd", PASSWORD, 75),
        NAME("secret", TOKEN, 70),
        NAME("apikey", TOKEN, 75),
        NAME("api_key", TOKEN, 75),
        NAME("api-key", TOKEN, 75),
        NAME("api key", TOKEN, 75),
        NAME("access_key", TOKEN, 75),
        NAME("accesskey", TOKEN, 75),
        NAME("secret_key", TOKEN, 75),
        NAME("secret key", TOKEN, 75),
        NAME("private_key", TOKEN, 75),
        NAME("token", TOKEN, 60),
        NAME("authorization", TOKEN, 75),
        NAME("cookie", TOKEN, 70),
        NAME("credential", TOKEN, 60),
        NAME("sig", TOKEN, 60),
        NAME("sessionid", TOKEN, 70),
        NAME("session_id", TOKEN, 70),
        NAME("phpsessid", TOKEN, 80),
        NAME("jsessionid", TOKEN, 80),
        NAME("username", USERNAME, 70),
        NAME("user name", USERNAME, 70),
        NAME("user_name", USERNAME, 70),
        NAME("login", USERNAME, 55),
        NAME("userid", USERNAME, 65),
        NAME("user_id", USERNAME, 65),
        NAME("bic", BIC, 75),
        NAME("swift", BIC, 75),
        NAME("swift code", BIC, 75),
        NAME("religion", SPECIAL, 75),
        NAME("ethnicity", SPECIAL, 75),
        NAME("race", SPECIAL, 60),
        NAME("nationality", SPECIAL, 75),
        NAME("political party", SPECIAL, 75),
        NAME("political affiliation", SPECIAL, 75),
        NAME("political views", SPECIAL, 75),
        NAME("trade union", SPECIAL, 75),
        NAME("union membership", SPECIAL, 75),
        NAME("sexual orientation", SPECIAL, 80),
        NAME("sexual_orientation", SPECIAL, 80),
        NAME("gender identity", SPECIAL, 75),
        NAME("biometric", SPECIAL, 70),
        NAME("contraseña", PASSWORD, 75),
        NAME("clave", PASSWORD, 50),
        NAME("senha", PASSWORD, 75),
        NAME("wachtwoord", PASSWORD, 75),
        NAME("lösenord", PASSWORD, 75),
        NAME("adgangskode", PASSWORD, 75),
        NAME("passord", PASSWORD, 75),
        NAME("salasana", PASSWORD, 75),
        NAME("hasło", PASSWORD, 75),
        NAME("heslo", PASSWORD, 75),
        NAME("jelszó", PASSWORD, 75),
        NAME("parola", PASSWORD, 70),
        NAME("parolă", PASSWORD, 70),
        NAME("şifre", PASSWORD, 75),
        NAME("mật khẩu", PASSWORD, 75),
        NAME("kata sandi", PASSWORD, 75),
        NAME("пароль", PASSWORD, 75),
        NAME("密码", PASSWORD, 75),
        NAME("密碼", PASSWORD, 75),
        NAME("口令", PASSWORD, 70),
        NAME("パスワード", PASSWORD, 75),
        NAME("비밀번호", PASSWORD, 75),
        NAME("รหัสผ่าน", PASSWORD, 75),
        NAME("पासवर्ड", PASSWORD, 75),
        NAME("كلمة المرور", PASSWORD, 75),
        NAME("סיסמה", PASSWORD, 75),
        NAME("用户名", USERNAME, 70),
        NAME("benutzername", USERNAME, 70),
        NAME("usuario", USERNAME, 55),
        NAME("user id", USERNAME, 65),
};

static bool name_ends(const struct view *v, size_t end, const char *name, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((peek(v, end - n + i) | 32) != ((unsigned char)name[i] | 32))
			return false;
	return n >= JOINED_LEAST || !is_alnum(peek(v, end - n - 1)) || !(peek(v, end - n) & 32);
}

static uint64_t last_letters; /* bit n: a name's last byte ends with these six bits */

void pairs_init(void)
{
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		last_letters |= 1ull << (((unsigned char)names[i].text[names[i].len - 1] | 32) & 63);
}

static const struct pair_name *name_before(const struct view *v, size_t end)
{
	unsigned char last = peek(v, end - 1) | 32;

	if (!(last_letters >> (last & 63) & 1))
		return NULL;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const char *text = names[i].text;

		if (((unsigned char)text[names[i].len - 1] | 32) == last &&
		    name_ends(v, end, text, names[i].len))
			return &names[i];
	}
	return NULL;
}

static bool ends_value(unsigned char c, unsigned char quote, bool form)
{
	if (quote)
		return c == quote || c == 0 || c == '\n';
	return c <= ' ' || (c == '&' && form) || c == '"' || c == '\'' || c == ',' || c == ';' || c == '<' ||
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

static bool is_text(const struct view *v, size_t start, size_t end, const char *want)
{
	return end - start == strlen(want) &&
	       strncasecmp((const char *)v->text + start, want, end - start) == 0;
}

/* Nothing, a type, stars, what a template will fill, or the name itself once more. */
static bool is_placeholder(const struct view *v, const struct pair_name *name, size_t start, size_t end)
{
	static const char *const words[] = {
	        "none",     "null",     "nil",      "true",       "false",  "undefined", "str",  "string",
	        "optional", "required", "redacted", "[redacted]", "masked", "hidden",    "bool", "char"};
	unsigned char first = peek(v, start), next = peek(v, start + 1);
	size_t stars = start;

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (is_text(v, start, end, words[i]))
			return true;
	while (stars < end && (peek(v, stars) == '*' || (peek(v, stars) | 32) == 'x'))
		stars++;
	if (stars == end || (first == '$' && (next == '{' || next == '(')) || first == '{')
		return true;
	return end - start >= name->len && is_text(v, end - name->len, end, name->text);
}

/* "f(", "a.b[": a name and what opens. */
static bool is_expression(const struct view *v, size_t start, size_t end)
{
	size_t at = start;

	while (at < end && (is_alnum(peek(v, at)) || peek(v, at) == '_' || peek(v, at) == '.'))
		at++;
	return at > start && !is_digit(peek(v, start)) && (peek(v, at) == '(' || peek(v, at) == '[');
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
	bool form = peek(v, at - 1) == '=';
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
	for (end = start; end - start < VALUE_MAX && !ends_value(peek(v, end), quote, form); end++)
		;
	while (end > start && !quote && strchr(".?:\\", v->text[end - 1]))
		end--;
	if (end - start < VALUE_LEAST || (name->class == DETECT_BIC && !is_bic(v, start, end)))
		return;
	if (is_placeholder(v, name, start, end) || (!quote && is_expression(v, start, end)))
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
	if (!is_letter(peek(v, end - 1)) && peek(v, end - 1) < 128)
		return;
	name = name_before(v, end);
	if (name && peek(v, end - name->len - 1) == '/' && peek(v, end - name->len - 2) == '/')
		return; /* the user of a URL */
	if (name && detect_wants(v, name->class))
		offer_value(v, name, v->at + 1, true);
}

/* What goes on behind "pass". */
static bool is_password(const struct view *v, size_t start, size_t end)
{
	static const char *const tails[] = {"", "word", "wort", "code", "wd", "phrase"};

	for (size_t i = 0; i < sizeof tails / sizeof *tails; i++)
		if (end - start == strlen(tails[i]) &&
		    strncasecmp((const char *)v->text + start, tails[i], end - start) == 0)
			return true;
	return false;
}

static bool same_letters(const struct view *v, size_t at, const char *want)
{
	for (; *want; want++, at++)
		if ((peek(v, at) | 32) != (unsigned char)*want)
			return false;
	return true;
}

/* " is ", in some languages: what follows is the value. Its length, or 0. */
static size_t verb_at(const struct view *v, size_t at)
{
	static const char *const verbs[] = {" is ", " was ", " lautet ", " ist ", " es ", " est "};

	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (same_letters(v, at, verbs[i]))
			return strlen(verbs[i]);
	return 0;
}

/* Behind "passw": "password is x", "passwort lautet x", "password for the site is x". */
void match_password(struct view *v)
{
	static const struct pair_name password = {"password", sizeof "password" - 1, DETECT_PASSWORD, 65};
	size_t end = v->at;

	if (!detect_wants(v, DETECT_PASSWORD) || (peek(v, v->at - 2) | 32) != 'a' ||
	    (peek(v, v->at - 3) | 32) != 'p')
		return;
	while (is_letter(peek(v, end)))
		end++;
	if (!is_password(v, v->at + 1, end))
		return;
	for (unsigned words = 0; words <= WORDS_BETWEEN; words++) {
		size_t verb = verb_at(v, end);

		if (verb) {
			offer_value(v, &password, end + verb, false);
			return;
		}
		if (peek(v, end) != ' ' || (!words && !same_letters(v, end, " for ")))
			return;
		for (end++; is_alnum(peek(v, end)) || peek(v, end) == '-'; end++)
			;
	}
}
