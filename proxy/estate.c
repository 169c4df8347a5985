#define _GNU_SOURCE
#include "proxy/estate_inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "capture/budget.h"
#include "capture/carry.h"
#include "capture/learned.h"
#include "capture/names.h"
#include "capture/ring.h"
#include "capture/role.h"
#include "proto/net/tls.h"
#include "proxy/listeners.h"
#include "proxy/secrets.h"

enum { CONTROL_PATH_BYTES = sizeof(((struct sockaddr_un *)0)->sun_path) };

int estate_complain(const char *what, const char *detail)
{
	fprintf(stderr, "understudy: %s: %s: %s\n", what, detail, strerror(errno));
	return ERR_SYS;
}

int estate_own(struct estate *e, int fd, const char *name, ...)
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

int estate_fd(const struct estate *e, const char *name)
{
	for (unsigned i = 0; i < e->count; i++)
		if (!strcmp(e->things[i].name, name))
			return e->things[i].fd;
	return -1;
}

static int make_ring(struct estate *e, const char *name)
{
	int memfd, eventfd, err;

	if (ring_create(name, budget_ring_bytes(e->plan), &memfd, &eventfd))
		return estate_complain("cannot make the ring", name);
	err = estate_own(e, memfd, "ring.%s", name);
	if (err)
		close(eventfd);
	else
		err = estate_own(e, eventfd, "wake.%s", name);
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
		return estate_complain("cannot make the log ring", role);
	close(eventfd);
	return estate_own(e, memfd, "ring.log.%s.%u", role, index);
}

int estate_renew_ring(struct estate *e, const char *name)
{
	int *ring = place_of(e, "ring", name), *wake = place_of(e, "wake", name);
	int memfd, eventfd;

	if (!ring || !wake)
		return ERR_PROTO;
	if (ring_create(name, budget_ring_bytes(e->plan), &memfd, &eventfd))
		return estate_complain("cannot make the ring", name);
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
		return estate_complain("cannot make shared memory", "plan");
	if (estate_own(e, plan_fd, "plan") ||
	    ledger_create(e->plan->workers, e->plan->slots_each, &ledger_fd))
		return estate_complain("cannot make shared memory", "ledger");
	if (estate_own(e, ledger_fd, "ledger") || page_create(&page_fd))
		return estate_complain("cannot make shared memory", "page");
	if (estate_own(e, page_fd, "page") || page_map(page_fd, &e->page) ||
	    ledger_attach(ledger_fd, &e->ledger))
		return estate_complain("cannot map shared memory", "memfd");
	if (!e->plan->run_closed && getrandom(&run_id, sizeof run_id, 0) != sizeof run_id)
		return estate_complain("cannot draw a run id", "getrandom");
	atomic_store(&e->page->run_id, run_id);
	atomic_store(&e->page->generation, e->plan->generation);
	return 0;
}

/* A file of mask M, if it has one, as NAME.M. */
static int own_list(struct estate *e, const char *file, const char *name, uint32_t mask)
{
	int fd = -1, err = file[0] ? secrets_list(file, &fd) : 0;

	return err || fd == -1 ? err : estate_own(e, fd, "%s.%u", name, mask);
}

/* Keys that live in memory only are those of the former generation, when there is one. */
static int make_secrets(struct estate *e, const struct estate *former)
{
	bool kept = former && !former->plan->mask_key_file[0];
	int mask = -1, sample = -1, ticket = -1, list = -1, err;

	err = secrets_mask_key(e->plan->mask_key_file, kept ? estate_fd(former, "mask-key") : -1, &mask);
	if (!err)
		err = estate_own(e, mask, "mask-key");
	if (!err)
		err = secrets_sample_key(mask, e->plan->seed, &sample);
	if (!err)
		err = estate_own(e, sample, "sample-key");
	if (!err)
		err = secrets_ticket_key(former ? estate_fd(former, "ticket-key") : -1, &ticket);
	if (!err)
		err = estate_own(e, ticket, "ticket-key");
	for (uint32_t i = 0; i < e->plan->mask_count && !err; i++) {
		err = own_list(e, e->plan->masks[i].detect.gazetteer_file, "gazetteer", i);
		if (!err)
			err = own_list(e, e->plan->masks[i].descriptors_file, "descriptors", i);
	}
	if (!err && e->plan->withdrawn.file[0])
		err = secrets_list(e->plan->withdrawn.file, &list);
	if (!err && list != -1)
		err = estate_own(e, list, "withdrawn");
	return err;
}

static int own_file(struct estate *e, const char *path, const char *name)
{
	int fd;

	if (!path[0])
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd == -1 ? estate_complain("cannot open", path) : estate_own(e, fd, "%s", name);
}

static int open_listener_files(struct estate *e, unsigned l)
{
	const struct plan_listen *p = &e->plan->listen[l];
	char name[ESTATE_NAME_BYTES + 8];
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
	char name[ESTATE_NAME_BYTES + 8];
	int err;

	snprintf(name, sizeof name, "tls.live.%u.ca", r);
	err = own_file(e, p->ca_file[0] || !needs_authorities(p) ? p->ca_file : system_authorities(), name);
	snprintf(name, sizeof name, "tls.live.%u.cert", r);
	if (!err)
		err = own_file(e, p->client.certificate_file, name);
	snprintf(name, sizeof name, "tls.live.%u.key", r);
	return err ? err : own_file(e, p->client.key_file, name);
}

static int open_reference(struct estate *e, unsigned r)
{
	char name[ESTATE_NAME_BYTES];

	snprintf(name, sizeof name, "reference.%u", r);
	return own_file(e, e->plan->routes[r].drift.reference, name);
}

static int open_candidate_files(struct estate *e, unsigned r)
{
	const struct plan_route *route = &e->plan->routes[r];
	char name[ESTATE_NAME_BYTES + 8];
	int err = 0;

	for (unsigned c = 0; c < route->candidate_count && !err; c++) {
		const struct plan_candidate *p = &route->candidates[c];

		snprintf(name, sizeof name, "credential.%u.%u", r, c);
		err = own_file(e, p->credential_file, name);
		if (err || !p->endpoint.tls || !p->verify)
			continue;
		snprintf(name, sizeof name, "trust.%u.%u", r, c);
		err = own_file(e, p->ca_file[0] ? p->ca_file : system_authorities(), name);
	}
	return err;
}

/* Certificates and keys reach workers, authorities and candidates' credentials the shadow, the token control,
 * as open descriptors; their contents stay unread here. */
static bool watches(const struct plan *p, enum guard_metric metric)
{
	bool wanted = false;

	for (unsigned r = 0; r < p->route_count; r++)
		for (unsigned i = 0; i < p->routes[r].safeguard_count; i++)
			wanted |= p->routes[r].safeguards[i].metric == metric;
	return wanted;
}

/* What a safeguard watches of this machine is opened for the judge, who may open nothing. Where the kernel
 * does not tell it, the figure is not known. */
static int open_host(struct estate *e)
{
	static const struct {
		enum guard_metric metric;
		const char *path, *name;
	} files[] = {{GUARD_HOST_MEMORY, "/proc/meminfo", "host.memory"},
	             {GUARD_HOST_CPU, "/proc/pressure/cpu", "host.cpu"}};

	for (unsigned f = 0; f < 2; f++) {
		int fd;

		if (!watches(e->plan, files[f].metric))
			continue;
		fd = open(files[f].path, O_RDONLY | O_CLOEXEC);
		if (fd == -1)
			(void)estate_complain("a safeguard has no figure", files[f].path);
		else if (estate_own(e, fd, "%s", files[f].name))
			return ERR_LIMIT;
	}
	return 0;
}

/* For what a safeguard leaves behind when it acts; the file may be gone by now. */
static int open_config(struct estate *e)
{
	int fd = e->plan->config_file[0] ? open(e->plan->config_file, O_RDONLY | O_CLOEXEC) : -1;

	return fd == -1 ? 0 : estate_own(e, fd, "config");
}

static int open_files(struct estate *e)
{
	int err = own_file(e, e->plan->control_token_file, "control-token");

	if (!err)
		err = open_host(e);
	if (!err)
		err = open_config(e);

	for (unsigned l = 0; l < e->plan->listen_count && !err; l++)
		err = open_listener_files(e, l);
	for (unsigned r = 0; r < e->plan->route_count && !err; r++) {
		err = open_live_files(e, r);
		if (!err)
			err = open_candidate_files(e, r);
		if (!err)
			err = open_reference(e, r);
	}
	return err;
}

unsigned estate_listeners(const struct estate *e, int fds[LISTEN_MAX + 1])
{
	unsigned n = 0;

	for (unsigned i = 0; i < e->count; i++)
		if (n <= LISTEN_MAX && (!strncmp(e->things[i].name, "listen.", 7) ||
		                        !strcmp(e->things[i].name, "control-address")))
			fds[n++] = e->things[i].fd;
	return n;
}

static int make_listeners(struct estate *e, const struct estate *former)
{
	int fds[LISTEN_MAX], theirs[LISTEN_MAX + 1], control = -1, err;
	unsigned n = former ? estate_listeners(former, theirs) : 0;

	err = listeners_bind(e->plan, former ? theirs : NULL, n, fds, &control);
	for (unsigned i = 0; i < LISTEN_MAX; i++)
		if (fds[i] != -1 && estate_own(e, fds[i], "listen.%u", i))
			err = ERR_LIMIT;
	if (control != -1 && estate_own(e, control, "control-address"))
		err = ERR_LIMIT;
	return err;
}

bool estate_shut(const struct estate *e)
{
	int fds[LISTEN_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < e->count; i++)
		if (n < LISTEN_MAX && !strncmp(e->things[i].name, "listen.", 7))
			fds[n++] = e->things[i].fd;
	return listeners_shut(fds, n);
}

/* The control socket's path, with `suffix` while it is not shown yet. */
static void control_path(const struct plan *plan, const char *suffix, char out[CONTROL_PATH_BYTES])
{
	snprintf(out, CONTROL_PATH_BYTES, "%.*s%s", CONTROL_PATH_BYTES - 2, plan->control_socket, suffix);
}

static bool is_later(const struct plan *plan)
{
	return plan->generation > 1;
}

/* 0: it is not there. */
static ino_t inode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_ino : 0;
}

/* Whoever connects from now on meets this generation's control. */
static int show_control_socket(struct estate *e)
{
	char made[CONTROL_PATH_BYTES];

	if (estate_fd(e, "control") == -1 || !is_later(e->plan))
		return 0;
	control_path(e->plan, "~", made);
	if (rename(made, e->plan->control_socket) == -1)
		return estate_complain("cannot make the control socket", e->plan->control_socket);
	e->control_inode = inode_of(e->plan->control_socket);
	return 0;
}

int estate_listen(struct estate *e)
{
	for (unsigned i = 0; i < e->count; i++) {
		unsigned n;

		if (sscanf(e->things[i].name, "listen.%u", &n) == 1 && listen(e->things[i].fd, 4096) == -1)
			return estate_complain("cannot listen on", e->plan->listen[n].at.url);
		if (!strcmp(e->things[i].name, "control-address") && listen(e->things[i].fd, 64) == -1)
			return estate_complain("cannot listen on", e->plan->control_address.url);
	}
	return show_control_socket(e);
}

int estate_bind_path(const struct plan *plan, const char *path)
{
	char folder[PATH_MAX_BYTES];
	mode_t former;
	char *slash;
	int fd;

	snprintf(folder, sizeof folder, "%s", path);
	slash = strrchr(folder, '/');
	if (slash && slash != folder) {
		*slash = 0;
		mkdir(folder, plan->user_id ? 0711 : 0700);
	}
	former = umask(0177);
	fd = listeners_bind_path(path);
	umask(former);
	return fd;
}

/* The first generation claims the path; a later one is under another name until it answers, so that the
 * former one's operators notice nothing. */
static int make_control_socket(struct estate *e)
{
	const char *path = e->plan->control_socket;
	char made[CONTROL_PATH_BYTES];
	int fd;

	if (!path[0] || e->plan->replay)
		return 0;
	control_path(e->plan, is_later(e->plan) ? "~" : "", made);
	fd = estate_bind_path(e->plan, made);
	if (fd == -1 && errno == EADDRINUSE) {
		fprintf(stderr,
		        "understudy: cannot make the control socket: %s: another proxy answers there; stop "
		        "it, start in another folder or set control.socket\n",
		        made);
		return ERR_SYS;
	}
	if (fd == -1 || listen(fd, 16) == -1) {
		estate_complain("cannot make the control socket", path);
		if (fd != -1)
			close(fd);
		return ERR_SYS;
	}
	if (!is_later(e->plan))
		e->control_inode = inode_of(made);
	return estate_own(e, fd, "control");
}

/* Not when a newer generation's, or another proxy's, has taken its place. */
static void remove_control_socket(const struct estate *e)
{
	char made[CONTROL_PATH_BYTES];

	control_path(e->plan, e->control_inode ? "" : "~", made);
	if (!e->control_inode || inode_of(made) == e->control_inode)
		unlink(made);
}

/* Files only, one level: what roles make in a run. */
static void empty_folder(int folder)
{
	DIR *d = fdopendir(dup(folder));
	struct dirent *e;

	while (d && (e = readdir(d)))
		unlinkat(folder, e->d_name, 0);
	if (d)
		closedir(d);
}

void estate_discard_run(const struct estate *e)
{
	int run = estate_fd(e, "run"), captures = estate_fd(e, "captures");

	if (!e->made_run || run == -1 || captures == -1)
		return;
	empty_folder(captures);
	empty_folder(run);
	unlinkat(run, "capture", AT_REMOVEDIR);
	rmdir(e->run_directory);
}

static int own_folder(struct estate *e, const char *path, const char *name)
{
	int fd;

	mkdir(path, 0755);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd != -1 && e->plan->user_id && geteuid() == 0) /* the roles' */
		(void)!fchown(fd, e->plan->user_id, e->plan->group_id);
	return fd == -1 ? estate_complain("cannot make the run directory", path)
	                : estate_own(e, fd, "%s", name);
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
	e->made_run = mkdir(path, 0755) == 0;
	e->run_directory = path;
	return own_folder(e, path, "run") || own_folder(e, captures, "captures") ? ERR_SYS : 0;
}

static int make_names(struct estate *e)
{
	int writable, readable;

	if (e->plan->replay || !names_needed(e->plan))
		return 0;
	if (names_create(&writable, &readable))
		return estate_complain("cannot make shared memory", "names");
	if (estate_own(e, writable, "names")) {
		close(readable);
		return ERR_LIMIT;
	}
	return estate_own(e, readable, "names.read");
}

static int make_learned(struct estate *e)
{
	int writable, readable;

	if (e->plan->replay || !learned_needed(e->plan))
		return 0;
	if (learned_create(&writable, &readable))
		return estate_complain("cannot make shared memory", "learned");
	if (estate_own(e, writable, "learned")) {
		close(readable);
		return ERR_LIMIT;
	}
	return estate_own(e, readable, "learned.look");
}

/* Between the shadow and who connects for it. */
static int make_dial(struct estate *e)
{
	int pair[2];

	if (e->plan->run_closed)
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return estate_complain("cannot make a socket pair", "dial");
	if (estate_own(e, pair[0], "dial.ask")) {
		close(pair[1]);
		return ERR_LIMIT;
	}
	return estate_own(e, pair[1], "dial.answer");
}

/* When it was written, or -1; kept when that is later than `newest`. */
static time_t read_carry(const char *folder, time_t newest, struct buf *text)
{
	char path[PATH_MAX_BYTES + 16];
	struct stat st;
	ssize_t n = 0;
	char *room;
	int fd;

	snprintf(path, sizeof path, "%s/carry", folder);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd == -1 || fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_mtime <= newest ||
	    st.st_size > CARRY_MAX_BYTES) {
		if (fd != -1)
			close(fd);
		return -1;
	}
	buf_reset(text);
	while ((room = buf_room(text, RECORD_PAYLOAD_MAX)) && (n = read(fd, room, RECORD_PAYLOAD_MAX)) > 0)
		buf_grown(text, (size_t)n);
	close(fd);
	return st.st_mtime;
}

/* The last run of that name, beside this one. */
static void read_last(const struct plan *p, struct buf *text)
{
	DIR *d = p->run_directory[0] ? opendir(p->run_directory) : NULL;
	size_t n = strlen(p->run_name);
	time_t newest = -1;
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char folder[PATH_MAX_BYTES];
		time_t at;

		if (strncmp(e->d_name, p->run_name, n) || e->d_name[n] != '-' ||
		    snprintf(folder, sizeof folder, "%s/%s", p->run_directory, e->d_name) >=
		            (int)sizeof folder)
			continue;
		at = read_carry(folder, newest, text);
		newest = at > newest ? at : newest;
	}
	if (d)
		closedir(d);
}

/* Of a first generation; a later one has it from the page of the former. */
static void carry(struct estate *e, const char *run_directory)
{
	struct buf text;
	bool same;

	buf_init(&text, CARRY_MAX_BYTES + RECORD_PAYLOAD_MAX);
	same = read_carry(run_directory, -1, &text) != -1;
	if (!same)
		read_last(e->plan, &text);
	if (!text.err)
		carry_read(e->plan, e->page, buf_span(&text), same);
	buf_fini(&text);
}

enum { LOCK_TRIES = 20, LOCK_WAIT_US = 50000 };

/* Of a replay: its own, or that of the run with which it goes on; of one at a time. */
static int make_journal(struct estate *e)
{
	char path[PATH_MAX_BYTES + 16];
	int fd;

	snprintf(path, sizeof path, "%s/journal", e->run_directory);
	if (e->plan->replay_journal[0])
		snprintf(path, sizeof path, "%s", e->plan->replay_journal);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	if (fd == -1)
		return estate_complain("cannot open", path);
	for (unsigned i = 0; flock(fd, LOCK_EX | LOCK_NB);
	     i++) { /* roles of one that was killed go at once */
		if (i == LOCK_TRIES) {
			close(fd);
			return estate_complain("another replay still writes", path);
		}
		usleep(LOCK_WAIT_US);
	}
	return estate_own(e, fd, "journal") ? ERR_SYS : own_file(e, e->plan->replay_journal, "journal.sent");
}

int estate_open(struct estate *e, const struct plan *plan, const char *run_directory, const char *input,
                const struct estate *former)
{
	int err;

	memset(e, 0, sizeof *e);
	e->plan = plan;
	err = make_listeners(e, former);
	if (!err && input)
		err = own_file(e, input, "input");
	if (!err)
		err = open_files(e);
	if (!err)
		err = make_secrets(e, former);
	if (!err)
		err = estate_make_sandboxes(e, former);
	if (!err)
		err = estate_make_recognisers(e);
	if (!err)
		err = make_shared(e);
	if (!err)
		err = make_names(e);
	if (!err)
		err = make_learned(e);
	if (!err)
		err = make_dial(e);
	if (!err)
		err = make_rings(e);
	if (!err)
		err = make_control_socket(e);
	if (!err && !plan->run_closed)
		err = make_run_directory(e, run_directory);
	if (!err && plan->replay)
		err = make_journal(e);
	if (!err && !plan->run_closed && !plan->replay && !former)
		carry(e, run_directory);
	return err;
}

void estate_close(struct estate *e)
{
	for (unsigned i = 0; i < e->count; i++) {
		if (!strcmp(e->things[i].name, "control"))
			remove_control_socket(e);
		close(e->things[i].fd);
	}
	estate_remove_sandboxes(e);
	if (e->page)
		munmap(e->page, sizeof *e->page);
	e->page = NULL;
	ledger_free(&e->ledger);
	e->count = 0;
}
