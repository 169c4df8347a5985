#include "tools/replay_subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "capture/head.h"
#include "capture/mask.h"
#include "capture/secret.h"
#include "capture/withdrawn.h"
#include "proxy/config.h"
#include "proxy/secrets.h"
#include "tools/reach.h"

enum { HEAD_BYTES = 2 * RECORD_PAYLOAD_MAX, LEFT_LEAST = 64, LEFT_MAX = 1 << 24 };

struct subject {
	struct plan plan;
	struct mask_key *keys[MASKS_MAX];
	struct withdrawn *list;
	struct buf head, masked;
	uint64_t *left; /* open addressing, 0 is free; at most half of it is taken */
	size_t left_count, left_room;
};

static int load_keys(struct subject *s)
{
	const uint8_t *root;
	int fd = -1, err = secrets_mask_key(s->plan.mask_key_file, -1, &fd);

	if (!err)
		err = secret_map(fd, 32, &root);
	for (uint32_t i = 0; !err && i < s->plan.mask_count; i++)
		err = mask_key_of(root, span_of(s->plan.masks[i].tenant), s->plan.masks[i].epoch,
		                  &s->keys[i]);
	if (fd != -1)
		close(fd);
	return err;
}

static int load_list(struct subject *s)
{
	struct buf file;
	unsigned line;
	int err;

	err = withdrawn_new(reach_slurp(s->plan.withdrawn.file, &file), &s->list, &line);
	buf_fini(&file);
	return err;
}

int subject_open(const char *config, struct subject **subject_out)
{
	struct subject *s = config ? calloc(1, sizeof *s) : NULL;
	int err;

	*subject_out = NULL;
	if (!config)
		return 0;
	if (!s)
		return 3;
	buf_init(&s->head, HEAD_BYTES);
	buf_init(&s->masked, HEAD_BYTES);
	if (config_read(config, &s->plan, stderr)) {
		subject_free(&s);
		return 2;
	}
	err = s->plan.withdrawn.file[0] ? load_list(s) : 0;
	if (!err && s->list)
		err = load_keys(s);
	if (err)
		fprintf(stderr, "understudy: %s: %s\n", s->plan.withdrawn.file, err_text(err));
	if (err || !s->list)
		subject_free(&s);
	*subject_out = s;
	return err ? 3 : 0;
}

void subject_free(struct subject **subject)
{
	struct subject *s = *subject;

	if (!s)
		return;
	for (unsigned i = 0; i < MASKS_MAX; i++)
		mask_key_free(&s->keys[i]);
	withdrawn_free(&s->list);
	buf_fini(&s->head);
	buf_fini(&s->masked);
	free(s->left);
	free(s);
	*subject = NULL;
}

/* As the masker does it, under one of the policies: which one masked it would have been a matter of routes.
 */
static int is_listed(struct subject *s, uint32_t mask, struct span value)
{
	const char *name = s->plan.withdrawn.subject;
	uint32_t count;
	int err;

	buf_reset(&s->head);
	buf_reset(&s->masked);
	buf_printf(&s->head, "GET /\n%s: ", name);
	buf_span_put(&s->head, value);
	err = s->head.err ? s->head.err
	                  : mask_head(&s->plan.masks[mask], NULL, s->keys[mask], buf_span(&s->head),
	                              &s->masked, &count);
	if (err)
		return err == ERR_NOMEM ? err : 0;
	return withdrawn_has(s->list, head_field(buf_span(&s->masked), span_of(name)));
}

int subject_withdrawn(struct subject *s, struct span head)
{
	struct span value = s ? head_field(head, span_of(s->plan.withdrawn.subject)) : SPAN("");
	int rc = 0;

	for (uint32_t i = 0; !rc && value.len && i < s->plan.mask_count; i++)
		rc = is_listed(s, i, value);
	return rc;
}

/* The place of an exchange, or a free one. */
static uint64_t *left_at(uint64_t *left, size_t room, uint64_t id)
{
	size_t at = (size_t)id & (room - 1);

	while (left[at] && left[at] != id)
		at = (at + 1) & (room - 1);
	return &left[at];
}

static int grow(struct subject *s)
{
	size_t room = s->left_room ? 2 * s->left_room : LEFT_LEAST;
	uint64_t *left = room <= LEFT_MAX ? calloc(room, sizeof *left) : NULL;

	if (!left)
		return room <= LEFT_MAX ? ERR_NOMEM : ERR_LIMIT;
	for (size_t i = 0; i < s->left_room; i++)
		if (s->left[i])
			*left_at(left, room, s->left[i]) = s->left[i];
	free(s->left);
	s->left = left;
	s->left_room = room;
	return 0;
}

bool subject_left(const struct subject *s, uint64_t id)
{
	return s && s->left_room && *left_at(s->left, s->left_room, id);
}

int subject_leave(struct subject *s, uint64_t id)
{
	int err = 2 * s->left_count >= s->left_room ? grow(s) : 0;

	if (err)
		return err;
	s->left_count += !subject_left(s, id);
	*left_at(s->left, s->left_room, id) = id;
	return 0;
}
