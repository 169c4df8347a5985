#define _GNU_SOURCE
#include "capture/plan.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "capture/names.h"
#include "capture/sealed.h"

enum { COPIED_BYTES = 4096, PLAN_VERSION = 1 };

void plan_gate_write(const char *route, const struct plan_gate *g, struct buf *out)
{
	buf_printf(out, "%s\n%s\n%.17g\n%s\n%s\n%s\n%u\n%s\n", route, gate_metric_row(g->metric)->name,
	           g->limit, g->candidate, g->slice, g->advisory & 1 ? "told" : "critical", g->min_pairs,
	           g->because);
}

bool plan_words_add(struct plan_words *w, const char *word)
{
	size_t n = strlen(word) + 1;

	if (n > sizeof w->text - w->bytes)
		return false;
	memcpy(w->text + w->bytes, word, n);
	w->bytes += (uint32_t)n;
	w->count++;
	return true;
}

const char *plan_words_next(const struct plan_words *w, const char *word)
{
	const char *next = word ? word + strlen(word) + 1 : w->text;

	return next < w->text + w->bytes ? next : NULL;
}

static bool masks_a_route(const struct plan *p, unsigned mask)
{
	for (unsigned r = 0; r < p->route_count; r++)
		if ((p->routes[r].mirror || p->replay) && p->routes[r].mask == mask)
			return true;
	return false;
}

const struct plan_recogniser *plan_recogniser(const struct plan *p, unsigned n, unsigned *mask_out,
                                              bool *answers_out)
{
	unsigned each = p->replay ? 1 : 2; /* what a replay plays is masked */

	for (unsigned i = 0; i < p->mask_count; i++) {
		if (p->masks[i].detect.free_text != FREE_TEXT_RECOGNISE || !masks_a_route(p, i))
			continue;
		if (n < each) {
			*mask_out = i;
			*answers_out = p->replay || n == 1;
			return &p->masks[i].recogniser;
		}
		n -= each;
	}
	return NULL;
}

unsigned plan_guarded(const struct plan_route *route, const struct plan_safeguard *s)
{
	return guard_row(s->metric)->scope == GUARD_CANDIDATE ? route->candidate_count : 1;
}

struct plan_candidate *plan_sandboxed(const struct plan *p, unsigned n, unsigned *route_out,
                                      unsigned *candidate_out)
{
	for (unsigned r = 0; r < p->route_count; r++)
		for (unsigned c = 0; c < p->routes[r].candidate_count; c++) {
			if (!p->routes[r].candidates[c].sandbox.on || n-- > 0)
				continue;
			*route_out = r;
			*candidate_out = c;
			return (struct plan_candidate *)&p->routes[r].candidates[c];
		}
	return NULL;
}

int plan_address(const struct plan_endpoint *e, struct sockaddr_storage *address_out, socklen_t *len_out)
{
	struct sockaddr_un *path = (struct sockaddr_un *)address_out;
	struct in6_addr address;

	memset(address_out, 0, sizeof *address_out);
	if (e->port == 0) {
		path->sun_family = AF_UNIX;
		snprintf(path->sun_path, sizeof path->sun_path, "%s", e->address);
		*len_out = sizeof *path;
	} else if (name_numeric(e->address, &address)) {
		*len_out = name_sockaddr(&address, e->port, address_out);
	} else {
		return ERR_CONFIG;
	}
	return 0;
}

void plan_copy(struct plan *to, const struct plan *from)
{
	static struct plan nothing;
	const char *source = (const char *)(from ? from : &nothing);

	for (size_t at = 0, n; at < sizeof *to; at += n) {
		n = sizeof *to - at < COPIED_BYTES ? sizeof *to - at : COPIED_BYTES;
		if (memcmp((char *)to + at, source + at, n) != 0)
			memcpy((char *)to + at, source + at, n);
	}
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
