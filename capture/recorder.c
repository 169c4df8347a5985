/*
 * recorder.c - the role that appends masked records to capture files.
 *
 * `captured` moves only after write(): an exchange's capture cell is settled when the segment that
 * holds its last record has been flushed. When the disk refuses, capturing stops, live goes on.
 */
#include "capture/recorder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "capture/capfile.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

enum { PENDING_MAX = 65536 };

struct recorder {
	const struct role_env *env;
	struct ring *in;
	struct capfile_writer *file;
	bool failed;
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

static void stop(struct recorder *rec, int err)
{
	rec->failed = true;
	LOG(ERROR, "capture_stopped", log_text("what", "the capture file cannot be written"),
	    log_text("why", err == ERR_SYS ? strerror(errno) : err_text(err)));
}

static void flush(struct recorder *rec)
{
	int err = rec->failed ? 0 : capfile_flush(rec->file);

	if (err)
		stop(rec, err);
	settle_pending(rec, rec->failed ? OUTCOME_DISK : OUTCOME_CAPTURED);
}

static void take(struct recorder *rec, const struct record *r)
{
	bool last = r->leg == LEG_LIVE && (r->type == RECORD_END || r->type == RECORD_ERROR);
	int err = rec->failed ? 0 : capfile_append(rec->file, r, rec->payload);

	if (err)
		stop(rec, err);
	if (!last)
		return;
	ledger_move(rec->env->ledger, r->slot, r->id, CELL_CAPTURE, STAGE_MASKER, STAGE_RECORDER);
	rec->pending[rec->pending_count].id = r->id;
	rec->pending[rec->pending_count++].slot = r->slot;
	if (rec->pending_count == PENDING_MAX)
		flush(rec);
}

static unsigned drain(struct recorder *rec)
{
	struct record r;
	unsigned n = 0;
	int err;

	while (n < 4096 && (err = ring_get(rec->in, &r, rec->payload)) == 0) {
		take(rec, &r);
		n++;
	}
	if (n < 4096 && err == ERR_PROTO)
		role_ring_broken(rec->env, rec->in);
	return n;
}

static int open_file(struct recorder *rec)
{
	char path[128];

	snprintf(path, sizeof path, "/proc/self/fd/%d/%llu-%u.cap", role_fd(rec->env, "captures"),
	         (unsigned long long)(clock_wall_ns() / 1000u), rec->env->epoch);
	return capfile_create(path, rec->env->plan, rec->env->plan->capture_segment_bytes, &rec->file);
}

int recorder_run(struct role_env *env)
{
	static struct recorder rec;
	struct role_pace pace = {0};
	int wake = role_fd(env, "wake.recorder");

	rec.env = env;
	if (role_ring_reader(env, "recorder", &rec.in))
		return 3;
	rec.failed = !env->plan->capture || open_file(&rec);
	if (rec.failed && env->plan->capture)
		LOG(ERROR, "capture_stopped",
		    log_text("why", "no capture file can be made in the run directory"));
	role_ready(env);
	for (;;) {
		uint32_t phase = atomic_load(&env->page->phase);

		if (drain(&rec)) {
			pace.empty_since_ns = 0;
			continue;
		}
		if (rec.pending_count)
			flush(&rec);
		if (phase >= PHASE_SHADOW)
			break;
		role_pause(&pace, env, &rec.in, &wake, 1);
	}
	if (rec.file && capfile_close(&rec.file))
		return 3;
	return 0;
}
