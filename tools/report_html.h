/*
 * report_html.h - a run as one HTML page that asks nothing of any network and runs no script. All captured
 * text is escaped and cut to a length.
 */
#ifndef TOOLS_REPORT_HTML_H
#define TOOLS_REPORT_HTML_H

#include "tools/run.h"

void report_html(const struct run *, struct buf *out);
/* Text with & < > " ' replaced; bytes that are not printable ASCII or valid UTF-8 become U+FFFD, and so do
 * characters that change the direction of text. At most `max` characters, then an ellipsis. */
void report_escape(struct buf *out, struct span text, size_t max);

#endif
