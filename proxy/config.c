#include "proxy/config.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>
#include "proto/base/buf.h"
#include "proxy/config_inside.h"

enum { HASHED_MAX = 4 << 20 };

static uint32_t workers_auto(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return cores < 1 ? 1 : cores > 4 ? 4 : (uint32_t)cores;
}

/* Types need no key: what was captured can be compared with answers that are masked much later. */
void config_builtin(struct plan_mask *m)
{
	*m = (struct plan_mask){.name = "builtin",
	                        .detect = {.with = MASK_TYPE, .least_ppm = 10000 * DETECT_SCORE}};
	m->detect.find.min_score = DETECT_SCORE;
	(void)!mask_by_read(MASK_TYPE, "", &m->detect.by);
	(void)detect_set_add_name(&m->detect.find.classes, "all");
}

void config_start(struct plan *p)
{
	plan_copy(p, NULL);
	p->generation = 1;
	p->workers = workers_auto();
	p->slots_each = 4096;
	p->mask_count = 1;
	config_builtin(&p->masks[0]);
	cfg_defaults(config_schema(), p);
}

void config_sha256(struct span bytes, uint8_t out[32])
{
	if (!EVP_Digest(bytes.data ? bytes.data : "", bytes.len, out, NULL, EVP_sha256(), NULL))
		memset(out, 0, 32);
}

/* Nothing for a policy that looks for nothing. */
static void hash_detect(const struct plan_detect *d, struct buf *text)
{
	for (unsigned i = 0; i < DETECT_CLASSES; i++)
		if (detect_set_has(&d->find.classes, i))
			buf_printf(text, "detect %s\n", detect_class_name(i));
	for (uint32_t i = 0; i < d->find.allow_count; i++)
		buf_printf(text, "allow %s\n", d->find.allow[i]);
	for (uint32_t i = 0; i < d->pattern_count; i++)
		buf_printf(text, "pattern %s %s\n", d->patterns[i].name, d->patterns[i].regex);
	if (d->find.classes.bits[0] || d->find.classes.bits[1] || d->free_text || d->pattern_count)
		buf_printf(text, "%s %u %s\n", config_mask_operators[d->with], d->find.min_score,
		           config_free_texts[d->free_text]);
	if (d->gazetteer_file[0])
		buf_put(text, d->gazetteer_hash, sizeof d->gazetteer_hash);
}

static void hash_field(const struct plan_mask_field *f, struct buf *text)
{
	buf_printf(text, "%s\n%s\n%s\n%s\n", config_mask_places[f->place], f->where,
	           config_mask_operators[f->with], f->model_input ? "input" : "aside");
	if (f->by.text[0] || f->by.class || f->by.subject[0])
		buf_printf(text, "by %s\nas %s\nof %s\n", f->by.text, detect_class_name(f->by.class),
		           f->by.subject);
}

void config_hash(struct plan *p)
{
	struct buf text;

	buf_init(&text, HASHED_MAX);
	for (uint32_t i = 0; i < p->route_count; i++)
		for (uint32_t j = 0; j < p->routes[i].gate_count; j++)
			plan_gate_write(p->routes[i].name, &p->routes[i].gates[j], &text);
	config_sha256(buf_span(&text), p->gates_hash);
	for (uint32_t i = 0; i < p->mask_count; i++) {
		struct plan_mask *m = &p->masks[i];

		buf_reset(&text);
		buf_printf(&text, "%s\n", m->name);
		buf_puts(&text, m->allow ? "allow\n" : "");
		if (m->tenant[0] || m->epoch)
			buf_printf(&text, "key %s %u\n", m->tenant, m->epoch);
		for (uint32_t j = 0; j < m->field_count; j++)
			hash_field(&m->fields[j], &text);
		hash_detect(&m->detect, &text);
		if (m->descriptors_file[0])
			buf_put(&text, m->descriptors_hash, sizeof m->descriptors_hash);
		config_sha256(buf_span(&text), m->hash);
	}
	buf_fini(&text);
}

static void paths_anchor(struct cfg *c, const char *folder, struct plan *p)
{
	const struct cfg_node *control = cfg_child(cfg_root(c), "control"),
	                      *run = cfg_child(cfg_root(c), "run");

	if (!config_anchor(p->control_socket, sizeof(((struct sockaddr_un *)0)->sun_path) - 1, folder))
		cfg_fail(c, cfg_child(control, "socket"), NULL,
		         "the path of the control socket is longer than 106 bytes with the configuration's "
		         "folder");
	if (!config_anchor(p->run_directory, sizeof(p->run_directory), folder))
		cfg_fail(c, cfg_child(run, "directory"), NULL,
		         "the path is too long with the configuration's folder");
	if (p->control_token_file[0] && !p->control_address.address[0])
		cfg_fail(c, cfg_child(control, "token_file"), "add 'address', or leave it out",
		         "'token_file' is for 'address', which is not there");
	config_check_folder(c, cfg_child(run, "directory"), p->run_directory, false);
	config_check_folder(c, cfg_child(control, "socket"), p->control_socket, true);
}

static int file_read(const char *path, struct buf *out, FILE *errors)
{
	FILE *f = fopen(path, "rbe");
	char *room;
	size_t n;
	int rc = ERR_SYS;

	if (!f) {
		fprintf(errors, "understudy: cannot open %s: %m\n", path);
		return ERR_SYS;
	}
	do {
		room = buf_room(out, 4096);
		n = room ? fread(room, 1, 4096, f) : 0;
		buf_grown(out, n);
	} while (n > 0);
	if (out->err)
		fprintf(errors, "%s:1:1: error: the file is larger than 1MiB\n", path);
	else if (ferror(f))
		fprintf(errors, "understudy: cannot read %s: %m\n", path);
	else
		rc = 0;
	if (out->err)
		rc = ERR_CONFIG;
	fclose(f);
	return rc;
}

static int text_read(const char *file, struct span text, bool offline, struct plan *out, FILE *errors)
{
	const char *slash = strrchr(file, '/');
	char folder[PATH_MAX_BYTES] = "";
	struct reading reading = {.plan = out, .folder = folder, .offline = offline};
	struct cfg *c = NULL;
	int rc;

	if (slash)
		snprintf(folder, sizeof(folder), "%.*s", (int)(slash + 1 - file), file);
	config_start(out);
	rc = cfg_parse(file, text, &reading, &c);
	if (rc)
		return rc;
	cfg_fill(c, config_schema(), out);
	config_check_whole(c, out);
	paths_anchor(c, folder, out);
	config_sha256(text, out->config_hash);
	config_hash(out);
	cfg_report(c, errors);
	rc = cfg_errors(c) ? ERR_CONFIG : 0;
	cfg_free(&c);
	return rc;
}

/* The schema with nothing but the masks looked at. */
static int masks_read(const char *file, struct span text, struct plan *out, FILE *errors)
{
	enum { ROWS_MAX = 64 };
	struct cfg_row rows[ROWS_MAX] = {0};
	const struct cfg_row *all = config_schema();
	const char *slash = strrchr(file, '/');
	char folder[PATH_MAX_BYTES] = "";
	struct reading reading = {.plan = out, .folder = folder};
	struct cfg *c = NULL;
	int rc;

	if (slash)
		snprintf(folder, sizeof(folder), "%.*s", (int)(slash + 1 - file), file);
	for (unsigned i = 0; all[i].name && i + 1 < ROWS_MAX; i++) {
		bool read = !strcmp(all[i].name, "version") || !strcmp(all[i].name, "masks");

		rows[i] = read ? all[i] : (struct cfg_row){.name = all[i].name, .type = CFG_LATER};
		rows[i].required = read;
	}
	config_start(out);
	rc = cfg_parse(file, text, &reading, &c);
	if (rc)
		return rc;
	cfg_fill(c, rows, out);
	config_hash(out);
	cfg_report(c, errors);
	rc = cfg_errors(c) ? ERR_CONFIG : 0;
	cfg_free(&c);
	return rc;
}

int config_read_masks(const char *path, struct plan *out, FILE *errors)
{
	struct buf text;
	int rc;

	buf_init(&text, CFG_FILE_MAX + 4096);
	rc = file_read(path, &text, errors);
	if (rc == 0)
		rc = masks_read(path, buf_span(&text), out, errors);
	buf_fini(&text);
	return rc;
}

int config_read(const char *path, struct plan *out, FILE *errors)
{
	struct buf text;
	int rc;

	buf_init(&text, CFG_FILE_MAX + 4096);
	rc = file_read(path, &text, errors);
	if (rc == 0)
		rc = text_read(path, buf_span(&text), false, out, errors);
	snprintf(out->config_file, sizeof out->config_file, "%s", path);
	buf_fini(&text);
	return rc;
}

int config_read_text(const char *name, struct span text, struct plan *out, FILE *errors)
{
	return text_read(name, text, true, out, errors);
}
