#include "tools/replay_source.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "capture/capfile_format.h"
#include "capture/gor.h"
#include "capture/har.h"

static struct span begin_of(const struct source *s)
{
	struct span begin = {s->begin, s->have};

	while (begin.len && memchr(" \t\r\n", begin.data[0], 4)) {
		begin.data++;
		begin.len--;
	}
	return begin;
}

static enum source_kind kind_of(const struct source *s)
{
	struct span begin = begin_of(s);

	if (s->have >= 8 && !memcmp(s->begin, CAPFILE_MAGIC, 8))
		return SOURCE_CAPTURE;
	if (gor_is(begin))
		return SOURCE_GOR;
	if (begin.len && begin.data[0] == '{')
		return har_is(begin) ? SOURCE_HAR : SOURCE_LINES;
	return SOURCE_UNKNOWN;
}

static bool is_text(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.data[i] < 0x20 && !memchr("\t\r\n", s.data[i], 3))
			return false;
	return true;
}

const char *source_hint(const struct source *s)
{
	static const struct {
		struct span begins;
		const char *hint;
	} known[] = {
	        {SPAN("["), "it is a JSON array; lines of JSON objects are expected: jq -c '.[]' FILE"},
	        {SPAN("PAR1"), "it is Parquet; lines of JSON objects are expected: in pandas, "
	                       "read_parquet(FILE).to_json(OUT, orient='records', lines=True)"},
	        {SPAN("PK"), "it is a zip or a spreadsheet; lines of JSON objects are expected"},
	        {SPAN("SQLite format"), "it is a database; lines of JSON objects are expected"},
	        {SPAN("\x28\xb5\x2f\xfd"), "it is packed by zstd: zstd -dc FILE | understudy replay - ..."},
	};
	struct span begin = begin_of(s);

	if (!begin.len)
		return "it is empty";
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (span_starts(begin, known[i].begins))
			return known[i].hint;
	return is_text(begin) ? "it is not a capture but text or CSV, and does not say what is asked of "
	                        "whom; a JSON object a line is "
	                        "expected, e.g. {\"prompt\": \"...\"}: in pandas, "
	                        "read_csv(FILE).to_json(OUT, orient='records', lines=True)"
	                      : "it is no capture, .gor, HAR, OpenAI batch or lines of JSON objects";
}

static long read_some(struct source *s, char *to, size_t room)
{
	int n, code = Z_OK;

	n = gzread(s->in, to, (unsigned)(room < SOURCE_BEGIN_BYTES ? room : SOURCE_BEGIN_BYTES));
	if (n > 0)
		return n;
	gzerror(s->in, &code);
	return code == Z_OK || code == Z_STREAM_END ? n : code == Z_ERRNO ? ERR_SYS : ERR_PROTO;
}

int source_open(struct source *s, const char *path)
{
	bool is_stdin = !strcmp(path, "-");
	int fd = is_stdin ? dup(STDIN_FILENO) : -1;
	long n = 1;

	memset(s, 0, sizeof *s);
	s->name = is_stdin ? "standard input" : path;
	s->in = !is_stdin ? gzopen(path, "rbe") : fd != -1 ? gzdopen(fd, "rb") : NULL;
	if (!s->in && fd != -1)
		close(fd);
	if (!s->in)
		return errno ? ERR_SYS : ERR_NOMEM;
	while (n > 0 && s->have < sizeof s->begin) {
		n = read_some(s, s->begin + s->have, sizeof s->begin - s->have);
		s->have += n > 0 ? (size_t)n : 0;
	}
	s->kind = kind_of(s);
	s->piped = is_stdin || !gzdirect(s->in);
	return n < 0 ? (int)n : 0;
}

void source_close(struct source *s)
{
	if (s->in)
		gzclose(s->in);
	s->in = NULL;
}

long source_read(struct source *s, char *to, size_t room)
{
	size_t left = s->have - s->given;

	if (!left)
		return read_some(s, to, room);
	left = left < room ? left : room;
	memcpy(to, s->begin + s->given, left);
	s->given += left;
	return (long)left;
}
