/* A candidate that we start: its command, what it reads, what its digests are. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <math.h>
#include <openssl/evp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/config_inside.h"

enum {
	FILES_MAX = 4096,
	CONTENT_MAX = 64 << 20, /* of a file: a larger one is known by its size and time */
	READ_BYTES = 256 << 10,
	SOCKET_SUFFIX_BYTES = 24
};

static void add_word(struct cfg *c, const struct cfg_node *n, struct plan_words *to, const char *word)
{
	if (!plan_words_add(to, word))
		cfg_fail(c, n, "put it into a script below one of 'ro'", "'%s' holds at most %d bytes",
		         n->key ? n->key->text : "sandbox", SANDBOX_TEXT_BYTES);
}

void config_sandbox_command_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	add_word(c, n, at, n->text);
}

bool config_sandbox_can_bind(const char *path)
{
	static const char *const below[] = {"/proc", "/sys", "/dev"}, /* they lead to the host itself */
	        *const ours[] = {"/", "/tmp", "/run", "/sandbox"}; /* it would lie over what we put there */
	bool can = true;

	for (unsigned i = 0; i < sizeof below / sizeof *below; i++) {
		size_t n = strlen(below[i]);

		can &= strncmp(path, below[i], n) || (path[n] && path[n] != '/');
	}
	for (unsigned i = 0; i < sizeof ours / sizeof *ours; i++)
		can &= strcmp(path, ours[i]) != 0;
	return can;
}

void config_sandbox_ro_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const struct reading *r = cfg_user(c);
	char path[PATH_MAX_BYTES], *real = NULL;
	struct stat st;

	if ((size_t)snprintf(path, sizeof path, "%s", n->text) >= sizeof path ||
	    !config_anchor(path, sizeof path, r->folder)) {
		cfg_fail(c, n, NULL, "the path is too long with the configuration's folder");
		return;
	}
	if (!r->offline && (!(real = realpath(path, NULL)) || stat(real, &st) || !S_ISDIR(st.st_mode)))
		cfg_fail(c, n, "relative paths are against the configuration's folder",
		         "%.200s is no folder: %s", path, real ? "it is a file" : strerror(errno));
	else if (!config_sandbox_can_bind(real ? real : path))
		cfg_fail(c, n, "name a folder of its own", "%.200s would lay the host open", path);
	else
		add_word(c, n, at, real ? real : path);
	free(real);
}

void config_sandbox_env_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	char text[SANDBOX_TEXT_BYTES];

	if (!*n->key->text || strchr(n->key->text, '='))
		cfg_fail(c, n->key, NULL, "'%.80s' is no name of the environment", n->key->text);
	else if ((size_t)snprintf(text, sizeof text, "%s=%s", n->key->text, n->text) >= sizeof text)
		cfg_fail(c, n, NULL, "'env' holds at most %d bytes", SANDBOX_TEXT_BYTES);
	else
		add_word(c, n, at, text);
}

void config_sandbox_cpus_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	static const struct cfg_row row = {
	        .name = "cpus", .type = CFG_DOUBLE, .size = sizeof(double), .min = "0.01", .max = "1024"};
	double cpus;

	if (cfg_scalar(c, &row, n, &cpus))
		*(uint32_t *)at = (uint32_t)lround(cpus * 100);
}

void config_sandbox_user_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	struct plan_sandbox *s = (void *)((char *)at - offsetof(struct plan_sandbox, user));

	config_user(c, n, &s->user, &s->group);
}

/* --- digests --- */

static bool hash_file(const char *path, uint8_t out[32])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	char *chunk = malloc(READ_BYTES);
	struct stat st;
	ssize_t n = -1;
	bool good = fd != -1 && digest && chunk && !fstat(fd, &st) && S_ISREG(st.st_mode) &&
	            EVP_DigestInit_ex(digest, EVP_sha256(), NULL);

	while (good && (n = read(fd, chunk, READ_BYTES)) > 0)
		good = EVP_DigestUpdate(digest, chunk, (size_t)n);
	good = good && n == 0 && EVP_DigestFinal_ex(digest, out, NULL);
	if (fd != -1)
		close(fd);
	free(chunk);
	EVP_MD_CTX_free(digest);
	return good;
}

/* As inside: a word without a slash is looked for in PATH, a relative one from where the command starts. */
static bool find(const struct plan_sandbox *s, const char *word, bool program, char out[PATH_MAX_BYTES])
{
	static const char *const path[] = {"/usr/local/bin", "/usr/bin", "/bin"};
	const char *folder = plan_words_next(&s->ro, NULL);
	struct stat st;

	for (unsigned i = 0; program && !strchr(word, '/') && i < sizeof path / sizeof *path; i++) {
		snprintf(out, PATH_MAX_BYTES, "%s/%s", path[i], word);
		if (stat(out, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & S_IXUSR))
			return true;
	}
	if (program && !strchr(word, '/'))
		return false;
	if (*word != '/' && !folder)
		return false;
	if ((size_t)snprintf(out, PATH_MAX_BYTES, "%s%s%s", *word == '/' ? "" : folder,
	                     *word == '/' ? "" : "/", word) >= PATH_MAX_BYTES)
		return false;
	return stat(out, &st) == 0 && S_ISREG(st.st_mode) && (!program || (st.st_mode & S_IXUSR));
}

/* A line of sha256sum; of what is too large to be read at each start, size and time stand for the bytes. */
static void add_file(EVP_MD_CTX *all, const char *path, const struct stat *st)
{
	char line[PATH_MAX_BYTES + 80];
	uint8_t hash[32];
	int n = 0;

	if (st->st_size <= CONTENT_MAX && hash_file(path, hash))
		for (int i = 0; i < 32; i++)
			n += snprintf(line + n, sizeof line - (size_t)n, "%02x", hash[i]);
	else
		n = snprintf(line, sizeof line, "%lld bytes, %lld s", (long long)st->st_size,
		             (long long)st->st_mtime);
	n += snprintf(line + n, sizeof line - (size_t)n, "  %s\n", path);
	EVP_DigestUpdate(all, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void add_folder(EVP_MD_CTX *all, const char *path, unsigned *count)
{
	char *const paths[] = {(char *)path, NULL};
	FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	FTSENT *e;

	while (tree && *count < FILES_MAX && (e = fts_read(tree)))
		if (e->fts_info == FTS_F) {
			add_file(all, e->fts_path, e->fts_statp);
			++*count;
		}
	if (tree)
		fts_close(tree);
}

static void hash_content(struct plan_sandbox *s)
{
	EVP_MD_CTX *all = EVP_MD_CTX_new();
	const char *at = plan_words_next(&s->command, NULL);
	char path[PATH_MAX_BYTES];
	unsigned count = 0;
	struct stat st;

	if (!all || !EVP_DigestInit_ex(all, EVP_sha256(), NULL))
		goto out;
	while (at && (at = plan_words_next(&s->command, at)))
		if (find(s, at, false, path) && stat(path, &st) == 0)
			add_file(all, path, &st);
	for (at = plan_words_next(&s->ro, NULL); at; at = plan_words_next(&s->ro, at))
		add_folder(all, at, &count);
	EVP_DigestFinal_ex(all, s->content, NULL);
out:
	EVP_MD_CTX_free(all);
}

static bool has_bubblewrap(void)
{
	char path[PATH_MAX_BYTES];
	const char *at = getenv("PATH");

	for (; at && *at; at += strcspn(at, ":"), at += *at == ':') {
		snprintf(path, sizeof path, "%.*s/bwrap", (int)strcspn(at, ":"), at);
		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

void config_sandbox_program(struct cfg *c, const struct cfg_node *n, struct plan_sandbox *s, const char *who)
{
	const struct cfg_node *command = cfg_child(n, "command");
	char path[PATH_MAX_BYTES];

	s->on = true;
	if (((struct reading *)cfg_user(c))->offline || !s->command.count)
		return;
	if (!has_bubblewrap())
		cfg_warn(c, n->key, "apt-get install bubblewrap", "bwrap is not there: the %s will not start",
		         who);
	if (!find(s, s->command.text, true, path))
		cfg_fail(c, command->first,
		         "it is looked for in /usr/local/bin, /usr/bin and /bin, or below 'ro'",
		         "there is no program '%.100s'", s->command.text);
	else if (!hash_file(path, s->digest))
		cfg_fail(c, command->first, NULL, "cannot read %.200s: %s", path, strerror(errno));
	else
		hash_content(s);
}

void config_sandbox_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	config_sandbox_program(c, n, at, "candidate");
}

/* What a candidate may not have beside it, and what it takes of the whole. */
void config_sandbox_check(struct cfg *c, const struct cfg_node *n, struct plan_candidate *k)
{
	const struct cfg_node *sandbox = cfg_child(n, "sandbox"), *endpoints = cfg_child(n, "endpoints");

	if (!sandbox && !endpoints)
		cfg_fail(c, n, "a list of one URL, such as [http://127.0.0.1:9002], or a sandbox",
		         "'endpoints' is missing");
	if (sandbox && endpoints)
		cfg_fail(c, endpoints->key, "leave one of them out",
		         "a sandbox is reached by a socket of its own: it has no 'endpoints'");
	if (sandbox && k->http == PLAN_HTTP_2 && k->sandbox.health[0])
		cfg_fail(c, cfg_child(sandbox, "health"), "leave it out: then a connection will do",
		         "'health' is asked in HTTP/1.1");
	if (sandbox)
		k->endpoint = (struct plan_endpoint){
		        .url = "sandbox", .host = "localhost", .authority = "localhost"};
}

void config_sandboxes_check(struct cfg *c, const struct plan *p)
{
	unsigned r, k, count = 0;
	const struct cfg_node *at = NULL;

	while (plan_sandboxed(p, count, &r, &k) && count <= SANDBOXES_MAX) {
		at = cfg_child(config_item(config_item(cfg_root(c), "routes", r), "candidates", k),
		               "sandbox");
		count++;
	}
	if (count > SANDBOXES_MAX)
		cfg_fail(c, at, NULL, "more than %d sandboxes", SANDBOXES_MAX);
	if (count &&
	    (!p->control_socket[0] || strlen(p->control_socket) + SOCKET_SUFFIX_BYTES >= ADDRESS_MAX_BYTES))
		cfg_fail(c, at, "their sockets lie beside it",
		         "a sandbox needs a control.socket of at most %d bytes",
		         ADDRESS_MAX_BYTES - SOCKET_SUFFIX_BYTES - 1);
}
