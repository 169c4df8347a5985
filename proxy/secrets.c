#define _GNU_SOURCE
#include "proxy/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <openssl/hmac.h>

#include "capture/detect/gazetteer.h"
#include "capture/sealed.h"
#include "capture/secret.h"

enum { MASK_KEY_BYTES = 32 };

static int complain(const char *what, const char *detail)
{
	fprintf(stderr, "understudy: %s: %s: %s\n", what, detail, strerror(errno));
	return ERR_SYS;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	                              : -1;
}

/* 32 raw bytes, or 64 hex digits with or without a line end. */
static bool parse_key(const char *text, ssize_t n, uint8_t key[MASK_KEY_BYTES])
{
	if (n == MASK_KEY_BYTES) {
		memcpy(key, text, MASK_KEY_BYTES);
		return true;
	}
	if (n != 64 && !(n == 65 && text[64] == '\n'))
		return false;
	for (unsigned i = 0; i < MASK_KEY_BYTES; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		key[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static int read_key(const char *path, uint8_t key[MASK_KEY_BYTES])
{
	char text[66];
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	ssize_t n = fd == -1 ? -1 : read(fd, text, sizeof text);

	if (fd == -1 || n == -1) {
		err = complain("cannot read the mask key", path);
	} else if (!parse_key(text, n, key)) {
		fprintf(stderr, "understudy: %s: a mask key is 32 raw bytes or 64 hex digits\n", path);
		err = ERR_CONFIG;
	}
	if (fd != -1)
		close(fd);
	explicit_bzero(text, sizeof text);
	return err;
}

static int keep(const void *secret, size_t n, const char *name, int *fd_out)
{
	return secret_create(name, (struct span){secret, n}, fd_out) ? complain("cannot keep a secret", name)
	                                                             : 0;
}

static int share(int former_fd, const char *name, int *fd_out)
{
	*fd_out = fcntl(former_fd, F_DUPFD_CLOEXEC, 0);
	return *fd_out == -1 ? complain("cannot share a secret", name) : 0;
}

int secrets_mask_key(const char *file, int former_fd, int *fd_out)
{
	uint8_t key[MASK_KEY_BYTES] = {0};
	int err = 0;

	if (!file[0] && former_fd != -1)
		return share(former_fd, "mask-key", fd_out);
	if (file[0])
		err = read_key(file, key);
	else if (getrandom(key, sizeof key, 0) != sizeof key)
		err = complain("cannot draw a mask key", "getrandom");
	if (!err)
		err = keep(key, sizeof key, "mask-key", fd_out);
	explicit_bzero(key, sizeof key);
	return err;
}

int secrets_sample_key(int mask_key_fd, uint64_t seed, int *fd_out)
{
	char text[64];
	const uint8_t *key;
	uint8_t mac[32];
	unsigned len = 0;
	int n = snprintf(text, sizeof text, "understudy sampling %llu", (unsigned long long)seed), err;

	if (secret_map(mask_key_fd, MASK_KEY_BYTES, &key))
		return complain("cannot read the mask key", "mmap");
	err = HMAC(EVP_sha256(), key, MASK_KEY_BYTES, (const uint8_t *)text, (size_t)n, mac, &len)
	              ? keep(mac, SAMPLE_KEY_BYTES, "sample-key", fd_out)
	              : complain("cannot derive the sampling key", "HMAC");
	munmap((void *)key, MASK_KEY_BYTES);
	explicit_bzero(mac, sizeof mac);
	return err;
}

int secrets_ticket_key(int former_fd, int *fd_out)
{
	uint8_t key[TICKET_KEY_BYTES];
	int err;

	if (former_fd != -1)
		return share(former_fd, "ticket-key", fd_out);
	err = getrandom(key, sizeof key, 0) == sizeof key ? keep(key, sizeof key, "ticket-key", fd_out)
	                                                  : complain("cannot draw a ticket key", "getrandom");
	explicit_bzero(key, sizeof key);
	return err;
}

int secrets_list(const char *file, int *fd_out)
{
	char *bytes = malloc(GAZETTEER_BYTES_MAX + 1);
	int fd = open(file, O_RDONLY | O_CLOEXEC), err = 0;
	size_t len = 0;
	ssize_t n = 0;

	while (bytes && fd != -1 && len <= GAZETTEER_BYTES_MAX &&
	       (n = read(fd, bytes + len, GAZETTEER_BYTES_MAX + 1 - len)) > 0)
		len += (size_t)n;
	if (!bytes || fd == -1 || n == -1 || len > GAZETTEER_BYTES_MAX)
		err = complain("cannot read the list", file);
	else
		err = sealed_create("list", len, (struct span){bytes, len}, F_SEAL_WRITE, fd_out)
		              ? complain("cannot keep", file)
		              : 0;
	if (fd != -1)
		close(fd);
	free(bytes);
	return err;
}
