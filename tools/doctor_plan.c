/* What a plan names: folders, ports, certificates, endpoints. */
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "tools/doctor.h"
#include "tools/reach.h"

enum { REACH_MS = 2000, DAYS_LEFT_WANTED = 14 };
#define MIB       (1ull << 20)
#define RUN_BYTES (1ull << 30) /* of results.db when run.max_size is left out */

/* `path`, or the nearest folder above it that exists. */
static void nearest(const char *path, char out[PATH_MAX_BYTES])
{
	snprintf(out, PATH_MAX_BYTES, "%s", path);
	while (access(out, F_OK) == -1) {
		char *slash = strrchr(out, '/');

		if (!slash || slash == out) {
			snprintf(out, PATH_MAX_BYTES, "%s", slash ? "/" : ".");
			return;
		}
		*slash = '\0';
	}
}

/* Permission bits do not tell: a folder is made there, and taken away. */
static bool writable(struct doctor *d, const char *what, const char *path, char folder[PATH_MAX_BYTES])
{
	char trial[PATH_MAX_BYTES + 32];
	bool can;

	nearest(path, folder);
	snprintf(trial, sizeof trial, "%s/.understudy-XXXXXX", folder);
	can = mkdtemp(trial);
	doctor_note(d, can ? FINDING_OK : FINDING_FAIL, what,
	            "let the user that runs the proxy write there, or name another folder", "%s%s%s", path,
	            can ? " can be written" : ": ", can ? "" : strerror(errno));
	if (can)
		rmdir(trial);
	return can;
}

static void disk(struct doctor *d, const struct plan *p, const char *folder)
{
	uint64_t wanted = p->run_max_bytes ? p->run_max_bytes : RUN_BYTES, there;
	struct statvfs v;

	if (p->capture)
		wanted += p->capture_segment_bytes;
	if (statvfs(folder, &v) == -1)
		return;
	there = (uint64_t)v.f_bavail * v.f_frsize;
	doctor_note(d,
	            there >= wanted     ? FINDING_OK
	            : there >= 64 * MIB ? FINDING_WARN
	                                : FINDING_FAIL,
	            "disk", "make room, or lower run.max_size: a full disk loses results, never live traffic",
	            "%llu MiB free at %s, %llu MiB may be wanted", (unsigned long long)(there / MIB), folder,
	            (unsigned long long)(wanted / MIB));
}

static void memory(struct doctor *d, const struct plan *p)
{
	unsigned long long kib = 0;
	FILE *f = fopen("/proc/meminfo", "re");
	char line[128];

	while (f && fgets(line, sizeof line, f) && sscanf(line, "MemAvailable: %llu", &kib) != 1)
		continue;
	if (f)
		fclose(f);
	doctor_note(d, kib * 1024 >= p->memory_bytes ? FINDING_OK : FINDING_WARN, "memory",
	            "lower memory: or make room", "%llu MiB are available, memory: asks for %llu MiB",
	            kib / 1024, (unsigned long long)(p->memory_bytes / MIB));
}

/* --- addresses --- */

/* Of a unix socket its folder counts: what a dead proxy left there is replaced. */
static void place(struct doctor *d, const char *what, const char *path)
{
	char folder[PATH_MAX_BYTES], there[PATH_MAX_BYTES], *slash;

	snprintf(folder, sizeof folder, "%s", path);
	slash = strrchr(folder, '/');
	if (slash)
		slash[slash == folder] = '\0';
	writable(d, what, slash ? folder : ".", there);
}

static void port(struct doctor *d, const char *what, const struct plan_endpoint *at)
{
	struct sockaddr_storage address;
	socklen_t len = reach_address(at, &address);
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool taken;

	if (at->port == 0 || fd == -1) {
		if (fd != -1)
			close(fd);
		place(d, what, at->address);
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	taken = bind(fd, (struct sockaddr *)&address, len) == -1;
	doctor_note(d, taken ? FINDING_FAIL : FINDING_OK, what,
	            errno == EACCES ? "use a socket unit, CAP_NET_BIND_SERVICE or a port from 1024 on"
	                            : "see who listens there (ss -ltnp); is the proxy running?",
	            "%s port %u %s", at->address, at->port, taken ? strerror(errno) : "is free");
	close(fd);
}

static void endpoint(struct doctor *d, const char *what, const char *whose, enum finding otherwise,
                     const struct plan_endpoint *to)
{
	struct reach r;
	int rc = reach_open(&r, to, NULL, REACH_MS);

	doctor_note(d, rc ? otherwise : FINDING_OK, what, "start it, or correct its address", "%s at %s%s%s",
	            whose, to->url, rc ? ": " : " takes connections", rc ? strerror(errno) : "");
	reach_close(&r);
}

/* --- certificates --- */

static void expiry(struct doctor *d, const char *path)
{
	FILE *f = path[0] ? fopen(path, "re") : NULL;
	X509 *x = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
	int days = 0, seconds = 0;

	if (f)
		fclose(f);
	if (!path[0])
		return;
	if (!x || !ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(x)))
		doctor_note(d, FINDING_FAIL, "certificate", "name a PEM file with a certificate first",
		            "%s cannot be read", path);
	else if (days < 0 || seconds < 0)
		doctor_note(d, FINDING_FAIL, "certificate", "renew it; clients refuse it",
		            "%s expired %d days ago", path, -days);
	else
		doctor_note(d, days < DAYS_LEFT_WANTED ? FINDING_WARN : FINDING_OK, "certificate", "renew it",
		            "%s is good for %d days", path, days);
	X509_free(x);
}

static void listener(struct doctor *d, const struct plan_listen *l)
{
	port(d, "listen", &l->at);
	for (uint32_t i = 0; l->tls && i < l->certificate_count; i++)
		expiry(d, l->certificates[i].certificate_file);
	if (l->tls)
		expiry(d, l->client_ca_file);
}

static void route(struct doctor *d, const struct plan_route *r)
{
	for (uint32_t i = 0; i < r->live.endpoint_count; i++)
		endpoint(d, "live", r->name, FINDING_FAIL, &r->live.endpoints[i]);
	expiry(d, r->live.client.certificate_file);
	expiry(d, r->live.ca_file);
	for (uint32_t i = 0; i < r->candidate_count; i++)
		if (r->candidates[i].sandbox.on)
			doctor_note(d, FINDING_OK, "candidate", NULL, "%s is a sandbox: a start starts it",
			            r->candidates[i].name);
		else
			endpoint(d, "candidate", r->candidates[i].name, FINDING_WARN,
			         &r->candidates[i].endpoint);
}

/* Landlock knows ports, not hosts. */
static void ports(struct doctor *d, const struct plan_route *r, const struct plan *p)
{
	for (uint32_t i = 0; i < r->candidate_count; i++)
		for (uint32_t n = 0; n < p->route_count; n++)
			for (uint32_t l = 0; l < p->routes[n].live.endpoint_count; l++)
				if (r->candidates[i].endpoint.port &&
				    r->candidates[i].endpoint.port == p->routes[n].live.endpoints[l].port) {
					doctor_note(d, FINDING_WARN, "ports",
					            "the kernel cannot keep workers from it: give it a port "
					            "of its own",
					            "candidate %s has a live endpoint's port, %u",
					            r->candidates[i].name, r->candidates[i].endpoint.port);
					return;
				}
}

static void user(struct doctor *d, const struct plan *p)
{
	if (geteuid() == 0)
		doctor_note(d, p->user_id ? FINDING_OK : FINDING_WARN, "user",
		            "name a user of their own with user:", "roles run as uid %u, without privileges",
		            p->user_id);
}

void doctor_plan(struct doctor *d, const struct plan *p)
{
	char folder[PATH_MAX_BYTES];

	user(d, p);
	if (writable(d, "run.directory", p->run_directory, folder))
		disk(d, p, folder);
	memory(d, p);
	if (p->control_socket[0]) {
		struct plan_endpoint socket = {.port = 0};

		snprintf(socket.address, sizeof socket.address, "%.*s", ADDRESS_MAX_BYTES - 1,
		         p->control_socket);
		port(d, "control.socket", &socket);
	}
	if (p->control_address.address[0])
		port(d, "control.address", &p->control_address);
	for (uint32_t i = 0; i < p->listen_count; i++)
		listener(d, &p->listen[i]);
	for (uint32_t i = 0; i < p->route_count; i++) {
		route(d, &p->routes[i]);
		ports(d, &p->routes[i], p);
	}
}
