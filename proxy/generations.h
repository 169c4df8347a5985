/*
 * generations.h - the parent's present generation, and the way to the next: a wish is taken, the
 * configuration read again, a house built, and when every role of it is ready it takes over.
 *
 * At most two houses live at once. At an error what is coming is thrown away and what serves stays.
 */
#ifndef PROXY_GENERATIONS_H
#define PROXY_GENERATIONS_H

#include "proxy/pause_mark.h"
#include "proxy/house.h"
#include "proxy/notify.h"
#include "proxy/upgrade.h"

struct parent {
	const struct parent_job *job;
	struct notify notify;
	struct launcher launcher;
	int self_fd, signals;
	sigset_t former_mask;
	bool hangup_stops, hangup, upgrade; /* the last two: a signal asked */
	unsigned stops;                     /* signals that asked to stop */
	bool stopping;                      /* the service manager was told */

	struct pause_mark pause_mark;

	struct house *serving;
	bool gave_up;                   /* it did not start */
	struct house *coming, *leaving; /* at most one of them */
	struct {
		bool open, begun; /* begun: its configuration is read, or its house is coming */
		uint32_t number, what;
		char name[WISH_NAME_BYTES];
	} wish;
	struct reread reread;
	bool run_closed; /* by an operator, for every generation until `run start` */
	char run_name[NAME_MAX_BYTES];

	struct former former;       /* the binary before this one, until it has left */
	struct successor successor; /* the binary behind this one */
	bool succeeded;             /* ... serves */
};

static inline struct page *page_of(const struct house *h)
{
	return h->estate.page;
}

static inline const struct plan *plan_of(const struct house *h)
{
	return h->estate.plan;
}

/* The present generation is open and is to stay. */
bool generations_serve(const struct parent *);
/* An older generation drains, or another change is under way: further ones wait. */
bool generations_busy(const struct parent *);
/* A house for the plan, in a directory that no other run has; NULL, said on stderr. */
struct house *generations_build(struct parent *, const struct plan *);
/* Take up what SIGHUP or control asks for. */
void generations_hear(struct parent *, uint64_t now_ns);
/* The process that read the configuration has ended, with waitpid's status. */
void generations_hear_reread(struct parent *, int status);
/* What is coming takes over or is thrown away, what is leaving goes. */
void generations_turn(struct parent *);
/* The wish that is open comes to nothing. */
void generations_refuse(struct parent *, const char *why);
/* Pause or resume a generation, whichever it was that heard an operator. */
void generations_pause(struct page *, bool paused);

#endif
