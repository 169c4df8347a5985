#define _GNU_SOURCE
#include "capture/names.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/mman.h>

#include "capture/shared.h"

bool name_numeric(const char *text, struct in6_addr *out)
{
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		memset(out, 0, sizeof *out);
		out->s6_addr[10] = out->s6_addr[11] = 0xff;
		memcpy(out->s6_addr + 12, &v4, sizeof v4);
		return true;
	}
	return inet_pton(AF_INET6, text, out) == 1;
}

socklen_t name_sockaddr(const struct in6_addr *a, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof *out);
	if (IN6_IS_ADDR_V4MAPPED(a)) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		memcpy(&v4->sin_addr, a->s6_addr + 12, sizeof v4->sin_addr);
		return sizeof *v4;
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	v6->sin6_addr = *a;
	return sizeof *v6;
}

bool name_needed(const struct plan_endpoint *e)
{
	struct in6_addr none;

	return e->port && !name_numeric(e->host, &none);
}

bool names_needed(const struct plan *p)
{
	for (uint32_t r = 0; r < p->route_count; r++) {
		for (uint32_t i = 0; i < p->routes[r].live.endpoint_count; i++)
			if (name_needed(&p->routes[r].live.endpoints[i]))
				return true;
		for (uint32_t i = 0; i < p->routes[r].candidate_count; i++)
			if (name_needed(&p->routes[r].candidates[i].endpoint))
				return true;
	}
	return false;
}

int names_create(int *writable_out, int *readable_out)
{
	return shared_create("names", sizeof(struct names), writable_out, readable_out);
}

int names_map(int writable, struct names **out)
{
	void *at = mmap(NULL, sizeof **out, PROT_READ | PROT_WRITE, MAP_SHARED, writable, 0);

	if (at == MAP_FAILED)
		return ERR_SYS;
	*out = at;
	return 0;
}

int names_watch(int readable, const struct names **out)
{
	void *at = mmap(NULL, sizeof **out, PROT_READ, MAP_SHARED, readable, 0);

	if (at == MAP_FAILED)
		return ERR_SYS;
	*out = at;
	return 0;
}

/* Everything is atomic and sequentially consistent: it happens once in many seconds. */
void name_publish(struct name_slot *s, const struct name_found *f)
{
	uint32_t version = atomic_load(&s->version) | 1;
	uint32_t count = f->count < NAME_ADDRESSES_MAX ? f->count : NAME_ADDRESSES_MAX;

	atomic_store(&s->version, version);
	atomic_store(&s->count, count);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t words[2];

		memcpy(words, &f->addresses[i], sizeof words);
		atomic_store(&s->words[i][0], words[0]);
		atomic_store(&s->words[i][1], words[1]);
	}
	atomic_store(&s->version, version + 1 ? version + 1 : 2);
}

bool name_moved(const struct name_slot *s, uint32_t *version, struct name_found *f)
{
	uint32_t before = atomic_load(&s->version);

	if (before == *version || (before & 1))
		return false;
	f->count = atomic_load(&s->count);
	if (f->count > NAME_ADDRESSES_MAX)
		f->count = NAME_ADDRESSES_MAX;
	for (uint32_t i = 0; i < f->count; i++) {
		uint64_t words[2] = {atomic_load(&s->words[i][0]), atomic_load(&s->words[i][1])};

		memcpy(&f->addresses[i], words, sizeof words);
	}
	if (atomic_load(&s->version) != before)
		return false;
	*version = before;
	return true;
}

bool name_follow(const struct name_slot *s, struct name_place *p)
{
	struct name_found found;

	if (!name_moved(s, &p->version, &found))
		return false;
	for (uint32_t i = 0; i < found.count; i++)
		if (!p->nowhere && !memcmp(&found.addresses[i], &p->at, sizeof p->at))
			return false;
	p->nowhere = found.count == 0;
	if (found.count)
		p->at = found.addresses[0];
	return true;
}
