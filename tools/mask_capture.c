/* Captures: their records were masked when they were recorded, and are never masked again. */
#include <errno.h>
#include <inttypes.h>

#include "capture/capfile.h"
#include "tools/mask.h"

static int cannot(const struct mask_input *in, const char *why)
{
	fprintf(stderr, "understudy: mask: %s: %s\n", in->name, why);
	return 3;
}

static bool copy(FILE *from, FILE *to)
{
	char block[65536];
	size_t n;

	while ((n = fread(block, 1, sizeof block, from)) > 0)
		if (fwrite(block, 1, n, to) != n)
			return false;
	return !ferror(from) && fflush(to) == 0;
}

/* Every record is marked; *records_out: how many there are. */
static int look(const struct mask_input *in, struct capfile_reader *reader, uint64_t *records_out)
{
	struct record r;
	const void *payload;
	int err;

	while ((err = capfile_next(reader, &r, &payload)) == 0)
		if (!r.policy)
			return cannot(in, "a record names no policy: it was not written by a masker");
	*records_out = capfile_records(reader);
	if (err == ERR_AGAIN || err == ERR_TORN)
		return 0;
	return cannot(in, capfile_why(reader) ? capfile_why(reader) : err_text(err));
}

static int pass(struct mask_input *in, FILE *spool)
{
	struct capfile_reader *reader;
	const char *why;
	uint64_t records = 0;
	char path[32];
	int status;

	snprintf(path, sizeof path, "/proc/self/fd/%d", fileno(spool));
	if (capfile_open(path, &reader, &why))
		return cannot(in, why ? why : "it cannot be read");
	status = look(in, reader, &records);
	capfile_reader_free(&reader);
	if (status)
		return status;
	rewind(spool);
	if (!copy(spool, stdout))
		return cannot(in, strerror(errno));
	fprintf(stderr,
	        "understudy: mask: %" PRIu64 " records carry their policy's hash and pass as they are\n",
	        records);
	return 0;
}

int mask_capture_pass(struct mask_input *in, struct span begun)
{
	FILE *spool = tmpfile();
	int status;

	if (!spool)
		return cannot(in, strerror(errno));
	if (fwrite(begun.data, 1, begun.len, spool) != begun.len || !copy(in->from, spool))
		status = cannot(in, strerror(errno));
	else
		status = pass(in, spool);
	fclose(spool);
	return status;
}
