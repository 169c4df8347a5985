/* The table against the example, the manual and the JSON Schema: nothing drifts. What a plan is said to mean.
 */
#include "capture/budget.h"
#include "capture/page.h"
#include "proto/base/buf.h"
#include "proto/json.h"
#include "tests/unit/config_case.h"

/* Paths of keys, each on a line of its own. */
struct paths {
	char text[32768];
	unsigned count;
};

static bool has(const struct paths *p, const char *path)
{
	char line[300];

	snprintf(line, sizeof(line), "\n%s\n", path);
	return strstr(p->text, line) != NULL;
}

static void add(struct paths *p, const char *path)
{
	size_t len = strlen(p->text);

	if (has(p, path))
		return;
	assert_true(len + strlen(path) + 3 < sizeof(p->text));
	snprintf(p->text + len, sizeof(p->text) - len, "%s%s\n", len ? "" : "\n", path);
	p->count++;
}

static void key_path(const char *above, const struct cfg_row *row, char out[256])
{
	snprintf(out, 256, "%.120s%s%.100s", above, above[0] ? "." : "", row->name);
}

static void below(const struct cfg_row *row, char path[256])
{
	strcat(path, row->type == CFG_LIST ? "[]" : row->type == CFG_NAMED ? ".NAME" : "");
}

static void of_table(const struct cfg_row *rows, const char *above, struct paths *out)
{
	char path[256];

	for (const struct cfg_row *row = rows; row->name; row++) {
		if (row->type == CFG_UNSUPPORTED)
			continue;
		key_path(above, row, path);
		add(out, path);
		below(row, path);
		if (row->rows)
			of_table(row->rows, path, out);
	}
}

static void of_nodes(const struct cfg_row *rows, const struct cfg_node *n, const char *above,
                     struct paths *out)
{
	char path[256];

	for (const struct cfg_row *row = rows; row->name; row++) {
		const struct cfg_node *child = cfg_child(n, row->name);

		if (!child)
			continue;
		key_path(above, row, path);
		add(out, path);
		below(row, path);
		if (row->type == CFG_MAPPING)
			of_nodes(row->rows, child, path, out);
		for (child = child->first; row->rows && row->type != CFG_MAPPING && child;
		     child = child->next)
			of_nodes(row->rows, child, path, out);
	}
}

/* The words behind "# omitted:" at the start of a line. */
static void of_omissions(const char *text, struct paths *out)
{
	static const char mark[] = "\n# omitted:";
	char line[400], *rest, *word;

	for (const char *p = strstr(text, mark); p; p = strstr(p + 1, mark)) {
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(p + 1, "\n"), p + 1);
		for (rest = line + strlen(mark) - 1; (word = strtok_r(rest, " ", &rest)) != NULL;)
			add(out, word);
	}
}

/* The path or one above it is there. */
static bool covered(const struct paths *p, const char *path)
{
	char part[256];
	size_t len;

	snprintf(part, sizeof(part), "%s", path);
	for (len = strlen(part); len > 0; len--) {
		if (path[len] != '\0' && path[len] != '.' && path[len] != '[')
			continue;
		part[len] = '\0';
		if (has(p, part))
			return true;
	}
	return false;
}

static char *slurp(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = calloc(1, 65536);

	assert_true(f && text);
	assert_true(fread(text, 1, 65535, f) > 0);
	fclose(f);
	return text;
}

static char *printed(void (*print)(FILE *))
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	print(f);
	fclose(f);
	return text;
}

/* Keys that this version refuses may be listed too: another may have them. */
static bool known(const struct cfg_row *rows, const char *above, const char *wanted)
{
	char path[256];

	for (const struct cfg_row *row = rows; row->name; row++) {
		key_path(above, row, path);
		if (strcmp(path, wanted) == 0)
			return true;
		below(row, path);
		if (row->rows && known(row->rows, path, wanted))
			return true;
	}
	return false;
}

static struct paths table, shown, omitted;

static void test_example_is_whole(void **state)
{
	char *text = slurp(*state), path[256];
	struct cfg *c;

	of_table(config_schema(), "", &table);
	assert_int_equal(cfg_parse("example", span_of(text), NULL, &c), 0);
	of_nodes(config_schema(), cfg_root(c), "", &shown);
	of_omissions(text, &omitted);
	assert_true(table.count > 100 && shown.count > 80 && omitted.count > 5);
	for (char *p = table.text + 1; *p; p += strlen(path) + 1) {
		snprintf(path, sizeof(path), "%.*s", (int)strcspn(p, "\n"), p);
		if (!has(&shown, path) && !covered(&omitted, path))
			fail_msg("the example neither shows nor lists '%s'", path);
	}
	for (char *p = omitted.text + 1; *p; p += strlen(path) + 1) {
		snprintf(path, sizeof(path), "%.*s", (int)strcspn(p, "\n"), p);
		if (!known(config_schema(), "", path) || has(&shown, path))
			fail_msg("'%s' is listed as omitted, but %s", path,
			         has(&shown, path) ? "is shown" : "there is no such key");
	}
	cfg_free(&c);
	free(text);
}

static void test_manual_is_whole(void **state)
{
	char *text = printed(config_print_manual), item[300];
	unsigned items = 0;

	(void)state;
	for (char *p = table.text + 1, *end; (end = strchr(p, '\n')) != NULL; p = end + 1) {
		snprintf(item, sizeof(item), "\n.It Ic %.*s\n\\&", (int)(end - p), p);
		if (!strstr(text, item))
			fail_msg("the manual lacks%s", item);
	}
	for (char *p = text; (p = strstr(p, "\n.It Ic ")) != NULL; p++)
		items++;
	assert_int_equal(items, table.count);
	assert_non_null(
	        strstr(text, "\n\\&Of a whole head.\n\\&(size: B, KiB, MiB, GiB, kB, MB or GB, from 1KiB to "
	                     "64KiB, default 64KiB)\n"));
	assert_non_null(strstr(text, "\n\\&The oldest TLS that is spoken.\n\\&(1.2 | 1.3, default 1.2)\n"));
	free(text);
}

static void test_schema_is_json(void **state)
{
	char *text = printed(config_print_schema);
	unsigned keys = 0;
	enum json_token token = JSON_MORE;
	struct json_reader r;

	(void)state;
	json_reader_init(&r, span_of(text), 0);
	while (token != JSON_END) {
		assert_int_equal(json_next(&r, &token), 0);
		keys += token == JSON_KEY && json_string_eq(r.text, SPAN("description"));
	}
	assert_int_equal(keys, table.count);
	assert_non_null(strstr(text, "\"tries\":{\"description\":\"Endpoints, or addresses of a name, "
	                             "tried when connecting fails or a try_timeout passes.\","
	                             "\"default\":\"2\",\"type\":[\"integer\",\"string\"],"
	                             "\"pattern\":\"\\\\$\\\\{\",\"minimum\":1,\"maximum\":8}"));
	assert_null(strstr(text, "\"tenant\""));
	free(text);
}

static void rows_sane(const struct cfg_row *rows)
{
	for (const struct cfg_row *row = rows; row->name; row++) {
		const char *const bounds[] = {row->min, row->max};

		assert_true(row->sentence && strlen(row->sentence) < 110);
		for (unsigned i = 0; i < 2; i++) {
			const struct cfg_node n = {.text = bounds[i]};
			uint64_t room;

			if (bounds[i])
				assert_true(cfg_scalar(NULL, row, &n, &room));
		}
		if (row->rows)
			rows_sane(row->rows);
	}
}

static void test_rows(void **state)
{
	(void)state;
	rows_sane(config_schema());
}

static void test_meaning(void **state)
{
	static const char text[] =
	        "version: 1\nlisten: [{address: '127.0.0.1:8080', proxy_protocol: yes}]\nmasks: {m: {fields: "
	        "[{path: "
	        "$.a, with: drop}]}}\nroutes:\n"
	        "  - name: r\n    match: {path_prefix: /a, host: h, method: [GET, POST], header: 'a: b', "
	        "port: 8080}\n"
	        "    upgrade: websocket\n    live:\n      endpoints: ['https://127.0.0.1:1', unix:/x]\n"
	        "      tls: {verify: no}\n      health: {path: /r, interval: 90s, max_fails: 0}\n"
	        "    headers: {request: {set: {x: y}}, response: {remove: [z]}}\n"
	        "    mirror: {mask: m, key: x-user}\n    compare: {ignore: [$.id], tolerance: {rel: 1e-6}}\n "
	        "   candidates: [{name: c, endpoints: "
	        "['http://127.0.0.1:2']}]\n"
	        "limits: {body_min_rate: 0B}\nforwarded: no\nrun: {seed: 7}\n";
	static const char *const lines[] = {
	        "listen 127.0.0.1:8080 (127.0.0.1): clear text, behind a PROXY header\n",
	        "limits: head within 10s, idle 1m, send 1m, bodies as slow as they come\n",
	        "forwarded: no: live does not learn who asked\n",
	        "route r: /a, host h, methods GET POST, header a: b, port 8080 (answers read as auto), "
	        "websockets "
	        "tunnelled\n",
	        "  live: https://127.0.0.1:1 unix:/x (http auto, round_robin, silent 30s, connect 5s, kept "
	        "30s, 512 "
	        "connections, "
	        "2 tries)\n",
	        "    tls: certificates are NOT verified\n",
	        "    health: GET /r every 90s within 2s; out after 3, back after 2\n",
	        "  request header x: set to y\n",
	        "  response header z: removed\n",
	        "  mirror: 100% of POST by x-user, up to 8MiB a body, mask m\n",
	        "  compare: without $.id; tolerance abs 0, rel 1e-06\n",
	        "mask m: heads as the built-in policy and 1 field; a copy whose body cannot be read is "
	        "dropped\n",
	        "  candidate c: http://127.0.0.1:2 (http auto, 100%, timeout 2s, 64 in flight)\n",
	        "route r: no baseline declared",
	        "route r: no divergence gate declared",
	        "memory: 256MiB; each ring 16MiB; at most:\n",
	        ", seed 7, ",
	};
	char *said = NULL;
	size_t len;
	FILE *f = open_memstream(&said, &len);

	(void)state;
	assert_int_equal(config_read_text("f.yaml", span_of(text), &plan, f), 0);
	config_print_check(&plan, f);
	fclose(f);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (!strstr(said, lines[i]))
			fail_msg("missing: %s\nin: %s", lines[i], said);
	free(said);
}

static uint64_t share(const struct config_share *all, unsigned count, const char *name)
{
	for (unsigned i = 0; i < count; i++)
		if (strcmp(all[i].name, name) == 0)
			return all[i].bytes;
	fail_msg("no share %s", name);
	return 0;
}

/* What is cut from memory is no more than memory, and all rings are as large as they must be. */
static void adds_up(void)
{
	struct config_share all[CONFIG_SHARES_MAX];
	uint64_t copies, sum = 0, cut = 0;
	unsigned count = config_memory(&plan, all, &copies);

	assert_true(count <= CONFIG_SHARES_MAX && budget_ring_bytes(&plan) >= BUDGET_RING_MIN);
	for (unsigned i = 0; i < count; i++) {
		cut += all[i].kind == SHARE_MEMORY ? all[i].bytes : 0;
		sum += all[i].kind == SHARE_LIVE ? 0 : all[i].bytes;
	}
	assert_true(sum == copies);
	assert_in_range(cut, plan.memory_bytes - 1024, plan.memory_bytes);
}

static void test_memory(void **state)
{
	(void)state;
	assert_int_equal(
	        config_read_text("f.yaml", span_of(LIST ONE "memory: 512MiB\nworkers: 3\n"), &plan, stderr),
	        0);
	for (plan.workers = 1; plan.workers <= WORKERS_MAX; plan.workers++)
		for (plan.memory_bytes = budget_least_bytes(plan.workers); plan.memory_bytes < 1ull << 40;
		     plan.memory_bytes = plan.memory_bytes * 3 / 2)
			adds_up();
}

static void test_memory_grows(void **state)
{
	struct config_share all[CONFIG_SHARES_MAX];
	uint64_t copies;
	unsigned count;

	(void)state;
	assert_int_equal(
	        config_read_text("f.yaml", span_of(LIST ONE "memory: 512MiB\nworkers: 3\n"), &plan, stderr),
	        0);
	count = config_memory(&plan, all, &copies);
	assert_true(share(all, count, "rings raw") == 3 * (32u << 20));
	assert_true(share(all, count, "ring judge") == 32u << 20);
	assert_true(share(all, count, "judge") == 64u << 20);
	assert_true(share(all, count, "masker") == 64u << 20);
	assert_true(share(all, count, "recorder") == 0);
	assert_true(copies < (512u << 20) + (64u << 20));
	plan.memory_bytes = 448u << 20; /* the rings are half of what they may be: the judge has the rest */
	count = config_memory(&plan, all, &copies);
	assert_true(share(all, count, "ring judge") == 16u << 20);
	assert_true(share(all, count, "judge") == (448u << 20) / 8 + (448u << 20) / 2 - 8 * (16u << 20));
}

int main(void)
{
	static char example[] = "configs/understudy.yaml";
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_prestate(test_example_is_whole, example),
	        cmocka_unit_test(test_manual_is_whole),
	        cmocka_unit_test(test_schema_is_json),
	        cmocka_unit_test(test_rows),
	        cmocka_unit_test(test_meaning),
	        cmocka_unit_test(test_memory),
	        cmocka_unit_test(test_memory_grows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
