#include "capture/consent.h"

#include <stdlib.h>

#include "proto/json.h"
#include "proto/json_edit.h"

static bool agrees(const struct plan_route *route, struct span says)
{
	if (route->consent_value[0])
		return span_eq_nocase(says, span_of(route->consent_value));
	return says.len && !http_list_has(says, SPAN("no")) && !http_list_has(says, SPAN("false")) &&
	       !http_list_has(says, SPAN("0"));
}

bool consent_in_head(const struct plan_route *route, const struct http_message *request)
{
	unsigned said = 0;

	for (size_t i = 0; i < request->field_count; i++) {
		if (!span_eq_nocase(request->fields[i].name, span_of(route->consent_header)))
			continue;
		if (!agrees(route, request->fields[i].value))
			return false;
		said++;
	}
	return said > 0 || !route->consent_header[0];
}

/* It is there once: readers differ in which of two they take. */
static bool said_once(const struct plan_route *route, struct span body)
{
	struct json_edit edit = {route->consent_path, SPAN("0")};
	unsigned places = 0;
	struct buf scrap;
	int err;

	buf_init(&scrap, body.len + 1024);
	err = json_edit(body, &edit, 1, &scrap, &places);
	buf_fini(&scrap);
	return !err && places == 1;
}

static bool is_zero(struct span number)
{
	char text[64];

	if (number.len >= sizeof text)
		return true;
	memcpy(text, number.data, number.len);
	text[number.len] = '\0';
	return strtod(text, NULL) == 0;
}

static bool scalar_agrees(const struct plan_route *route, struct span value)
{
	struct buf plain;
	bool yes;

	if (!json_is_scalar(value) || span_eq(value, SPAN("null")))
		return false;
	if (value.data[0] != '"')
		return agrees(route, value) &&
		       (span_eq(value, SPAN("true")) || route->consent_value[0] || !is_zero(value));
	buf_init(&plain, value.len);
	json_unescape(value, &plain);
	yes = !plain.err && agrees(route, buf_span(&plain));
	buf_fini(&plain);
	return yes;
}

bool consent_in_body(const struct plan_route *route, struct span body)
{
	if (!route->consent_path[0])
		return true;
	return said_once(route, body) && scalar_agrees(route, json_at(body, route->consent_path));
}
