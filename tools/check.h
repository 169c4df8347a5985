/*
 * check.h - understudy check -c FILE: is this configuration good, and what does it mean?
 */
#ifndef TOOLS_CHECK_H
#define TOOLS_CHECK_H

/* argv[0] is the command's name. 0, or 2 when the file or the command line is wrong. */
int check_command(int argc, char **argv);

#endif
