/*
 * drill.h - the two halves of `understudy drill`.
 */
#ifndef TOOLS_DRILL_H
#define TOOLS_DRILL_H

/* On the proxy behind that control socket: pulls the switch, kills each role but the workers, reloads, and
 * asks a listener all the while; prints how long each took against its promise. 0: all were kept, 1: one was
 * not, 3: it could not be tried. */
int drill_recovery(const char *control_path);

#endif
