#define _GNU_SOURCE
#include "capture/plan.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "capture/sealed.h"

enum { PLAN_VERSION = 1 };

int plan_address(const struct plan_endpoint *e, struct sockaddr_storage *address_out, socklen_t *len_out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)address_out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address_out;
	struct sockaddr_un *path = (struct sockaddr_un *)address_out;

	memset(address_out, 0, sizeof *address_out);
	if (e->port == 0) {
		path->sun_family = AF_UNIX;
		snprintf(path->sun_path, sizeof path->sun_path, "%s", e->address);
		*len_out = sizeof *path;
	} else if (inet_pton(AF_INET, e->address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(e->port);
		*len_out = sizeof *v4;
	} else if (inet_pton(AF_INET6, e->address, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(e->port);
		*len_out = sizeof *v6;
	} else {
		return ERR_CONFIG;
	}
	return 0;
}

int plan_publish(const struct plan *plan, int *memfd_out)
{
	struct span contents = {(const char *)plan, sizeof(*plan)};
	return sealed_create("plan", sizeof(*plan), contents, F_SEAL_WRITE, memfd_out);
}

int plan_map(int memfd, const struct plan **plan_out)
{
	size_t size = 0;
	int err = sealed_size(memfd, &size);
	if (err)
		return err;
	if (size != sizeof(struct plan))
		return ERR_PROTO;
	/* Private: before Linux 6.7 a write-sealed memfd refuses even a read-only shared mapping. */
	struct plan *plan = mmap(NULL, sizeof(*plan), PROT_READ, MAP_PRIVATE, memfd, 0);
	if (plan == MAP_FAILED)
		return ERR_SYS;
	if (plan->version != PLAN_VERSION) {
		munmap(plan, sizeof(*plan));
		return ERR_PROTO;
	}
	*plan_out = plan;
	return 0;
}
