/*
 * notify.h - tells a service manager how the proxy is: sd_notify(3)'s datagrams, without its library.
 *
 * Without NOTIFY_SOCKET every call does nothing. The variables are taken out of the environment, so that no
 * role speaks for the parent.
 */
#ifndef PROXY_NOTIFY_H
#define PROXY_NOTIFY_H

#include <stdint.h>

struct notify {
	int fd;                              /* -1: nobody listens */
	char where[108];                     /* the socket's name, for a successor */
	uint64_t watchdog_ns, next_alive_ns; /* 0: no watchdog; it is fed twice in its time */
};

void notify_open(struct notify *);
/* `state` is lines of NAME=VALUE, e.g. "READY=1\nSTATUS=..."; never blocks, a lost datagram is lost. */
void notify_say(const struct notify *, const char *state);
/* Feed the watchdog if it is due; the time of the next feeding, or UINT64_MAX. */
uint64_t notify_alive(struct notify *, uint64_t now_ns);
void notify_close(struct notify *);

#endif
