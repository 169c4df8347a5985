#define _GNU_SOURCE
#include "capture/role.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <malloc.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

enum { RINGS_MAX = WORKERS_MAX + 8, FILE_READ_BYTES = 16 * 1024 };

int role_fd(const struct role_env *env, const char *name)
{
	for (int i = 0; i < env->fd_count; i++)
		if (!strcmp(env->fds[i].name, name))
			return env->fds[i].fd;
	return -1;
}

void role_read(const struct role_env *env, const char *name, struct buf *out)
{
	int fd = role_fd(env, name);
	ssize_t n = 0;
	off_t at = 0;
	char *room;

	while (fd != -1 && (room = buf_room(out, FILE_READ_BYTES)) &&
	       (n = pread(fd, room, FILE_READ_BYTES, at)) > 0) {
		buf_grown(out, (size_t)n);
		at += n;
	}
}

int role_fd_nth(const struct role_env *env, const char *prefix, unsigned n)
{
	for (int i = 0; i < env->fd_count; i++)
		if (!strncmp(env->fds[i].name, prefix, strlen(prefix)) && n-- == 0)
			return env->fds[i].fd;
	return -1;
}

static struct { /* which ring has which name, for the last words */
	const struct ring *ring;
	char name[32];
} attached[RINGS_MAX];
static unsigned attached_count;

static _Noreturn void die_of_ring(const struct role_env *env, const char *name)
{
	fprintf(stderr, "understudy: role %s: ring %s is broken\n", env->name, name);
	(void)!write(role_fd(env, "ready"), name, strlen(name));
	_exit(ROLE_RING_BROKEN);
}

_Noreturn void role_ring_broken(const struct role_env *env, const struct ring *ring)
{
	for (unsigned i = 0; i < attached_count; i++)
		if (attached[i].ring == ring)
			die_of_ring(env, attached[i].name);
	_exit(ROLE_RING_BROKEN);
}

static int attach(const struct role_env *env, const char *name, int (*end)(int, int, struct ring **),
                  struct ring **ring_out)
{
	char ring[64], wake[64];
	int err;

	snprintf(ring, sizeof ring, "ring.%s", name);
	snprintf(wake, sizeof wake, "wake.%s", name);
	if (role_fd(env, ring) == -1 || role_fd(env, wake) == -1 || attached_count == RINGS_MAX)
		return ERR_SYS;
	err = end(role_fd(env, ring), role_fd(env, wake), ring_out);
	if (err == ERR_PROTO)
		die_of_ring(env, name);
	if (!err) {
		attached[attached_count].ring = *ring_out;
		snprintf(attached[attached_count++].name, sizeof attached[0].name, "%s", name);
	}
	return err;
}

/* What lies in a raw ring that broke is lost and counted; its worker sheds until it is skipped here. */
static void skip_broken(const struct role_env *env, const char *name, struct ring *ring)
{
	uint32_t broken = RAW_BROKEN;
	unsigned worker;

	if (sscanf(name, "raw.%u", &worker) != 1 || worker >= WORKERS_MAX ||
	    atomic_load(&env->page->raw_state[worker]) != RAW_BROKEN)
		return;
	ring_skip(ring);
	atomic_compare_exchange_strong(&env->page->raw_state[worker], &broken, RAW_OK);
}

int role_ring_writer(const struct role_env *env, const char *name, struct ring **ring_out)
{
	return attach(env, name, ring_attach_writer, ring_out);
}

int role_ring_reader(const struct role_env *env, const char *name, struct ring **ring_out)
{
	int err = attach(env, name, ring_attach_reader, ring_out);

	if (!err)
		skip_broken(env, name, *ring_out);
	return err;
}

void role_ready(const struct role_env *env)
{
	int go = role_fd(env, "go");
	char one;

	if (write(role_fd(env, "ready"), "1", 1) != 1 || read(go, &one, 1) != 1)
		_exit(3);
	close(go);
}

static bool parse(struct role_env *env, int argc, char **argv)
{
	if (argc < 4)
		return false;
	env->name = argv[0];
	env->index = (unsigned)atoi(argv[1]);
	env->epoch = (unsigned)atoi(argv[2]);
	for (int i = 3; i < argc && env->fd_count < ROLE_FDS_MAX; i++) {
		env->fds[env->fd_count].name = argv[i];
		env->fds[env->fd_count].fd = i; /* descriptors start at 3, in the order of their names */
		env->fd_count++;
	}
	return true;
}

/* Before confine_memory(): a process that cannot be dumped does not own its /proc files. The kernel may
 * refuse to protect a role; it never refuses to give it up first. */
static void take_rank(const struct role_env *env, struct role_rank rank)
{
	char text[16];
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd != -1) {
		(void)!write(fd, text, (size_t)snprintf(text, sizeof text, "%d", rank.oom));
		close(fd);
	}
	if (env->plan->replay || !rank.after_live)
		return;
	sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0});
	syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 7));
}

/* The parent drains in order through the page; what it blocked for the start is heard again. */
static void leave_signals(void)
{
	sigset_t none;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Lines go to the role's log ring and are shed when it is full: control has died, or is slow. */
static void to_ring(void *arg, struct span line)
{
	struct role_env *env = arg;
	struct record r = {.time_ns = clock_mono_ns(), .payload_len = (uint32_t)line.len};

	if (ring_put(env->log, &r, line.data, 0))
		atomic_fetch_add(&env->page->log_shed, 1);
	else
		ring_publish(env->log);
}

static void open_log(struct role_env *env)
{
	static char who[32];
	char name[48];

	snprintf(who, sizeof who, "%s.%u", env->name, env->index);
	snprintf(name, sizeof name, "ring.log.%s", who);
	log_level_from(&env->page->log_level);
	if (ring_attach_writer(role_fd(env, name), -1, &env->log)) /* nobody sleeps on it */
		log_open(who, NULL, NULL);
	else
		log_open(who, to_ring, env);
	if (env->epoch)
		LOG(WARN, "started_again", log_uint("epoch", env->epoch));
	else
		LOG(DEBUG, "started", log_uint("epoch", 0));
}

/* A large block is mapped by itself, grows in place, and is given back when it is freed: what a budget counts
 * is what the kernel counts. A worker's buffers are small and come and go faster. */
static void bound_heap(const struct role_env *env)
{
	if (!strcmp(env->name, "worker"))
		return;
	mallopt(M_MMAP_THRESHOLD, BUF_MAPPED_BYTES);
	mallopt(M_TRIM_THRESHOLD, 1 << 20);
}

/* What libraries read of the machine when they first want it: later they cannot. */
static void read_machine(const struct role_env *env)
{
	const char *why;

	for (uint32_t i = 0; role_fd(env, "mask-key") != -1 && i < env->plan->mask_count; i++)
		if (env->plan->masks[i].detect.pattern_count)
			(void)patterns_engine(&why); /* who needs it says that it is not there */
	tzset();
	OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG | OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL);
}

static void dials(struct confine_rules *r, const struct plan_endpoint *e)
{
	if (e->port == 0)
		r->may |= MAY_DIAL_UNIX;
	else
		r->may |= MAY_DIAL_TCP;
	for (unsigned i = 0; i < r->port_count; i++)
		if (r->ports[i] == e->port)
			return;
	if (e->port && r->port_count < CONFINE_PORTS)
		r->ports[r->port_count++] = e->port;
}

static void add_place(const struct role_env *env, struct confine_rules *r, const char *name)
{
	int fd = role_fd(env, name);

	if (fd != -1)
		r->places[r->place_count++] = fd;
}

void role_rules(const struct role_env *env, const struct role_walls *walls, struct confine_rules *out)
{
	*out = (struct confine_rules){.may = walls->may};
	add_place(env, out, "run");
	add_place(env, out, "captures");
	add_place(env, out, "input");
	for (unsigned r = 0; r < env->plan->route_count; r++) {
		const struct plan_route *route = &env->plan->routes[r];

		for (unsigned i = 0; walls->dials == DIALS_LIVE && i < route->live.endpoint_count; i++)
			dials(out, &route->live.endpoints[i]);
		for (unsigned i = 0; walls->dials == DIALS_CANDIDATES && i < route->candidate_count; i++)
			dials(out, &route->candidates[i].endpoint);
	}
}

static int not_confined(const struct role_env *env)
{
	int why = errno;

	LOG(ERROR, "not_confined", log_text("why", strerror(why)));
	fprintf(stderr, "understudy: role %s: cannot be confined: %s\n", env->name, strerror(why));
	return ERR_SYS;
}

static int put_up_walls(const struct role_env *env, const struct role_walls *walls)
{
	static struct confine_rules rules;

	role_rules(env, walls, &rules);
	if (walls->may & MAY_LAUNCH) /* the launcher's filter came with it */
		return 0;
	return confine(&rules) ? not_confined(env) : 0;
}

static int drop_privileges(const struct role_env *env, const struct role_walls *walls)
{
	if (walls->may & MAY_LAUNCH)
		return confine_to_launch() ? not_confined(env) : 0;
	return confine_privileges(env->plan->user_id, env->plan->group_id) ? not_confined(env) : 0;
}

/* A replay has no live path to keep up. Behind drop_privileges(): another user's process forgets it. */
static void leave_with_parent(const struct role_env *env)
{
	if (env->plan->replay)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
}

int role_enter(int argc, char **argv, struct role_rank rank, const struct role_walls *walls, role_run *run)
{
	static struct role_env env;

	if (!parse(&env, argc, argv) || plan_map(role_fd(&env, "plan"), &env.plan) ||
	    ledger_attach(role_fd(&env, "ledger"), &env.ledger) ||
	    page_map(role_fd(&env, "page"), &env.page)) {
		fprintf(stderr, "understudy: role %s: cannot map what it inherits\n",
		        argc > 0 ? argv[0] : "?");
		return 3;
	}
	open_log(&env);
	take_rank(&env, rank);
	bound_heap(&env);
	read_machine(&env);
	confine_memory();
	if (walls && drop_privileges(&env, walls))
		return 3;
	leave_with_parent(&env);
	if (walls && put_up_walls(&env, walls))
		return 3;
	leave_signals();
	return run(&env);
}

enum { CROWDED_PART = 16, BYTES_A_MS = 4 << 20 };
static const uint64_t AWAKE_NS = 100000000u;

unsigned role_nap_ms(struct role_pace *pace, const struct role_env *env)
{
	uint64_t now = clock_mono_ns();
	bool running = atomic_load(&env->page->phase) == PHASE_RUN;

	if (!pace->empty_since_ns)
		pace->empty_since_ns = now;
	if (running && now - pace->empty_since_ns >= AWAKE_NS)
		return 0;
	return running && pace->nap_ms ? pace->nap_ms : 1;
}

bool role_crowded(struct ring **rings, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (ring_used_bytes(rings[i]) > ring_data_bytes(rings[i]) / CROWDED_PART)
			return true;
	return false;
}

/* A small ring is filled sooner. */
static unsigned most_for(unsigned most_ms, const struct ring *ring)
{
	size_t ms = 1 + ring_data_bytes(ring) / BYTES_A_MS;

	return ms < most_ms ? (unsigned)ms : most_ms;
}

void role_rested(struct role_pace *pace, struct ring **rings, unsigned count)
{
	unsigned most_ms = pace->most_ms;

	for (unsigned i = 0; i < count; i++)
		most_ms = most_for(most_ms, rings[i]);
	pace->nap_ms = role_crowded(rings, count) ? 1 : pace->nap_ms < most_ms ? pace->nap_ms + 1 : most_ms;
}

static void deep_sleep(struct ring **rings, const int *eventfds, unsigned count)
{
	struct pollfd fds[WORKERS_MAX];
	bool quiet = true;

	for (unsigned i = 0; i < count; i++) {
		fds[i] = (struct pollfd){.fd = eventfds[i], .events = POLLIN};
		quiet &= ring_sleep(rings[i]);
	}
	if (quiet)
		poll(fds, count, AWAKE_NS / 1000000u);
	for (unsigned i = 0; i < count; i++)
		ring_wake(rings[i]);
}

void role_pause(struct role_pace *pace, const struct role_env *env, struct ring **rings, const int *eventfds,
                unsigned count)
{
	unsigned ms = role_nap_ms(pace, env);

	if (ms)
		nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
	else
		deep_sleep(rings, eventfds, count);
	role_rested(pace, rings, count);
}
