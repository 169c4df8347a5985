/*
 * doctor.h - findings of `understudy doctor`: each is ok, a warning or a failure, with what to do about it.
 */
#ifndef TOOLS_DOCTOR_H
#define TOOLS_DOCTOR_H

#include "capture/plan.h"
#include "proto/base/buf.h"

enum finding { FINDING_OK, FINDING_WARN, FINDING_FAIL };

struct doctor {
	struct buf out;
	bool json;
	unsigned counts[3]; /* by enum finding */
};

/* Note one finding about `what` ("somaxconn"). `remedy` is told unless the finding is FINDING_OK. */
void doctor_note(struct doctor *, enum finding, const char *what, const char *remedy, const char *format, ...)
        __attribute__((format(printf, 5, 6)));
/* This machine: what of it the program builds on is in force. */
void doctor_machine(struct doctor *);
/* What the plan names: folders, ports, certificates, endpoints. Waits up to 2 s for each endpoint. */
void doctor_plan(struct doctor *, const struct plan *);

#endif
