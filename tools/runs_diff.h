/*
 * runs_diff.h - two runs beside one another: their figures, and whether each pair came out the same.
 *
 * The same replay against deterministic targets gives the same results, measured times aside. Pairs are those
 * that both runs have stored; the sums are over all that were compared.
 */
#ifndef TOOLS_RUNS_DIFF_H
#define TOOLS_RUNS_DIFF_H

#include "tools/run.h"

/* Verdicts, designs, and rates with their intervals. */
void runs_diff_figures(const struct run *, const struct run *, FILE *);
/* Print which sums and which pairs differ. True: none does, and there were some. */
bool runs_diff_results(const struct run *, const struct run *, FILE *);

#endif
