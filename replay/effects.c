#define _GNU_SOURCE
#include "replay/effects.h"

#include <stdio.h>
#include <string.h>

#include "proto/base/err.h"

bool effects_none(struct span method)
{
	static const char *const safe[] = {"GET", "HEAD", "OPTIONS", "TRACE"};

	for (size_t i = 0; i < sizeof safe / sizeof *safe; i++)
		if (span_eq(method, span_of(safe[i])))
			return true;
	return false;
}

static struct span path_of(struct span target)
{
	const char *query = memchr(target.data, '?', target.len);

	return (struct span){target.data, query ? (size_t)(query - target.data) : target.len};
}

static bool ends(struct span path, const char *with)
{
	size_t n = strlen(with);

	return path.len >= n && !memcmp(path.data + path.len - n, with, n);
}

/* Of the OpenAI, Anthropic, Ollama, Open Inference, KServe V1 and TensorFlow Serving protocols. */
static bool asks_a_model(struct span path)
{
	static const char *const endings[] = {
	        "/chat/completions", "/completions", "/embeddings",      "/responses", "/messages",
	        "/moderations",      "/rerank",      "/score",           "/classify",  "/api/generate",
	        "/api/chat",         "/api/embed",   "/infer",           "/generate",  "/generate_stream",
	        "/invocations",      "/predict",     ":predict",         ":classify",  ":regress",
	        ":explain",          "/ModelInfer",  "/ModelStreamInfer"};

	for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
		if (ends(path, endings[i]))
			return true;
	return false;
}

static bool allowed(const struct plan_allow *a, struct span method, struct span target)
{
	size_t n = strlen(a->prefix);

	return span_eq(method, span_of(a->method)) && target.len >= n && !memcmp(target.data, a->prefix, n);
}

bool effects_may_send(const struct plan_choice *c, uint16_t route, struct span method, struct span target)
{
	if (c->allow_all || effects_none(method))
		return true;
	for (uint32_t i = 0; i < c->allow_count; i++)
		if (allowed(&c->allow[i], method, target))
			return true;
	return span_eq(method, SPAN("POST")) &&
	       (!(c->foreign_routes >> route & 1) || asks_a_model(path_of(target)));
}

int effects_rule(const char *text, struct plan_allow *out)
{
	size_t method = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
	const char *prefix = text[method] == ' ' ? text + method + 1 : "";

	if (!method || method >= sizeof out->method || (text[method] && prefix[0] != '/') ||
	    strlen(prefix) >= sizeof out->prefix)
		return ERR_CONFIG;
	snprintf(out->method, sizeof out->method, "%.*s", (int)method, text);
	snprintf(out->prefix, sizeof out->prefix, "%s", prefix);
	return 0;
}
