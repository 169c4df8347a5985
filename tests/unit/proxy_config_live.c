/* The live path's keys: each is read into its field, each wrong value is told with its place. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include "tests/unit/config_case.h"

#define LISTEN(rest) "version: 1\nlisten: [{address: '127.0.0.1:8443', " rest "}]\n"
#define TAIL         "routes: [{name: r, live: {endpoints: ['http://127.0.0.1:9001']}}]\n"
#define LIVE(rest)   HEAD "routes:\n  - name: r\n    live: {endpoints: [http://127.0.0.1:9001], " rest "}\n"
#define URLS(list)   HEAD "routes:\n  - name: r\n    live: {endpoints: [" list "]}\n"
#define PAIR         "certificate_file: a.pem, key_file: a.key"

#define MASKED(protocol, fields)                                                                             \
	"version: 1\nlisten: [{address: '127.0.0.1:8080'}]\nmasks: {m: {fields: [" fields                    \
	"]}}\nroutes:\n  - name: r\n    live: {endpoints: ['http://127.0.0.1:9001']}\n    "                  \
	"protocol: " protocol "\n    mirror: {mask: m}\n    candidates:\n" ONE

static const struct bad bads[] = {
        {"version: 1\nlisten: []\n" TAIL, "f.yaml:2:9: error: 'listen' must not be empty",
         "write listen: [{address: 127.0.0.1:8080}]"},
        {"version: 1\nlisten: [{address: '127.0.0.1:1'}, {address: '127.0.0.1:1'}]\n" TAIL,
         "f.yaml:2:46: error: there are two listeners on 127.0.0.1:1", "leave one of them"},
        {LISTEN("proxy_protocol: maybe") TAIL,
         "f.yaml:2:54: error: 'proxy_protocol' must be true or false, not 'maybe'", "write true or false"},
        {LISTEN("tls: {}") TAIL, "f.yaml:2:43: error: a listener with 'tls' needs a certificate",
         "write tls: {certificate_file: FILE, key_file: FILE}"},
        {LISTEN("tls: {certificate_file: a.pem}") TAIL,
         "f.yaml:2:44: error: 'certificate_file' and 'key_file' belong together: 'key_file' is missing",
         NULL},
        {LISTEN("tls: {key_file: a.key}") TAIL,
         "f.yaml:2:44: error: 'certificate_file' and 'key_file' belong together: 'certificate_file' is "
         "missing",
         NULL},
        {LISTEN("tls: {certificates: [{certificate_file: a.pem}]}") TAIL,
         "f.yaml:2:60: error: 'certificate_file' and 'key_file' belong together: 'key_file' is missing",
         NULL},
        {LISTEN("tls: {certificate_file: none.pem, key_file: a.key}") TAIL,
         "f.yaml:2:62: error: cannot open none.pem: No such file or directory",
         "relative paths are against the configuration's folder"},
        {LISTEN("tls: {certificate_file: a.key, key_file: a.key}") TAIL,
         "f.yaml:2:62: error: certificate 1 is missing in a.key",
         "a PEM file has lines -----BEGIN CERTIFICATE-----"},
        {LISTEN("tls: {certificate_file: torn.pem, key_file: a.key}") TAIL,
         "f.yaml:2:62: error: certificate 2 in torn.pem cannot be read", NULL},
        {LISTEN("tls: {certificate_file: a.pem, key_file: a.pem}") TAIL,
         "f.yaml:2:79: error: a.pem holds no private key that can be read", NULL},
        {LISTEN("tls: {certificate_file: a.pem, key_file: locked.key}") TAIL,
         "f.yaml:2:79: error: the private key in locked.key has a passphrase", NULL},
        {LISTEN("tls: {certificate_file: a.pem, key_file: b.key}") TAIL,
         "f.yaml:2:79: error: the key in b.key does not belong to the certificate in a.pem", NULL},
        {LISTEN("tls: {certificate_file: ., key_file: a.key}") TAIL,
         "f.yaml:2:62: error: . is not a file of at most 4MiB", NULL},
        {LISTEN("tls: {certificate_file: '', key_file: a.key}") TAIL,
         "f.yaml:2:62: error: 'certificate_file' must not be empty", NULL},
        {LISTEN("tls: {" PAIR ", client_ca_file: a.key}") TAIL,
         "f.yaml:2:102: error: certificate 1 is missing in a.key", NULL},
        {LISTEN("tls: {" PAIR ", min_version: 1.1}") TAIL,
         "f.yaml:2:99: error: '1.1' is not a known min_version", "did you mean '1.2'?"},
        {LISTEN("tls: {" PAIR ", alpn: [h3]}") TAIL,
         "f.yaml:2:93: error: 'h3' is no protocol that is spoken here", "h2 and http/1.1 are"},
        {LISTEN("tls: {certificate_file: old.pem, key_file: a.key}") TAIL,
         "f.yaml:2:62: warning: the certificate in old.pem has expired", "renew it"},
        {LISTEN("tls: {certificate_file: a.pem, key_file: open.key}") TAIL,
         "f.yaml:2:79: warning: everybody on this machine can use the private key in open.key",
         "chmod 600 it"},
        {ROUTES "limits: {header_timeout: 10}\n",
         "f.yaml:6:26: error: 'header_timeout' needs a unit: '10' has none", "did you mean 10s?"},
        {ROUTES "limits: {fields: 65KiB}\n",
         "f.yaml:6:18: error: 'fields' must be between 1KiB and 64KiB, not '65KiB'", NULL},
        {ROUTES "limits: {field_count: 129}\n",
         "f.yaml:6:23: error: 'field_count' must be between 8 and 128, not '129'", NULL},
        {ROUTES "limits: {max_requests: 0}\n",
         "f.yaml:6:24: error: 'max_requests' must be between 1 and 1000000, not '0'", NULL},
        {ROUTES "forwarded: on\n", "f.yaml:6:12: error: 'forwarded' must be true or false, not 'on'", NULL},
        {ROUTES "run: {seed: 12x}\n", "f.yaml:6:13: error: 'seed' must be a whole number, not '12x'", NULL},
        {ROUTES "run: {seed: 18446744073709551616}\n",
         "f.yaml:6:13: error: 'seed' must be a whole number, not '18446744073709551616'", NULL},
        {URLS(""), "f.yaml:5:23: error: 'endpoints' must not be empty", NULL},
        {URLS("'http://127.0.0.1:9001', 'http://127.0.0.1:9001/'"),
         "f.yaml:5:49: error: the endpoint 'http://127.0.0.1:9001/' is given twice", "leave one of them"},
        {URLS("[a]"), "f.yaml:5:24: error: each of 'endpoints' must be a single value", NULL},
        {URLS("'unix:'"), "f.yaml:5:24: error: cannot use the endpoint 'unix:'", "write unix:/PATH"},
        {URLS("'unix:/"
              "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
              "89012345678901234567'"),
         "f.yaml:5:24: error: cannot use the endpoint "
         "'unix:/01234567890123456789012345678901234567890123456789012345678901234567890123'",
         "the path of a socket holds at most 107 bytes"},
        {URLS("'http://127.0.0.1:8080'"),
         "f.yaml:5:24: error: the live endpoint 127.0.0.1:8080 is this proxy's own address", NULL},
        {"version: 1\nlisten: [{address: ':8080'}]\nroutes:\n  - name: r\n    live: {endpoints: "
         "['http://127.0.0.1:8080']}\n",
         "f.yaml:5:24: error: the live endpoint 127.0.0.1:8080 is this proxy's own address", NULL},
        {URLS("'http://0.0.0.0:9001'"), "f.yaml:5:24: error: cannot use the endpoint 'http://0.0.0.0:9001'",
         "that is an address to listen on, not one to send to"},
        {LIST "      - {name: a, endpoints: ['http://[::ffff:127.0.0.1]:9001']}\n",
         "f.yaml:8:31: error: the candidate 'a' is a live endpoint ([::ffff:127.0.0.1]:9001)", NULL},
        {LIVE("balance: random"), "f.yaml:5:57: error: 'random' is not a known balance",
         "one of: round_robin, least_in_flight"},
        {LIVE("tries: 0"), "f.yaml:5:55: error: 'tries' must be between 1 and 8, not '0'", NULL},
        {LIVE("connect_timeout: 1m"),
         "f.yaml:5:65: warning: 'connect_timeout' is longer than 'timeout', which ends first", NULL},
        {LIVE("tls: {verify: yes}"), "f.yaml:5:48: warning: 'tls' is not used: no endpoint is https",
         "write https:// to use it"},
        {LIVE("tls: {ca_file: none.pem}"),
         "f.yaml:5:63: error: cannot open none.pem: No such file or directory", NULL},
        {LIVE("tls: {certificate_file: a.pem}"),
         "f.yaml:5:54: error: 'certificate_file' and 'key_file' belong together: 'key_file' is missing",
         NULL},
        {LIVE("tls: {certificate_file: a.pem, key_file: b.key}"),
         "f.yaml:5:89: error: the key in b.key does not belong to the certificate in a.pem", NULL},
        {URLS("'https://127.0.0.1:9001'") "    upgrade: none\n    protocol: auto\n    nonsense: 1\n",
         "f.yaml:8:5: error: unknown key 'nonsense'", NULL},
        {HEAD "routes: [{name: r, live: {endpoints: ['https://127.0.0.1:1'], tls: {verify: no}}}]\n",
         "f.yaml:3:77: warning: whoever is on the way to live can read and change what passes",
         "name the authority with 'ca_file' instead"},
        {LIVE("http: 1.0"), "f.yaml:5:54: error: '1.0' is not a known http", NULL},
        {HEAD "routes:\n  - name: r\n    upgrade: websocket\n    live: {endpoints: [http://127.0.0.1:9001], "
              "http: 2}\n",
         "f.yaml:5:14: error: 'upgrade' needs an endpoint that speaks HTTP/1.1",
         "write http: 1.1 below live"},
        {LIVE("health: {grpc: a.B}"),
         "f.yaml:5:63: error: 'grpc' asks over HTTP/2, which 'live' does not speak", "write http: 2"},
        {LIVE("http: 2, health: {grpc: a B}"), "f.yaml:5:72: error: 'a B' is not the name of a service",
         "write package.Service"},
        {LIVE("http: 2, health: {grpc: a.B, path: /r}"),
         "f.yaml:5:72: error: 'health' has both 'path' and 'grpc'", "leave one of them"},
        {LIVE("health: {path: ready}"), "f.yaml:5:63: error: 'path' must begin with '/'", NULL},
        {LIVE("health: {path: '/a b'}"),
         "f.yaml:5:63: error: 'path' holds a character that a request cannot have", NULL},
        {LIVE("health: {path: /r, interval: 1s}"),
         "f.yaml:5:56: error: the 'timeout' of 'health' is longer than its 'interval'", NULL},
        {LIVE("health: {rise: 3}"), "f.yaml:5:57: warning: 'rise' is not used: nobody asks without 'path'",
         "add 'path'"},
        {ROUTES "    match: {path_prefix: models}\n", "f.yaml:6:26: error: 'path_prefix' must begin with '/'",
         NULL},
        {ROUTES "    match: {path_prefix: '/a?b'}\n",
         "f.yaml:6:26: error: 'path_prefix' must not hold a query", "what follows '?' is not looked at"},
        {ROUTES "    match: {path_prefix: /a//b}\n",
         "f.yaml:6:26: error: 'path_prefix' is not in normal form", "did you mean /a/b?"},
        {ROUTES "    match: {host: 'a.example:80'}\n", "f.yaml:6:19: error: 'host' is a name without a port",
         "the listener's port is match: {port: N}"},
        {ROUTES "    match: {host: '*.example'}\n", "f.yaml:6:19: error: '*.example' cannot be a host",
         "write one whole name, such as models.example.org"},
        {ROUTES "    match: {header: x-model}\n", "f.yaml:6:21: error: 'x-model' is not a header field",
         "write header: \"x-model: digits\""},
        {ROUTES "    match: {header: 'x model: a'}\n",
         "f.yaml:6:21: error: 'x model: a' is not a header field", NULL},
        {ROUTES "    match: {method: [get]}\n", "f.yaml:6:22: error: 'get' is not a method", NULL},
        {ROUTES "    match: {port: 81}\n",
         "f.yaml:6:19: error: no listener has the port 81: the route 'r' is never picked",
         "add it to 'listen'"},
        {ROUTES "    match: {port: 65536}\n",
         "f.yaml:6:19: error: 'port' must be between 1 and 65535, not '65536'", NULL},
        {ROUTES "  - name: s\n    live: {endpoints: ['http://127.0.0.1:9001']}\n",
         "f.yaml:6:5: error: the routes 'r' and 's' match the same requests (path_prefix '/')",
         "tell them apart by host, header, method or port"},
        {ROUTES "  - name: s\n    match: {host: h}\n    live: {endpoints: ['http://127.0.0.1:9001']}\n",
         "f.yaml:6:5: warning: the route 's' is never picked: 'r' before it takes the same requests",
         "put the one that asks for more first"},
        {ROUTES "    upgrade: h2c\n", "f.yaml:6:14: error: 'h2c' is not a known upgrade",
         "one of: none, websocket"},
        {ROUTES "    headers: {request: {set: {'a b': c}}}\n",
         "f.yaml:6:31: error: 'a b' is not a header name", NULL},
        {ROUTES "    headers: {request: {set: {content-length: 3}}}\n",
         "f.yaml:6:31: error: 'content-length' cannot be set or removed", "the proxy writes it itself"},
        {ROUTES "    headers: {response: {remove: [connection]}}\n",
         "f.yaml:6:35: error: 'connection' cannot be set or removed", NULL},
        {ROUTES "    headers: {request: {set: {a: \"b\\r\\nc: d\"}}}\n",
         "f.yaml:6:31: error: the value of 'a' cannot be sent", NULL},
        {ROUTES "    headers: {request: {set: {A: b}, remove: [a]}}\n",
         "f.yaml:6:47: error: the header 'a' is edited twice", "'set' alone replaces what was there"},
        {ROUTES "    headers: {request: {set: [a]}}\n", "f.yaml:6:30: error: 'set' must be a mapping", NULL},
        {ROUTES "    headers: {request: {set: {a: [b]}}}\n",
         "f.yaml:6:34: error: each of 'set' must be a single value", NULL},
        {ROUTES "    mirror: {key: $.user}\n",
         "f.yaml:6:19: error: the sampling key '$.user' is not supported by this version",
         "write request_id or a header name"},
        {ROUTES "    mirror: {key: a b}\n", "f.yaml:6:19: error: 'a b' is not a header name", NULL},
        {LIST "      - {name: a, endpoints: ['ftp://127.0.0.1:9002']}\n",
         "f.yaml:8:31: error: cannot use the endpoint 'ftp://127.0.0.1:9002'",
         "write http://HOST:PORT, https://HOST:PORT or unix:/PATH"},
        {LIST "      - {name: a, endpoints: ['https://127.0.0.1:9002'], tls: {ca_file: none.pem}}\n",
         "f.yaml:8:73: error: cannot open none.pem: No such file or directory", NULL},
        {LIST "      - {name: a, endpoints: ['http://127.0.0.1:9002', 'http://127.0.0.1:9003']}\n",
         "f.yaml:8:56: error: more than one endpoint of a candidate is not supported by this version", NULL},
        {LIST "      - {name: a, endpoints: ['http://127.0.0.1:8080']}\n",
         "f.yaml:8:31: error: the candidate 'a' is this proxy's own address (127.0.0.1:8080)", NULL},
        {ROUTES "    compare: {ignore: ['$.a[']}\n",
         "f.yaml:6:24: error: '$.a[' is not a JSON path: cannot read it from byte 4, '['",
         "a step is .name, [3], [*] or ..name"},
        {ROUTES "masks: {a: {fields: [{path: '$.user.', with: drop}]}}\n",
         "f.yaml:6:29: error: '$.user.' is not a JSON path: cannot read it from byte 7, '.'", NULL},
        {ROUTES "masks: {a: {fields: [{path: '$.a.[x]', with: drop}]}}\n",
         "f.yaml:6:29: error: '$.a.[x]' is not a JSON path: cannot read it from byte 4, '.[x]'", NULL},
        {ROUTES
         "masks: {a: {fields: [{path: '$.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a', "
         "with: drop}]}}\n",
         "f.yaml:6:29: error: the JSON path "
         "'$.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a' "
         "is too long",
         "at most 31 steps"},
        {ROUTES "masks: {a: {fields: [{header: 'x: y', with: drop}]}}\n",
         "f.yaml:6:31: error: 'x: y' is not a header name", NULL},
        {ROUTES "run: {directory: a.key/runs}\n",
         "f.yaml:6:18: warning: cannot write below a.key/runs: Not a directory", NULL},
        {ROUTES "control: {socket: a.key/x.sock}\n",
         "f.yaml:6:19: warning: cannot write below a.key: it is not a folder", NULL},
        {ROUTES "masks: {a: {}, b: {}, c: {}, d: {}, e: {}, f: {}, g: {}, h: {}}\n",
         "f.yaml:6:61: error: more than 7 'masks'", NULL},
        {ROUTES "masks: {a: {key_file: none.key}}\n",
         "f.yaml:6:23: error: cannot open none.key: No such file or directory", NULL},
        {ROUTES "masks: {a: {key_file: open.mask}}\n",
         "f.yaml:6:23: error: the mask key open.mask is open to others (mode 0640)", "chmod 600 open.mask"},
        {ROUTES "masks: {a: {key_file: short.mask}}\n",
         "f.yaml:6:23: error: the mask key short.mask is not 32 raw bytes or 64 hex digits", NULL},
        {ROUTES "masks: {a: {key_file: raw.mask}, b: {key_file: hex.mask}}\n",
         "f.yaml:6:48: error: all masks must use one key_file ('raw.mask' is given above)", NULL},
        {"version: 1\nlisten: [{address: '127.0.0.1:8080'}]\nmasks: {m: {fields: [{path: $.inputs, with: "
         "drop}]}}\nroutes:\n  - name: r\n    live: {endpoints: ['http://127.0.0.1:9001']}\n    mirror: "
         "{mask: "
         "m}\n    candidates:\n" ONE,
         "f.yaml:7:20: error: the mask 'm' masks what the model reads ('$.inputs'): no pair would be "
         "compared",
         NULL},
        {MASKED("auto", "{path: $..content, with: token}"),
         "f.yaml:8:20: error: the mask 'm' masks what the model reads ('$..content'): no pair would be "
         "compared",
         "add a candidate with role: baseline, or say model_input: no if the model does not read it"},
        {MASKED("openai", "{path: '$.messages[*]', with: redact}"),
         "f.yaml:8:20: error: the mask 'm' masks what the model reads ('$.messages[*]'): no pair would be "
         "compared",
         NULL},
        {MASKED("openinference", "{path: '$.inputs[*].data[*]', with: bucket}"),
         "f.yaml:8:20: error: the mask 'm' masks what the model reads ('$.inputs[*].data[*]'): no pair would "
         "be "
         "compared",
         NULL},
        {MASKED("json", "{path: $.a, with: token}], mode: allow, detectors: [email"),
         "f.yaml:8:20: error: the mask 'm' masks what the model reads ('mode: allow'): no pair would be "
         "compared",
         NULL},
        {MASKED("json", "{path: $.inputs, with: drop}"),
         "f.yaml:8:20: warning: the mask 'm' changes what the model reads ('$.inputs'): where it does, no "
         "pair is compared",
         NULL},
        {MASKED("openai", "{path: $.messages, with: token, model_input: no}, {path: $.inputs, with: drop}"),
         "f.yaml:8:20: warning: the mask 'm' changes what the model reads ('$.inputs'): where it does, no "
         "pair is compared",
         NULL},
        {MASKED("openai", "{path: '$.messages[0].content', with: drop}"),
         "f.yaml:8:20: warning: the mask 'm' changes what the model reads ('$.messages[0].content'): where "
         "it "
         "does, no pair is compared",
         NULL},
};

static void test_bad(void **state)
{
	(void)state;
	check_bads(bads, sizeof(bads) / sizeof(bads[0]));
}

static void test_defaults(void **state)
{
	const struct plan_limits *m = &plan.limits;
	const struct plan_live *l = &plan.routes[0].live;
	const struct plan_health *h = &l->health;

	(void)state;
	assert_int_equal(read_text(ROUTES), 0);
	assert_int_equal(m->header_timeout_ms, 10000);
	assert_int_equal(m->idle_timeout_ms, 60000);
	assert_int_equal(m->send_timeout_ms, 60000);
	assert_int_equal(m->body_min_rate, 128);
	assert_int_equal(m->line_bytes, 8 << 10);
	assert_int_equal(m->field_bytes, 16 << 10);
	assert_int_equal(m->fields_bytes, 64 << 10);
	assert_int_equal(m->fields, 128);
	assert_int_equal(m->max_connections, 10000);
	assert_int_equal(m->max_requests, 10000);
	assert_true(plan.forwarded && plan.seed == 0);
	assert_int_equal(l->endpoint_count, 1);
	assert_int_equal(l->balance, BALANCE_ROUND_ROBIN);
	assert_int_equal(l->http, PLAN_HTTP_AUTO);
	assert_int_equal(l->connect_timeout_ms, 5000);
	assert_int_equal(l->idle_timeout_ms, 30000);
	assert_int_equal(l->max_connections, 512);
	assert_int_equal(l->tries, 2);
	assert_true(l->verify && !l->ca_file[0] && !h->path[0]);
	assert_true(h->interval_ms == 5000 && h->timeout_ms == 2000 && h->rise == 2 && h->fall == 3);
	assert_true(h->max_fails == 3 && h->fail_timeout_ms == 10000);
	assert_true(!plan.listen[0].tls && !plan.listen[0].proxy_protocol && !plan.routes[0].upgrade);
	assert_true(!plan.routes[0].match_host[0] && !plan.routes[0].match_methods[0] &&
	            !plan.routes[0].match_header[0] && plan.routes[0].match_port == 0);
	assert_true(!plan.routes[0].sample_header[0] && !plan.routes[0].request_headers.count);
}

static void test_quick_defaults(void **state)
{
	const char *one[] = {"a=http://127.0.0.1:9002"};

	(void)state;
	assert_int_equal(config_quick("https://127.0.0.1:9001", one, 1, NULL, "[::1]:8080", &plan, stderr),
	                 0);
	assert_int_equal(plan.limits.max_requests, 10000);
	assert_int_equal(plan.routes[0].live.endpoint_count, 1);
	assert_int_equal(plan.routes[0].live.tries, 2);
	assert_true(plan.routes[0].live.endpoints[0].tls && plan.routes[0].live.verify && plan.forwarded);
	assert_string_equal(plan.listen[0].at.address, "::1");
}

static void test_listen(void **state)
{
	const struct plan_listen *l = &plan.listen[1];

	(void)state;
	assert_int_equal(read_text("version: 1\nlisten:\n  - address: '[::1]:0'\n    proxy_protocol: yes\n"
	                           "  - address: ':8443'\n    tls:\n      certificate_file: a.pem\n"
	                           "      key_file: a.key\n      certificates:\n"
	                           "        - {certificate_file: b.pem, key_file: b.key}\n"
	                           "      client_ca_file: both.pem\n      min_version: 1.3\n" TAIL),
	                 0);
	assert_string_equal(report, "");
	assert_true(plan.listen[0].proxy_protocol && !plan.listen[0].tls);
	assert_string_equal(plan.listen[0].at.address, "::1");
	assert_int_equal(plan.listen[0].at.port, 0);
	assert_string_equal(l->at.address, "0.0.0.0");
	assert_string_equal(l->at.url, "https://0.0.0.0:8443");
	assert_true(l->tls && l->tls_1_3_only && l->at.port == 8443);
	assert_int_equal(l->certificate_count, 2);
	assert_string_equal(l->certificates[0].certificate_file, "a.pem");
	assert_string_equal(l->certificates[1].key_file, "b.key");
	assert_string_equal(l->client_ca_file, "both.pem");
}

static void test_live(void **state)
{
	const struct plan_live *l = &plan.routes[0].live;

	(void)state;
	assert_int_equal(
	        read_text(HEAD "routes:\n  - name: r\n    live:\n      endpoints: ['https://127.0.0.1', "
	                       "'http://[::1]:9001', unix:/run/x.sock, 'unix:run/y.sock']\n"
	                       "      http: 2\n      balance: least_in_flight\n      timeout: 7s\n      "
	                       "connect_timeout: 1s\n"
	                       "      idle_timeout: 0s\n      max_connections: 9\n      tries: 3\n"
	                       "      tls: {ca_file: both.pem, certificate_file: a.pem, key_file: a.key}\n"
	                       "      health: {path: /ready, interval: 1s, timeout: 500ms, rise: 4, fall: 5, "
	                       "max_fails: 0, fail_timeout: 6s}\n"),
	        0);
	assert_string_equal(report, "");
	assert_int_equal(l->endpoint_count, 4);
	assert_true(l->endpoints[0].tls && l->endpoints[0].port == 443);
	assert_string_equal(l->endpoints[0].host, "127.0.0.1");
	assert_string_equal(l->endpoints[0].url, "https://127.0.0.1:443");
	assert_string_equal(l->endpoints[1].address, "::1");
	assert_string_equal(l->endpoints[1].authority, "[::1]:9001");
	assert_true(l->endpoints[2].port == 0 && strcmp(l->endpoints[2].address, "/run/x.sock") == 0);
	assert_string_equal(l->endpoints[2].authority, "localhost");
	assert_string_equal(l->endpoints[3].url, "unix:run/y.sock");
	assert_int_equal(l->balance, BALANCE_LEAST_IN_FLIGHT);
	assert_int_equal(l->http, PLAN_HTTP_2);
	assert_true(l->timeout_ms == 7000 && l->connect_timeout_ms == 1000 && l->idle_timeout_ms == 0);
	assert_true(l->max_connections == 9 && l->tries == 3 && l->verify);
	assert_string_equal(l->ca_file, "both.pem");
	assert_string_equal(l->client.key_file, "a.key");
	assert_string_equal(l->health.path, "/ready");
	assert_true(l->health.interval_ms == 1000 && l->health.timeout_ms == 500 && l->health.rise == 4 &&
	            l->health.fall == 5 && l->health.max_fails == 0 && l->health.fail_timeout_ms == 6000);
}

static void test_route(void **state)
{
	const struct plan_route *r = &plan.routes[0];
	const struct plan_header_edits *e = &r->request_headers;

	(void)state;
	assert_int_equal(
	        read_text(ROUTES
	                  "    match: {path_prefix: /a, host: Models.Example, header: 'X-Model:  d: e', "
	                  "method: [GET, POST], port: 8080}\n    upgrade: websocket\n"
	                  "    headers: {request: {set: {X-A: '1 2', x-b: ''}, remove: [X-C]}, "
	                  "response: {remove: [server]}}\n    mirror: {key: X-Session}\n"
	                  "  - name: other\n    match: {path_prefix: /a, method: [GET]}\n"
	                  "    live: {endpoints: ['http://127.0.0.1:9001']}\n"
	                  "limits: {body_min_rate: 0B, line: 1KiB}\nforwarded: no\n"
	                  "run: {seed: 18446744073709551615}\n"),
	        0);
	assert_string_equal(r->match_host, "models.example");
	assert_string_equal(r->match_header, "x-model");
	assert_string_equal(r->match_value, "d: e");
	assert_string_equal(r->match_methods, " GET POST ");
	assert_int_equal(r->match_port, 8080);
	assert_true(r->upgrade && !plan.routes[1].upgrade);
	assert_int_equal(e->count, 3);
	assert_true(!e->edits[0].remove && strcmp(e->edits[0].name, "x-a") == 0 &&
	            strcmp(e->edits[0].value, "1 2") == 0);
	assert_true(!e->edits[1].remove && !e->edits[1].value[0]);
	assert_true(e->edits[2].remove && strcmp(e->edits[2].name, "x-c") == 0);
	assert_true(r->response_headers.count == 1 && r->response_headers.edits[0].remove);
	assert_string_equal(r->sample_header, "x-session");
	assert_true(plan.limits.body_min_rate == 0 && plan.limits.line_bytes == 1024 && !plan.forwarded);
	assert_true(plan.seed == UINT64_MAX);
}

static void test_candidate_endpoints(void **state)
{
	const struct plan_candidate *k = plan.routes[0].candidates;

	(void)state;
	assert_int_equal(
	        read_text(
	                LIST
	                "      - {name: a, endpoints: ['https://127.0.0.1:9002'], tls: {ca_file: both.pem}}\n"
	                "      - {name: b, endpoints: [unix:/run/b.sock]}\n"
	                "      - {name: c, endpoints: ['https://127.0.0.1:9003'], tls: {verify: no}}\n"
	                "      - {name: d, endpoints: ['http://127.0.0.1:9004'], tls: {verify: yes}}\n"),
	        0);
	assert_true(k[0].endpoint.tls && k[0].verify);
	assert_string_equal(k[0].ca_file, "both.pem");
	assert_true(k[1].endpoint.port == 0 && !k[1].endpoint.tls && k[1].verify && !k[1].ca_file[0]);
	assert_string_equal(k[1].endpoint.address, "/run/b.sock");
	assert_true(k[2].endpoint.tls && !k[2].verify);
	assert_non_null(
	        strstr(report, "whoever is on the way to the candidate can read and answer the copies"));
	assert_non_null(strstr(report, "'tls' is not used: the endpoint is not https"));
}

static void test_mask_keys(void **state)
{
	(void)state;
	assert_int_equal(read_text(ROUTES "masks: {a: {key_file: raw.mask}, b: {key_file: raw.mask}}\n"), 0);
	assert_int_equal(read_text(ROUTES "masks: {a: {key_file: hex.mask}}\n"), 0);
	assert_string_equal(report, "");
	assert_string_equal(plan.mask_key_file, "hex.mask");
}

/* Nothing is opened or looked up: what needs it passes, or is refused. */
static void test_offline(void **state)
{
	static const char files[] = LISTEN("tls: {certificate_file: none.pem, key_file: none.key}") TAIL;
	static const char name[] = HEAD "routes: [{name: r, live: {endpoints: ['http://localhost:1']}}]\n";
	FILE *null = fopen("/dev/null", "w");

	(void)state;
	assert_int_equal(config_read_text("f.yaml", span_of(files), &plan, null), 0);
	assert_int_equal(config_read_text("f.yaml", span_of(name), &plan, null), ERR_CONFIG);
	fclose(null);
}

/* A listener on every IPv4 address does not take IPv6. */
static void test_wildcards(void **state)
{
	(void)state;
	assert_int_equal(
	        read_text("version: 1\nlisten: [{address: ':8080'}]\nroutes: [{name: r, live: {endpoints: "
	                  "['http://[::1]:8080']}}]\n"),
	        0);
	assert_int_equal(read_text("version: 1\nlisten: [{address: '[::]:8080'}]\nroutes: [{name: r, live: "
	                           "{endpoints: ['http://[::1]:8080']}}]\n"),
	                 ERR_CONFIG);
}

/* Relative files are against the configuration's folder. */
static void test_folder(void **state)
{
	char *said = NULL;
	size_t len;
	FILE *f = fopen("sub/g.yaml", "w"), *errors = open_memstream(&said, &len);

	(void)state;
	assert_non_null(f);
	fputs(LISTEN("tls: {certificate_file: ../a.pem, key_file: ../a.key}"), f);
	fputs("routes: [{name: r, live: {endpoints: [unix:x.sock]}}]\nmasks: {a: {key_file: ../raw.mask}}\n",
	      f);
	fclose(f);
	assert_int_equal(config_read("sub/g.yaml", &plan, errors), 0);
	fclose(errors);
	assert_string_equal(said, "");
	assert_string_equal(plan.listen[0].certificates[0].key_file, "sub/../a.key");
	assert_string_equal(plan.routes[0].live.endpoints[0].address, "sub/x.sock");
	assert_string_equal(plan.mask_key_file, "sub/../raw.mask");
	free(said);
}

static void file_put(const char *name, const char *bytes, mode_t mode)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	fputs(bytes, f);
	fclose(f);
	assert_int_equal(chmod(name, mode), 0);
}

static void key_put(const char *name, EVP_PKEY *key, const char *passphrase, mode_t mode)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	assert_int_equal(PEM_write_PrivateKey(f, key, passphrase ? EVP_aes_128_cbc() : NULL, NULL, 0, NULL,
	                                      (void *)passphrase),
	                 1);
	fclose(f);
	assert_int_equal(chmod(name, mode), 0);
}

/* Adds a certificate that is valid until `days` from now. */
static void certificate_put(const char *name, EVP_PKEY *key, int days)
{
	FILE *f = fopen(name, "a");
	X509 *x = X509_new();

	assert_true(f && x);
	X509_set_version(x, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(x), -864000L);
	X509_gmtime_adj(X509_getm_notAfter(x), days * 86400L);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const uint8_t *)"a", -1, -1,
	                           0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_X509(f, x), 1);
	X509_free(x);
	fclose(f);
}

static const char *const made[] = {"a.key",    "b.key",     "open.key",   "locked.key", "a.pem",
                                   "b.pem",    "both.pem",  "old.pem",    "torn.pem",   "raw.mask",
                                   "hex.mask", "open.mask", "short.mask", "sub/g.yaml", "f.yaml"};

static int make_files(void **state)
{
	static const char hex[] = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF\n";
	EVP_PKEY *a = EVP_EC_gen("P-256"), *b = EVP_EC_gen("P-256");
	FILE *f;

	(void)state;
	key_put("a.key", a, NULL, 0600);
	key_put("b.key", b, NULL, 0600);
	key_put("open.key", a, NULL, 0644);
	key_put("locked.key", a, "secret", 0600);
	certificate_put("a.pem", a, 10);
	certificate_put("b.pem", b, 10);
	certificate_put("both.pem", a, 10);
	certificate_put("both.pem", b, 10);
	certificate_put("old.pem", a, -1);
	certificate_put("torn.pem", a, 10);
	f = fopen("torn.pem", "a");
	assert_non_null(f);
	fputs("-----BEGIN CERTIFICATE-----\nMIIB\n", f);
	fclose(f);
	file_put("raw.mask", "0123456789abcdef0123456789abcde\n", 0600);
	file_put("hex.mask", hex, 0600);
	file_put("open.mask", hex, 0640);
	file_put("short.mask", "0011\n", 0600);
	EVP_PKEY_free(a);
	EVP_PKEY_free(b);
	return mkdir("sub", 0700);
}

static int remove_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++)
		unlink(made[i]);
	free(report);
	return rmdir("sub");
}

int main(void)
{
	static char folder[] = "/tmp/understudy-config-XXXXXX";
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_bad),
	        cmocka_unit_test(test_defaults),
	        cmocka_unit_test(test_listen),
	        cmocka_unit_test(test_live),
	        cmocka_unit_test(test_route),
	        cmocka_unit_test(test_quick_defaults),
	        cmocka_unit_test(test_candidate_endpoints),
	        cmocka_unit_test(test_mask_keys),
	        cmocka_unit_test(test_offline),
	        cmocka_unit_test(test_folder),
	        cmocka_unit_test(test_wildcards),
	};
	int rc;

	if (!mkdtemp(folder) || chdir(folder) != 0)
		return 1;
	rc = cmocka_run_group_tests(tests, make_files, remove_files);
	return rc || chdir("/") != 0 || rmdir(folder) != 0;
}
