/*
 * stats_sheet.h - a list of figures, filled by one command and printed once, as text or as one JSON object.
 */
#ifndef TOOLS_STATS_SHEET_H
#define TOOLS_STATS_SHEET_H

#include <stdbool.h>

#include "replay/stat.h"

/* A share is printed in per cent; what is not finite is null in JSON. */
enum sheet_kind { COUNT, SHARE, NUMBER, SHARE_INTERVAL, INTERVAL, WORD };

/* At most 32 figures; names are borrowed, JSON's keys, and read with blanks for '_' in text. */
void sheet_add(enum sheet_kind, const char *name, double value);
void sheet_add_interval(enum sheet_kind, const char *name, struct interval);
void sheet_add_word(const char *name, const char *word);
/* The e-value of a test, its logarithm for where it is too large, and the always-valid p-value. */
void sheet_add_evidence(double log_e);
/* On stdout, behind the level and t_opt that they have. */
void sheet_print(const char *statistic, double alpha, double t_opt, bool json);

#endif
