/* The schema: one row a key. The reader, the JSON Schema and the manual all come from it. */
#include "proto/h1.h"
#include "proxy/config.h"
#include "proxy/config_inside.h"

/* What is written below as the most that a limit may be. */
_Static_assert(H1_LINE_MAX >= 8 * 1024 && H1_FIELD_MAX >= 16 * 1024 && H1_HEAD_MAX >= 64 * 1024 &&
                       HTTP_FIELDS_MAX >= 128,
               "the parser takes what limits allow");

#define END                                                                                                  \
	{                                                                                                    \
		.name = NULL                                                                                 \
	}
#define NOT_YET(key)                                                                                         \
	{                                                                                                    \
		.name = key, .type = CFG_UNSUPPORTED, .sentence = "Not supported by this version."           \
	}
#define ONE(key, kind, owner, member) .name = key, .type = kind, CFG_FIELD(owner, member)
#define ALL(key, kind, table)         .name = key, .type = kind, .rows = table

const char *const config_protocols[] = {
#define X(id, name) name,
        PROTOCOL_TABLE(X)
#undef X
                NULL};
const char *const config_gate_metrics[] = {
#define X(id, name, unit, direction, standing, limit, meaning) name,
        GATE_TABLE(X)
#undef X
                NULL};
const char *const config_guard_metrics[] = {
#define X(id, name, unit, scope, meaning) name,
        GUARD_TABLE(X)
#undef X
                NULL};
/* Gates or words for which there is no figure of the last while. */
static const char *const guard_metrics_later[] = {"coverage", NULL};
static const char *const guard_actions[] = {
#define X(id, name, meaning) name,
        GUARD_ACTION_TABLE(X)
#undef X
                NULL};
const char *const config_mask_places[] = {"path", "header", "query", "form", "cookie", "segment", NULL};
const char *const config_mask_operators[] = {
#define X(name, text, by, usual, finds, sentence) text,
        MASK_OPERATOR_TABLE(X)
#undef X
                NULL};
const char *const config_balances[] = {"round_robin", "least_in_flight", NULL};
const char *const config_https[] = {"auto", "1.1", "2", NULL};
static const char *const protocols_later[] = {"text", NULL};
static const char *const tls_versions[] = {"1.2", "1.3", NULL};
static const char *const upgrades[] = {"none", "websocket", NULL};
static const char *const engines[] = {"embedded", NULL}, *const engines_later[] = {"redis", NULL};
const char *const config_free_texts[] = {"keep", "drop", "drop_record", "recogniser", NULL};
static const char *const critical[] = {"yes", "no", "true", "false", NULL};
static const char *const modes[] = {"deny", "allow", NULL};
static const char *const models[] = {"ask", "ignore", NULL};
static const char *const roles[] = {"candidate", "baseline", NULL};

static const struct cfg_row certificate_rows[] = {
        {ONE("certificate_file", CFG_STRING, struct plan_certificate, certificate_file),
         .hook = config_file_hook, .sentence = "PEM: the certificate, then what links it to its CA."},
        {ONE("key_file", CFG_STRING, struct plan_certificate, key_file), .hook = config_file_hook,
         .sentence = "PEM: its private key, without a passphrase."},
        END,
};
static const struct cfg_row listen_tls_rows[] = {
        {.name = "certificate_file",
         .type = CFG_LATER,
         .sentence = "PEM: the certificate for every name that no other fits, then what links it to its CA."},
        {.name = "key_file", .type = CFG_LATER, .sentence = "PEM: its private key, without a passphrase."},
        {.name = "certificates",
         .type = CFG_LIST,
         CFG_ITEMS(struct plan_listen, certificates, certificate_count),
         .rows = certificate_rows,
         .hook = config_certificate_hook,
         .sentence = "Further certificates, picked by the name that the client asks for (SNI)."},
        {ONE("client_ca_file", CFG_STRING, struct plan_listen, client_ca_file), .hook = config_file_hook,
         .sentence = "PEM: a client must show a certificate that one of these signed."},
        {ONE("min_version", CFG_ENUM, struct plan_listen, tls_1_3_only), .names = tls_versions,
         .value = "1.2", .sentence = "The oldest TLS that is spoken."},
        {ONE("alpn", CFG_WORDS, struct plan_listen, alpn), .hook = config_alpn_hook,
         .sentence =
                 "Of h2 and http/1.1 what is spoken, the preferred first; left out: both, in this order."},
        END,
};
const struct cfg_row config_listen_rows[] = {
        {ONE("address", CFG_HOOK, struct plan_listen, at), .required = true, .hook = config_address_hook,
         .sentence = "HOST:PORT to listen on, such as 127.0.0.1:8080, [::1]:8080 or :8080"},
        {ONE("proxy_protocol", CFG_BOOL, struct plan_listen, proxy_protocol), .value = "no",
         .sentence = "A PROXY header, version 1 or 2, must come first; only behind a balancer."},
        {ALL("tls", CFG_MAPPING, listen_tls_rows), .hook = config_listen_tls_hook,
         .sentence = "Clients speak TLS; left out: clear text."},
        END,
};
static const struct cfg_row http2_rows[] = {
        {ONE("max_concurrent_streams", CFG_INTEGER, struct plan_http2, streams), .min = "1", .max = "10000",
         .value = "128", .sentence = "Requests that a client may have open; past it they are refused."},
        {ONE("window", CFG_SIZE, struct plan_http2, window_bytes), .min = "16KiB", .max = "16MiB",
         .value = "64KiB", .sentence = "Of a request's body, sent by the client and not yet taken by live."},
        {ONE("connection_window", CFG_SIZE, struct plan_http2, connection_window_bytes), .min = "64KiB",
         .max = "256MiB", .value = "256KiB",
         .sentence = "The same of all requests of a connection together."},
        {ONE("glitches", CFG_INTEGER, struct plan_http2, glitches), .min = "100", .max = "1000000",
         .value = "2000",
         .sentence = "What carries nothing: a reset costs 10, a PING 1; 200 a second come back."},
        END,
};
static const struct cfg_row limits_rows[] = {
        {ONE("header_timeout", CFG_DURATION, struct plan_limits, header_timeout_ms), .min = "100ms",
         .max = "10m", .value = "10s", .sentence = "From a request's first byte to the end of its head."},
        {ONE("idle_timeout", CFG_DURATION, struct plan_limits, idle_timeout_ms), .min = "100ms", .max = "1d",
         .value = "60s", .sentence = "A connection without a request is closed after this."},
        {ONE("send_timeout", CFG_DURATION, struct plan_limits, send_timeout_ms), .min = "100ms", .max = "1d",
         .value = "60s", .sentence = "A client that takes no byte of its answer for this long is cut."},
        {ONE("body_min_rate", CFG_SIZE, struct plan_limits, body_min_rate), .max = "1GiB", .value = "128B",
         .sentence = "A second, measured over 10 s: a slower request body is cut, unless it is a gRPC "
                     "call's. 0B: none."},
        {ONE("line", CFG_SIZE, struct plan_limits, line_bytes), .min = "256B", .max = "8KiB", .value = "8KiB",
         .sentence = "Of a request's first line."},
        {ONE("field", CFG_SIZE, struct plan_limits, field_bytes), .min = "256B", .max = "16KiB",
         .value = "16KiB", .sentence = "Of one header field."},
        {ONE("fields", CFG_SIZE, struct plan_limits, fields_bytes), .min = "1KiB", .max = "64KiB",
         .value = "64KiB", .sentence = "Of a whole head."},
        {ONE("field_count", CFG_INTEGER, struct plan_limits, fields), .min = "8", .max = "128",
         .value = "128", .sentence = "Header fields of one request."},
        {ONE("max_connections", CFG_INTEGER, struct plan_limits, max_connections), .min = "1",
         .max = "1000000", .value = "10000",
         .sentence = "Client connections of a worker; past it accepting waits."},
        {ONE("max_requests", CFG_INTEGER, struct plan_limits, max_requests), .min = "1", .max = "1000000",
         .value = "10000", .sentence = "Requests that a worker has open; past it 503 with Retry-After."},
        {ALL("http2", CFG_MAPPING, http2_rows), .offset = offsetof(struct plan_limits, http2),
         .sentence = "Of one connection that speaks HTTP/2."},
        END,
};
static const struct cfg_row control_rows[] = {
        {ONE("socket", CFG_STRING, struct plan, control_socket), .value = "run/understudy.sock",
         .hook = config_socket_hook,
         .sentence = "Unix socket of the commands that ask or change a running proxy, such as ctl."},
        {ONE("address", CFG_HOOK, struct plan, control_address), .hook = config_address_hook,
         .sentence = "HOST:PORT of the control endpoint: metrics, health, figures; to read only, without a "
                     "token."},
        {ONE("token_file", CFG_STRING, struct plan, control_token_file), .hook = config_token_file_hook,
         .sentence = "A line, mode 0600: who shows it at 'address' as a bearer token may change things too."},
        END,
};
static const struct cfg_row run_rows[] = {
        {ONE("directory", CFG_STRING, struct plan, run_directory), .value = "runs/",
         .sentence = "Where runs are written."},
        {ONE("name", CFG_STRING, struct plan, run_name), .value = "run", .hook = config_name_hook,
         .sentence = "Short name of the run; part of its folder's name."},
        {ONE("hypothesis", CFG_STRING, struct plan, hypothesis),
         .sentence = "What the run is to show, for the report."},
        {ONE("owner", CFG_STRING, struct plan, owner), .sentence = "Who answers for the run."},
        {ONE("ticket", CFG_STRING, struct plan, ticket), .sentence = "Where the run is discussed."},
        {ONE("seed", CFG_HOOK, struct plan, seed), .value = "0", .hook = config_seed_hook,
         .sentence = "Of sampling: the same seed and mask key choose the same exchanges."},
        {ONE("max_size", CFG_SIZE, struct plan, run_max_bytes), .min = "1MiB", .max = "1TiB", .value = "1GiB",
         .sentence = "Of results.db: diverged pairs are kept first, counts stay exact."},
        NOT_YET("attach"),
        END,
};
static const struct cfg_row engine_rows[] = {
        {.name = "kind",
         .type = CFG_ENUM,
         .names = engines,
         .unsupported = engines_later,
         .value = "embedded",
         .sentence = "Where copies are kept on their way."},
        NOT_YET("url"),
        NOT_YET("shards"),
        END,
};
static const struct cfg_row capture_rows[] = {
        {ONE("enabled", CFG_BOOL, struct plan, capture), .value = "no",
         .sentence = "Store masked exchanges."},
        {ONE("segment", CFG_SIZE, struct plan, capture_segment_bytes), .min = "1MiB", .max = "4GiB",
         .value = "256MiB", .sentence = "Size at which a capture file is closed and the next begun."},
        NOT_YET("keep"),
        NOT_YET("encrypt"),
        END,
};
static const struct cfg_row drain_rows[] = {
        {ONE("timeout", CFG_DURATION, struct plan, drain_timeout_ms), .min = "0s", .max = "1h",
         .value = "20s", .sentence = "How long a stop waits for open exchanges."},
        {ONE("lame_duck", CFG_DURATION, struct plan, lame_duck_ms), .min = "0s", .max = "10m", .value = "0s",
         .sentence =
                 "How long a stop still accepts while /readyz says no, so that balancers look away first."},
        END,
};
static const struct cfg_row match_rows[] = {
        {ONE("path_prefix", CFG_STRING, struct plan_route, path_prefix), .value = "/",
         .hook = config_prefix_hook,
         .sentence = "By segments: /a takes /a and /a/b, not /ab. The longest that fits picks the route; of "
                     "equals, the first."},
        {ONE("host", CFG_STRING, struct plan_route, match_host), .hook = config_host_hook,
         .sentence = "The name in Host, without a port."},
        {ONE("header", CFG_HOOK, struct plan_route, match_header), .hook = config_match_header_hook,
         .sentence = "'name: value' of a header field; the value is compared byte by byte."},
        {ONE("method", CFG_WORDS, struct plan_route, match_methods), .hook = config_method_hook,
         .sentence = "Methods; left out: all."},
        {ONE("port", CFG_INTEGER, struct plan_route, match_port), .min = "1", .max = "65535",
         .sentence = "Of the listener that the request came in by."},
        END,
};
static const struct cfg_row live_tls_rows[] = {
        {ONE("ca_file", CFG_STRING, struct plan_live, ca_file), .hook = config_file_hook,
         .sentence = "PEM: who may have signed its certificate; left out: the system's."},
        {ONE("verify", CFG_BOOL, struct plan_live, verify), .value = "yes",
         .sentence = "Its certificate's name and chain must be right."},
        {ONE("certificate_file", CFG_STRING, struct plan_live, client.certificate_file),
         .hook = config_file_hook, .sentence = "PEM: the certificate that we show."},
        {ONE("key_file", CFG_STRING, struct plan_live, client.key_file), .hook = config_file_hook,
         .sentence = "PEM: its private key, without a passphrase."},
        END,
};
static const struct cfg_row health_rows[] = {
        {ONE("path", CFG_STRING, struct plan_health, path), .hook = config_path_hook,
         .sentence = "Asked with GET by each worker, on a connection of its own; 2xx is well. Left out: "
                     "nobody asks."},
        {.name = "grpc",
         .type = CFG_HOOK,
         .hook = config_health_grpc_hook,
         .sentence =
                 "A service, or *: it is asked by grpc.health.v1 over HTTP/2 instead, and SERVING is well."},
        {ONE("interval", CFG_DURATION, struct plan_health, interval_ms), .min = "100ms", .max = "1h",
         .value = "5s", .sentence = "Between two questions, give or take a tenth."},
        {ONE("timeout", CFG_DURATION, struct plan_health, timeout_ms), .min = "10ms", .max = "10m",
         .value = "2s", .sentence = "How long its answer may take."},
        {ONE("rise", CFG_INTEGER, struct plan_health, rise), .min = "1", .max = "100", .value = "2",
         .sentence = "Good answers in a row that bring it back."},
        {ONE("fall", CFG_INTEGER, struct plan_health, fall), .min = "1", .max = "100", .value = "3",
         .sentence = "Bad or missing answers in a row that take it out. When all are out, all are tried."},
        {ONE("max_fails", CFG_INTEGER, struct plan_health, max_fails), .max = "1000", .value = "3",
         .sentence = "Failed requests in a row that take it out for fail_timeout. 0: never."},
        {ONE("fail_timeout", CFG_DURATION, struct plan_health, fail_timeout_ms), .min = "100ms", .max = "1h",
         .value = "10s", .sentence = "How long it stays out."},
        END,
};
static const struct cfg_row live_rows[] = {
        {ONE("endpoints", CFG_EACH, struct plan_live, endpoints), .required = true,
         .hook = config_live_endpoint_hook,
         .sentence = "a list of URLs, such as [http://127.0.0.1:9001], https://HOST:PORT or unix:/PATH"},
        {ONE("balance", CFG_ENUM, struct plan_live, balance), .names = config_balances,
         .value = "round_robin", .sentence = "Which endpoint is next."},
        {ONE("http", CFG_ENUM, struct plan_live, http), .names = config_https, .value = "auto",
         .sentence = "2: over TLS by ALPN, else from the first byte. auto: what ALPN chooses over TLS, else "
                     "1.1."},
        {ONE("timeout", CFG_DURATION, struct plan_live, timeout_ms), .min = "1ms", .max = "1h",
         .value = "30s", .sentence = "How long live may be silent before the client gets 504."},
        {ONE("connect_timeout", CFG_DURATION, struct plan_live, connect_timeout_ms), .min = "1ms",
         .max = "10m", .value = "5s", .sentence = "How long a connection may take to come about."},
        {ONE("try_timeout", CFG_DURATION, struct plan_live, try_timeout_ms), .min = "1ms", .max = "1h",
         .sentence =
                 "From a request's end to an answer's head; then GET and its like are tried elsewhere, else "
                 "504."},
        {ONE("total_timeout", CFG_DURATION, struct plan_live, total_timeout_ms), .min = "1ms", .max = "1h",
         .sentence = "From a request's end to its answer's, all tries; then 504, or a cut. Left out: none."},
        {ONE("idle_timeout", CFG_DURATION, struct plan_live, idle_timeout_ms), .min = "0s", .max = "1h",
         .value = "30s", .sentence = "A connection kept for later is closed after this."},
        {ONE("max_connections", CFG_INTEGER, struct plan_live, max_connections), .min = "1", .max = "100000",
         .value = "512",
         .sentence = "Of an endpoint and worker; over it: 503. Slow clients keep half of them when most are "
                     "open."},
        {ONE("tries", CFG_INTEGER, struct plan_live, tries), .min = "1", .max = "8", .value = "2",
         .sentence =
                 "Endpoints, or addresses of a name, tried when connecting fails or a try_timeout passes."},
        {ALL("tls", CFG_MAPPING, live_tls_rows), .hook = config_live_tls_hook,
         .sentence = "Of https endpoints."},
        {ALL("health", CFG_MAPPING, health_rows), .offset = offsetof(struct plan_live, health),
         .sentence = "When an endpoint is left out, and when it comes back."},
        END,
};
static const struct cfg_row request_rows[] = {
        {.name = "set", .type = CFG_PAIRS, .hook = config_request_set_hook, .sentence = "NAME: value."},
        {.name = "remove", .type = CFG_EACH, .hook = config_request_remove_hook, .sentence = "Names."},
        END,
};
static const struct cfg_row response_rows[] = {
        {.name = "set", .type = CFG_PAIRS, .hook = config_response_set_hook, .sentence = "NAME: value."},
        {.name = "remove", .type = CFG_EACH, .hook = config_response_remove_hook, .sentence = "Names."},
        END,
};
static const struct cfg_row headers_rows[] = {
        {ALL("request", CFG_MAPPING, request_rows), .sentence = "On the way to live."},
        {ALL("response", CFG_MAPPING, response_rows), .sentence = "On the way to the client."},
        END,
};
static const struct cfg_row consent_rows[] = {
        {ONE("header", CFG_HOOK, struct plan_route, consent_header), .hook = config_slice_header_hook,
         .sentence = "A header's name; a request without it is not copied."},
        {ONE("path", CFG_HOOK, struct plan_route, consent_path), .hook = config_consent_path_hook,
         .sentence = "The same of a place in JSON bodies, such as $.user.consent; beside a header, both must "
                     "agree."},
        {ONE("value", CFG_STRING, struct plan_route, consent_value),
         .sentence = "What it must say, in either case, each time; left out: anything but no, false and 0."},
        END,
};
static const struct cfg_row withdrawn_rows[] = {
        {ONE("file", CFG_HOOK, struct plan_withdrawn, file), .required = true, .hook = config_withdrawn_hook,
         .sentence = "one token a line, as masks make it of the subject"},
        {ONE("subject", CFG_HOOK, struct plan_withdrawn, subject), .required = true,
         .hook = config_slice_header_hook,
         .sentence = "a header's name, which says whose the request is; each mask must make it a token"},
        END,
};
static const struct cfg_row mirror_rows[] = {
        {ONE("sample", CFG_SHARE, struct plan_route, sample_ppm), .value = "100%",
         .sentence = "Share of exchanges copied."},
        {ONE("key", CFG_HOOK, struct plan_route, sample_header), .value = "request_id",
         .hook = config_key_hook,
         .sentence = "What chooses them: request_id, or a header whose exchanges stay together."},
        {ONE("methods", CFG_WORDS, struct plan_route, methods), .value = "POST", .hook = config_method_hook,
         .sentence = "Methods that are copied."},
        {ONE("mask", CFG_HOOK, struct plan_route, mask), .hook = config_mask_use_hook,
         .sentence = "A name under masks; left out, the built-in policy; learn: its exchanges are only "
                     "looked at."},
        {ONE("max_body", CFG_SIZE, struct plan_route, max_body_bytes), .min = "1KiB", .max = "1GiB",
         .value = "8MiB", .sentence = "A larger body is served, not copied."},
        {ALL("consent", CFG_MAPPING, consent_rows),
         .sentence = "What a request must say to be copied; else it is excluded as no_consent."},
        END,
};
static const struct cfg_row tolerance_rows[] = {
        {ONE("abs", CFG_DOUBLE, struct plan_route, tolerance_abs), .value = "0",
         .sentence = "Allowed absolute difference."},
        {ONE("rel", CFG_DOUBLE, struct plan_route, tolerance_rel), .value = "0",
         .sentence = "Allowed relative difference."},
        END,
};
static const struct cfg_row content_rows[] = {
        {ONE("name", CFG_STRING, struct plan_content, name), .required = true,
         .sentence = "What it is called."},
        {.name = "terms",
         .type = CFG_STRINGS,
         CFG_ITEMS(struct plan_content, terms, term_count),
         .sentence = "Words and phrases, whole and in any case."},
        {ONE("pattern", CFG_STRING, struct plan_content, pattern),
         .sentence = "A regular expression, as of JavaScript with the flag u but without looking around."},
        END,
};
static const struct cfg_row compare_rows[] = {
        {.name = "ignore",
         .type = CFG_STRINGS,
         CFG_ITEMS(struct plan_route, ignore, ignore_count),
         .hook = config_json_path_hook,
         .sentence = "JSON paths left out of the comparison."},
        {ONE("ignore_named_only", CFG_BOOL, struct plan_route, ignore_named_only), .value = "no",
         .sentence = "Of generic JSON, ids of the call and times are compared, too."},
        {ALL("tolerance", CFG_MAPPING, tolerance_rows),
         .sentence = "Differences of numbers that do not count."},
        {.name = "tolerances",
         .type = CFG_PAIRS,
         .hook = config_path_tolerance_hook,
         .sentence = "PATH: what the numbers at a JSON path may differ by, such as 0.01 or 1%."},
        {.name = "arrays",
         .type = CFG_PAIRS,
         .hook = config_array_hook,
         .sentence = "PATH: set, or by MEMBER; the elements of other arrays are held against each other in "
                     "their order."},
        {ONE("schema", CFG_STRING, struct plan_route, json_schema), .hook = config_schema_hook,
         .sentence = "A JSON Schema that the texts of a language model satisfy, as JSON."},
        {.name = "content",
         .type = CFG_LIST,
         CFG_ITEMS(struct plan_route, content, content_count),
         .rows = content_rows,
         .hook = config_content_hook,
         .sentence = "What no text of an answer should hold: a candidate's that does where live's does not "
                     "is content_flagged."},
        {ONE("version_header", CFG_HOOK, struct plan_route, version_header), .hook = config_slice_header_hook,
         .sentence =
                 "A header of answers that says which version answered; well-known ones are read anyway."},
        {.name = "outputs",
         .type = CFG_PAIRS,
         .hook = config_output_hook,
         .sentence = "NAME: what it is compared as: auto, values, classification, regression, ranking, "
                     "embedding or detection."},
        {ONE("answer_after", CFG_STRING, struct plan_route, answer_after),
         .sentence = "What begins the line with a text's final answer, which is compared in its place."},
        END,
};
static const struct cfg_row candidate_tls_rows[] = {
        {ONE("ca_file", CFG_STRING, struct plan_candidate, ca_file), .hook = config_file_hook,
         .sentence = "PEM: who may have signed its certificate; left out: the system's."},
        {ONE("verify", CFG_BOOL, struct plan_candidate, verify), .value = "yes",
         .sentence = "Its certificate's name and chain must be right."},
        END,
};
static const struct cfg_row shares_live_rows[] = {
        {ONE("max_rate", CFG_HOOK, struct plan_candidate, max_rate), .required = true,
         .hook = config_rate_hook, .sentence = "copies a second, such as 5/s"},
        END,
};
static const struct cfg_row harm_rows[] = {
        {ONE("max", CFG_HOOK, struct plan_harm, max_us), .required = true, .hook = config_microseconds_hook,
         .sentence = "what the median exchange may take longer, such as 250us or 5ms"},
        {ONE("block", CFG_DURATION, struct plan_harm, block_ms), .min = "100ms", .max = "10m",
         .value = "500ms", .sentence = "How long shadowing stays on or off."},
        {ONE("off", CFG_SHARE, struct plan_harm, off_ppm), .value = "25%",
         .sentence = "Share of blocks without it, 1% to 50%; nothing is copied in them."},
        END,
};
static const struct cfg_row ramp_rows[] = {
        {.name = "stages",
         .type = CFG_EACH,
         .hook = config_ramp_stage_hook,
         .sentence = "Shares, each more than the one before; left out: [1%, 10%, 50%, 100%]."},
        {ONE("pairs", CFG_INTEGER, struct plan_ramp, pairs), .min = "1", .max = "1000000", .value = "100",
         .sentence = "Pairs in a stage before it is left."},
        {ONE("hold", CFG_DURATION, struct plan_ramp, hold_ms), .min = "0s", .max = "24h", .value = "1m",
         .sentence = "How long a stage takes at least."},
        END,
};
static const struct cfg_row stop_rows[] = {
        {ONE("after", CFG_DURATION, struct plan_stop, after_ms), .min = "1s", .max = "30d",
         .sentence = "After that time."},
        {ONE("pairs", CFG_INTEGER, struct plan_stop, pairs), .min = "1", .max = "1000000000",
         .sentence = "After that many pairs."},
        {ONE("decided", CFG_BOOL, struct plan_stop, decided), .value = "no",
         .sentence = "Once every gate of the candidate is decided."},
        {ONE("watch", CFG_SHARE, struct plan_stop, watch_ppm), .value = "1%",
         .sentence = "What it gets from then on."},
        END,
};
static const struct cfg_row rewrite_rows[] = {
        {.name = "path",
         .type = CFG_PAIRS,
         .hook = config_rewrite_path_hook,
         .sentence = "/OLD: /NEW of what a path begins with, by segments; the first that fits."},
        {ONE("host", CFG_HOOK, struct plan_rewrite, host), .value = "candidate",
         .hook = config_rewrite_host_hook,
         .sentence = "keep (the client's), candidate (the endpoint's), or a name."},
        {.name = "headers",
         .type = CFG_PAIRS,
         .hook = config_rewrite_header_hook,
         .sentence = "NAME: value; an empty value takes the field away."},
        {.name = "body",
         .type = CFG_PAIRS,
         .hook = config_rewrite_body_hook,
         .sentence = "$.PATH: value, where a JSON body has it; what is no JSON scalar is a string."},
        END,
};
static const struct cfg_row spend_rows[] = {
        {ONE("per_million", CFG_DOUBLE, struct plan_candidate, per_million), .required = true,
         .sentence = "what a million tokens cost, such as 2.50"},
        {ONE("per_day", CFG_DOUBLE, struct plan_candidate, per_day), .required = true,
         .sentence = "what may be spent on copies from midnight UTC on, in the same currency"},
        END,
};
static const struct cfg_row breaker_rows[] = {
        {ONE("failures", CFG_SHARE, struct plan_breaker, failures_ppm), .value = "50%",
         .sentence = "Share of the window's requests without a usable answer that opens it."},
        {ONE("minimum", CFG_INTEGER, struct plan_breaker, minimum), .min = "1", .max = "100000",
         .value = "20", .sentence = "Requests that the window must hold before it may open."},
        {ONE("window", CFG_DURATION, struct plan_breaker, window_ms), .min = "100ms", .max = "1h",
         .value = "10s", .sentence = "Of how long the share is taken."},
        {ONE("pause", CFG_DURATION, struct plan_breaker, pause_ms), .min = "10ms", .max = "1h", .value = "5s",
         .sentence = "Until the first probe, give or take a quarter; doubles while probes fail."},
        {ONE("probes", CFG_INTEGER, struct plan_breaker, probes), .min = "1", .max = "1000", .value = "3",
         .sentence = "Good answers in a row, one request at a time, that close it again."},
        END,
};
static const struct cfg_row sandbox_rows[] = {
        {ONE("command", CFG_EACH, struct plan_sandbox, command), .required = true,
         .hook = config_sandbox_command_hook,
         .sentence = "a program and its words, such as [python3, serve.py]; it starts in the first of 'ro'"},
        {ONE("port", CFG_INTEGER, struct plan_sandbox, port), .min = "1", .max = "65535",
         .sentence =
                 "Of 127.0.0.1 inside, that it listens on ($PORT); left out: the socket $UNDERSTUDY_SOCKET."},
        {ONE("health", CFG_STRING, struct plan_sandbox, health), .hook = config_path_hook,
         .sentence =
                 "It is ready once GET of that is answered with 2xx; left out: once it takes connections."},
        {ONE("ro", CFG_EACH, struct plan_sandbox, ro), .hook = config_sandbox_ro_hook,
         .sentence = "Folders that it may read, such as one of weights."},
        {ONE("env", CFG_PAIRS, struct plan_sandbox, env), .hook = config_sandbox_env_hook,
         .sentence = "NAME: value in its environment, which is empty else."},
        {ONE("gpu", CFG_BOOL, struct plan_sandbox, gpu), .value = "no",
         .sentence = "It may use graphics devices."},
        {ONE("user", CFG_HOOK, struct plan_sandbox, user), .hook = config_sandbox_user_hook,
         .sentence = "As whom it runs when root starts the proxy; left out: nobody."},
        {ONE("memory", CFG_SIZE, struct plan_sandbox, memory_bytes), .min = "1MiB", .max = "1TiB",
         .value = "4GiB", .sentence = "Of all its processes."},
        {ONE("cpus", CFG_HOOK, struct plan_sandbox, cpu_percent), .hook = config_sandbox_cpus_hook,
         .sentence = "Cores that it may use, such as 1.5; left out: all."},
        {ONE("pids", CFG_INTEGER, struct plan_sandbox, pids), .min = "1", .max = "1000000", .value = "512",
         .sentence = "Processes and threads."},
        {ONE("time", CFG_DURATION, struct plan_sandbox, time_ms), .min = "100ms", .max = "30d",
         .sentence = "It is ended then, and not started again; left out: never."},
        {ONE("output", CFG_SIZE, struct plan_sandbox, output_bytes), .min = "0B", .max = "1GiB",
         .value = "64KiB",
         .sentence = "Of what it prints before it is ready is logged; the rest is dropped."},
        {ONE("tmp", CFG_SIZE, struct plan_sandbox, tmp_bytes), .min = "4KiB", .max = "1TiB",
         .value = "256MiB", .sentence = "Of its /tmp, and of its /dev/shm."},
        END,
};
const struct cfg_row config_candidate_rows[] = {
        {ONE("name", CFG_STRING, struct plan_candidate, name), .required = true, .hook = config_name_hook,
         .sentence = "a name for reports"},
        {ONE("endpoints", CFG_EACH, struct plan_candidate, endpoint), .hook = config_candidate_endpoint_hook,
         .sentence = "A list of one URL, such as [http://127.0.0.1:9002]; or a sandbox."},
        {ALL("sandbox", CFG_MAPPING, sandbox_rows), .offset = offsetof(struct plan_candidate, sandbox),
         .hook = config_sandbox_hook,
         .sentence = "We start it ourselves, contained: no network, nothing inherited, and limits."},
        {ONE("role", CFG_ENUM, struct plan_candidate, baseline), .names = roles, .value = "candidate",
         .sentence = "A baseline is the live model again: it measures the noise floor."},
        {ONE("sample", CFG_SHARE, struct plan_candidate, sample_ppm), .value = "100%",
         .sentence = "Share of the copied exchanges; 10% for a baseline."},
        {ONE("timeout", CFG_DURATION, struct plan_candidate, timeout_ms), .min = "1ms", .max = "1h",
         .value = "2s", .sentence = "How long its answer may take."},
        {ONE("max_in_flight", CFG_INTEGER, struct plan_candidate, max_in_flight), .min = "1", .max = "65536",
         .value = "64", .sentence = "Copies that wait for its answer at a time, and its connections."},
        {ONE("http", CFG_ENUM, struct plan_candidate, http), .names = config_https, .value = "auto",
         .sentence = "Which HTTP it is sent, as for live."},
        {ONE("max_rate", CFG_HOOK, struct plan_candidate, max_rate), .hook = config_rate_hook,
         .sentence = "Copies a second, such as 50/s (or /m, /h); more are shed as rate. Left out: no limit."},
        {ONE("max_bytes", CFG_SIZE, struct plan_candidate, max_bytes), .min = "1KiB", .max = "1TiB",
         .sentence = "Bytes of copies a second; more are shed as rate. Left out: no limit."},
        {ONE("max_queue", CFG_SIZE, struct plan_candidate, max_queue), .min = "1KiB", .max = "1TiB",
         .sentence = "Bytes of copies that wait for its answer at a time; more are shed as in_flight."},
        {ONE("max_tokens", CFG_HOOK, struct plan_candidate, max_tokens), .hook = config_rate_hook,
         .sentence = "Tokens of requests and answers a second, as 1000/s; what is over is shed as rate."},
        {ALL("spend", CFG_MAPPING, spend_rows),
         .sentence = "A ceiling per day on what copies cost; past it they are shed as rate."},
        {ONE("warmup", CFG_HOOK, struct plan_candidate, warmup_count), .hook = config_warmup_hook,
         .sentence = "The first copies of a run, by number (20) or time (30s), are sent and not compared."},
        {ALL("ramp", CFG_MAPPING, ramp_rows), .offset = offsetof(struct plan_candidate, ramp),
         .sentence =
                 "Its sample rises by stages while its gates hold, else it falls; left out: all at once."},
        {ALL("breaker", CFG_MAPPING, breaker_rows), .offset = offsetof(struct plan_candidate, breaker),
         .sentence = "When a candidate that fails is left alone; left out: never."},
        {ALL("rewrite", CFG_MAPPING, rewrite_rows), .offset = offsetof(struct plan_candidate, rewrite),
         .sentence = "What a copy has otherwise than its request."},
        {ONE("faults", CFG_EACH, struct plan_candidate, faults), .hook = config_fault_hook,
         .sentence = "A drill: what the shadow makes up, such as [delay 200ms 20% from 10s for 1m]; the run "
                     "decides nothing."},
        {ONE("models", CFG_ENUM, struct plan_candidate, models_ignored), .names = models, .value = "ask",
         .sentence = "Which it serves, before a copy with a $.model: one other name is put there, several "
                     "refuse it."},
        {ONE("credential_file", CFG_STRING, struct plan_candidate, credential_file),
         .hook = config_credential_file_hook,
         .sentence = "A line, mode 0600: the candidate's own credential. Those of clients are never sent."},
        {ONE("credential_header", CFG_HOOK, struct plan_candidate, credential_header),
         .value = "authorization", .hook = config_credential_header_hook,
         .sentence = "The header that the credential is in."},
        {ALL("shares_live", CFG_MAPPING, shares_live_rows),
         .sentence = "It may be a live endpoint: at most max_rate, one in flight unless said, with 'harm'."},
        {ALL("tls", CFG_MAPPING, candidate_tls_rows), .sentence = "For an https endpoint."},
        END,
};
static const struct cfg_row gate_rows[] = {
        {ONE("metric", CFG_ENUM, struct plan_gate, metric), .names = config_gate_metrics, .required = true,
         .sentence = "such as divergence_rate, excess_divergence or latency_p99_ratio: see understudy gate "
                     "--list"},
        {.name = "max",
         .type = CFG_LATER,
         .sentence = "Upper limit: a percentage, a number for a ratio or bits, a time for a shift."},
        {.name = "min", .type = CFG_LATER, .sentence = "Lower limit, for coverage and token_f1_mean."},
        {ONE("because", CFG_STRING, struct plan_gate, because), .sentence = "Why this limit."},
        {ONE("critical", CFG_ENUM, struct plan_gate, advisory), .names = critical, .value = "yes",
         .sentence = "no: it is told, and no part of the verdict."},
        {ONE("min_pairs", CFG_INTEGER, struct plan_gate, min_pairs), .min = "0", .max = "1000000000",
         .value = "0", .sentence = "Undecided before so many pairs, whatever its interval."},
        {ONE("candidate", CFG_STRING, struct plan_gate, candidate),
         .sentence = "The one that it is for; left out: each of the route."},
        {ONE("slice", CFG_STRING, struct plan_gate, slice),
         .sentence = "Of divergence_rate: among the pairs of a slice alone, as tenant=a."},
        END,
};
static const struct cfg_row safeguard_rows[] = {
        {ONE("metric", CFG_ENUM, struct plan_safeguard, metric), .names = config_guard_metrics,
         .unsupported = guard_metrics_later, .required = true,
         .sentence =
                 "a figure of live, of a candidate (drift, parity_change and other gates) or of the machine"},
        {.name = "max",
         .type = CFG_LATER,
         .sentence = "Over this it acts: a time for live_latency_p99, a number for drift and "
                     "latency_p99_ratio, else a percentage."},
        {.name = "leave",
         .type = CFG_LATER,
         .sentence = "What it does is taken back when the figure was not over this; left out: 80% of max."},
        {ONE("window", CFG_DURATION, struct plan_safeguard, window_ms), .min = "1s", .max = "1h",
         .value = "30s",
         .sentence = "The last while, in which 20 observations are the least; not of host_*."},
        {ONE("for", CFG_DURATION, struct plan_safeguard, for_ms), .min = "0s", .max = "1h", .value = "5s",
         .sentence = "How long it must be over max."},
        {ONE("hold", CFG_DURATION, struct plan_safeguard, hold_ms), .min = "1s", .max = "24h", .value = "1m",
         .sentence = "How long it acts at least, and must not have been over leave."},
        {ONE("action", CFG_ENUM, struct plan_safeguard, action), .names = guard_actions, .required = true,
         .sentence = "shed (copy nothing), lower, pause, or stop (the run); of a candidate's figure for it "
                     "alone"},
        {ONE("to", CFG_SHARE, struct plan_safeguard, to_ppm), .sentence = "The share that lower leaves."},
        {ONE("because", CFG_STRING, struct plan_safeguard, because), .sentence = "Why this limit."},
        END,
};
static const struct cfg_row slice_rows[] = {
        {ONE("name", CFG_STRING, struct plan_slice, name), .required = true, .hook = config_name_hook,
         .sentence = "a name for reports"},
        {ONE("header", CFG_HOOK, struct plan_slice, header), .required = true,
         .hook = config_slice_header_hook,
         .sentence = "a request header's name; its masked value is the group"},
        END,
};
static const struct cfg_row fairness_rows[] = {
        {ONE("slice", CFG_STRING, struct plan_fairness, slice), .required = true,
         .sentence = "the name of one of the route's slices: its values are the groups"},
        {ONE("label", CFG_INTEGER, struct plan_fairness, label), .min = "0", .max = "1000000", .value = "1",
         .sentence = "The index of the favourable label."},
        {ONE("min_rows", CFG_INTEGER, struct plan_fairness, min_rows), .min = "1", .max = "1000000",
         .value = "30", .sentence = "Groups of fewer rows are not told."},
        END,
};
static const struct cfg_row weight_rows[] = {
        {ONE("path", CFG_STRING, struct plan_weight, path), .required = true,
         .sentence = "where in the request's JSON the exchange's value is: $.amount, $.order.total"},
        {ONE("cap", CFG_DOUBLE, struct plan_weight, cap), .required = true, .min = "1e-9", .max = "1e15",
         .sentence = "larger values count as this one, that no exchange outweighs all others"},
        END,
};
static const struct cfg_row session_rows[] = {
        {ONE("header", CFG_HOOK, struct plan_session, header), .required = true,
         .hook = config_slice_header_hook,
         .sentence = "a request header's name; its masked value is the session"},
        END,
};
static const struct cfg_row drift_rows[] = {
        {ONE("reference", CFG_STRING, struct plan_drift, reference), .hook = config_file_hook,
         .sentence = "A capture: its requests are what this run's are held against, member by member."},
        {ONE("outputs", CFG_BOOL, struct plan_drift, outputs), .value = "yes",
         .sentence = "Hold the candidate's answers against live's, member by member."},
        END,
};
const struct cfg_row config_route_rows[] = {
        {ONE("name", CFG_STRING, struct plan_route, name), .required = true, .hook = config_name_hook,
         .sentence = "a name for reports"},
        {ALL("match", CFG_MAPPING, match_rows), .sentence = "Which requests: all that is given must fit."},
        {ONE("protocol", CFG_ENUM, struct plan_route, protocol), .names = config_protocols,
         .unsupported = protocols_later, .value = "auto",
         .sentence = "How answers are read; that one is gRPC is told by its content-type."},
        {ONE("upgrade", CFG_ENUM, struct plan_route, upgrade), .names = upgrades, .value = "none",
         .sentence = "Which Upgrade is tunnelled; it is never mirrored."},
        {ONE("live", CFG_MAPPING, struct plan_route, live), .rows = live_rows, .required = true,
         .hook = config_live_hook,
         .sentence = "the server whose answer the client gets: live: {endpoints: [http://127.0.0.1:9001]}"},
        {ALL("headers", CFG_MAPPING, headers_rows), .sentence = "Header fields that are set or taken away."},
        {ALL("mirror", CFG_MAPPING, mirror_rows), .sentence = "What is copied; left out: nothing."},
        {ALL("compare", CFG_MAPPING, compare_rows), .sentence = "How answers are compared."},
        {.name = "candidates",
         .type = CFG_LIST,
         CFG_ITEMS(struct plan_route, candidates, candidate_count),
         .rows = config_candidate_rows,
         .hook = config_candidate_hook,
         .sentence = "Servers under test."},
        {.name = "gates",
         .type = CFG_LIST,
         CFG_ITEMS(struct plan_route, gates, gate_count),
         .rows = gate_rows,
         .hook = config_gate_hook,
         .sentence = "Limits that decide the run."},
        {ALL("stop", CFG_MAPPING, stop_rows), .offset = offsetof(struct plan_route, stop),
         .sentence =
                 "When a candidate has been seen enough, at the first of what is given; left out: never."},
        {.name = "slices",
         .type = CFG_LIST,
         CFG_ITEMS(struct plan_route, slices, slice_count),
         .rows = slice_rows,
         .sentence = "Groups of exchanges that reports tell apart."},
        {ONE("auto_slices", CFG_BOOL, struct plan_route, auto_slices), .value = "no",
         .sentence = "Members of JSON requests that divergence has to do with: half of the pairs proposes, "
                     "half tests."},
        {ALL("fairness", CFG_MAPPING, fairness_rows), .offset = offsetof(struct plan_route, fairness),
         .sentence = "Whether the groups of a slice are given a label alike, by live and by candidates."},
        {ALL("weight", CFG_MAPPING, weight_rows), .offset = offsetof(struct plan_route, weight),
         .sentence = "Divergence by value beside the count."},
        {ALL("session", CFG_MAPPING, session_rows), .offset = offsetof(struct plan_route, session),
         .sentence = "Exchanges of one session are one observation: intervals of rates become wider."},
        {ONE("slo", CFG_DURATION, struct plan_route, slo_ms), .min = "1ms", .max = "1h",
         .sentence = "An answer that takes longer is no good one: 'goodput' in reports."},
        {ALL("drift", CFG_MAPPING, drift_rows), .offset = offsetof(struct plan_route, drift),
         .sentence = "How far the distributions of requests and answers have moved."},
        {.name = "safeguards",
         .type = CFG_LIST,
         CFG_ITEMS(struct plan_route, safeguards, safeguard_count),
         .rows = safeguard_rows,
         .hook = config_safeguard_hook,
         .sentence = "Limits on figures of the last while, and what is done when one is passed."},
        NOT_YET("rewrite"),
        NOT_YET("tls"),
        END,
};
static const struct cfg_row mask_field_rows[] = {
        {.name = "path",
         .type = CFG_LATER,
         .sentence =
                 "JSON path in bodies, as $.user.email; of gRPC calls by name or number, as /a.B/Put$.1.3."},
        {.name = "header", .type = CFG_LATER, .sentence = "Header name."},
        {.name = "query",
         .type = CFG_LATER,
         .sentence = "Name of a query parameter, decoded; those that are not listed become tokens."},
        {.name = "form",
         .type = CFG_LATER,
         .sentence = "Name of a form's field, urlencoded or multipart; a path $.name holds, too."},
        {.name = "cookie",
         .type = CFG_LATER,
         .sentence = "Name of a cookie, sent or set; those that no rule names are dropped."},
        {.name = "segment",
         .type = CFG_LATER,
         .sentence = "Segment of the path: its number, or the one before it; targets with //, /./ or %2F are "
                     "dropped."},
        {ONE("with", CFG_ENUM, struct plan_mask_field, with), .names = config_mask_operators,
         .required = true, .sentence = "What becomes of it: an operator of MASK OPERATORS."},
        {.name = "by",
         .type = CFG_LATER,
         .sentence = "Of the operator: how much, or which; left out, what is usual."},
        {.name = "as",
         .type = CFG_LATER,
         .sentence =
                 "What it is, a class of DETECTORS: however it is written, and wherever, its token is one."},
        {.name = "subject",
         .type = CFG_LATER,
         .sentence = "Of shift_date: whose date it is, a path in the same body, such as $.user.id."},
        {ONE("model_input", CFG_BOOL, struct plan_mask_field, model_input), .value = "yes",
         .sentence = "The model reads it: masking it makes the pair incomparable."},
        END,
};
static const struct cfg_row recogniser_rows[] = {
        {ONE("command", CFG_EACH, struct plan_recogniser, sandbox.command), .required = true,
         .hook = config_sandbox_command_hook,
         .sentence = "a program and its words, such as [python3, ner.py]; it starts in the first of 'ro'"},
        {ONE("deadline", CFG_DURATION, struct plan_recogniser, deadline_ms), .min = "1ms", .max = "10s",
         .value = "500ms",
         .sentence = "For all texts of a body; past it the copy is dropped, and it is restarted."},
        {ONE("ro", CFG_EACH, struct plan_recogniser, sandbox.ro), .hook = config_sandbox_ro_hook,
         .sentence = "Folders that it may read, such as one of weights."},
        {ONE("env", CFG_PAIRS, struct plan_recogniser, sandbox.env), .hook = config_sandbox_env_hook,
         .sentence = "NAME: value in its environment, which is empty else."},
        {ONE("gpu", CFG_BOOL, struct plan_recogniser, sandbox.gpu), .value = "no",
         .sentence = "It may use graphics devices."},
        {ONE("memory", CFG_SIZE, struct plan_recogniser, sandbox.memory_bytes), .min = "1MiB", .max = "1TiB",
         .value = "4GiB",
         .sentence = "Of all its processes; there are two of it, for requests and for answers."},
        {ONE("cpus", CFG_HOOK, struct plan_recogniser, sandbox.cpu_percent), .hook = config_sandbox_cpus_hook,
         .sentence = "Cores that it may use, such as 1.5; left out: all."},
        {ONE("pids", CFG_INTEGER, struct plan_recogniser, sandbox.pids), .min = "1", .max = "1000000",
         .value = "512", .sentence = "Processes and threads."},
        {ONE("tmp", CFG_SIZE, struct plan_recogniser, sandbox.tmp_bytes), .min = "4KiB", .max = "1TiB",
         .value = "256MiB", .sentence = "Of its /tmp, and of its /dev/shm."},
        END,
};
static const struct cfg_row pattern_rows[] = {
        {ONE("name", CFG_STRING, struct detect_pattern, name), .required = true, .hook = config_name_hook,
         .sentence = "What is found is of a class of that name."},
        {ONE("regex", CFG_STRING, struct detect_pattern, regex), .required = true,
         .sentence = "As Hyperscan reads it: PCRE without look-around and back references, (?i) first for "
                     "either case."},
        END,
};
static const struct cfg_row mask_rows[] = {
        {.name = "mode",
         .type = CFG_ENUM,
         .names = modes,
         CFG_FIELD(struct plan_mask, allow),
         .value = "deny",
         .sentence =
                 "deny: what is listed or found is masked; allow: all but fields that are listed with keep."},
        {.name = "fields",
         .type = CFG_LIST,
         CFG_ITEMS(struct plan_mask, fields, field_count),
         .rows = mask_field_rows,
         .hook = config_mask_field_hook,
         .sentence = "What is masked instead of what the built-in policy finds; its rules for heads always "
                     "apply."},
        {.name = "key_domain",
         .type = CFG_STRING,
         CFG_FIELD(struct plan_mask, tenant),
         .hook = config_name_hook,
         .sentence = "Whose key: tokens of two tenants never agree; left out, the key as it is."},
        {ONE("epoch", CFG_INTEGER, struct plan_mask, epoch), .min = "0", .max = "1000000", .value = "0",
         .sentence = "Counted up, all tokens are new ones; 0: the key as it is."},
        {.name = "key_file",
         .type = CFG_HOOK,
         .hook = config_mask_key_hook,
         .sentence = "32 raw bytes or 64 hex digits, mode 0600; left out: in memory only."},
        {.name = "detectors",
         .type = CFG_EACH,
         .offset = offsetof(struct plan_mask, detect.find.classes),
         .hook = config_detector_hook,
         .sentence = "Found in strings, header values and paths: classes or groups of DETECTORS, or all."},
        {ONE("detected", CFG_ENUM, struct plan_mask, detect.with), .names = config_mask_operators,
         .value = "token",
         .sentence =
                 "What becomes of it: an operator of MASK OPERATORS; drop redacts the text that it is in."},
        {ONE("min_score", CFG_SHARE, struct plan_mask, detect.least_ppm), .min = "1%", .value = "50%",
         .sentence = "How sure a detector must be; context and checks raise a score."},
        {.name = "allow",
         .type = CFG_STRINGS,
         CFG_ITEMS(struct plan_mask, detect.find.allow, detect.find.allow_count),
         .hook = config_allow_hook,
         .sentence = "Values that stay clear, such as support@example.com or '*@example.com'."},
        {ONE("gazetteer_file", CFG_HOOK, struct plan_mask, detect.gazetteer_file),
         .hook = config_gazetteer_hook,
         .sentence =
                 "Names, places, words, one a line, found as detector 'gazetteer'; at most 4MiB, mode 0640."},
        {ONE("descriptors", CFG_HOOK, struct plan_mask, descriptors_file), .hook = config_gazetteer_hook,
         .sentence = "What protoc --include_imports --descriptor_set_out writes: names for paths of gRPC "
                     "calls; at most 4MiB."},
        {.name = "free_text",
         .type = CFG_ENUM,
         CFG_FIELD(struct plan_mask, detect.free_text),
         .names = config_free_texts,
         .value = "keep",
         .sentence =
                 "Prose is redacted (drop), its body not copied (drop_record); or the recogniser is asked."},
        {ALL("recogniser", CFG_MAPPING, recogniser_rows), .offset = offsetof(struct plan_mask, recogniser),
         .hook = config_recogniser_hook,
         .sentence = "A process that names what is in free text, in a sandbox: JSON lines in and out."},
        {.name = "patterns",
         .type = CFG_LIST,
         CFG_ITEMS(struct plan_mask, detect.patterns, detect.pattern_count),
         .rows = pattern_rows,
         .hook = config_pattern_hook,
         .sentence = "Expressions of your own, found like detectors; they need Hyperscan (libhyperscan5)."},
        END,
};
/* masks before routes: a route names one. */
static const struct cfg_row rows[] = {
        {ONE("version", CFG_INTEGER, struct plan, version), .min = "1", .max = "1", .value = "1",
         .required = true, .sentence = "write version: 1"},
        {.name = "listen",
         .type = CFG_LIST,
         CFG_ITEMS(struct plan, listen, listen_count),
         .rows = config_listen_rows,
         .required = true,
         .hook = config_listen_hook,
         .sentence = "write listen: [{address: 127.0.0.1:8080}]"},
        {ONE("user", CFG_HOOK, struct plan, user_id), .hook = config_user_hook,
         .sentence =
                 "Whom the roles run as when root starts the proxy; left out: root, without its privileges."},
        {ONE("workers", CFG_HOOK, struct plan, workers), .value = "auto", .hook = config_workers_hook,
         .sentence = "A number up to 16, or auto: the cores, at most 4."},
        {ONE("memory", CFG_SIZE, struct plan, memory_bytes), .min = "16MiB", .max = "1TiB", .value = "256MiB",
         .sentence = "Rings and queues of copies are cut from it; check prints the split and the ceiling."},
        {ONE("forwarded", CFG_BOOL, struct plan, forwarded), .value = "yes",
         .sentence = "Tell live who asks: X-Forwarded-*, Forwarded, x-request-id, and our span in a "
                     "traceparent."},
        {ONE("resolve_every", CFG_DURATION, struct plan, resolve_every_ms), .min = "100ms", .max = "24h",
         .value = "30s",
         .sentence = "How often the names of endpoints are looked up again; the system tells no TTL."},
        {ALL("limits", CFG_MAPPING, limits_rows), .offset = offsetof(struct plan, limits),
         .sentence = "What one client may take."},
        {ALL("harm", CFG_MAPPING, harm_rows), .offset = offsetof(struct plan, harm), .hook = config_harm_hook,
         .sentence =
                 "Measures what shadowing costs live and pauses it over a limit; left out: no such switch."},
        {ONE("canary", CFG_DURATION, struct plan, canary_ms), .min = "0s", .max = "1h", .value = "1m",
         .sentence =
                 "How often a synthetic exchange tries what masks copies; unmasked or lost it pauses all."},
        {ALL("withdrawn", CFG_MAPPING, withdrawn_rows), .offset = offsetof(struct plan, withdrawn),
         .sentence = "Whose exchanges are neither captured, nor mirrored, nor replayed any more."},
        {ALL("control", CFG_MAPPING, control_rows), .sentence = "How commands reach the proxy."},
        {ALL("run", CFG_MAPPING, run_rows), .sentence = "What this run is."},
        {ALL("engine", CFG_MAPPING, engine_rows), .sentence = "Where the work is done."},
        {ALL("capture", CFG_MAPPING, capture_rows), .sentence = "What is stored."},
        {ALL("drain", CFG_MAPPING, drain_rows), .sentence = "How a stop goes."},
        {.name = "masks",
         .type = CFG_NAMED,
         CFG_ITEMS(struct plan, masks, mask_count),
         .taken = 1,
         .rows = mask_rows,
         .hook = config_mask_hook,
         .sentence = "Named masking policies."},
        {.name = "routes",
         .type = CFG_LIST,
         CFG_ITEMS(struct plan, routes, route_count),
         .rows = config_route_rows,
         .required = true,
         .hook = config_route_hook,
         .sentence = "a list of at least one route"},
        NOT_YET("tls"),
        NOT_YET("tenant"),
        NOT_YET("slices"),
        NOT_YET("rewrite"),
        NOT_YET("safeguards"),
        END,
};

const char *config_operator_name(uint32_t with)
{
	return config_mask_operators[with];
}

const struct cfg_row *config_schema(void)
{
	return rows;
}
