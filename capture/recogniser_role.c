#include "capture/recogniser_role.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/sandbox_gauges.h"

struct end {
	int to, from, kick;
	const struct sandbox_gauges *gauges;
};

static int held(const struct role_env *env, const char *what, unsigned mask)
{
	char name[48];

	snprintf(name, sizeof name, "recognise.%s.%s.%u", env->name, what, mask);
	return role_fd(env, name);
}

static void look(void *arg, struct recogniser_peer *peer)
{
	const struct end *e = arg;
	uint64_t serving = atomic_load(&e->gauges->times_ready);

	*peer = (struct recogniser_peer){e->to, e->from,
	                                 atomic_load(&e->gauges->state) == SANDBOX_READY ? serving : 0};
}

static void give_up(void *arg)
{
	const struct end *e = arg;
	uint64_t one = 1;

	(void)!write(e->kick, &one, sizeof one);
}

int recogniser_of_role(const struct role_env *env, unsigned mask, struct recogniser **recogniser_out)
{
	static struct end ends[MASKS_MAX];
	struct end *e = &ends[mask];
	struct recogniser_keeper keeper = {look, give_up, e};
	int gauges = held(env, "look", mask);
	void *at;

	*recogniser_out = NULL;
	if (gauges == -1)
		return 0;
	at = mmap(NULL, sizeof *e->gauges, PROT_READ, MAP_SHARED, gauges, 0);
	if (at == MAP_FAILED)
		return ERR_SYS;
	*e = (struct end){held(env, "to", mask), held(env, "from", mask), held(env, "kick", mask), at};
	if (e->to == -1 || e->from == -1 || e->kick == -1)
		return ERR_SYS;
	if (env->epoch) /* what an earlier process left in the pipes is not for this one */
		give_up(e);
	return recogniser_new(&keeper, env->plan->masks[mask].recogniser.deadline_ms, recogniser_out);
}
