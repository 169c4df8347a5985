/* Parsers are lent to a connection while it is in a message: those who wait hold none. */
#include <stdlib.h>

#include "proxy/live_path.h"

static struct codec *codec_new(struct worker *w, enum h1_kind kind)
{
	struct codec *c = malloc(sizeof *c);

	if (!c)
		return NULL;
	h1_init(&c->parser, kind, c->head, sizeof c->head);
	c->parser.in_place = true;
	if (kind == H1_REQUEST)
		h1_limit(&c->parser, &w->limits);
	return c;
}

struct codec *codec_take(struct worker *w, enum h1_kind kind)
{
	struct codec *c = w->codecs[kind];

	if (!c)
		return codec_new(w, kind);
	w->codecs[kind] = c->next;
	h1_next(&c->parser);
	return c;
}

void codec_give(struct worker *w, struct codec **codec)
{
	struct codec *c = *codec;

	if (!c)
		return;
	c->next = w->codecs[c->parser.kind];
	w->codecs[c->parser.kind] = c;
	*codec = NULL;
}
