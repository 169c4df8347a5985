/* Recognisers of an estate: each is two pipes between it and who masks, of which its keeper has all four
 * ends, gauges that say whether it serves, and an eventfd by which its keeper is told that it does not. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "capture/sandbox_gauges.h"
#include "proxy/estate_inside.h"

/* One thing, held by the keeper under one name and by who masks (NULL: not) under another. */
static int own(struct estate *e, int fd, unsigned n, const char *keepers, const char *maskers, unsigned mask,
               bool answers)
{
	int again = maskers ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	int err = fd == -1 || (maskers && again == -1) ? estate_complain("cannot make a recogniser", keepers)
	                                               : 0;

	if (fd != -1 && !err)
		err = estate_own(e, fd, "recogniser.%s.%u", keepers, n);
	if (again != -1 && !err)
		err = estate_own(e, again, "recognise.%s.%s.%u", answers ? "answers" : "masker", maskers,
		                 mask);
	return err;
}

static int make_one(struct estate *e, unsigned n, unsigned mask, bool answers)
{
	int asks[2] = {-1, -1}, says[2] = {-1, -1}, gauges = -1, look = -1, err;

	if (pipe2(asks, O_CLOEXEC) || pipe2(says, O_CLOEXEC) || sandbox_gauges_create(&gauges, &look))
		return estate_complain("cannot make a recogniser", "pipe");
	fcntl(asks[1], F_SETFL, O_NONBLOCK);
	fcntl(says[0], F_SETFL, O_NONBLOCK);
	err = own(e, asks[0], n, "input", NULL, mask, answers);
	if (!err)
		err = own(e, asks[1], n, "to", "to", mask, answers);
	if (!err)
		err = own(e, says[0], n, "from", "from", mask, answers);
	if (!err)
		err = own(e, says[1], n, "output", NULL, mask, answers);
	if (!err)
		err = own(e, gauges, n, "gauges", NULL, mask, answers);
	if (!err)
		err = estate_own(e, look, "recognise.%s.look.%u", answers ? "answers" : "masker", mask);
	if (!err)
		err = own(e, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), n, "kick", "kick", mask, answers);
	return err;
}

int estate_make_recognisers(struct estate *e)
{
	bool answers;
	unsigned mask;
	int err = 0;

	for (unsigned n = 0; !e->plan->run_closed && !err && plan_recogniser(e->plan, n, &mask, &answers);
	     n++) {
		err = make_one(e, n, mask, answers);
		e->recogniser_count++;
	}
	return err;
}
