/*
 * recorder.c - the role that appends masked records to capture files.
 *
 *   exchanges that began before the turn -> files[old]     later ones -> files[now]
 *
 * An exchange lies in one file, whole: it goes to the file in which its request began, and a file that has
 * reached capture.segment is closed when its last exchange is. `captured` moves only after write(), when the
 * ends of both legs and all before them were written by this process: what lost its beginning to an earlier
 * recorder, or its request's end to an earlier masker, is role_lost. The request's end comes before live's.
 *
 * When the disk refuses, nothing is captured: what was open or not yet written, and all that begins
 * meanwhile, is settled as disk. Each second a trial write asks whether there is room again; then a new file
 * begins.
 */
#include "capture/recorder.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "capture/capfile.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

enum { PENDING_MAX = 4096, FILES = 2, NAME_TRIES = 100, PATH_BYTES = 128, PAUSE_MS = 10 };
static const uint64_t second_ns = 1000000000u;

struct open_exchange { /* of a ledger slot; id 0: none */
	uint64_t id;
	uint8_t file;
	bool asked;   /* the end of its request was written */
	bool spoiled; /* of its records one was not: it is in no file's count */
};

struct recorder {
	const struct role_env *env;
	struct ring *in;
	struct capfile_writer *files[FILES];
	uint32_t open_count[FILES], slots;
	uint8_t now;    /* the file in which exchanges begin */
	uint32_t turns; /* page->turns when it was begun */
	bool failed;    /* the disk takes nothing; there is no file */
	uint64_t swept_ns, tried_ns;
	struct open_exchange *open; /* by slot */
	unsigned pending_count;
	struct {
		uint64_t id;
		uint32_t slot;
	} pending[PENDING_MAX];
	char payload[RECORD_PAYLOAD_MAX];
};

static void settle_pending(struct recorder *rec, uint8_t outcome)
{
	for (unsigned i = 0; i < rec->pending_count; i++)
		ledger_move(rec->env->ledger, rec->pending[i].slot, rec->pending[i].id, CELL_CAPTURE,
		            STAGE_RECORDER, outcome);
	rec->pending_count = 0;
}

/* Its index and what is left of it; a disk may take seconds to sync, in which the ring would fill up: another
 * process waits. 0, or what kept it from being whole. */
static int close_beside(struct capfile_writer **file)
{
	int fd, err = capfile_finish(file, &fd);

	if (!err && fork() == 0)
		_exit(fdatasync(fd) ? 3 : 0);
	close(fd);
	return err;
}

static void tell(struct recorder *rec, bool failed)
{
	rec->failed = failed;
	rec->tried_ns = clock_mono_ns();
	atomic_store(&rec->env->page->capture_failing, failed && rec->env->plan->capture);
}

static void stop(struct recorder *rec, int err)
{
	LOG(ERROR, "capture_stopped", log_text("what", "the capture file cannot be written"),
	    log_text("why", err == ERR_SYS ? strerror(errno) : err_text(err)));
	tell(rec, true);
	settle_pending(rec, OUTCOME_DISK);
	for (uint32_t slot = 0; slot < rec->slots; slot++)
		rec->open[slot].spoiled = true;
	for (unsigned i = 0; i < FILES; i++) {
		rec->open_count[i] = 0;
		if (rec->files[i])
			(void)close_beside(&rec->files[i]);
	}
}

static void flush(struct recorder *rec)
{
	for (unsigned i = 0; i < FILES; i++) {
		int err = rec->files[i] ? capfile_flush(rec->files[i]) : 0;

		if (err)
			stop(rec, err);
	}
	settle_pending(rec, OUTCOME_CAPTURED);
}

static void release(struct recorder *rec, struct open_exchange *o)
{
	if (o->id && !o->spoiled)
		rec->open_count[o->file]--;
	o->id = 0;
}

/* The exchange that the record belongs to, or NULL: its beginning is in no file of this process. */
static struct open_exchange *exchange_of(struct recorder *rec, const struct record *r)
{
	struct open_exchange *o = &rec->open[r->slot];

	if (o->id == r->id)
		return o;
	if (r->type != RECORD_HEAD || r->leg != LEG_CLIENT)
		return NULL;
	release(rec, o);
	*o = (struct open_exchange){.id = r->id, .file = rec->now, .spoiled = rec->failed};
	rec->open_count[rec->now] += !o->spoiled;
	return o;
}

static bool is_end_of(const struct record *r, uint8_t leg)
{
	return r->leg == leg && (r->type == RECORD_END || r->type == RECORD_ERROR);
}

/* The reader of the live leg's end pulls the cell to its own stage. */
static void claim(struct recorder *rec, const struct record *r)
{
	if (is_end_of(r, LEG_LIVE))
		ledger_move(rec->env->ledger, r->slot, r->id, CELL_CAPTURE, STAGE_MASKER, STAGE_RECORDER);
}

/* Wherever the cell is. */
static void give_up(struct recorder *rec, const struct record *r, uint8_t outcome)
{
	static const uint8_t stages[] = {STAGE_WORKER, STAGE_MASKER, STAGE_RECORDER};

	for (unsigned i = 0; i < sizeof stages; i++)
		ledger_move(rec->env->ledger, r->slot, r->id, CELL_CAPTURE, stages[i], outcome);
}

static void complete(struct recorder *rec, struct open_exchange *o, const struct record *r)
{
	bool asked = o->asked, spoiled = o->spoiled;

	release(rec, o);
	if (spoiled || !asked) {
		give_up(rec, r, spoiled ? OUTCOME_DISK : OUTCOME_ROLE_LOST);
		return;
	}
	rec->pending[rec->pending_count].id = r->id;
	rec->pending[rec->pending_count++].slot = r->slot;
	if (rec->pending_count == PENDING_MAX)
		flush(rec);
}

static void take(struct recorder *rec, const struct record *r)
{
	struct open_exchange *o;
	int err;

	if (r->slot >= rec->slots || r->leg > LEG_LIVE)
		return;
	o = exchange_of(rec, r);
	if (!o) {
		give_up(rec, r, OUTCOME_ROLE_LOST);
		return;
	}
	err = o->spoiled ? 0 : capfile_append(rec->files[o->file], r, rec->payload);
	if (err)
		stop(rec, err);
	o->asked |= is_end_of(r, LEG_CLIENT);
	if (is_end_of(r, LEG_LIVE))
		complete(rec, o, r);
}

static unsigned drain(struct recorder *rec)
{
	struct record r;
	unsigned n = 0;
	int err;

	while (n < 4096 && (err = ring_peek(rec->in, &r, rec->payload)) == 0) {
		claim(rec, &r);
		ring_advance(rec->in, &r);
		take(rec, &r);
		n++;
	}
	if (n < 4096 && err == ERR_PROTO)
		role_ring_broken(rec->env, rec->in);
	return n;
}

static void name_file(const struct recorder *rec, char path[PATH_BYTES])
{
	snprintf(path, PATH_BYTES, "/proc/self/fd/%d/%llu-%u.cap", role_fd(rec->env, "captures"),
	         (unsigned long long)(clock_wall_ns() / 1000u), rec->env->epoch);
}

static int open_file(struct recorder *rec, struct capfile_writer **file)
{
	const struct plan *plan = rec->env->plan;
	char path[PATH_BYTES];
	int err = ERR_SYS;

	for (unsigned i = 0; i < NAME_TRIES && err; i++) {
		name_file(rec, path);
		err = capfile_create(path, plan, plan->capture_segment_bytes, file);
		if (err != ERR_SYS || errno != EEXIST)
			break;
	}
	return err;
}

/* Is there room again? */
static void try_again(struct recorder *rec)
{
	char path[PATH_BYTES];

	if (!rec->env->plan->capture || clock_mono_ns() - rec->tried_ns < second_ns)
		return;
	rec->tried_ns = clock_mono_ns();
	name_file(rec, path);
	if (capfile_try(path) || open_file(rec, &rec->files[rec->now]))
		return;
	tell(rec, false);
	LOG(WARN, "capture_resumed", log_text("why", "the disk takes what is written again"));
}

/* Turn to a new file when this one is full, or an operator asks, and no older one is open; close the older
 * one when it is done. */
static void turn(struct recorder *rec)
{
	uint32_t turns = atomic_load_explicit(&rec->env->page->turns, memory_order_relaxed);
	unsigned other = !rec->now;
	int err;

	if (rec->failed) {
		try_again(rec);
		return;
	}
	if (rec->files[other] && rec->open_count[other] == 0) {
		flush(rec);
		err = rec->failed ? 0 : close_beside(&rec->files[other]);
		if (err)
			stop(rec, err);
	} else if (!rec->files[other] && (capfile_full(rec->files[rec->now]) || rec->turns != turns)) {
		rec->turns = turns;
		err = open_file(rec, &rec->files[other]);
		if (err)
			stop(rec, err);
		else
			rec->now = (uint8_t)other;
	}
}

/* Exchanges that were settled elsewhere (a full ring, a role that died) hold no file open. */
static void sweep(struct recorder *rec)
{
	uint64_t now = clock_mono_ns();

	if (now - rec->swept_ns < second_ns)
		return;
	rec->swept_ns = now;
	for (uint32_t slot = 0; slot < rec->slots; slot++) {
		struct open_exchange *o = &rec->open[slot];
		uint8_t at = o->id ? ledger_cell(rec->env->ledger, slot, o->id, CELL_CAPTURE) : 0;

		if (at == 0 || at > OUTCOME_FIRST)
			release(rec, o);
	}
}

static void loop(struct recorder *rec)
{
	struct role_pace pace = {.most_ms = PAUSE_MS};
	int wake = role_fd(rec->env, "wake.recorder");

	for (;;) {
		uint32_t phase = atomic_load(&rec->env->page->phase);
		unsigned n = drain(rec);

		sweep(rec);
		turn(rec);
		if (n) {
			role_busy(&pace);
			continue;
		}
		flush(rec);
		if (phase >= PHASE_SHADOW)
			return;
		role_pause(&pace, rec->env, &rec->in, &wake, 1);
	}
}

int recorder_run(struct role_env *env)
{
	static struct recorder rec;
	int err = 0;

	rec.env = env;
	signal(SIGCHLD, SIG_IGN); /* nobody waits for those who sync */
	rec.slots = env->plan->workers * env->plan->slots_each;
	rec.open = calloc(rec.slots, sizeof *rec.open);
	if (!rec.open || role_ring_reader(env, "recorder", &rec.in))
		return 3;
	rec.turns = atomic_load(&env->page->turns); /* before anyone sees a file, and asks for the next */
	tell(&rec, !env->plan->capture || open_file(&rec, &rec.files[0]));
	if (rec.failed && env->plan->capture)
		LOG(ERROR, "capture_stopped",
		    log_text("why", "no capture file can be made in the run directory"));
	role_ready(env);
	loop(&rec);
	for (unsigned i = 0; i < FILES; i++)
		if (capfile_close(&rec.files[i]))
			err = 3;
	return err;
}
