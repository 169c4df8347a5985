/*
 * fds.h - what a process that is about to execute another program hands to it: these descriptors, no others.
 */
#ifndef PROTO_BASE_FDS_H
#define PROTO_BASE_FDS_H

enum { FDS_PLACED_MAX = 512 };

/* Put `count` open descriptors at `first`, `first` + 1, ... in that order, inheritable, and close what is
 * behind them. One may be given twice, and may stand in another's place. At most FDS_PLACED_MAX, all below
 * FDS_PLACED_MAX or few enough to be moved above it. */
void fds_place(int first, const int *fds, unsigned count);

#endif
