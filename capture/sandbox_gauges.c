#include "capture/sandbox_gauges.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "capture/shared.h"

const char *sandbox_state_name(uint32_t state)
{
	static const char *const names[] = {"starting", "ready", "down", "over"};

	return state < SANDBOX_STATES ? names[state] : "?";
}

void sandbox_how_set(struct sandbox_gauges *g, const char *how)
{
	uint64_t words[SANDBOX_HOW_WORDS] = {0};
	size_t n = strlen(how);

	memcpy(words, how, n < sizeof words ? n : sizeof words);
	for (int i = 0; i < SANDBOX_HOW_WORDS; i++)
		atomic_store(&g->how[i], words[i]);
}

void sandbox_how(const struct sandbox_gauges *g, char out[8 * SANDBOX_HOW_WORDS + 1])
{
	uint64_t words[SANDBOX_HOW_WORDS];

	for (int i = 0; i < SANDBOX_HOW_WORDS; i++)
		words[i] = atomic_load(&g->how[i]);
	memcpy(out, words, sizeof words);
	out[sizeof words] = '\0';
}

int sandbox_gauges_create(int *writable_out, int *readable_out)
{
	return shared_create("sandbox", sizeof(struct sandbox_gauges), writable_out, readable_out);
}

int sandbox_gauges_map(int writable, struct sandbox_gauges **out)
{
	void *at = mmap(NULL, sizeof **out, PROT_READ | PROT_WRITE, MAP_SHARED, writable, 0);

	if (at == MAP_FAILED)
		return ERR_SYS;
	*out = at;
	return 0;
}

int sandbox_gauges_watch(const struct role_env *env, sandbox_looks out)
{
	unsigned r, c;

	for (unsigned n = 0; plan_sandboxed(env->plan, n, &r, &c); n++) {
		char name[32];
		int fd;
		void *at;

		snprintf(name, sizeof name, "sandbox.look.%u", n);
		fd = role_fd(env, name);
		if (fd == -1)
			continue;
		at = mmap(NULL, sizeof(struct sandbox_gauges), PROT_READ, MAP_SHARED, fd, 0);
		if (at == MAP_FAILED)
			return ERR_SYS;
		out[r][c] = at;
	}
	return 0;
}
