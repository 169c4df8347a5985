#include "replay/walls.h"

#include <string.h>

void walls_hear(struct walls *w, const struct record *r, bool seen)
{
	unsigned leg = r->leg < LEG_CANDIDATE ? r->leg : LEG_CANDIDATE;

	if (r->id < w->round)
		return;
	if (r->id > w->round) {
		w->round = r->id;
		memset(w->whole, 0, sizeof w->whole);
		w->leaked = false;
	}
	w->leaked |= seen;
	if (r->type == RECORD_END)
		w->whole[leg] |= 1u << r->route;
}

static bool is_whole(const struct walls *w, uint64_t sent)
{
	uint32_t all = w->whole[LEG_CLIENT] & w->whole[LEG_LIVE] & w->whole[LEG_CANDIDATE];

	return w->round == sent && (all & w->routes) == w->routes;
}

enum page_walls walls_step(struct walls *w, enum page_walls before, uint64_t sent, uint64_t sent_ns,
                           uint64_t now_ns, uint64_t wait_ns, bool *again_out)
{
	*again_out = false;
	if (!sent || w->settled >= sent)
		return before;
	if (w->leaked) {
		w->settled = w->round;
		return WALLS_LEAKED;
	}
	if (is_whole(w, sent)) {
		w->settled = sent;
		w->lost = 0;
		return WALLS_INTACT;
	}
	if (now_ns < sent_ns + wait_ns)
		return before;
	w->settled = sent;
	*again_out = true;
	return ++w->lost >= WALLS_LOST ? WALLS_GONE : before;
}
