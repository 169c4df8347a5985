/*
 * parent.c - makes the rings, starts the roles by fork and exec with only their descriptors, and
 * starts again what dies.
 */
#define _GNU_SOURCE
#include "proxy/parent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "proto/base/clock.h"

enum { ESTATE_MAX = 256, CHILDREN_MAX = 32, HIGH_FD = 512, READY_MS = 20000, LOG_RING_BYTES = 256 * 1024 };

struct child {
	const struct role_row *row;
	unsigned index, epoch;
	pid_t pid;
	uint64_t started_ns;
};

struct parent {
	const struct plan *plan;
	struct page *page;
	struct ledger *ledger;
	int self_fd;
	unsigned estate_count;
	struct {
		char name[48];
		int fd;
	} estate[ESTATE_MAX];
	unsigned child_count;
	struct child children[CHILDREN_MAX];
};

static struct parent parent;
static volatile sig_atomic_t stop_asked;

static void on_stop(int signal_number)
{
	(void)signal_number;
	stop_asked++;
}

static void own(const char *name, int fd)
{
	snprintf(parent.estate[parent.estate_count].name, sizeof parent.estate[0].name, "%s", name);
	parent.estate[parent.estate_count++].fd = fd;
}

static int complain(const char *what, const char *detail)
{
	fprintf(stderr, "understudy: %s: %s: %s\n", what, detail, strerror(errno));
	return ERR_SYS;
}

static size_t ring_bytes(void)
{
	size_t bytes = 1u << 20;

	while (bytes * 2 * 16 <= parent.plan->memory_bytes)
		bytes *= 2;
	return bytes;
}

static int make_ring(const char *name)
{
	char full[48];
	int memfd, eventfd;

	if (ring_create(name, ring_bytes(), &memfd, &eventfd))
		return complain("cannot make the ring", name);
	snprintf(full, sizeof full, "ring.%s", name);
	own(full, memfd);
	snprintf(full, sizeof full, "wake.%s", name);
	own(full, eventfd);
	return 0;
}

static int make_rings(void)
{
	static const char *const names[] = {"shadow", "judge", "recorder", "answers", "masked-answers"};
	char raw[16];
	int err = 0;

	for (unsigned i = 0; i < sizeof names / sizeof *names && !err; i++)
		err = make_ring(names[i]);
	for (unsigned i = 0; i < parent.plan->workers && !err; i++) {
		snprintf(raw, sizeof raw, "raw.%u", i);
		err = make_ring(raw);
	}
	return err;
}

/* Written by one role, read by control, which polls: nobody is ever woken. */
static int make_log_ring(const struct child *c)
{
	char name[48];
	int memfd, eventfd;

	snprintf(name, sizeof name, "ring.log.%s.%u", c->row->name, c->index);
	if (ring_create(name, LOG_RING_BYTES, &memfd, &eventfd))
		return complain("cannot make the ring", name);
	close(eventfd);
	own(name, memfd);
	return 0;
}

static int make_shared(void)
{
	int plan_fd, ledger_fd, page_fd;
	uint64_t run_id = 0;

	if (plan_publish(parent.plan, &plan_fd) ||
	    ledger_create(parent.plan->workers, parent.plan->slots_each, &ledger_fd) ||
	    page_create(&page_fd) || page_map(page_fd, &parent.page) ||
	    ledger_attach(ledger_fd, &parent.ledger))
		return complain("cannot make shared memory", "memfd");
	if (getrandom(&run_id, sizeof run_id, 0) != sizeof run_id)
		return complain("cannot draw a run id", "getrandom");
	atomic_store(&parent.page->run_id, run_id);
	atomic_store(&parent.page->generation, parent.plan->generation);
	own("plan", plan_fd);
	own("ledger", ledger_fd);
	own("page", page_fd);
	return 0;
}

/* 32 raw bytes or 64 hex digits from the key file; without one, a key that lives in memory only. */
static int read_key(uint8_t key[32])
{
	char text[66] = "";
	int fd = open(parent.plan->mask_key_file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd == -1 ? -1 : read(fd, text, sizeof text);

	if (fd != -1)
		close(fd);
	if (n == 32) {
		memcpy(key, text, 32);
		return 0;
	}
	for (unsigned i = 0; i < 32 && (n == 64 || (n == 65 && text[64] == '\n')); i++) {
		unsigned byte;

		if (sscanf(text + 2 * i, "%2x", &byte) != 1)
			break;
		key[i] = (uint8_t)byte;
		if (i == 31)
			return 0;
	}
	fprintf(stderr, "understudy: %s: a mask key is 32 raw bytes or 64 hex digits\n",
	        parent.plan->mask_key_file);
	return ERR_CONFIG;
}

static int make_mask_key(void)
{
	uint8_t key[32];
	int err = 0, fd = memfd_create("understudy-mask-key", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (parent.plan->mask_key_file[0])
		err = read_key(key);
	else if (getrandom(key, sizeof key, 0) != sizeof key)
		err = ERR_SYS;
	if (!err && (fd == -1 || write(fd, key, sizeof key) != sizeof key ||
	             fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == -1))
		err = complain("cannot keep the mask key", "memfd");
	explicit_bzero(key, sizeof key);
	if (!err)
		own("mask-key", fd);
	return err;
}

static int make_listener(const struct plan_endpoint *at, const char *name)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(at->port)};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd == -1 || inet_pton(AF_INET, at->address, &a.sin_addr) != 1)
		return complain("cannot listen on", at->url);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&a, sizeof a) == -1 || listen(fd, 4096) == -1)
		return complain("cannot listen on", at->url);
	own(name, fd);
	return 0;
}

static int make_listeners(void)
{
	for (unsigned i = 0; i < parent.plan->listen_count; i++) {
		char name[24];

		snprintf(name, sizeof name, "listen.%u", i);
		if (make_listener(&parent.plan->listen[i].at, name))
			return ERR_SYS;
	}
	if (parent.plan->control_address.address[0])
		return make_listener(&parent.plan->control_address, "control-address");
	return 0;
}

static int make_control_socket(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	char folder[PATH_MAX_BYTES];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	char *slash;

	snprintf(folder, sizeof folder, "%s", parent.plan->control_socket);
	slash = strrchr(folder, '/');
	if (slash && slash != folder) {
		*slash = 0;
		mkdir(folder, 0700);
	}
	if (strlen(parent.plan->control_socket) >= sizeof a.sun_path) {
		errno = ENAMETOOLONG;
		return complain("cannot make the control socket", parent.plan->control_socket);
	}
	strcpy(a.sun_path, parent.plan->control_socket);
	unlink(a.sun_path);
	if (fd == -1 || bind(fd, (struct sockaddr *)&a, sizeof a) == -1 || listen(fd, 16) == -1)
		return complain("cannot make the control socket", parent.plan->control_socket);
	chmod(a.sun_path, 0600);
	own("control", fd);
	return 0;
}

static int make_run_directory(const char *path)
{
	char part[PATH_MAX_BYTES], captures[PATH_MAX_BYTES + 16];
	int run, capture;

	snprintf(part, sizeof part, "%s", path);
	for (char *at = part + 1; *at; at++) {
		if (*at != '/')
			continue;
		*at = 0;
		mkdir(part, 0755);
		*at = '/';
	}
	snprintf(captures, sizeof captures, "%s/capture", path);
	mkdir(part, 0755);
	mkdir(captures, 0755);
	run = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	capture = open(captures, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (run == -1 || capture == -1)
		return complain("cannot make the run directory", path);
	own("run", run);
	own("captures", capture);
	return 0;
}

static bool held(const char *pattern, const char *name, unsigned index)
{
	char exact[48];
	const char *mark = strpbrk(pattern, "*%");

	if (!mark)
		return !strcmp(pattern, name);
	if (*mark == '*')
		return !strncmp(pattern, name, (size_t)(mark - pattern));
	snprintf(exact, sizeof exact, "%.*s%u", (int)(mark - pattern), pattern, index);
	return !strcmp(exact, name);
}

static bool row_holds(const struct role_row *row, const char *name, unsigned index)
{
	char log[48];

	snprintf(log, sizeof log, "ring.log.%s.%u", row->name, index);
	if (!strcmp(log, name))
		return true;
	for (unsigned i = 0; i < sizeof row->holds / sizeof *row->holds && row->holds[i]; i++)
		if (held(row->holds[i], name, index))
			return true;
	return false;
}

/* In the child: descriptors 3, 4, ... in the order of the argument names, everything else closed. */
static void become(const struct child *c, int ready)
{
	char index[16], epoch[16];
	char *argv[ROLE_FDS_MAX + 8] = {"understudy", "--role", (char *)c->row->name, index, epoch};
	int fds[ROLE_FDS_MAX], argc = 5, count = 0;

	snprintf(index, sizeof index, "%u", c->index);
	snprintf(epoch, sizeof epoch, "%u", c->epoch);
	for (unsigned i = 0; i < parent.estate_count && count < ROLE_FDS_MAX - 2; i++) {
		if (!row_holds(c->row, parent.estate[i].name, c->index))
			continue;
		argv[argc++] = parent.estate[i].name;
		fds[count++] = fcntl(parent.estate[i].fd, F_DUPFD_CLOEXEC, HIGH_FD);
	}
	argv[argc++] = "ready";
	fds[count++] = fcntl(ready, F_DUPFD_CLOEXEC, HIGH_FD);
	fds[count] = fcntl(parent.self_fd, F_DUPFD_CLOEXEC, HIGH_FD);
	for (int i = 0; i < count; i++)
		dup2(fds[i], 3 + i);
	dup3(fds[count], 3 + count, O_CLOEXEC);
	close_range((unsigned)(4 + count), ~0u, 0);
	fexecve(3 + count, argv, environ);
	_exit(3);
}

static int start(struct child *c)
{
	int ready[2];
	struct pollfd wait;
	char one;

	if (pipe2(ready, O_CLOEXEC) == -1)
		return ERR_SYS;
	c->started_ns = clock_mono_ns();
	c->pid = fork();
	if (c->pid == 0)
		become(c, ready[1]);
	close(ready[1]);
	wait = (struct pollfd){.fd = ready[0], .events = POLLIN};
	while (c->pid > 0 && poll(&wait, 1, READY_MS) == -1 && errno == EINTR)
		;
	if (c->pid < 0 || read(ready[0], &one, 1) != 1) {
		fprintf(stderr, "understudy: role %s did not start\n", c->row->name);
		close(ready[0]);
		return ERR_SYS;
	}
	close(ready[0]);
	return 0;
}

static int start_all(const struct role_row *rows, unsigned row_count)
{
	for (unsigned i = 0; i < row_count; i++) {
		bool wanted = rows[i].in & (parent.plan->replay ? IN_REPLAY : IN_MIRROR);
		unsigned copies = !wanted ? 0 : rows[i].per_worker ? parent.plan->workers : 1;

		for (unsigned n = 0; n < copies; n++) {
			struct child *c = &parent.children[parent.child_count++];

			*c = (struct child){.row = &rows[i], .index = n};
			if (!parent.plan->replay && make_log_ring(c))
				return ERR_SYS;
		}
	}
	for (unsigned i = 0; i < parent.child_count; i++)
		if (start(&parent.children[i]))
			return ERR_SYS;
	return 0;
}

/* A role died: what it held is lost and counted, then it is started again. */
static void bury(pid_t pid, uint32_t phase)
{
	for (unsigned i = 0; i < parent.child_count; i++) {
		struct child *c = &parent.children[i];

		if (c->pid != pid)
			continue;
		c->pid = 0;
		if (phase >= c->row->leaves || atomic_load(&parent.page->phase) >= c->row->leaves)
			return;
		if (c->row->stage)
			ledger_role_lost(parent.ledger, c->row->stage,
			                 c->row->per_worker ? (int)c->index : -1);
		fprintf(stderr, "understudy: role %s.%u died; starting it again\n", c->row->name, c->index);
		if (clock_mono_ns() - c->started_ns < 100000000u)
			usleep(100000);
		c->epoch++;
		if (start(c))
			c->pid = 0;
		return;
	}
}

static unsigned alive(uint32_t phase)
{
	unsigned n = 0;

	for (unsigned i = 0; i < parent.child_count; i++)
		n += parent.children[i].pid > 0 && parent.children[i].row->leaves <= phase;
	return n;
}

static void reap(uint32_t phase)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		bury(pid, phase);
}

static void kill_leavers(uint32_t phase)
{
	for (unsigned i = 0; i < parent.child_count; i++)
		if (parent.children[i].pid > 0 && parent.children[i].row->leaves <= phase)
			kill(parent.children[i].pid, SIGKILL);
}

/* Roles leave from the clients inward; each phase ends when its roles have gone. */
static void drain(void)
{
	for (uint32_t phase = PHASE_WORKERS; phase <= PHASE_CONTROL; phase++) {
		uint64_t until = clock_mono_ns() + (uint64_t)parent.plan->drain_timeout_ms * 1000000u;

		atomic_store(&parent.page->phase, phase);
		while (alive(phase)) {
			reap(phase);
			if (stop_asked > 1 || clock_mono_ns() > until)
				kill_leavers(phase);
			usleep(2000);
		}
	}
}

static int open_input(const char *input)
{
	int fd = open(input, O_RDONLY | O_CLOEXEC);

	if (fd == -1)
		return complain("cannot open", input);
	own("input", fd);
	return 0;
}

static int prepare(const char *run_directory, const char *input)
{
	struct sigaction stop = {.sa_handler = on_stop};

	parent.self_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (parent.self_fd == -1)
		return complain("cannot open", "/proc/self/exe");
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGQUIT, &stop, NULL);
	if ((input && open_input(input)) || make_listeners() || make_shared() || make_rings() ||
	    make_mask_key() || make_run_directory(run_directory) ||
	    (parent.plan->control_socket[0] && make_control_socket()))
		return ERR_SYS;
	return 0;
}

static void announce(const char *run_directory)
{
	atomic_store(&parent.page->started_ns, clock_mono_ns());
	atomic_store(&parent.page->ready, 1);
	if (parent.plan->replay)
		fprintf(stderr, "understudy: replaying, run in %s\n", run_directory);
	else
		fprintf(stderr,
		        "understudy: ready on %s, run in %s; stop all shadowing: understudy ctl pause\n",
		        parent.plan->listen[0].at.url, run_directory);
}

int parent_run(const struct plan *plan, const char *run_directory, const char *input,
               const struct role_row *rows, unsigned row_count)
{
	int status = 0;

	parent.plan = plan;
	if (prepare(run_directory, input))
		return 3;
	if (start_all(rows, row_count)) {
		status = 3;
	} else {
		announce(run_directory);
		while (!stop_asked && atomic_load(&parent.page->phase) == PHASE_RUN) {
			reap(atomic_load(&parent.page->phase));
			usleep(10000);
		}
	}
	drain();
	if (plan->control_socket[0])
		unlink(plan->control_socket);
	return status;
}
