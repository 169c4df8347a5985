/* The files that a configuration names: certificates, keys, authorities, the mask key. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "capture/detect/gazetteer.h"
#include "capture/mask_schema.h"
#include "capture/withdrawn.h"
#include "proxy/config_inside.h"

enum { FILE_MAX_BYTES = 4 << 20, LINE_MAX_BYTES = 8000, TOKEN_LEAST_BYTES = 16 };

struct content {
	char *bytes;
	size_t len;
	mode_t mode;
};

static void content_free(struct content *f)
{
	if (f->bytes)
		OPENSSL_cleanse(f->bytes, f->len);
	free(f->bytes);
	f->bytes = NULL;
}

/* Opened without waiting: a named pipe must not hold a start up. */
static bool content_read(struct cfg *c, const struct cfg_node *n, const char *path, struct content *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	ssize_t got;

	*out = (struct content){0};
	if (fd == -1 || fstat(fd, &st) == -1) {
		cfg_fail(c, n, "relative paths are against the configuration's folder",
		         "cannot open %.200s: %s", path, strerror(errno));
		goto out;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX_BYTES) {
		cfg_fail(c, n, NULL, "%.200s is not a file of at most 4MiB", path);
		goto out;
	}
	out->mode = st.st_mode;
	out->bytes = malloc((size_t)st.st_size + 1);
	while (out->bytes && out->len < (size_t)st.st_size &&
	       (got = read(fd, out->bytes + out->len, (size_t)st.st_size - out->len)) > 0)
		out->len += (size_t)got;
	if (!out->bytes || out->len < (size_t)st.st_size) {
		cfg_fail(c, n, NULL, "cannot read %.200s", path);
		content_free(out);
	}
out:
	if (fd != -1)
		close(fd);
	return out->bytes != NULL;
}

static void dates_check(struct cfg *c, const struct cfg_node *n, const char *path, const X509 *x)
{
	if (X509_cmp_current_time(X509_get0_notAfter(x)) < 0)
		cfg_warn(c, n, "renew it", "the certificate in %.200s has expired", path);
	else if (X509_cmp_current_time(X509_get0_notBefore(x)) > 0)
		cfg_warn(c, n, "look at the clock", "the certificate in %.200s is not valid yet", path);
}

/* The first certificate of the file; all that follow must parse too. NULL with an error noted. */
static X509 *certificates_read(struct cfg *c, const struct cfg_node *n, const char *path)
{
	struct content f;
	X509 *first = NULL, *x;
	unsigned long error;
	unsigned count = 0;
	BIO *in;

	if (!content_read(c, n, path, &f))
		return NULL;
	in = BIO_new_mem_buf(f.bytes, (int)f.len);
	ERR_clear_error();
	while (in && (x = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL) {
		count++;
		if (first)
			X509_free(x);
		else
			first = x;
	}
	error = ERR_peek_last_error();
	if (count == 0 || ERR_GET_LIB(error) != ERR_LIB_PEM || ERR_GET_REASON(error) != PEM_R_NO_START_LINE) {
		cfg_fail(c, n, "a PEM file has lines -----BEGIN CERTIFICATE-----",
		         count ? "certificate %u in %.200s cannot be read"
		               : "certificate %u is missing in %.200s",
		         count + 1, path);
		X509_free(first);
		first = NULL;
	}
	ERR_clear_error();
	BIO_free(in);
	content_free(&f);
	return first;
}

/* Never asks at a terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *asked)
{
	(void)buffer;
	(void)size;
	(void)writing;
	*(bool *)asked = true;
	return -1;
}

static EVP_PKEY *key_read(struct cfg *c, const struct cfg_node *n, const char *path)
{
	struct content f;
	bool asked = false;
	EVP_PKEY *key;
	BIO *in;

	if (!content_read(c, n, path, &f))
		return NULL;
	if (f.mode & S_IRWXO)
		cfg_warn(c, n, "chmod 600 it", "everybody on this machine can use the private key in %.200s",
		         path);
	in = BIO_new_mem_buf(f.bytes, (int)f.len);
	key = in ? PEM_read_bio_PrivateKey(in, NULL, no_passphrase, &asked) : NULL;
	if (!key && asked)
		cfg_fail(c, n, "openssl pkey -in FILE -out NEW takes the passphrase away",
		         "the private key in %.200s has a passphrase", path);
	else if (!key)
		cfg_fail(c, n, "a PEM file has a line -----BEGIN PRIVATE KEY-----",
		         "%.200s holds no private key that can be read", path);
	ERR_clear_error();
	BIO_free(in);
	content_free(&f);
	return key;
}

static bool offline(struct cfg *c)
{
	return ((struct reading *)cfg_user(c))->offline;
}

void config_check_pair(struct cfg *c, const struct cfg_node *n, const struct plan_certificate *p)
{
	const struct cfg_node *certificate = cfg_child(n, "certificate_file"),
	                      *key = cfg_child(n, "key_file");
	EVP_PKEY *k;
	X509 *x;

	if (!certificate || !key) {
		cfg_fail(c,
		         certificate ? certificate->key
		         : key       ? key->key
		                     : n,
		         NULL, "'certificate_file' and 'key_file' belong together: '%s' is missing",
		         certificate ? "key_file" : "certificate_file");
		return;
	}
	if (offline(c) || !p->certificate_file[0] || !p->key_file[0])
		return;
	x = certificates_read(c, certificate, p->certificate_file);
	k = key_read(c, key, p->key_file);
	if (x && k && X509_check_private_key(x, k) != 1)
		cfg_fail(c, key, "each is the other's, or the files were mixed up",
		         "the key in %.100s does not belong to the certificate in %.100s", p->key_file,
		         p->certificate_file);
	else if (x)
		dates_check(c, certificate, p->certificate_file, x);
	ERR_clear_error();
	EVP_PKEY_free(k);
	X509_free(x);
}

void config_check_ca(struct cfg *c, const struct cfg_node *n, const char *key, const char *path)
{
	if (!offline(c))
		X509_free(certificates_read(c, cfg_child(n, key), path));
}

static bool key_good(const struct content *f)
{
	size_t hex = 0;

	if (f->len == 32)
		return true;
	while (hex < f->len && isxdigit((unsigned char)f->bytes[hex]))
		hex++;
	return hex == 64 && (f->len == 64 || (f->len == 65 && f->bytes[64] == '\n'));
}

void config_check_mask_key(struct cfg *c, const struct cfg_node *n, const char *path)
{
	struct content f;
	char remedy[300];

	if (offline(c) || !content_read(c, n, path, &f))
		return;
	snprintf(remedy, sizeof(remedy), "chmod 600 %.250s", path);
	if (f.mode & (S_IRWXG | S_IRWXO))
		cfg_fail(c, n, remedy, "the mask key %.200s is open to others (mode %04o)", path,
		         (unsigned)(f.mode & 07777));
	if (!key_good(&f))
		cfg_fail(c, n, "head -c 32 /dev/urandom makes one",
		         "the mask key %.200s is not 32 raw bytes or 64 hex digits", path);
	content_free(&f);
}

void config_check_gazetteer(struct cfg *c, const struct cfg_node *n, const char *path, uint8_t hash_out[32])
{
	char remedy[300];
	struct gazetteer *g;
	struct content f;
	unsigned line;
	int err;

	if (offline(c) || !content_read(c, n, path, &f))
		return;
	snprintf(remedy, sizeof(remedy), "chmod 640 %.250s", path);
	if (f.mode & (S_IWGRP | S_IRWXO))
		cfg_fail(c, n, remedy, "the gazetteer %.200s is open to others (mode %04o)", path,
		         (unsigned)(f.mode & 07777));
	err = gazetteer_new((struct span){f.bytes, f.len}, &g, &line);
	if (err == ERR_PROTO)
		cfg_fail(c, n, "one entry a line: 2 to 80 bytes of UTF-8, six words",
		         "line %u of %.200s is no entry", line, path);
	else if (err)
		cfg_fail(c, n, NULL, "%.200s: %s", path, err_text(err));
	config_sha256((struct span){f.bytes, f.len}, hash_out);
	gazetteer_free(&g);
	content_free(&f);
}

struct mask_schema *config_check_descriptors(struct cfg *c, const struct cfg_node *n, struct plan_mask *m)
{
	struct mask_schema *schema;
	char why[SCHEMA_WHY_BYTES];
	struct content f;
	int err;

	if (offline(c) || !content_read(c, n, m->descriptors_file, &f))
		return NULL;
	err = mask_schema_new((struct span){f.bytes, f.len}, &schema, why);
	if (err == ERR_PROTO)
		cfg_fail(c, n, "protoc --include_imports --descriptor_set_out=FILE *.proto makes one",
		         "%.200s: %s", m->descriptors_file, why);
	else if (err)
		cfg_fail(c, n, NULL, "%.200s: %s", m->descriptors_file, err_text(err));
	config_sha256((struct span){f.bytes, f.len}, m->descriptors_hash);
	content_free(&f);
	return schema;
}

void config_check_withdrawn(struct cfg *c, const struct cfg_node *n, const char *path)
{
	struct withdrawn *w;
	struct content f;
	unsigned line;
	int err;

	if (offline(c) || !content_read(c, n, path, &f))
		return;
	err = withdrawn_new((struct span){f.bytes, f.len}, &w, &line);
	if (err == ERR_PROTO)
		cfg_fail(c, n, "understudy mask tells the token of a value", "line %u of %.200s is no token",
		         line, path);
	else if (err)
		cfg_fail(c, n, NULL, "%.200s: %s", path, err_text(err));
	withdrawn_free(&w);
	content_free(&f);
}

/* A secret `what` of one line: at least `least` bytes, none below `first`, nor DEL. */
static void check_line(struct cfg *c, const struct cfg_node *n, const char *path, const char *what,
                       size_t least, unsigned char first, const char *hint)
{
	struct content f;
	size_t len = 0;
	char remedy[300];

	if (offline(c) || !content_read(c, n, path, &f))
		return;
	snprintf(remedy, sizeof(remedy), "chmod 600 %.250s", path);
	if (f.mode & (S_IRWXG | S_IRWXO))
		cfg_fail(c, n, remedy, "the %s %.200s is open to others (mode %04o)", what, path,
		         (unsigned)(f.mode & 07777));
	while (len < f.len && (unsigned char)f.bytes[len] >= first && f.bytes[len] != 0x7f)
		len++;
	if (len < least || len > LINE_MAX_BYTES || f.len - len > 1 || (f.len > len && f.bytes[len] != '\n'))
		cfg_fail(c, n, hint, "the %s %.200s is not one line of at most 8KiB", what, path);
	content_free(&f);
}

void config_check_credential(struct cfg *c, const struct cfg_node *n, const char *path)
{
	check_line(c, n, path, "credential", 1, ' ', "it is what the header holds, such as: Bearer abc");
}

void config_check_token(struct cfg *c, const struct cfg_node *n, const char *path)
{
	check_line(c, n, path, "token", TOKEN_LEAST_BYTES, '!',
	           "16 bytes and more without blanks; openssl rand -hex 32 makes one");
}

/* The folder that holds the last part of a path. */
static void cut_last(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash == path)
		path[1] = '\0';
	else if (slash)
		*slash = '\0';
	else
		strcpy(path, ".");
}

void config_check_folder(struct cfg *c, const struct cfg_node *n, const char *path, bool file)
{
	char folder[PATH_MAX_BYTES + 2];
	struct stat st;

	if (offline(c) || !path[0])
		return;
	snprintf(folder, sizeof(folder), "%s", path);
	if (file)
		cut_last(folder);
	while (stat(folder, &st) == -1 && errno == ENOENT && strcmp(folder, ".") != 0 &&
	       strcmp(folder, "/") != 0)
		cut_last(folder);
	if (stat(folder, &st) == 0 && !S_ISDIR(st.st_mode))
		cfg_warn(c, n, NULL, "cannot write below %.200s: it is not a folder", folder);
	else if (access(folder, W_OK | X_OK) == -1)
		cfg_warn(c, n, NULL, "cannot write below %.200s: %s", folder, strerror(errno));
}
