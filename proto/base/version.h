/*
 * version.h - this program's version: in `understudy version`, in manifests, and in captures.
 */
#ifndef PROTO_BASE_VERSION_H
#define PROTO_BASE_VERSION_H

#define VERSION "0.1.0"

#endif
