/*
 * config_inside.h - what the parts of the configuration reader share: the reading, the hooks that the
 * schema table names, and the checks behind it.
 *
 * Every hook notes what is wrong in the cfg and goes on, so that one pass finds all errors. Nothing
 * here opens a file or asks the resolver when the reading is offline.
 */
#ifndef PROXY_CONFIG_INSIDE_H
#define PROXY_CONFIG_INSIDE_H

#include "capture/plan.h"
#include "proto/base/cfg.h"

struct reading {
	struct plan *plan;
	const char *folder; /* of the file: "" or "DIR/"; relative paths are against it */
	bool offline;
	const struct cfg_node *key_file; /* of the mask that gave one first */
};

/* Names as written in a file, by the plan's enumerations; NULL at the end. */
extern const char *const config_protocols[],
        *const config_gate_metrics[], *const config_guard_metrics[],
                                              *const config_mask_operators[],
                                                      *const config_mask_places[],
                                                              *const config_free_texts[],
                                                                      *const config_balances[],
                                                                              *const config_https[];
/* For the start without a file: the defaults of one listener, route and candidate. */
extern const struct cfg_row config_listen_rows[], config_route_rows[], config_candidate_rows[];

/* config_hooks.c: single values, masks, files. */
cfg_hook config_workers_hook, config_user_hook, config_seed_hook, config_socket_hook, config_name_hook,
        config_path_hook, config_json_path_hook, config_path_tolerance_hook, config_array_hook,
        config_content_hook, config_schema_hook, config_output_hook, config_method_hook, config_alpn_hook,
        config_file_hook, config_mask_use_hook, config_mask_key_hook, config_consent_path_hook,
        config_mask_field_hook, config_mask_hook, config_detector_hook, config_allow_hook,
        config_gazetteer_hook, config_withdrawn_hook, config_pattern_hook, config_recogniser_hook;
/* config_mask.c: what a field's operator is told, and where it could never act; a whole policy. */
void config_mask_operator(struct cfg *, const struct cfg_node *, struct plan_mask_field *);
/* Would the route's mask leave no pair that can be compared with live? */
void config_headline_check(struct cfg *, const struct cfg_node *route, const struct plan_route *);
void config_mask_check(struct cfg *, const struct cfg_node *, struct plan_mask *);
/* config_route.c: listeners, routes, candidates, gates. */
cfg_hook config_address_hook, config_listen_hook, config_candidate_endpoint_hook, config_candidate_hook,
        config_gate_hook, config_safeguard_hook, config_route_hook, config_slice_header_hook,
        config_harm_hook;
/* config_candidate.c: what a candidate gets. */
cfg_hook config_rate_hook, config_warmup_hook, config_microseconds_hook, config_ramp_stage_hook,
        config_rewrite_path_hook, config_rewrite_host_hook, config_rewrite_header_hook,
        config_rewrite_body_hook, config_credential_header_hook, config_credential_file_hook,
        config_token_file_hook, config_fault_hook;
/* config_sandbox.c: what a sandboxed candidate is. */
cfg_hook config_sandbox_command_hook, config_sandbox_ro_hook, config_sandbox_env_hook,
        config_sandbox_cpus_hook, config_sandbox_user_hook, config_sandbox_hook;
/* config_live.c: the live side of a route. */
cfg_hook config_listen_tls_hook, config_certificate_hook, config_live_endpoint_hook, config_live_tls_hook,
        config_live_hook, config_health_grpc_hook, config_prefix_hook, config_host_hook,
        config_match_header_hook, config_key_hook, config_request_set_hook, config_request_remove_hook,
        config_response_set_hook, config_response_remove_hook;

/* A plan with all defaults, the built-in mask, no listener and no route. */
void config_start(struct plan *);
void config_sha256(struct span bytes, uint8_t out[32]);
struct plan *config_plan(struct cfg *);
/* A scalar's text that fits a TEXT_MAX_BYTES field, or NULL with an error noted. */
const char *config_text(struct cfg *, const char *name, const struct cfg_node *);
/* Letters, digits, '-', '_' and '.', not beginning with '.'. */
bool config_name_good(const char *name);
/* A field name of HTTP (RFC 9110 5.1), copied in lower case; false when it is none or too long. */
bool config_field_name(const char *name, char out[NAME_MAX_BYTES]);
/* A header field that is set, or (value NULL) taken away. */
void config_edit_add(struct cfg *, const struct cfg_node *at, struct plan_header_edits *, const char *name,
                     const char *value);
/* The index-th item of the list under a key, or NULL. */
const struct cfg_node *config_item(const struct cfg_node *, const char *key, uint32_t index);

/* A relative path becomes one below `folder`. False when it does not fit; then it is as it was. */
bool config_anchor(char *path, size_t size, const char *folder) MUST_CHECK;
/* The gates that always stand come first, unless the route has its own. False: no room. */
bool config_standing_gates(struct plan_route *) MUST_CHECK;
/* Why nothing may be sent there as a copy, or NULL. It may share a live server when it says so. */
const char *config_refuse_copy(const struct plan *, const struct plan_endpoint *, bool shares_live);
/* Its program is there: the digests are told; an error or a warning else. */
void config_sandbox_program(struct cfg *, const struct cfg_node *, struct plan_sandbox *, const char *who);
/* A candidate has endpoints or a sandbox, which gets a place for its address. */
void config_sandbox_check(struct cfg *, const struct cfg_node *, struct plan_candidate *);
void config_sandboxes_check(struct cfg *, const struct plan *);
/* A user of this machine that is not root; an error is noted else. Nothing when offline. */
void config_user(struct cfg *, const struct cfg_node *, uint32_t *user_out, uint32_t *group_out);
/* What needs the whole plan: addresses that meet, ports that nobody listens on. */
void config_check_whole(struct cfg *, const struct plan *);

/* config_files.c; `n` is the mapping that holds the keys. Both or neither of a pair must be there;
 * they must parse and belong together. */
void config_check_pair(struct cfg *, const struct cfg_node *n, const struct plan_certificate *);
/* Every certificate of the file under `key` must parse. */
void config_check_ca(struct cfg *, const struct cfg_node *n, const char *key, const char *path);
/* Something shall be written below `path`: its nearest folder that is there must allow it. `file`: the last
 * part is no folder. Only warns: a command line may name another place. */
void config_check_folder(struct cfg *, const struct cfg_node *n, const char *path, bool file);
/* A credential: a line of text, for its owner only. */
void config_check_credential(struct cfg *, const struct cfg_node *n, const char *path);
/* A token: such a line of 16 bytes and more without blanks. */
void config_check_token(struct cfg *, const struct cfg_node *n, const char *path);
/* Descriptors that can be read, or NULL; their SHA-256. */
struct mask_schema *config_check_descriptors(struct cfg *, const struct cfg_node *n, struct plan_mask *);
/* A gazetteer that can be read; its SHA-256. */
/* A withdrawal list can be read. */
void config_check_withdrawn(struct cfg *, const struct cfg_node *n, const char *path);
void config_check_gazetteer(struct cfg *, const struct cfg_node *n, const char *path, uint8_t hash_out[32]);
/* A mask key: 32 raw bytes or 64 hex digits, for its owner only. */
void config_check_mask_key(struct cfg *, const struct cfg_node *n, const char *path);

#endif
