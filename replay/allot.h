/*
 * allot.h - the judge sets what share of exchanges each candidate gets (share.h), and says so on the control
 * page and in the summary. Of a mirror; a replay plays all.
 */
#ifndef REPLAY_ALLOT_H
#define REPLAY_ALLOT_H

#include "capture/role.h"
#include "replay/results.h"

/* Once, before the first allot_all(). A judge that was started again goes on from what the page says. */
void allot_begin(const struct role_env *);
/* Before each summary; what the gates say is taken from the one before. */
void allot_all(const struct role_env *, struct results *, const struct ledger_counts *);

#endif
