#include "replay/users.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/queue.h>

struct turn {
	STAILQ_ENTRY(turn) next;
	void *about;
	uint64_t think_ns;
};

struct user {
	STAILQ_HEAD(, turn) turns;
	uint64_t due_ns;  /* of the first of them */
	uint64_t done_ns; /* the last answer; 0: there was none */
	bool busy;
};

struct users {
	struct user *all;
	unsigned count, due_count;
	unsigned *due;    /* a heap of those who wait for their time: by due_ns, then by number */
	unsigned dropped; /* users_drop(): those before have no turn left */
};

struct users *users_new(unsigned count)
{
	struct users *u = calloc(1, sizeof *u);

	if (!u)
		return NULL;
	u->count = count;
	u->all = calloc(count, sizeof *u->all);
	u->due = calloc(count, sizeof *u->due);
	if (!u->all || !u->due) {
		users_free(&u);
		return NULL;
	}
	for (unsigned i = 0; i < count; i++)
		STAILQ_INIT(&u->all[i].turns);
	return u;
}

static void *pull(struct user *user)
{
	struct turn *turn = STAILQ_FIRST(&user->turns);
	void *about = turn->about;

	STAILQ_REMOVE_HEAD(&user->turns, next);
	free(turn);
	return about;
}

void users_free(struct users **users)
{
	struct users *u = *users;

	*users = NULL;
	if (!u)
		return;
	for (unsigned i = 0; u->all && i < u->count; i++)
		while (!STAILQ_EMPTY(&u->all[i].turns))
			pull(&u->all[i]);
	free(u->all);
	free(u->due);
	free(u);
}

static bool before(const struct users *u, unsigned x, unsigned y)
{
	return u->all[x].due_ns < u->all[y].due_ns || (u->all[x].due_ns == u->all[y].due_ns && x < y);
}

/* It is to wait until its first turn is due. */
static void await(struct users *u, unsigned number)
{
	struct user *user = &u->all[number];
	unsigned at = u->due_count++;

	user->due_ns = user->done_ns + STAILQ_FIRST(&user->turns)->think_ns;
	for (; at && before(u, number, u->due[(at - 1) / 2]); at = (at - 1) / 2)
		u->due[at] = u->due[(at - 1) / 2];
	u->due[at] = number;
}

static unsigned pop(struct users *u)
{
	unsigned first = u->due[0], last = u->due[--u->due_count], at = 0;

	for (;;) {
		unsigned child = 2 * at + 1;

		if (child + 1 < u->due_count && before(u, u->due[child + 1], u->due[child]))
			child++;
		if (child >= u->due_count || !before(u, u->due[child], last))
			break;
		u->due[at] = u->due[child];
		at = child;
	}
	u->due[at] = last;
	return first;
}

int users_push(struct users *u, unsigned number, void *about, uint64_t think_ns, uint64_t now_ns)
{
	struct user *user = &u->all[number];
	struct turn *turn = malloc(sizeof *turn);
	bool waits = !STAILQ_EMPTY(&user->turns);

	if (!turn)
		return ERR_NOMEM;
	*turn = (struct turn){.about = about,
	                      .think_ns = user->done_ns || user->busy || waits ? think_ns : now_ns};
	STAILQ_INSERT_TAIL(&user->turns, turn, next);
	if (!user->busy && !waits)
		await(u, number);
	return 0;
}

void *users_take(struct users *u, uint64_t now_ns, unsigned *user_out, uint64_t *due_ns_out)
{
	if (!u->due_count || u->all[u->due[0]].due_ns > now_ns)
		return NULL;
	*user_out = pop(u);
	*due_ns_out = u->all[*user_out].due_ns;
	u->all[*user_out].busy = true;
	return pull(&u->all[*user_out]);
}

void users_done(struct users *u, unsigned number, uint64_t now_ns)
{
	struct user *user = &u->all[number];

	user->busy = false;
	user->done_ns = now_ns;
	if (!STAILQ_EMPTY(&user->turns))
		await(u, number);
}

uint64_t users_next_ns(const struct users *u)
{
	return u->due_count ? u->all[u->due[0]].due_ns : UINT64_MAX;
}

void *users_drop(struct users *u, unsigned *user_out)
{
	u->due_count = 0;
	while (u->dropped < u->count && STAILQ_EMPTY(&u->all[u->dropped].turns))
		u->dropped++;
	if (u->dropped == u->count) {
		u->dropped = 0;
		return NULL;
	}
	*user_out = u->dropped;
	return pull(&u->all[u->dropped]);
}
