/*
 * loop_memory.h - memory for libevent: an entry that it keeps for each descriptor, for ever, lies in blocks
 * of such entries. Among a crowd's buffers each would hold a page back from the system when the crowd has
 * left.
 */
#ifndef PROTO_NET_LOOP_MEMORY_H
#define PROTO_NET_LOOP_MEMORY_H

/* Once, before the first loop of a process. */
void loop_memory_init(void);

#endif
