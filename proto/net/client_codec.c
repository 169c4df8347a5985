#include "proto/net/client_codec.h"

#include <stdlib.h>

enum { SPARES_MAX = 8 };

static struct {
	struct client_codec *codecs[SPARES_MAX];
	unsigned count;
} spares;

bool client_charge(struct client_budget *b, size_t bytes)
{
	if (b && (b->bytes > b->limit_bytes || bytes > b->limit_bytes - b->bytes))
		return false;
	if (b)
		b->bytes += bytes;
	return true;
}

void client_discharge(struct client_budget *b, size_t bytes)
{
	if (b)
		b->bytes -= bytes;
}

static struct client_codec *codec_new(void)
{
	struct client_codec *codec = spares.count ? spares.codecs[--spares.count] : NULL;

	if (codec) {
		h1_next(&codec->parser);
		return codec;
	}
	codec = malloc(sizeof *codec);
	if (codec) {
		h1_init(&codec->parser, H1_RESPONSE, codec->head, sizeof codec->head);
		codec->parser.in_place = true;
	}
	return codec;
}

struct client_codec *client_codec_take(struct client_budget *b, bool head_request)
{
	struct client_codec *codec;

	if (!client_charge(b, sizeof *codec))
		return NULL;
	codec = codec_new();
	if (codec)
		codec->parser.head_request = head_request;
	else
		client_discharge(b, sizeof *codec);
	return codec;
}

void client_codec_give_back(struct client_budget *b, struct client_codec **codec, bool whole)
{
	if (!*codec)
		return;
	client_discharge(b, sizeof **codec);
	if (whole && spares.count < SPARES_MAX)
		spares.codecs[spares.count++] = *codec;
	else
		free(*codec);
	*codec = NULL;
}
