#include "replay/share.h"

enum { MILLION = 1000000 };

void share_init(struct share *s, const struct plan_ramp *ramp, const struct plan_stop *stop,
                uint32_t configured_ppm)
{
	*s = (struct share){.ramp = ramp, .stop = stop, .configured_ppm = configured_ppm};
}

void share_resume(struct share *s, uint32_t stage, enum share_stop stopped, uint64_t stopped_seen)
{
	s->stage = stage < s->ramp->stage_count ? stage : 0;
	s->stopped = stopped;
	s->stopped_seen = stopped_seen;
}

static void enter(struct share *s, uint32_t stage, const struct share_view *v)
{
	s->falls += stage < s->stage;
	s->stage = stage;
	s->stage_pairs = v->pairs;
	s->stage_ns = v->now_ns;
}

static void climb_or_fall(struct share *s, const struct share_view *v)
{
	bool due = v->pairs >= s->stage_pairs + s->ramp->pairs &&
	           v->now_ns - s->stage_ns >= (uint64_t)s->ramp->hold_ms * MILLION;

	if (v->failed && s->stage > 0)
		enter(s, 0, v);
	else if (due && v->holds && !v->failed && s->stage + 1 < s->ramp->stage_count)
		enter(s, s->stage + 1, v);
	else if (due && !v->holds && s->stage > 0)
		enter(s, s->stage - 1, v);
}

static enum share_stop reason_to_stop(const struct plan_stop *stop, const struct share_view *v)
{
	if (!stop->on)
		return SHARE_RUNS;
	if (stop->decided && v->decided)
		return SHARE_STOPPED_DECIDED;
	if (stop->pairs && v->pairs >= stop->pairs)
		return SHARE_STOPPED_PAIRS;
	if (stop->after_ms && v->run_ns >= (uint64_t)stop->after_ms * MILLION)
		return SHARE_STOPPED_AFTER;
	return SHARE_RUNS;
}

uint32_t share_step(struct share *s, const struct share_view *v)
{
	uint32_t ppm;

	if (!s->begun)
		enter(s, s->stage, v);
	s->begun = true;
	if (s->ramp->stage_count)
		climb_or_fall(s, v);
	if (!s->stopped) {
		s->stopped = reason_to_stop(s->stop, v);
		s->stopped_seen = v->seen;
	}
	ppm = s->ramp->stage_count ? s->ramp->stages[s->stage] : MILLION;
	return s->stopped && s->stop->watch_ppm < ppm ? s->stop->watch_ppm : ppm;
}

uint64_t share_saved(const struct share *s, uint64_t seen)
{
	uint32_t watch = s->stop->watch_ppm;

	if (!s->stopped || seen <= s->stopped_seen || watch >= s->configured_ppm)
		return 0;
	return (uint64_t)((unsigned __int128)(seen - s->stopped_seen) * (s->configured_ppm - watch) /
	                  MILLION);
}

const char *share_stop_name(enum share_stop stop)
{
	static const char *const names[] = {"", "after", "pairs", "decided"};

	return names[stop];
}
