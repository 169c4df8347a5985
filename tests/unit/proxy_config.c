/* Configurations: the example, wrong files with their messages, substitution, the start without a file. */
#include "capture/budget.h"
#include "tests/unit/config_case.h"

static const struct bad bads[] = {
        {"", "f.yaml:1:1: error: the file is empty", NULL},
        {"- 1\n", "f.yaml:1:1: error: the file must be a mapping of keys", NULL},
        {"a: [1\n", "f.yaml:2:1: error: did not find expected ',' or ']'", "while parsing a flow sequence"},
        {"a: &x 1\nb: *x\n", "f.yaml:1:4: error: anchors and aliases are not allowed", "write the value out"},
        {"a: !!str 1\n", "f.yaml:1:4: error: tags are not allowed", "leave the tag out"},
        {"[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]\n", "f.yaml:1:17: error: the file is nested too deeply",
         NULL},
        {ROUTES "---\nversion: 1\n", "f.yaml:6:1: error: only one document a file", NULL},
        {ROUTES "version: 1\n", "f.yaml:6:1: error: the key 'version' is given twice", "leave one of them"},
        {ROUTES "worker: 2\n", "f.yaml:6:1: error: unknown key 'worker'", "did you mean 'workers'?"},
        {ROUTES "bananas: 2\n", "f.yaml:6:1: error: unknown key 'bananas'",
         "one of: version, listen, user, workers, memory, forwarded, resolve_every, limits, harm, canary, "
         "withdrawn, "
         "control, "
         "run, "
         "engine, "
         "capture, drain, "
         "masks, routes"},
        {ROUTES "memory: 5\n", "f.yaml:6:9: error: 'memory' needs a unit: '5' has none",
         "did you mean 5MiB?"},
        {ROUTES "memory: 5MiBs\n", "f.yaml:6:9: error: 'memory' must be a size such as 8MiB, not '5MiBs'",
         NULL},
        {ROUTES "memory: 1KiB\n", "f.yaml:6:9: error: 'memory' must be between 16MiB and 1TiB, not '1KiB'",
         NULL},
        {ROUTES "memory: [1]\n", "f.yaml:6:9: error: 'memory' must be a single value, not a list", NULL},
        {ROUTES "workers: 3abc\n", "f.yaml:6:10: error: 'workers' must be a whole number, not '3abc'", NULL},
        {ROUTES "workers: 65\n", "f.yaml:6:10: error: 'workers' must be between 1 and 16, not '65'", NULL},
        {ROUTES "drain:\n  timeout: 5\n", "f.yaml:7:12: error: 'timeout' needs a unit: '5' has none",
         "did you mean 5s?"},
        {ROUTES "drain: 5s\n", "f.yaml:6:8: error: 'drain' must be a mapping", NULL},
        {ROUTES "capture: {enabled: on}\n", "f.yaml:6:20: error: 'enabled' must be true or false, not 'on'",
         "write true or false"},
        {ROUTES "capture: {encrypt: {}}\n", "f.yaml:6:11: error: 'encrypt' is not supported by this version",
         NULL},
        {ROUTES "capture: {keep: 30d}\n", "f.yaml:6:11: error: 'keep' is not supported by this version",
         NULL},
        {ROUTES "tenant: {}\n", "f.yaml:6:1: error: 'tenant' is not supported by this version", NULL},
        {ROUTES "engine: {kind: redis}\n",
         "f.yaml:6:16: error: kind 'redis' is not supported by this version", "one of: embedded"},
        {ROUTES "run: {name: a b}\n", "f.yaml:6:13: error: 'a b' cannot be a name",
         "use letters, digits, '-', '_' and '.'"},
        {ROUTES "run: {owner: '${NOT_SET_HERE}'}\n",
         "f.yaml:6:14: error: the environment variable 'NOT_SET_HERE' is not set",
         "set it, or write ${VAR:-default}"},
        {ROUTES "run: {owner: '${NOT_SET_HERE:?who}'}\n",
         "f.yaml:6:14: error: the environment variable 'NOT_SET_HERE' is not set: who", NULL},
        {ROUTES "run: {owner: '${1-}'}\n", "f.yaml:6:14: error: cannot read the substitution in '${1-}'",
         NULL},
        {ROUTES "masks: {default: {detectors: [email, e-mail]}}\n",
         "f.yaml:6:38: error: there is no detector 'e-mail'", NULL},
        {ROUTES "masks: {default: {detectors: [email], allow: ['*']}}\n",
         "f.yaml:6:47: error: '*' allows everything", NULL},
        {ROUTES "masks: {default: {free_text: recogniser}}\n",
         "f.yaml:6:30: error: 'free_text: recogniser' and there is none",
         "add recogniser: {command: [python3, ner.py], ro: [models]}"},
        {ROUTES "masks: {default: {recogniser: {command: [sh]}}}\n",
         "f.yaml:6:19: error: nobody asks the recogniser", "add free_text: recogniser"},
        {ROUTES "masks: {default: {free_text: recogniser, recogniser: {command: [no-such]}}}\n",
         "f.yaml:6:65: error: there is no program 'no-such'", NULL},
        {ROUTES "masks: {default: {free_text: recogniser, recogniser: {command: [sh], deadline: 1m}}}\n",
         "f.yaml:6:80: error: 'deadline' must be between 1ms and 10s, not '1m'", NULL},
        {ROUTES "masks: {default: {gazetteer_file: /no/such}}\n",
         "f.yaml:6:35: error: cannot open /no/such: No such file or directory", NULL},
        {ROUTES "masks: {a: {fields: [{with: drop}]}}\n",
         "f.yaml:6:22: error: a masked field has one of 'path', 'header', 'query', 'form', 'cookie' and "
         "'segment'",
         NULL},
        {ROUTES "masks: {a: {fields: [{path: $.a, with: hide}]}}\n",
         "f.yaml:6:40: error: 'hide' is not a known with", NULL},
        {ROUTES "masks: {a: {fields: [{path: $.a, with: mask, by: x}]}}\n",
         "f.yaml:6:50: error: 'mask' cannot be by 'x'", "by: 4 is a number of characters"},
        {ROUTES "masks: {a: {fields: [{path: $.a, with: drop}, {path: '$.a.b', with: token}]}}\n",
         "f.yaml:6:47: error: '$.a.b' cannot match: '$.a' above masks all of it", "take one of them away"},
        {ROUTES "masks: {a: {fields: [{header: content-length, with: drop}]}}\n",
         "f.yaml:6:31: error: 'content-length' cannot match: it is not in a copy", NULL},
        {ROUTES "masks: {a: {fields: [{header: Authorization, with: keep}]}}\n",
         "f.yaml:6:31: error: 'authorization' is a credential: it is always dropped", NULL},
        {ROUTES "masks: {a: {fields: [{segment: 0, with: redact}]}}\n",
         "f.yaml:6:32: error: segment '0' cannot match", "the first segment is 1"},
        {ROUTES "masks: {a: {fields: [{path: $.a, with: token, as: mail}]}}\n",
         "f.yaml:6:51: error: there is no detector 'mail'", NULL},
        {ROUTES "masks: {a: {fields: [{path: $.a, with: token, subject: $.b}]}}\n",
         "f.yaml:6:56: error: 'subject' is for dates in JSON bodies", NULL},
        {ROUTES "masks: {a: {detectors: [email], detected: bucket}}\n",
         "f.yaml:6:43: error: 'bucket' cannot stand for what was found in a text", NULL},
        {ROUTES "masks: {builtin: {}}\n", "f.yaml:6:9: error: 'builtin' is the name of the built-in policy",
         "choose another name"},
        {HEAD, "f.yaml:1:1: error: 'routes' is missing", "a list of at least one route"},
        {HEAD "routes: []\n", "f.yaml:3:9: error: 'routes' must not be empty",
         "a list of at least one route"},
        {"version: 2\nlisten: [{address: 127.0.0.1:8080}]\nroutes: [{name: r, live: {endpoints: "
         "['http://127.0.0.1:1']}}]\n",
         "f.yaml:1:10: error: 'version' must be 1, not '2'", NULL},
        {"version: 1\nlisten: [{address: 127.0.0.1, tls: {}}]\nroutes: []\n",
         "f.yaml:2:20: error: cannot listen on '127.0.0.1'", "a port is missing: write HOST:PORT"},
        {HEAD "routes:\n  - name: r\n", "f.yaml:4:5: error: 'live' is missing", NULL},
        {HEAD "routes:\n  - name: r\n    live: {endpoints: ['ftp://127.0.0.1:1']}\n",
         "f.yaml:5:24: error: cannot use the endpoint 'ftp://127.0.0.1:1'",
         "write http://HOST:PORT, https://HOST:PORT or unix:/PATH"},
        {ROUTES "    protocol: text\n",
         "f.yaml:6:15: error: protocol 'text' is not supported by this version",
         "one of: auto, openinference, json, bytes, openai, anthropic, ollama, tfserving, kserve-v1, tgi"},
        {ROUTES "    protocol: jso\n", "f.yaml:6:15: error: 'jso' is not a known protocol",
         "did you mean 'json'?"},
        {"version: 1\nlisten: [{address: 127.0.0.1:8080}]\nworkers: 16\nmemory: 41MiB\n"
         "routes: [{name: r, live: {endpoints: ['http://127.0.0.1:1']}}]\n",
         "f.yaml:4:9: error: 'memory' is too small for 16 workers", "write at least 42MiB, or fewer workers"},
        {ROUTES "    slices: [{name: a}]\n", "f.yaml:6:14: error: 'header' is missing", NULL},
        {ROUTES "    slices: [{name: a, header: x y}]\n", "f.yaml:6:32: error: 'x y' is not a header name",
         "write its name alone, such as x-region"},
        {ROUTES "    slices: [{name: a, header: x}, {name: a, header: y}]\n",
         "f.yaml:6:43: error: there are two slices 'a'", NULL},
        {ROUTES "    slices: [{name: route, header: x}]\n",
         "f.yaml:6:21: error: every route is a slice 'route' already", "choose another name"},
        {"version: 1\nlisten: [{address: 127.0.0.1:8080}]\nrun: {max_size: 1}\nroutes: []\n",
         "f.yaml:3:17: error: 'max_size' needs a unit: '1' has none", NULL},
        {ROUTES "    mirror: {sample: 5}\n", "f.yaml:6:22: error: 'sample' needs a unit: '5' has none",
         "did you mean 5%?"},
        {ROUTES "    mirror: {sample: 101%}\n", "f.yaml:6:22: error: 'sample' is out of range: '101%'", NULL},
        {ROUTES "    mirror: {mask: none}\n", "f.yaml:6:20: error: there is no mask 'none'", NULL},
        {ROUTES "    mirror: {methods: [post]}\n", "f.yaml:6:24: error: 'post' is not a method",
         "methods are written in capitals, such as POST"},
        {ROUTES "    compare: {ignore: [id]}\n", "f.yaml:6:24: error: 'id' is not a JSON path", NULL},
        {ROUTES "    gates: [{metric: divergence_rate, max: 2}]\n",
         "f.yaml:6:44: error: 'max' needs a unit: '2' has none", "did you mean 2%?"},
        {ROUTES "    gates: [{metric: coverage, max: 2%}]\n", "f.yaml:6:32: error: 'coverage' has no 'max'",
         "write min"},
        {ROUTES "    gates: [{metric: divergance_rate, max: 2%}]\n",
         "f.yaml:6:22: error: 'divergance_rate' is not a known metric", "did you mean 'divergence_rate'?"},
        {LIST ONE ONE, "f.yaml:9:16: error: there are two candidates 'a'", NULL},
        {LIST "      - {name: a, endpoints: [http://127.0.0.1:9001], shares_live: {max_rate: 5/s}}\n",
         "f.yaml:8:55: error: a candidate on a live server needs the harm switch", "add harm: {max: 1ms}"},
        {ROUTES "harm: {}\n", "f.yaml:6:7: error: 'max' is missing", NULL},
        {ROUTES "harm: {max: 5}\n", "f.yaml:6:13: error: 'max' must be a time, not '5'",
         "such as 250us or 5ms, at most 60s"},
        {ROUTES "harm: {max: 1ms, off: 60%}\n", "f.yaml:6:23: error: 'off' must be between 1% and 50%",
         "such as 25%"},
        {LIST "      - {name: a, endpoints: [http://127.0.0.1:9001]}\n",
         "f.yaml:8:31: error: the candidate 'a' is a live endpoint (127.0.0.1:9001)",
         "a copy must never reach production; give the candidate its own server"},
        {LIST "      - {name: a, max_rate: 0/s, endpoints: [http://127.0.0.1:9002]}\n",
         "f.yaml:8:29: error: 'max_rate' must be a rate, not '0/s'",
         "write a whole number above 0 and /s, /m or /h, such as 50/s"},
        {LIST "      - {name: a, max_rate: 5, endpoints: [http://127.0.0.1:9002]}\n",
         "f.yaml:8:29: error: 'max_rate' must be a rate, not '5'", NULL},
        {LIST "      - {name: a, max_rate: [5/s], endpoints: [http://127.0.0.1:9002]}\n",
         "f.yaml:8:29: error: 'max_rate' must be a single value, not a list", NULL},
        {LIST "      - {name: a, warmup: 3x, endpoints: [http://127.0.0.1:9002]}\n",
         "f.yaml:8:27: error: 'warmup' must be a duration such as 5s or 200ms, not '3x'", NULL},
        {LIST "      - {name: a, breaker: {pause: 1ms}, endpoints: [http://127.0.0.1:9002]}\n",
         "f.yaml:8:36: error: 'pause' must be between 10ms and 1h, not '1ms'", NULL},
        {LIST "      - {name: a, ramp: {stages: [10%, 10%]}, endpoints: [http://127.0.0.1:9002]}\n",
         "f.yaml:8:40: error: each of 'stages' must be more than the one before",
         "such as [1%, 10%, 50%, 100%]"},
        {LIST "      - {name: a, role: baseline, ramp: {}, endpoints: [http://127.0.0.1:9002]}\n",
         "f.yaml:8:35: error: a baseline has no gates, and so no ramp", "write 'sample'"},
        {ROUTES "    stop: {watch: 2%}\n", "f.yaml:6:5: error: 'stop' says not when",
         "write after, pairs or decided: true"},
        {LIST "      - {name: a, rewrite: {path: {/a: b}}, endpoints: [http://127.0.0.1:9002]}\n",
         "f.yaml:8:36: error: '/a: b' is no rule for paths",
         "write /OLD: /NEW, both as they are sent and without a query"},
        {LIST "      - {name: a, rewrite: {host: a b}, endpoints: [http://127.0.0.1:9002]}\n",
         "f.yaml:8:35: error: 'a b' cannot be a Host",
         "write keep, candidate, or a name such as models.example.org"},
        {LIST "      - {name: a, rewrite: {headers: {host: x}}, endpoints: [http://127.0.0.1:9002]}\n",
         "f.yaml:8:39: error: 'host' cannot be set or removed", "the proxy writes it itself"},
        {LIST "      - {name: a, rewrite: {body: {'$.a[*]': x}}, endpoints: [http://127.0.0.1:9002]}\n",
         "f.yaml:8:36: error: '$.a[*]' does not name one place of a body",
         "such as $.model or $.options.seed; without [*] and .."},
        {LIST "      - {name: a, credential_file: none, endpoints: [http://127.0.0.1:9002]}\n",
         "f.yaml:8:36: error: cannot open none: No such file or directory",
         "relative paths are against the configuration's folder"},
        {ROUTES "control: {token_file: none}\n",
         "f.yaml:6:23: error: cannot open none: No such file or directory", NULL},
        {LIST "      - {name: a, credential_header: host, endpoints: [http://127.0.0.1:9002]}\n",
         "f.yaml:8:38: error: 'host' cannot be set or removed", NULL},
};

static void test_bad(void **state)
{
	(void)state;
	check_bads(bads, sizeof(bads) / sizeof(bads[0]));
}

static void test_all_at_once(void **state)
{
	(void)state;
	assert_int_equal(read_text(HEAD "wrokers: 2\nmemory: 5\nroutes: [{name: r, live: {timeout: 5}}]\n"),
	                 ERR_CONFIG);
	assert_string_equal(
	        report,
	        "f.yaml:3:1: error: unknown key 'wrokers'\n    wrokers: 2\n    ^\n    hint: did you mean "
	        "'workers'?\n"
	        "f.yaml:4:9: error: 'memory' needs a unit: '5' has none\n    memory: 5\n            ^\n"
	        "    hint: did you mean 5MiB?\n"
	        "f.yaml:5:26: error: 'endpoints' is missing\n"
	        "    routes: [{name: r, live: {timeout: 5}}]\n                             ^\n"
	        "    hint: a list of URLs, such as [http://127.0.0.1:9001], https://HOST:PORT or unix:/PATH\n"
	        "f.yaml:5:36: error: 'timeout' needs a unit: '5' has none\n"
	        "    routes: [{name: r, live: {timeout: 5}}]\n                                       ^\n"
	        "    hint: did you mean 5s?\n");
}

#define PATTERN(item) ROUTES "masks: {default: {patterns: [" item "]}}\n"

static void test_patterns(void **state)
{
	static const struct bad with[] =
	        {
	                {PATTERN("{name: a, regex: '('}"),
	                 "f.yaml:6:47: error: pattern 'a': Missing close parenthesis for group started at "
	                 "index 0.",
	                 "PCRE without look-around and back references; it must not match nothing"},
	                {PATTERN("{name: email, regex: x}"),
	                 "f.yaml:6:37: error: 'email' is the name of a detector", "choose another name"},
	                {PATTERN("{name: a, regex: x}, {name: a, regex: y}"),
	                 "f.yaml:6:51: error: there are two patterns 'a'", "choose another name"},
	                {PATTERN("{name: a b, regex: x}"), "f.yaml:6:37: error: 'a b' cannot be a name",
	                 NULL},
	                {PATTERN("{name: a}"), "f.yaml:6:30: error: 'regex' is missing", NULL},
	        },
	                        without = {PATTERN("{name: a, regex: x}"),
	                                   "f.yaml:6:30: error: patterns are not supported here", NULL};
	const char *lacks;

	(void)state;
	if (!patterns_engine(&lacks)) {
		check_bad(&without);
		return;
	}
	check_bads(with, sizeof with / sizeof *with);
	assert_int_equal(read_text(PATTERN("{name: a, regex: x}")), 0);
	assert_int_equal(plan.masks[1].detect.pattern_count, 1);
}

/* What the file holds must not steer the terminal that reads the report. */
static void test_control_characters(void **state)
{
	(void)state;
	assert_int_equal(read_text(ROUTES "run: {name: \"\\e[2J\"}\n\"\x1b[1m\": 1\n"), ERR_CONFIG);
	assert_null(strchr(report, 0x1b));
	assert_int_equal(read_text(ROUTES "run: {name: \"\\e[2J\"}\n"), ERR_CONFIG);
	assert_null(strchr(report, 0x1b));
	assert_non_null(strstr(report, "f.yaml:6:13: error: '?[2J' cannot be a name\n"));
}

static void test_cap(void **state)
{
	char text[2000] = "";

	(void)state;
	for (int i = 0; i < 25; i++)
		sprintf(text + strlen(text), "wrong%d: 1\n", i);
	assert_int_equal(read_text(text), ERR_CONFIG);
	assert_non_null(strstr(report, "f.yaml:20:1: error: unknown key 'wrong19'"));
	assert_null(strstr(report, "wrong20"));
	assert_non_null(strstr(report, "f.yaml: and 8 more\n"));
}

/* An error is told however many warnings there are. */
static void test_warnings_make_room(void **state)
{
	char text[4000] = HEAD "routes:\n";

	(void)state;
	for (int i = 0; i < 6; i++)
		sprintf(text + strlen(text),
		        "  - name: r%d\n    match: {path_prefix: /%d}\n    live: {endpoints: "
		        "['http://127.0.0.1:1'], health: {rise: 1, fall: 1, interval: 9s, timeout: 1s}}\n",
		        i, i);
	assert_int_equal(read_text(text), 0);
	assert_non_null(strstr(report, "f.yaml: and 4 more\n"));
	strcat(text, "wrokers: 1\n");
	assert_int_equal(read_text(text), ERR_CONFIG);
	assert_non_null(strstr(report, "f.yaml:22:1: error: unknown key 'wrokers'\n"));
	assert_non_null(strstr(report, "f.yaml: and 5 more\n"));
}

static void test_too_many_candidates(void **state)
{
	char text[4000] = LIST;

	(void)state;
	for (int i = 0; i < 17; i++)
		sprintf(text + strlen(text), "      - {name: c%d, endpoints: [http://127.0.0.1:%d]}\n", i,
		        9100 + i);
	assert_int_equal(read_text(text), ERR_CONFIG);
	assert_non_null(strstr(report, "f.yaml:24:9: error: more than 16 'candidates'\n"));
}

static void test_substitution(void **state)
{
	(void)state;
	setenv("CFG_TEST", "x: [&", 1);
	assert_int_equal(read_text(ROUTES "run: {owner: 'a ${CFG_TEST} $$ $. ${NOT_SET_HERE:-dflt}'}\n"), 0);
	assert_string_equal(plan.owner, "a x: [& $ $. dflt");
}

static void test_defaults(void **state)
{
	const struct plan_route *r = &plan.routes[0];

	(void)state;
	assert_int_equal(
	        read_text(LIST ONE
	                  "      - {name: b, role: baseline, endpoints: [http://127.0.0.1:9003/]}\n"),
	        0);
	assert_string_equal(report, "");
	assert_true(r->mirror);
	assert_string_equal(r->methods, " POST ");
	assert_string_equal(r->path_prefix, "/");
	assert_int_equal(r->live.timeout_ms, 30000);
	assert_int_equal(r->sample_ppm, 1000000);
	assert_int_equal(r->max_body_bytes, 8 << 20);
	assert_int_equal(r->candidates[0].sample_ppm, 1000000);
	assert_int_equal(r->candidates[0].max_in_flight, 64);
	assert_int_equal(r->candidates[0].timeout_ms, 2000);
	assert_true(r->candidates[1].baseline);
	assert_int_equal(r->candidates[1].sample_ppm, 100000);
	assert_string_equal(r->candidates[1].endpoint.url, "http://127.0.0.1:9003");
	assert_int_equal(r->gate_count, 2);
	assert_int_equal(r->gates[0].metric, GATE_CANDIDATE_FAILURE_RATE);
	assert_int_equal(r->gates[1].metric, GATE_COVERAGE);
	assert_int_equal(plan.memory_bytes, 256 << 20);
	assert_int_equal(plan.drain_timeout_ms, 20000);
	assert_int_equal(plan.run_max_bytes, 1 << 30);
	assert_int_equal(plan.slots_each, 4096);
	assert_int_equal(plan.mask_count, 1);
	assert_int_equal(budget_ring_bytes(&plan), 16 << 20);
	assert_int_equal(read_text(LIST ONE "    gates: [{metric: coverage, min: 90%}]\n"), 0);
	assert_int_equal(r->gate_count, 2);
	assert_true(r->gates[1].metric == GATE_COVERAGE && r->gates[1].limit > 0.899 &&
	            r->gates[1].limit < 0.901);
	assert_int_equal(read_text(LIST ONE "    slices: [{name: region, header: X-Region}]\n"), 0);
	assert_int_equal(r->slice_count, 1);
	assert_string_equal(r->slices[0].name, "region");
	assert_string_equal(r->slices[0].header, "x-region");
	assert_int_equal(read_text("version: 1\nlisten: [{address: 127.0.0.1:8080}]\nrun: {max_size: 2MiB}\n"
	                           "routes: [{name: r, live: {endpoints: ['http://127.0.0.1:1']}}]\n"),
	                 0);
	assert_int_equal(plan.run_max_bytes, 2 << 20);
	assert_int_equal(read_text(ROUTES "    mirror: {}\n"), 0);
	assert_non_null(strstr(report, "f.yaml:6:5: warning: the route copies traffic to no candidate\n"));
}

static void test_example(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *f;

	(void)state;
	assert_int_equal(config_read(*state, &plan, stderr), 0);
	assert_int_equal(plan.routes[0].candidate_count, 3);
	assert_int_equal(plan.routes[0].gate_count, 6);
	assert_int_equal(plan.routes[0].mask, 1);
	assert_int_equal(plan.masks[1].field_count, 8);
	assert_string_equal(plan.masks[1].fields[1].where, "x-api-token");
	assert_false(plan.masks[1].fields[0].model_input);
	assert_int_not_equal(plan.gates_hash[0] | plan.gates_hash[1] | plan.gates_hash[2], 0);
	f = open_memstream(&text, &len);
	config_print_check(&plan, f);
	fclose(f);
	assert_non_null(strstr(text, "gate divergence_rate max 2%: agreed with product"));
	assert_non_null(strstr(text, "mask key: not declared"));
	free(text);
}

static void test_quick(void **state)
{
	const char *good[] = {"a=http://127.0.0.1:9002", "b=http://127.0.0.1:9003"};
	const char *live[] = {"a=http://127.0.0.1:9001"};
	FILE *null = fopen("/dev/null", "w");

	(void)state;
	assert_int_equal(config_quick("http://127.0.0.1:9001", good, 2, "http://127.0.0.1:9004",
	                              "127.0.0.1:0", &plan, null),
	                 0);
	assert_string_equal(plan.routes[0].name, "default");
	assert_int_equal(plan.routes[0].candidate_count, 3);
	assert_int_equal(plan.routes[0].candidates[1].max_in_flight, 4);
	assert_true(plan.routes[0].candidates[2].baseline);
	assert_int_equal(plan.routes[0].gate_count, 2);
	assert_int_equal(config_quick("http://127.0.0.1:9001", live, 1, NULL, "127.0.0.1:0", &plan, null),
	                 ERR_CONFIG);
	assert_int_equal(config_quick("127.0.0.1:9001", good, 1, NULL, "127.0.0.1:0", &plan, null),
	                 ERR_CONFIG);
	assert_int_equal(config_read("/nowhere/f.yaml", &plan, null), ERR_SYS);
	fclose(null);
}

int main(void)
{
	static char example[4096], folder[] = "/tmp/understudy-config-XXXXXX";
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_bad),
	        cmocka_unit_test(test_all_at_once),
	        cmocka_unit_test(test_cap),
	        cmocka_unit_test(test_control_characters),
	        cmocka_unit_test(test_patterns),
	        cmocka_unit_test(test_too_many_candidates),
	        cmocka_unit_test(test_warnings_make_room),
	        cmocka_unit_test(test_substitution),
	        cmocka_unit_test(test_defaults),
	        cmocka_unit_test_prestate(test_example, example),
	        cmocka_unit_test(test_quick),
	};
	int rc;

	if (!realpath("configs/understudy.yaml", example) || !mkdtemp(folder) || chdir(folder) != 0)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	free(report);
	unlink("f.yaml");
	return rc || chdir("/") != 0 || rmdir(folder) != 0;
}
