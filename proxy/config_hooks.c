/* Single values of the configuration: names, paths, methods, files, and the masking policies. */
#include <ctype.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/un.h>
#include "capture/mask.h"
#include "proto/json_edit.h"
#include "proxy/config_inside.h"

struct plan *config_plan(struct cfg *c)
{
	return ((struct reading *)cfg_user(c))->plan;
}

const char *config_text(struct cfg *c, const char *name, const struct cfg_node *n)
{
	const struct cfg_row any = {
	        .name = name, .type = CFG_STRING, .size = TEXT_MAX_BYTES, .required = true};
	char text[TEXT_MAX_BYTES];

	return cfg_scalar(c, &any, n, text) ? n->text : NULL;
}

const struct cfg_node *config_item(const struct cfg_node *n, const char *key, uint32_t index)
{
	const struct cfg_node *list = cfg_child(n, key), *child = list ? list->first : NULL;

	while (child && index-- > 0)
		child = child->next;
	return child;
}

bool config_name_good(const char *name)
{
	return name[0] && name[0] != '.' &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")] ==
	               '\0';
}

bool config_field_name(const char *name, char out[NAME_MAX_BYTES])
{
	size_t n = 0;

	for (; name[n]; n++) {
		if (n + 1 == NAME_MAX_BYTES ||
		    (!isalnum((unsigned char)name[n]) && !strchr("!#$%&'*+-.^_`|~", name[n])))
			return false;
		out[n] = (char)tolower((unsigned char)name[n]);
	}
	out[n] = '\0';
	return n > 0;
}

bool config_anchor(char *path, size_t size, const char *folder)
{
	char whole[2 * PATH_MAX_BYTES];

	if (path[0] == '/' || path[0] == '\0')
		return true;
	if ((size_t)snprintf(whole, sizeof(whole), "%s%s", folder, path) >= size)
		return false;
	memcpy(path, whole, strlen(whole) + 1);
	return true;
}

void config_workers_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	static const struct cfg_row row = {.name = "workers", .type = CFG_INTEGER, .min = "1", .max = "16"};

	if (n->kind != CFG_NODE_SCALAR || strcmp(n->text, "auto") != 0)
		(void)cfg_scalar(c, &row, n, at);
}

void config_seed_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const char *text = config_text(c, "seed", n);
	size_t digits = text ? strspn(text, "0123456789") : 0;

	if (!text)
		return;
	if (text[digits] || digits > 20 || (digits == 20 && strcmp(text, "18446744073709551615") > 0))
		cfg_fail(c, n, "at most 18446744073709551615", "'seed' must be a whole number, not '%.80s'",
		         text);
	else
		*(uint64_t *)at = strtoull(text, NULL, 10);
}

/* Root is what leaving it out means: whoever writes it wants something else. */
void config_user(struct cfg *c, const struct cfg_node *n, uint32_t *user_out, uint32_t *group_out)
{
	const char *name = config_text(c, "user", n);
	const struct passwd *user;

	if (!name || ((struct reading *)cfg_user(c))->offline)
		return;
	user = getpwnam(name);
	if (!user) {
		cfg_fail(c, n, "adduser --system --group understudy makes one", "there is no user '%.80s'",
		         name);
	} else if (user->pw_uid == 0) {
		cfg_fail(c, n, "leave it out, or name another user", "'%.80s' is root", name);
	} else {
		*user_out = user->pw_uid;
		*group_out = user->pw_gid;
	}
}

void config_user_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	struct plan *p = config_plan(c);

	(void)at;
	config_user(c, n, &p->user_id, &p->group_id);
}

void config_name_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	if (!config_name_good(at))
		cfg_fail(c, n, "use letters, digits, '-', '_' and '.'", "'%.80s' cannot be a name", n->text);
}

void config_path_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const char *path = at;

	if (path[0] != '/')
		cfg_fail(c, n, NULL, "'%s' must begin with '/'", n->key->text);
	for (; *path; path++) {
		if (!isgraph((unsigned char)*path) || *path == '#') {
			cfg_fail(c, n, "write it as it is sent, with %20 for a blank",
			         "'%s' holds a character that a request cannot have", n->key->text);
			return;
		}
	}
}

static void json_path_check(struct cfg *c, const struct cfg_node *n, const char *path)
{
	size_t at = 0;
	int err = mask_path_check(path, &at);

	if (err == ERR_LIMIT)
		cfg_fail(c, n, "at most 31 steps", "the JSON path '%.80s' is too long", path);
	else if (path[0] != '$')
		cfg_fail(c, n, "a JSON path begins with '$', such as $.id", "'%.80s' is not a JSON path",
		         path);
	else if (err)
		cfg_fail(c, n, "a step is .name, [3], [*] or ..name",
		         "'%.80s' is not a JSON path: cannot read it from byte %zu, '%.40s'", path, at + 1,
		         path + at);
}

/* A path behind a gRPC call. */
static void call_path_check(struct cfg *c, const struct cfg_node *n, const char *path)
{
	size_t at = 0;
	int err = mask_path_check(path, &at);

	if (err == ERR_LIMIT)
		cfg_fail(c, n, "at most 31 steps, and 255 bytes", "the path '%.80s' is too long", path);
	else if (err && !at)
		cfg_fail(c, n, "a path of a call is such as /notes.Notes/Put$.1.3",
		         "'%.80s' is not a path of a call", path);
	else if (err)
		cfg_fail(c, n, "a step is .name, .3, [3], [*] or ..name",
		         "'%.80s' is not a path of a call: cannot read it from byte %zu, '%.40s'", path,
		         at + 1, path + at);
}

void config_json_path_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	json_path_check(c, n, at);
}

static const char *const output_kinds[] = {
#define X(id, name) name,
        OUTPUT_TABLE(X)
#undef X
};

void config_output_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	struct plan_route *r = at;
	struct plan_output *o = &r->outputs[r->output_count];
	uint32_t kind = 0;

	while (kind < OUTPUT_KINDS && strcmp(n->text, output_kinds[kind]) != 0)
		kind++;
	if (kind == OUTPUT_KINDS)
		cfg_fail(c, n,
		         "one of: auto, values, classification, regression, ranking, embedding, detection",
		         "'%.80s' is nothing that an output can be", n->text);
	else if (r->output_count == OUTPUTS_MAX)
		cfg_fail(c, n->key, NULL, "at most %d outputs", OUTPUTS_MAX);
	else if (strlen(n->key->text) >= sizeof o->name)
		cfg_fail(c, n->key, NULL, "the name of an output holds at most %zu bytes",
		         sizeof o->name - 1);
	else {
		snprintf(o->name, sizeof o->name, "%s", n->key->text);
		o->kind = kind;
		r->output_count++;
	}
}

void config_socket_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	if (strlen(at) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		cfg_fail(c, n, NULL, "the path of a socket holds at most 107 bytes");
}

void config_method_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	(void)at;
	for (const char *p = n->text; *p; p++) {
		if (!isupper((unsigned char)*p)) {
			cfg_fail(c, n, "methods are written in capitals, such as POST",
			         "'%.80s' is not a method", n->text);
			return;
		}
	}
}

void config_alpn_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	(void)at;
	if (strcmp(n->text, "h2") != 0 && strcmp(n->text, "http/1.1") != 0)
		cfg_fail(c, n, "h2 and http/1.1 are", "'%.80s' is no protocol that is spoken here", n->text);
}

void config_file_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const struct reading *r = cfg_user(c);

	if (!n->text[0])
		cfg_fail(c, n, "leave it out, or name a file", "'%s' must not be empty", n->key->text);
	else if (!config_anchor(at, PATH_MAX_BYTES, r->folder))
		cfg_fail(c, n, NULL, "the path is too long with the configuration's folder");
}

void config_token_file_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	unsigned before = cfg_errors(c);

	config_file_hook(c, n, at);
	if (cfg_errors(c) == before)
		config_check_token(c, n, at);
}

void config_mask_use_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const struct plan *p = config_plan(c);
	const char *name = config_text(c, "mask", n);

	if (name && strcmp(name, "learn") == 0) /* config_route_hook() says so */
		return;
	for (uint32_t i = 0; name && i < p->mask_count; i++) {
		if (strcmp(p->masks[i].name, name) == 0) {
			*(uint32_t *)at = i;
			return;
		}
	}
	if (name)
		cfg_fail(c, n,
		         "name an entry of 'masks', say learn, or leave 'mask' out for the built-in policy",
		         "there is no mask '%.80s'", name);
}

void config_consent_path_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const char *text = config_text(c, "path", n);

	if (text && json_edit_check(text))
		cfg_fail(c, n, "write one place, such as $.user.consent or $.terms[0].yes",
		         "'%.80s' is not a path of one place", text);
	else if (text)
		strcpy(at, text);
}

void config_mask_key_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	static const struct cfg_row row = {
	        .name = "key_file", .type = CFG_STRING, .size = PATH_MAX_BYTES, .required = true};
	struct reading *r = cfg_user(c);
	char *path = r->plan->mask_key_file;

	(void)at;
	if (r->key_file && n->kind == CFG_NODE_SCALAR && strcmp(r->key_file->text, n->text) != 0) {
		cfg_fail(c, n, NULL, "all masks must use one key_file ('%.80s' is given above)",
		         r->key_file->text);
		return;
	}
	if (r->key_file || !cfg_scalar(c, &row, n, path))
		return;
	r->key_file = n;
	if (!config_anchor(path, PATH_MAX_BYTES, r->folder))
		cfg_fail(c, n, NULL, "the path is too long with the configuration's folder");
	else
		config_check_mask_key(c, n, path);
}

void config_mask_field_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const struct cfg_node *in = NULL;
	struct plan_mask_field *f = at;
	const char *text;
	char name[NAME_MAX_BYTES];
	unsigned found = 0;

	for (uint32_t i = 0; config_mask_places[i]; i++) {
		const struct cfg_node *child = cfg_child(n, config_mask_places[i]);

		found += child != NULL;
		f->place = child ? i : f->place;
		in = child ? child : in;
	}
	if (found != 1) {
		cfg_fail(c, n, NULL,
		         "a masked field has one of 'path', 'header', 'query', 'form', 'cookie' and "
		         "'segment'");
		return;
	}
	text = config_text(c, config_mask_places[f->place], in);
	if (!text)
		return;
	snprintf(f->where, sizeof(f->where), "%s", text);
	f->line = n->line;
	if (f->place == MASK_PATH && text[0] == '/')
		call_path_check(c, in, f->where);
	else if (f->place == MASK_PATH)
		json_path_check(c, in, f->where);
	else if (!text[0] || strlen(text) >= sizeof(f->where))
		cfg_fail(c, in, "write its name alone", "'%.80s' is not a name", text);
	else if (f->place == MASK_HEADER && !config_field_name(text, name))
		cfg_fail(c, in, "write its name alone, such as x-api-token", "'%.80s' is not a header name",
		         text);
	else if (f->place == MASK_HEADER)
		snprintf(f->where, sizeof(f->where), "%s", name);
	config_mask_operator(c, n, f);
}

void config_detector_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	if (!detect_set_add_name(at, n->text))
		cfg_fail(c, n, "classes and groups are listed by check --manual, under DETECTORS",
		         "there is no detector '%.80s'", n->text);
}

void config_allow_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	(void)at;
	if (strspn(n->text, "*") == strlen(n->text))
		cfg_fail(c, n, "leave 'detectors' out to mask nothing that is found",
		         "'%.80s' allows everything", n->text);
}

void config_gazetteer_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	static const struct cfg_row row = {
	        .name = "file", .type = CFG_STRING, .size = PATH_MAX_BYTES, .required = true};
	struct reading *r = cfg_user(c);

	if (!cfg_scalar(c, &row, n, at))
		return;
	if (!config_anchor(at, PATH_MAX_BYTES, r->folder))
		cfg_fail(c, n, NULL, "the path is too long with the configuration's folder");
}

void config_withdrawn_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	config_gazetteer_hook(c, n, at);
	if (*(char *)at)
		config_check_withdrawn(c, n, at);
}

/* A gazetteer is looked up by its detector: it is on when there is a file. */
static void detect_check(struct cfg *c, const struct cfg_node *n, struct plan_detect *d)
{
	const struct cfg_node *file = cfg_child(n, "gazetteer_file");

	d->find.min_score = d->least_ppm / 10000;
	d->line = cfg_child(n, "detectors") ? cfg_child(n, "detectors")->key->line : 0;
	if (file && d->gazetteer_file[0]) {
		detect_set_add(&d->find.classes, DETECT_GAZETTEER);
		config_check_gazetteer(c, file, d->gazetteer_file, d->gazetteer_hash);
	}
	if (d->find.allow_count && !(d->find.classes.bits[0] | d->find.classes.bits[1]))
		cfg_warn(c, cfg_child(n, "allow"), "add 'detectors', or take it away",
		         "nothing is looked for that could be allowed");
}

void config_mask_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	struct plan_mask *m = at;

	if (!config_name_good(n->key->text) || strlen(n->key->text) >= sizeof(m->name))
		cfg_fail(c, n->key, "use letters, digits, '-', '_' and '.'", "'%.80s' cannot be a name",
		         n->key->text);
	else if (strcmp(n->key->text, "builtin") == 0)
		cfg_fail(c, n->key, "choose another name", "'builtin' is the name of the built-in policy");
	else if (strcmp(n->key->text, "learn") == 0)
		cfg_fail(c, n->key, "choose another name",
		         "'learn' is no policy: its routes are only looked at");
	snprintf(m->name, sizeof(m->name), "%.*s", NAME_MAX_BYTES - 1, n->key->text);
	detect_check(c, n, &m->detect);
	config_mask_check(c, n, m);
}
