/*
 * fail.h - makes the n-th allocation, or the n-th call of the I/O the capture file uses, fail.
 *
 * Programs in tests/fault are linked with --wrap for both. Without a sanitizer malloc itself is replaced, so
 * that the libraries fail too (YAML, SQLite, OpenSSL, zstd), and live blocks are counted; with one, the
 * sanitizer counts and only our own allocations fail.
 */
#ifndef TESTS_FAULT_FAIL_H
#define TESTS_FAULT_FAIL_H

#include <stdbool.h>
#include <stddef.h>

/* The n-th allocation from now (from 0) fails; with `for_good` all after it too. */
void fail_alloc(unsigned n, bool for_good);
/* No more failures; true when one was injected since fail_alloc(). */
bool fail_alloc_end(void);
/* Between the two calls nothing fails and nothing counts towards n. */
void fail_alloc_pause(bool pause);
/* Blocks allocated and not freed, or 0 under a sanitizer. */
long fail_live_blocks(void);

enum fail_call {
	FAIL_WRITE = 1,
	FAIL_PREAD = 2,
	FAIL_TRUNCATE = 4,
	FAIL_SYNC = 8,
	FAIL_OPEN = 16,
	FAIL_RECV = 32,
	FAIL_SEND = 64,
	FAIL_SOCKET = 128,
	FAIL_CONNECT = 256,
	FAIL_EPOLL = 512, /* epoll_ctl, libevent's */
};
enum { FAIL_SHORT = -1 }; /* one byte only, and the rest succeeds */

/* The n-th call among `calls` (enum fail_call) fails with `error` (an errno, or FAIL_SHORT); with
 * `for_good` all after it too. Only writes to
 * regular files count; one that fails has put half of its bytes before. */
void fail_io(unsigned calls, unsigned n, int error, bool for_good);
bool fail_io_end(void);
void fail_io_pause(bool pause); /* as fail_alloc_pause() */

#endif
