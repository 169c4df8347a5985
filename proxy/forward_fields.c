/*
 * forward_fields.c - heads on their way to a side that speaks HTTP/2: lists of fields.
 */
#include "proxy/forward.h"

static void put_edits(struct h2_fields *to, const struct plan_header_edits *edits)
{
	for (uint32_t i = 0; i < edits->count; i++)
		if (!edits->edits[i].remove)
			h2_put(to, span_of(edits->edits[i].name), span_of(edits->edits[i].value));
}

/* A length travels where there is a body of it, or it tells of one that is not sent. */
static bool length_travels(const struct http_message *m, bool head_request)
{
	return m->framing == HTTP_LENGTH || forward_describes(m, head_request);
}

void forward_response_fields(struct h2_fields *to, const struct http_message *m,
                             const struct plan_header_edits *edits, bool head_request)
{
	for (size_t i = 0; i < m->field_count; i++) {
		const struct http_field *f = &m->fields[i];
		bool travels = f->id == HTTP_NAME_CONTENT_LENGTH ? length_travels(m, head_request)
		                                                 : !f->hop && !forward_edited(edits, f);

		if (travels)
			h2_put(to, f->name, f->value);
	}
	put_edits(to, edits);
}

void forward_trailer_fields(struct h2_fields *to, const struct http_message *m)
{
	for (size_t i = 0; i < m->field_count; i++)
		if (!m->fields[i].hop)
			h2_put(to, m->fields[i].name, m->fields[i].value);
}
