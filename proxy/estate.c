#define _GNU_SOURCE
#include "proxy/estate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/hmac.h>
#include "capture/budget.h"
#include "capture/names.h"
#include "capture/ring.h"
#include "capture/role.h"
#include "proto/net/tls.h"
#include "proxy/listeners.h"

static int complain(const char *what, const char *detail)
{
	fprintf(stderr, "understudy: %s: %s: %s\n", what, detail, strerror(errno));
	return ERR_SYS;
}

/* Takes the descriptor; its name is made as printf makes it. */
__attribute__((format(printf, 3, 4))) static int own(struct estate *e, int fd, const char *name, ...)
{
	va_list args;

	if (e->count == ESTATE_MAX) {
		close(fd);
		fprintf(stderr, "understudy: more than %d descriptors to hand to roles\n", ESTATE_MAX);
		return ERR_LIMIT;
	}
	va_start(args, name);
	vsnprintf(e->things[e->count].name, sizeof e->things[0].name, name, args);
	va_end(args);
	e->things[e->count++].fd = fd;
	return 0;
}

static int *place_of(struct estate *e, const char *kind, const char *name)
{
	char full[ESTATE_NAME_BYTES];

	snprintf(full, sizeof full, "%s.%s", kind, name);
	for (unsigned i = 0; i < e->count; i++)
		if (!strcmp(e->things[i].name, full))
			return &e->things[i].fd;
	return NULL;
}

static int make_ring(struct estate *e, const char *name)
{
	int memfd, eventfd, err;

	if (ring_create(name, budget_ring_bytes(e->plan), &memfd, &eventfd))
		return complain("cannot make the ring", name);
	err = own(e, memfd, "ring.%s", name);
	if (err)
		close(eventfd);
	else
		err = own(e, eventfd, "wake.%s", name);
	return err;
}

static int make_rings(struct estate *e)
{
	static const char *const names[] = {
#define X(name, what) name,
	        RING_TABLE(X)
#undef X
	};
	char raw[16];
	int err = 0;

	for (unsigned i = 0; i < sizeof names / sizeof *names && !err; i++)
		err = make_ring(e, names[i]);
	for (unsigned i = 0; i < e->plan->workers && !err; i++) {
		snprintf(raw, sizeof raw, "raw.%u", i);
		err = make_ring(e, raw);
	}
	return err;
}

int estate_log_ring(struct estate *e, const char *role, unsigned index)
{
	int memfd, eventfd;

	if (ring_create("log", BUDGET_LOG_RING, &memfd, &eventfd))
		return complain("cannot make the log ring", role);
	close(eventfd);
	return own(e, memfd, "ring.log.%s.%u", role, index);
}

int estate_renew_ring(struct estate *e, const char *name)
{
	int *ring = place_of(e, "ring", name), *wake = place_of(e, "wake", name);
	int memfd, eventfd;

	if (!ring || !wake)
		return ERR_PROTO;
	if (ring_create(name, budget_ring_bytes(e->plan), &memfd, &eventfd))
		return complain("cannot make the ring", name);
	close(*ring);
	close(*wake);
	*ring = memfd;
	*wake = eventfd;
	return 0;
}

static int make_shared(struct estate *e)
{
	int plan_fd, ledger_fd, page_fd;
	uint64_t run_id = 0;

	if (plan_publish(e->plan, &plan_fd))
		return complain("cannot make shared memory", "plan");
	if (own(e, plan_fd, "plan") || ledger_create(e->plan->workers, e->plan->slots_each, &ledger_fd))
		return complain("cannot make shared memory", "ledger");
	if (own(e, ledger_fd, "ledger") || page_create(&page_fd))
		return complain("cannot make shared memory", "page");
	if (own(e, page_fd, "page") || page_map(page_fd, &e->page) || ledger_attach(ledger_fd, &e->ledger))
		return complain("cannot map shared memory", "memfd");
	if (getrandom(&run_id, sizeof run_id, 0) != sizeof run_id)
		return complain("cannot draw a run id", "getrandom");
	atomic_store(&e->page->run_id, run_id);
	atomic_store(&e->page->generation, e->plan->generation);
	return 0;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	                              : -1;
}

/* 32 raw bytes, or 64 hex digits with or without a line end. */
static bool parse_key(const char *text, ssize_t n, uint8_t key[32])
{
	if (n == 32) {
		memcpy(key, text, 32);
		return true;
	}
	if (n != 64 && !(n == 65 && text[64] == '\n'))
		return false;
	for (unsigned i = 0; i < 32; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		key[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static int read_key(const char *path, uint8_t key[32])
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

/* A secret in a sealed memfd of its own. */
static int keep(struct estate *e, const void *secret, size_t n, const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd != -1 && write(fd, secret, n) == (ssize_t)n &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != -1)
		return own(e, fd, "%s", name);
	if (fd != -1)
		close(fd);
	return complain("cannot keep a secret", name);
}

/* What workers sample with: HMAC-SHA-256 of the seed under the mask key, its first 16 bytes. */
static int make_sample_key(struct estate *e, const uint8_t mask_key[32])
{
	char text[64];
	uint8_t mac[32];
	unsigned len = 0;
	int n = snprintf(text, sizeof text, "understudy sampling %llu", (unsigned long long)e->plan->seed);

	if (!HMAC(EVP_sha256(), mask_key, 32, (const uint8_t *)text, (size_t)n, mac, &len))
		return complain("cannot derive the sampling key", "HMAC");
	return keep(e, mac, 16, "sample-key");
}

/* From the key file; without one, a key that lives in memory only. */
static int make_mask_key(struct estate *e)
{
	uint8_t key[32] = {0};
	int err = 0;

	if (e->plan->mask_key_file[0])
		err = read_key(e->plan->mask_key_file, key);
	else if (getrandom(key, sizeof key, 0) != sizeof key)
		err = complain("cannot draw a mask key", "getrandom");
	if (!err)
		err = keep(e, key, sizeof key, "mask-key");
	if (!err)
		err = make_sample_key(e, key);
	explicit_bzero(key, sizeof key);
	return err;
}

/* One for all workers, so that a session that one of them began is resumed by another. */
static int make_ticket_key(struct estate *e)
{
	uint8_t key[80];
	int err = getrandom(key, sizeof key, 0) == sizeof key
	                  ? keep(e, key, sizeof key, "ticket-key")
	                  : complain("cannot draw a ticket key", "getrandom");

	explicit_bzero(key, sizeof key);
	return err;
}

static int own_file(struct estate *e, const char *path, const char *name)
{
	int fd;

	if (!path[0])
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd == -1 ? complain("cannot open", path) : own(e, fd, "%s", name);
}

static int open_listener_files(struct estate *e, unsigned l)
{
	const struct plan_listen *p = &e->plan->listen[l];
	char name[ESTATE_NAME_BYTES];
	int err = 0;

	for (unsigned n = 0; n < p->certificate_count && !err; n++) {
		snprintf(name, sizeof name, "tls.%u.%u.cert", l, n);
		err = own_file(e, p->certificates[n].certificate_file, name);
		snprintf(name, sizeof name, "tls.%u.%u.key", l, n);
		if (!err)
			err = own_file(e, p->certificates[n].key_file, name);
	}
	snprintf(name, sizeof name, "tls.%u.client-ca", l);
	return err ? err : own_file(e, p->client_ca_file, name);
}

static bool needs_authorities(const struct plan_live *p)
{
	bool tls = false;

	for (uint32_t i = 0; i < p->endpoint_count; i++)
		tls |= p->endpoints[i].tls;
	return tls && p->verify;
}

static const char *system_authorities(void)
{
	const char *path = tls_system_ca_file();

	return path ? path : "";
}

static int open_live_files(struct estate *e, unsigned r)
{
	const struct plan_live *p = &e->plan->routes[r].live;
	char name[ESTATE_NAME_BYTES];
	int err;

	snprintf(name, sizeof name, "tls.live.%u.ca", r);
	err = own_file(e, p->ca_file[0] || !needs_authorities(p) ? p->ca_file : system_authorities(), name);
	snprintf(name, sizeof name, "tls.live.%u.cert", r);
	if (!err)
		err = own_file(e, p->client.certificate_file, name);
	snprintf(name, sizeof name, "tls.live.%u.key", r);
	return err ? err : own_file(e, p->client.key_file, name);
}

static int open_candidate_files(struct estate *e, unsigned r)
{
	const struct plan_route *route = &e->plan->routes[r];
	char name[ESTATE_NAME_BYTES];
	int err = 0;

	for (unsigned c = 0; c < route->candidate_count && !err; c++) {
		const struct plan_candidate *p = &route->candidates[c];

		if (!p->endpoint.tls || !p->verify)
			continue;
		snprintf(name, sizeof name, "trust.%u.%u", r, c);
		err = own_file(e, p->ca_file[0] ? p->ca_file : system_authorities(), name);
	}
	return err;
}

/* Certificates and keys reach workers, and authorities the shadow, as open descriptors; their contents stay
 * unread here. */
static int open_tls_files(struct estate *e)
{
	int err = 0;

	for (unsigned l = 0; l < e->plan->listen_count && !err; l++)
		err = open_listener_files(e, l);
	for (unsigned r = 0; r < e->plan->route_count && !err; r++) {
		err = open_live_files(e, r);
		if (!err)
			err = open_candidate_files(e, r);
	}
	return err;
}

static int make_listeners(struct estate *e)
{
	int fds[LISTEN_MAX], control = -1, err = listeners_bind(e->plan, fds, &control);

	for (unsigned i = 0; i < LISTEN_MAX; i++)
		if (fds[i] != -1 && own(e, fds[i], "listen.%u", i))
			err = ERR_LIMIT;
	if (control != -1 && own(e, control, "control-address"))
		err = ERR_LIMIT;
	return err;
}

int estate_listen(const struct estate *e)
{
	for (unsigned i = 0; i < e->count; i++) {
		unsigned n;

		if (sscanf(e->things[i].name, "listen.%u", &n) == 1 && listen(e->things[i].fd, 4096) == -1)
			return complain("cannot listen on", e->plan->listen[n].at.url);
		if (!strcmp(e->things[i].name, "control-address") && listen(e->things[i].fd, 64) == -1)
			return complain("cannot listen on", e->plan->control_address.url);
	}
	return 0;
}

static void make_parent_folder(const char *path)
{
	char folder[PATH_MAX_BYTES];
	char *slash;

	snprintf(folder, sizeof folder, "%s", path);
	slash = strrchr(folder, '/');
	if (slash && slash != folder) {
		*slash = 0;
		mkdir(folder, 0700);
	}
}

static int make_control_socket(struct estate *e)
{
	const char *path = e->plan->control_socket;
	int fd;

	if (!path[0])
		return 0;
	make_parent_folder(path);
	fd = listeners_bind_path(path);
	if (fd == -1 && errno == EADDRINUSE) {
		fprintf(stderr,
		        "understudy: cannot make the control socket: %s: another proxy answers there; stop "
		        "it, "
		        "start in another folder or set control.socket\n",
		        path);
		return ERR_SYS;
	}
	if (fd == -1 || chmod(path, 0600) == -1 || listen(fd, 16) == -1) {
		complain("cannot make the control socket", path);
		if (fd != -1)
			close(fd);
		return ERR_SYS;
	}
	return own(e, fd, "control");
}

static int own_folder(struct estate *e, const char *path, const char *name)
{
	int fd;

	mkdir(path, 0755);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd == -1 ? complain("cannot make the run directory", path) : own(e, fd, "%s", name);
}

static int make_run_directory(struct estate *e, const char *path)
{
	char part[PATH_MAX_BYTES], captures[PATH_MAX_BYTES + 16];

	snprintf(part, sizeof part, "%s", path);
	for (char *at = part + 1; *at; at++) {
		if (*at != '/')
			continue;
		*at = 0;
		mkdir(part, 0755);
		*at = '/';
	}
	snprintf(captures, sizeof captures, "%s/capture", path);
	return own_folder(e, path, "run") || own_folder(e, captures, "captures") ? ERR_SYS : 0;
}

static int make_names(struct estate *e)
{
	int writable, readable;

	if (e->plan->replay || !names_needed(e->plan))
		return 0;
	if (names_create(&writable, &readable))
		return complain("cannot make shared memory", "names");
	if (own(e, writable, "names")) {
		close(readable);
		return ERR_LIMIT;
	}
	return own(e, readable, "names.read");
}

int estate_open(struct estate *e, const struct plan *plan, const char *run_directory, const char *input)
{
	int err;

	memset(e, 0, sizeof *e);
	e->plan = plan;
	err = make_listeners(e);
	if (!err && input)
		err = own_file(e, input, "input");
	if (!err)
		err = open_tls_files(e);
	if (!err)
		err = make_mask_key(e);
	if (!err)
		err = make_ticket_key(e);
	if (!err)
		err = make_shared(e);
	if (!err)
		err = make_names(e);
	if (!err)
		err = make_rings(e);
	if (!err)
		err = make_control_socket(e);
	return err ? err : make_run_directory(e, run_directory);
}

void estate_close(struct estate *e)
{
	for (unsigned i = 0; i < e->count; i++) {
		if (!strcmp(e->things[i].name, "control"))
			unlink(e->plan->control_socket);
		close(e->things[i].fd);
	}
	ledger_free(&e->ledger);
	e->count = 0;
}
