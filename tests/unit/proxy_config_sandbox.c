/*
 * proxy_config_sandbox.c - candidates that are sandboxes: what a plan holds of one, its digests, and what is
 * wrong.
 */
#include "config_case.h"

#include <openssl/evp.h>
#include <sys/stat.h>

#define SANDBOX(rest) LIST "      - {name: a, sandbox: {command: [sh, run.sh], " rest "}}\n"

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_whole(void **state)
{
	const struct plan_sandbox *s = &plan.routes[0].candidates[0].sandbox;
	char *here = realpath("ro", NULL);
	unsigned r = 9, c = 9;

	(void)state;
	assert_int_equal(read_text(SANDBOX(
	                         "ro: [ro], port: 9000, health: /ready, env: {A: 1, B: 'x y'}, memory: 1GiB, "
	                         "cpus: 1.5, pids: 7, time: 10m, output: 1KiB, tmp: 8MiB, gpu: yes")),
	                 0);
	assert_true(s->on && s->gpu);
	assert_int_equal(s->port, 9000);
	assert_string_equal(s->health, "/ready");
	assert_int_equal(s->command.count, 2);
	assert_string_equal(plan_words_next(&s->command, plan_words_next(&s->command, NULL)), "run.sh");
	assert_string_equal(plan_words_next(&s->ro, NULL), here);
	assert_string_equal(plan_words_next(&s->env, plan_words_next(&s->env, NULL)), "B=x y");
	assert_int_equal(s->memory_bytes, 1 << 30);
	assert_int_equal(s->cpu_percent, 150);
	assert_int_equal(s->pids, 7);
	assert_int_equal(s->time_ms, 600000);
	assert_int_equal(s->output_bytes, 1024);
	assert_int_equal(s->tmp_bytes, 8 << 20);
	assert_ptr_equal(plan_sandboxed(&plan, 0, &r, &c), &plan.routes[0].candidates[0]);
	assert_int_equal(r + c, 0);
	assert_null(plan_sandboxed(&plan, 1, &r, &c));
	free(here);
}

static void test_defaults(void **state)
{
	const struct plan_sandbox *s = &plan.routes[0].candidates[0].sandbox;

	(void)state;
	assert_int_equal(read_text(SANDBOX("ro: [ro]")), 0);
	assert_int_equal(s->memory_bytes, 4ull << 30);
	assert_int_equal(s->pids, 512);
	assert_int_equal(s->tmp_bytes, 256 << 20);
	assert_int_equal(s->port + s->cpu_percent + s->time_ms + s->user, 0);
	assert_int_equal(read_text(LIST ONE), 0);
	assert_false(s->on);
	assert_null(plan_sandboxed(&plan, 0, &(unsigned){0}, &(unsigned){0}));
}

/* What it reads changes its digest, what is beside that does not. */
static void test_digests(void **state)
{
	const struct plan_sandbox *s = &plan.routes[0].candidates[0].sandbox;
	uint8_t first[32], program[32], empty[32] = {0};

	(void)state;
	assert_int_equal(read_text(SANDBOX("ro: [ro]")), 0);
	memcpy(first, s->content, 32);
	memcpy(program, s->digest, 32);
	assert_memory_not_equal(first, empty, 32);
	assert_memory_not_equal(program, empty, 32);
	write_file("beside", "x");
	assert_int_equal(read_text(SANDBOX("ro: [ro]")), 0);
	assert_memory_equal(first, s->content, 32);
	write_file("ro/weights", "other");
	assert_int_equal(read_text(SANDBOX("ro: [ro]")), 0);
	assert_memory_not_equal(first, s->content, 32);
	assert_memory_equal(program, s->digest, 32);
	write_file("ro/weights", "weights");
	unlink("beside");
}

static void test_bad(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
	        {LIST "      - {name: a}\n", "'endpoints' is missing"},
	        {LIST "      - {name: a, endpoints: [http://127.0.0.1:9002], sandbox: {command: [sh]}}\n",
	         "it has no 'endpoints'"},
	        {LIST "      - {name: a, sandbox: {}}\n", "'command' is missing"},
	        {LIST "      - {name: a, sandbox: {command: []}}\n", "'command' must not be empty"},
	        {LIST "      - {name: a, sandbox: {command: [no-such-program]}}\n",
	         "there is no program 'no-such-program'"},
	        {LIST "      - {name: a, sandbox: {command: [run.sh]}}\n", "there is no program 'run.sh'"},
	        {SANDBOX("ro: [nowhere]"), "is no folder"},
	        {SANDBOX("ro: [ro/run.sh]"), "it is a file"},
	        {SANDBOX("ro: [/]"), "would lay the host open"},
	        {SANDBOX("ro: [/proc/self/../1]"), "would lay the host open"},
	        {SANDBOX("ro: [ro/../../../../../../../../../dev]"), "would lay the host open"},
	        {SANDBOX("ro: [/run]"), "would lay the host open"},
	        {SANDBOX("port: 0"), "'port'"},
	        {SANDBOX("cpus: 0"), "'cpus'"},
	        {SANDBOX("health: ready"), "'health' must begin with '/'"},
	        {SANDBOX("network: yes"), "unknown key 'network'"},
	        {SANDBOX("user: root"), "'root' is root"},
	        {LIST "      - {name: a, http: 2, sandbox: {command: [sh], health: /ready}}\n",
	         "'health' is asked in HTTP/1.1"},
	        {HEAD "control: {socket: "
	              "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	              "a.sock}\n"
	              "routes:\n  - name: r\n    live: {endpoints: [http://127.0.0.1:9001]}\n    mirror: "
	              "{}\n    candidates:\n"
	              "      - {name: a, sandbox: {command: [sh]}}\n",
	         "a sandbox needs a control.socket"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (read_text(cases[i].text) != ERR_CONFIG || !strstr(report, cases[i].said))
			fail_msg("case %zu: %s", i, report);
	}
}

static void test_too_many(void **state)
{
	char text[4096] = LIST;

	(void)state;
	for (int i = 0; i <= SANDBOXES_MAX; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text),
		         "      - {name: c%d, sandbox: {command: [sh]}}\n", i);
	assert_int_equal(read_text(text), ERR_CONFIG);
	assert_non_null(strstr(report, "more than 8 sandboxes"));
}

static void test_words(void **state)
{
	struct plan_words w = {0};
	char long_word[SANDBOX_TEXT_BYTES + 1];

	(void)state;
	memset(long_word, 'x', sizeof long_word);
	long_word[SANDBOX_TEXT_BYTES] = '\0';
	assert_null(plan_words_next(&w, NULL));
	assert_false(plan_words_add(&w, long_word));
	assert_true(plan_words_add(&w, ""));
	assert_true(plan_words_add(&w, "a"));
	long_word[SANDBOX_TEXT_BYTES - 4] = '\0'; /* and its end: just what is left */
	assert_true(plan_words_add(&w, long_word));
	assert_false(plan_words_add(&w, ""));
	assert_int_equal(w.count, 3);
	assert_string_equal(plan_words_next(&w, plan_words_next(&w, NULL)), "a");
	assert_null(plan_words_next(&w, plan_words_next(&w, plan_words_next(&w, plan_words_next(&w, NULL)))));
}

int main(void)
{
	static char folder[] = "/tmp/understudy-sandbox-config-XXXXXX";
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_whole), cmocka_unit_test(test_defaults), cmocka_unit_test(test_digests),
	        cmocka_unit_test(test_bad),   cmocka_unit_test(test_too_many), cmocka_unit_test(test_words),
	};
	int rc;

	if (!mkdtemp(folder) || chdir(folder) != 0 || mkdir("ro", 0755))
		return 1;
	write_file("ro/run.sh", "exit 0\n");
	write_file("ro/weights", "weights");
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	free(report);
	unlink("f.yaml");
	unlink("ro/run.sh");
	unlink("ro/weights");
	rmdir("ro");
	return rc || chdir("/") != 0 || rmdir(folder) != 0;
}
