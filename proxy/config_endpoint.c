#include "proxy/config_endpoint.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

/* IPv4 before IPv6; an IPv4 address that is written as IPv6 is one of IPv4: what is the same must look it. */
static const char *resolve(const char *host, bool numeric, char address_out[ADDRESS_MAX_BYTES])
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC,
	                         .ai_socktype = SOCK_STREAM,
	                         .ai_flags = numeric ? AI_NUMERICHOST : 0},
	                *list, *best;
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
	rc = getnameinfo(best->ai_addr, best->ai_addrlen, address_out, ADDRESS_MAX_BYTES, NULL, 0,
	                 NI_NUMERICHOST);
	freeaddrinfo(list);
	if (rc == 0 && strncmp(address_out, "::ffff:", 7) == 0 && strchr(address_out, '.'))
		memmove(address_out, address_out + 7, strlen(address_out + 7) + 1);
	return rc == 0 ? NULL : gai_strerror(rc);
}

static const char *fill(const char *authority, bool numeric, bool tls, struct plan_endpoint *out)
{
	struct plan_endpoint e = {.tls = tls};
	unsigned long port;
	const char *why = split(authority, e.host, &port);

	if (!why)
		why = resolve(e.host, numeric, e.address);
	if (why)
		return why;
	e.port = (uint16_t)port;
	snprintf(e.authority, sizeof(e.authority), "%s", authority);
	if ((size_t)snprintf(e.url, sizeof(e.url), "%s%s", tls ? "https://" : "http://", authority) >=
	    sizeof(e.url))
		return "the URL is too long";
	*out = e;
	return NULL;
}

static const char *fill_unix(const char *path, const char *folder, struct plan_endpoint *out)
{
	struct plan_endpoint e = {.host = "localhost", .authority = "localhost"};
	int n = snprintf(e.address, sizeof(e.address), "%s%s", path[0] == '/' ? "" : folder, path);

	if (path[0] == '\0' || strncmp(path, "//", 2) == 0)
		return "write unix:/PATH";
	if ((size_t)n >= sizeof(e.address))
		return "the path of a socket holds at most 107 bytes";
	snprintf(e.url, sizeof(e.url), "unix:%s", e.address);
	*out = e;
	return NULL;
}

static bool every(const struct plan_endpoint *e)
{
	return strcmp(e->address, "0.0.0.0") == 0 || strcmp(e->address, "::") == 0;
}

const char *endpoint_read(const char *url, const char *folder, bool numeric, struct plan_endpoint *out)
{
	bool tls = strncmp(url, "https://", 8) == 0;
	struct plan_endpoint e;
	char authority[TEXT_MAX_BYTES];
	const char *host = url + (tls ? 8 : 7), *colon, *why;
	size_t len;

	if (strncmp(url, "unix:", 5) == 0)
		return fill_unix(url + 5, folder, out);
	if (!tls && strncmp(url, "http://", 7) != 0)
		return "write http://HOST:PORT, https://HOST:PORT or unix:/PATH";
	len = strcspn(host, "/?#");
	if (host[len] != '\0' && strcmp(host + len, "/") != 0)
		return "a path is not allowed here: requests keep their own";
	if (len == 0 || len + 5 > sizeof(authority))
		return "the host is missing or too long";
	snprintf(authority, sizeof(authority), "%.*s", (int)len, host);
	colon = strrchr(authority, ':');
	if (!colon || strchr(colon, ']'))
		snprintf(authority + len, sizeof(authority) - len, tls ? ":443" : ":80");
	colon = strrchr(authority, ':');
	if (strtoul(colon + 1, NULL, 10) == 0)
		return "the port must be between 1 and 65535";
	why = fill(authority, numeric, tls, &e);
	if (!why && every(&e))
		why = "that is an address to listen on, not one to send to";
	if (!why)
		*out = e;
	return why;
}

const char *endpoint_read_address(const char *address, bool numeric, struct plan_endpoint *out)
{
	char authority[TEXT_MAX_BYTES];

	if (strstr(address, "://"))
		return "write HOST:PORT, without http://";
	if ((size_t)snprintf(authority, sizeof(authority), "%s%s", address[0] == ':' ? "0.0.0.0" : "",
	                     address) >= sizeof(authority))
		return "the address is too long";
	return fill(authority, numeric, false, out);
}

const char *endpoint_from_url(const char *url, struct plan_endpoint *out)
{
	return endpoint_read(url, "", false, out);
}

const char *endpoint_from_address(const char *address, struct plan_endpoint *out)
{
	return endpoint_read_address(address, false, out);
}

bool endpoint_same(const struct plan_endpoint *a, const struct plan_endpoint *b)
{
	if (a->port == 0 || b->port == 0)
		return strncmp(a->url, "unix:", 5) == 0 && strcmp(a->url, b->url) == 0;
	return a->port == b->port &&
	       (strcmp(a->address, b->address) == 0 || strcasecmp(a->host, b->host) == 0);
}

bool endpoint_reaches(const struct plan_endpoint *to, const struct plan_endpoint *listener)
{
	bool v4 = strncmp(to->address, "127.", 4) == 0, v6 = strcmp(to->address, "::1") == 0;

	return endpoint_same(to, listener) ||
	       (every(listener) && to->port != 0 && to->port == listener->port &&
	        (v4 || (v6 && strcmp(listener->address, "::") == 0)));
}
