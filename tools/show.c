#include <ctype.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tools/commands.h"
#include "tools/run.h"

enum { COLUMNS_MIN = 40, COLUMNS_PLAIN = 160, BODY_LINES_MAX = 200, PAIRS_MAX = 32 };

static int column; /* of each side */

static const char *config;

/* Captured text is hostile: nothing but printable ASCII and line ends reaches the terminal. */
static void put_safe(const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		putchar(isprint((unsigned char)bytes[i]) ? bytes[i] : '.');
}

static void put_lines(const char *title, struct span s)
{
	printf("%s\n", title);
	while (s.len) {
		const char *lf = memchr(s.data, '\n', s.len);
		size_t n = lf ? (size_t)(lf - s.data) : s.len;

		printf("  ");
		put_safe(s.data, n);
		putchar('\n');
		s.data += n + (lf != NULL);
		s.len -= n + (lf != NULL);
	}
}

/* Two sides and what stands between them fill the terminal; a pipe has room. */
static int side_columns(void)
{
	struct winsize size = {0};
	int columns = COLUMNS_PLAIN;

	if (isatty(STDOUT_FILENO))
		columns = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
	return (columns < COLUMNS_MIN ? COLUMNS_MIN : columns) / 2 - 2;
}

static struct span cut(struct span *s)
{
	size_t room = (size_t)column;
	struct span piece = {s->data, s->len < room ? s->len : room};

	s->data += piece.len;
	s->len -= piece.len;
	return piece;
}

/* Two columns; '!' stands between pieces that differ. */
static void put_sides(struct span left, struct span right)
{
	for (int line = 0; (left.len || right.len) && line < BODY_LINES_MAX; line++) {
		struct span a = cut(&left), b = cut(&right);

		put_safe(a.data, a.len);
		printf("%*s %c ", column - (int)a.len, "", span_eq(a, b) ? '|' : '!');
		put_safe(b.data, b.len);
		putchar('\n');
	}
	if (left.len || right.len)
		printf("(%zu and %zu more bytes)\n", left.len, right.len);
}

static struct span blob(sqlite3_stmt *s, int column)
{
	const char *data = sqlite3_column_blob(s, column);

	return (struct span){data ? data : "", data ? (size_t)sqlite3_column_bytes(s, column) : 0};
}

static const char *text(sqlite3_stmt *s, int column)
{
	const char *t = (const char *)sqlite3_column_text(s, column);

	return t ? t : "";
}

static void put_pair(sqlite3_stmt *s)
{
	char left[128], right[192], live[48], candidate[48];

	run_status_text(sqlite3_column_int(s, 4), live);
	run_status_text(sqlite3_column_int(s, 5), candidate);

	printf("exchange %s, candidate %s, route %s: %s", text(s, 0), text(s, 2), text(s, 1),
	       sqlite3_column_int(s, 3) ? "diverged" : "agreed");
	if (*text(s, 9)) {
		printf(": ");
		put_safe(text(s, 9), strlen(text(s, 9)));
	}
	printf("\n%d of %d rows diverged\n\n", sqlite3_column_int(s, 8), sqlite3_column_int(s, 7));
	if (!sqlite3_column_int(s, 3)) {
		printf("%s and %s, %lld and %lld us; the bodies of pairs that agree are not stored\n", live,
		       candidate, (long long)sqlite3_column_int64(s, 11),
		       (long long)sqlite3_column_int64(s, 12));
		return;
	}
	put_lines("request", blob(s, 13));
	put_lines("", blob(s, 14));
	snprintf(left, sizeof left, "%.47s: %s, live %lld us", text(s, 10), live,
	         (long long)sqlite3_column_int64(s, 11));
	snprintf(right, sizeof right, "%.63s: %s, %lld us", text(s, 2), candidate,
	         (long long)sqlite3_column_int64(s, 12));
	printf("\n%-*s | %s\n", column, left, right);
	put_sides(blob(s, 15), blob(s, 16));
}

/* `id`: 1 to 16 hexadecimal digits; stored ids are signed, and those that begin alike still lie side by side.
 */
static int show(const char *directory, const char *id)
{
	uint64_t missing = (16 - strlen(id)) * 4, first = strtoull(id, NULL, 16) << missing;
	char path[1100];
	sqlite3 *db = NULL;
	sqlite3_stmt *s = NULL;
	unsigned n = 0;
	int status = 3;

	column = side_columns();
	snprintf(path, sizeof path, "%s/results.db", directory);
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(
	            db,
	            "SELECT id, route, candidate, diverged, live_status, candidate_status, seen_us, rows,"
	            " rows_diverged, where_, against, live_us, candidate_us, request_head, request_body,"
	            " live_body, candidate_body FROM pair WHERE number BETWEEN ?1 AND ?2 ORDER BY number, n "
	            "LIMIT ?3",
	            -1, &s, NULL) != SQLITE_OK) {
		fprintf(stderr, "understudy: show: %s: %s\n", path,
		        db ? sqlite3_errmsg(db) : "out of memory");
		goto out;
	}
	sqlite3_bind_int64(s, 1, (sqlite3_int64)first);
	sqlite3_bind_int64(s, 2, (sqlite3_int64)(first + ((uint64_t)1 << missing) - 1));
	sqlite3_bind_int(s, 3, PAIRS_MAX);
	while (sqlite3_step(s) == SQLITE_ROW) {
		if (n++)
			printf("\n");
		put_pair(s);
	}
	status = n ? 0 : 3;
	if (!n)
		fprintf(stderr,
		        "understudy: show: no stored pair has the id %.32s; a run keeps what its bound lets "
		        "it\n",
		        id);
out:
	sqlite3_finalize(s);
	sqlite3_close(db);
	return status;
}

static bool is_id(const char *text)
{
	size_t n = strspn(text, "0123456789abcdef");

	return n && n <= 16 && !text[n];
}

static int run(const struct words *words)
{
	const char *id = words->at[words->count - 1];
	char directory[1024];

	if (!is_id(id))
		return command_wrong(&show_command, "'%s': an exchange's id is expected", id);
	if (run_search(config))
		return 2;
	if (run_find(words->count == 2 ? words->at[0] : NULL, directory))
		return 3;
	return show(directory, id);
}

static const struct command_flag flags[] = {
        RUNS_FLAG(&config),
        {0},
};

const struct command show_command = {
        .name = "show",
        .does = "one pair side by side",
        .usage = "[RUN] ID [-c FILE]",
        .about = "One pair side by side, as it was stored: masked, and cut at 16 KiB a side.\n"
                 "ID is an exchange's id, or its beginning, as reports print it.",
        .flags = flags,
        .words = "[RUN] ID",
        .status = "0 done, 2 usage, 3 there is no such run or pair",
        .examples = "understudy show 000000000000002a\n"
                    "understudy show runs/digits-svc-17 00000100000003",
        .run = run,
};
