#include "capture/learned.h"

#include <sys/mman.h>

#include "capture/shared.h"

bool learned_needed(const struct plan *p)
{
	for (uint32_t i = 0; i < p->route_count; i++)
		if (p->routes[i].learn)
			return true;
	return false;
}

int learned_create(int *writable_out, int *readable_out)
{
	return shared_create("learned", sizeof(struct learned), writable_out, readable_out);
}

int learned_map(int writable, struct learned **out)
{
	void *at = mmap(NULL, sizeof **out, PROT_READ | PROT_WRITE, MAP_SHARED, writable, 0);

	if (at == MAP_FAILED)
		return ERR_SYS;
	*out = at;
	return 0;
}

int learned_watch(int readable, const struct learned **out)
{
	void *at = mmap(NULL, sizeof **out, PROT_READ, MAP_SHARED, readable, 0);

	if (at == MAP_FAILED)
		return ERR_SYS;
	*out = at;
	return 0;
}

void learned_publish(struct learned *l, struct span saved)
{
	uint64_t next = atomic_load(&l->version) + 1;
	struct learned_slot *slot = &l->slots[next % 2];

	if (saved.len > sizeof slot->bytes)
		return;
	memcpy(slot->bytes, saved.data, saved.len);
	atomic_store(&slot->len, saved.len);
	atomic_store(&l->version, next);
}

int learned_read(const struct learned *l, struct buf *out)
{
	uint64_t version = atomic_load(&l->version), len;
	const struct learned_slot *slot = &l->slots[version % 2];

	if (!version)
		return 0;
	len = atomic_load(&slot->len);
	if (len > sizeof slot->bytes)
		return ERR_AGAIN;
	buf_put(out, slot->bytes, len);
	atomic_thread_fence(memory_order_seq_cst);
	/* its slot is written again on the way to the version after the next */
	return out->err ? out->err : atomic_load(&l->version) == version ? 0 : ERR_AGAIN;
}
