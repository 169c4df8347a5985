/*
 * fuzz_config.c - any bytes as a configuration, offline: a plan or errors with places, never both; the same
 * bytes say the same; what was accepted can be told and keeps its bounds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/h1.h"
#include "proxy/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct said {
	char *text;
	size_t len;
	int rc;
};

static struct plan first, second;

static struct said read_bytes(struct span in, struct plan *plan)
{
	struct said s = {0};
	FILE *f = open_memstream(&s.text, &s.len);

	if (!f)
		abort();
	s.rc = config_read_text("f", in, plan, f);
	fclose(f);
	return s;
}

static void require(bool good)
{
	if (!good)
		abort();
}

static void check_route(const struct plan *p, const struct plan_route *r)
{
	require(r->name[0] && memchr(r->name, 0, sizeof(r->name)));
	require(r->path_prefix[0] == '/' && r->mask < p->mask_count);
	require(r->live.endpoint_count >= 1 && r->live.endpoint_count <= LIVE_ENDPOINTS_MAX);
	require(r->live.tries >= 1 && r->live.balance <= BALANCE_LEAST_IN_FLIGHT);
	require(r->request_headers.count <= HEADER_EDITS_MAX &&
	        r->response_headers.count <= HEADER_EDITS_MAX);
	require(r->candidate_count <= CANDIDATES_MAX && r->ignore_count <= IGNORES_MAX);
	require(r->gate_count >= 2 && r->gate_count <= GATES_MAX && r->sample_ppm <= 1000000);
	for (uint32_t i = 0; i < r->live.endpoint_count; i++)
		require(r->live.endpoints[i].address[0] &&
		        memchr(r->live.endpoints[i].url, 0, TEXT_MAX_BYTES));
	for (uint32_t i = 0; i < r->candidate_count; i++)
		require(r->candidates[i].endpoint.address[0] &&
		        memchr(r->candidates[i].ca_file, 0, PATH_MAX_BYTES));
	for (uint32_t i = 0; i < r->request_headers.count; i++)
		require(!strpbrk(r->request_headers.edits[i].value, "\r\n"));
}

static void check_plan(const struct plan *p)
{
	FILE *null = fopen("/dev/null", "w");

	require(p->version == 1 && p->workers >= 1 && p->workers <= 16);
	require(p->listen_count >= 1 && p->listen_count <= LISTEN_MAX);
	require(p->route_count >= 1 && p->route_count <= ROUTES_MAX && p->mask_count <= MASKS_MAX);
	require(p->limits.line_bytes <= H1_LINE_MAX && p->limits.field_bytes <= H1_FIELD_MAX);
	require(p->limits.fields_bytes <= H1_HEAD_MAX && p->limits.fields <= HTTP_FIELDS_MAX);
	for (uint32_t i = 0; i < p->listen_count; i++)
		require(!p->listen[i].tls || (p->listen[i].certificate_count >= 1 &&
		                              p->listen[i].certificate_count <= CERTIFICATES_MAX));
	for (uint32_t i = 0; i < p->route_count; i++)
		check_route(p, &p->routes[i]);
	require(null != NULL);
	config_print_check(p, null);
	fclose(null);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = {(const char *)data, size};
	struct said a = read_bytes(in, &first), b = read_bytes(in, &second);

	require(a.rc == b.rc && a.len == b.len && memcmp(a.text, b.text, a.len) == 0);
	require((a.rc != 0) == (strstr(a.text, ": error: ") != NULL));
	if (a.rc == 0) {
		require(memcmp(&first, &second, sizeof(first)) == 0);
		check_plan(&first);
	}
	free(a.text);
	free(b.text);
	return 0;
}
