/* The pair that shrinking begins with, and how its answers are compared. */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "capture/capfile.h"
#include "proxy/config.h"
#include "proxy/config_endpoint.h"
#include "tools/commands.h"
#include "tools/replay.h"
#include "tools/shrink.h"

enum { HEAD_MAX = 64 << 10, BODY_KEPT = 16 << 10 };

void shrink_pair_init(struct shrink_pair *p)
{
	*p = (struct shrink_pair){.foreign = false};
	buf_init(&p->head, HEAD_MAX);
	buf_init(&p->body, BODY_KEPT);
}

void shrink_pair_fini(struct shrink_pair *p)
{
	buf_fini(&p->head);
	buf_fini(&p->body);
}

/* --- the pair --- */

static void put_blob(struct buf *b, sqlite3_stmt *s, int column)
{
	const void *data = sqlite3_column_blob(s, column);

	if (data)
		buf_put(b, data, (size_t)sqlite3_column_bytes(s, column));
}

static int take(sqlite3_stmt *s, struct shrink_pair *out)
{
	if (sqlite3_step(s) != SQLITE_ROW)
		return command_wrong(&shrink_command, "no pair that diverged is stored under that id");
	snprintf(out->route, sizeof out->route, "%s", (const char *)sqlite3_column_text(s, 0));
	put_blob(&out->head, s, 1);
	put_blob(&out->body, s, 2);
	out->foreign = !strcmp(out->route, "gor") || !strcmp(out->route, "har");
	if (buf_len(&out->body) >= BODY_KEPT)
		return command_wrong(&shrink_command,
		                     "that request is longer than the 16 KiB that a run stores of it");
	return out->head.err || out->body.err || !buf_len(&out->head)
	               ? command_wrong(&shrink_command, "what is stored of that pair has no request")
	               : -1;
}

int shrink_find(const struct run *run, const char *id, const char *candidate, struct shrink_pair *out)
{
	size_t digits = strspn(id, "0123456789abcdef");
	uint64_t missing, first;
	sqlite3_stmt *s = NULL;
	sqlite3 *db = NULL;
	char path[1100];
	int status = 3;

	if (!digits || digits > 16 || id[digits])
		return command_wrong(&shrink_command, "'%s': an exchange's id is expected", id);
	missing = (16 - digits) * 4;
	first = strtoull(id, NULL, 16) << missing;
	snprintf(path, sizeof path, "%s/results.db", run->directory);
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(db,
	                       "SELECT route, request_head, request_body FROM pair WHERE diverged AND number "
	                       "BETWEEN ?1 AND ?2 AND candidate = COALESCE(?3, candidate) ORDER BY number, n "
	                       "LIMIT 1",
	                       -1, &s, NULL) != SQLITE_OK) {
		fprintf(stderr, "understudy: shrink: %s: %s\n", path,
		        db ? sqlite3_errmsg(db) : "out of memory");
	} else {
		sqlite3_bind_int64(s, 1, (sqlite3_int64)first);
		sqlite3_bind_int64(s, 2, (sqlite3_int64)(first + ((uint64_t)1 << missing) - 1));
		if (candidate)
			sqlite3_bind_text(s, 3, candidate, -1, SQLITE_STATIC);
		status = take(s, out);
	}
	sqlite3_finalize(s);
	sqlite3_close(db);
	return status == 2 ? 3 : status;
}

/* --- how its answers are compared --- */

static int rules_of_file(const char *config, const char *name, struct plan_route *out)
{
	struct plan *plan = calloc(1, sizeof *plan);
	int status = plan && !config_read(config, plan, stderr) ? -1 : 2;

	for (unsigned r = 0; status < 0 && r < plan->route_count; r++)
		if (!strcmp(plan->routes[r].name, name))
			*out = plan->routes[r];
	free(plan);
	return status;
}

/* Of the capture that the run played, if it is still there. */
static void rules_of_input(const struct run *run, const char *name, struct plan_route *out)
{
	const struct node *inputs = doc_get(run->manifest, "input"), *input = inputs ? inputs->child : NULL;
	const struct node *words = doc_get(input, "again");
	const char *path = doc_text(input, "file");
	struct capfile_reader *reader;

	for (const struct node *n = words ? words->child : NULL; n; n = n->next)
		path = n->text ? n->text : path; /* the last one, which does not depend on the folder */
	if (!*path || capfile_open(path, &reader, NULL))
		return;
	for (unsigned i = 0; i < capfile_facts(reader)->route_count; i++)
		if (!strcmp(capfile_facts(reader)->routes[i].name, name))
			replay_route_rules(&capfile_facts(reader)->routes[i], out);
	capfile_reader_free(&reader);
}

static int read_protocol(const char *text, uint32_t *out)
{
	static const char *const names[] = {
#define X(id, name) name,
	        PROTOCOL_TABLE(X)
#undef X
	};

	for (uint32_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!strcmp(names[i], text)) {
			*out = i;
			return -1;
		}
	return command_wrong(&shrink_command, "--protocol %s: there is none of that name", text);
}

int shrink_rules(const struct run *run, const char *config, const char *protocol, const struct shrink_pair *p,
                 struct plan_route *out)
{
	int status = -1;

	if (config)
		status = rules_of_file(config, p->route, out);
	else
		rules_of_input(run, p->route, out);
	return status < 0 && protocol ? read_protocol(protocol, &out->protocol) : status;
}

bool shrink_is_live(const struct run *run, const struct plan_endpoint *to)
{
	const struct node *routes = doc_get(run->manifest, "routes");
	struct plan_endpoint live;

	for (const struct node *r = routes ? routes->child : NULL; r; r = r->next) {
		const struct node *all = doc_get(r, "live_endpoints");

		for (const struct node *e = all ? all->child : NULL; e; e = e->next)
			if (e->text && !endpoint_from_url(e->text, &live) && endpoint_same(to, &live))
				return true;
	}
	return false;
}
