#include "proxy/config_endpoint.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* HOST:PORT or [HOST]:PORT; NULL or why not. */
static const char *split(const char *text, char host[TEXT_MAX_BYTES], unsigned long *port_out)
{
	const char *colon = strrchr(text, ':'), *start = text, *end;
	char *stop;

	if (!colon || colon[1] < '0' || colon[1] > '9')
		return "a port is missing: write HOST:PORT";
	*port_out = strtoul(colon + 1, &stop, 10);
	if (*stop || *port_out > 65535)
		return "the port must be between 1 and 65535";
	end = colon;
	if (*text == '[') {
		start = text + 1;
		end = colon - 1;
		if (end < start || *end != ']')
			return "an IPv6 address is written [::1]:PORT";
	} else if (memchr(text, ':', (size_t)(colon - text))) {
		return "an IPv6 address is written [::1]:PORT";
	}
	if (end <= start || end - start >= TEXT_MAX_BYTES)
		return "the host is missing or too long";
	snprintf(host, TEXT_MAX_BYTES, "%.*s", (int)(end - start), start);
	if (strpbrk(host, " \t@/?#"))
		return "the host holds a character that is not allowed";
	return NULL;
}

static const char *resolve(const char *host, char address_out[64])
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list, *best;
	int rc = getaddrinfo(host, NULL, &hints, &list);

	if (rc != 0)
		return gai_strerror(rc);
	best = list;
	for (struct addrinfo *a = list; a; a = a->ai_next) {
		if (a->ai_family == AF_INET) {
			best = a;
			break;
		}
	}
	rc = getnameinfo(best->ai_addr, best->ai_addrlen, address_out, 64, NULL, 0, NI_NUMERICHOST);
	freeaddrinfo(list);
	return rc == 0 ? NULL : gai_strerror(rc);
}

static const char *fill(const char *authority, const char *url, struct plan_endpoint *out)
{
	struct plan_endpoint e = {0};
	char host[TEXT_MAX_BYTES];
	unsigned long port;
	const char *why = split(authority, host, &port);

	if (!why)
		why = resolve(host, e.address);
	if (why)
		return why;
	e.port = (uint16_t)port;
	snprintf(e.authority, sizeof(e.authority), "%s", authority);
	if ((size_t)snprintf(e.url, sizeof(e.url), "%s", url) >= sizeof(e.url))
		return "the URL is too long";
	*out = e;
	return NULL;
}

const char *endpoint_from_url(const char *url, struct plan_endpoint *out)
{
	char authority[TEXT_MAX_BYTES], clean[TEXT_MAX_BYTES + 8];
	const char *host = url + strlen("http://"), *colon;
	size_t len;

	if (strncmp(url, "https://", 8) == 0)
		return "'https' is not supported by this version";
	if (strncmp(url, "http://", 7) != 0)
		return "write http://HOST:PORT";
	len = strcspn(host, "/?#");
	if (host[len] != '\0' && strcmp(host + len, "/") != 0)
		return "a path is not allowed here: requests keep their own";
	if (len == 0 || len + 4 > sizeof(authority))
		return "the host is missing or too long";
	snprintf(authority, sizeof(authority), "%.*s", (int)len, host);
	colon = strrchr(authority, ':');
	if (!colon || strchr(colon, ']'))
		snprintf(authority + len, sizeof(authority) - len, ":80");
	colon = strrchr(authority, ':');
	if (strtoul(colon + 1, NULL, 10) == 0)
		return "the port must be between 1 and 65535";
	snprintf(clean, sizeof(clean), "http://%s", authority);
	return fill(authority, clean, out);
}

const char *endpoint_from_address(const char *address, struct plan_endpoint *out)
{
	char url[TEXT_MAX_BYTES + 8];

	if (strstr(address, "://"))
		return "write HOST:PORT, without http://";
	if (strlen(address) >= TEXT_MAX_BYTES)
		return "the address is too long";
	snprintf(url, sizeof(url), "http://%s", address);
	return fill(address, url, out);
}

bool endpoint_same(const struct plan_endpoint *a, const struct plan_endpoint *b)
{
	return a->port != 0 && a->port == b->port && strcmp(a->address, b->address) == 0;
}
