#include "tools/control_ask.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tools/control_find.h"

enum { TALK_MS = 10000, POLL_US = 20000, REQUEST_LIMIT = 4096 };

int control_ask(const char *path, const char *method, const char *target, struct reach_answer *answer)
{
	struct buf request;
	struct reach to;
	int rc = control_reach(path, TALK_MS, &to);

	if (rc) {
		fprintf(stderr, "understudy: %s: %s; is the proxy running here?\n", path, strerror(errno));
		return 3;
	}
	buf_init(&request, REQUEST_LIMIT);
	buf_printf(&request, "%s %s HTTP/1.1\r\nhost: control\r\nconnection: close\r\n%s\r\n", method, target,
	           *method == 'P' ? "content-length: 0\r\n" : "");
	rc = reach_ask(&to, buf_span(&request), false, answer);
	buf_fini(&request);
	reach_close(&to);
	if (rc)
		fprintf(stderr, "understudy: %s: no whole answer came\n", path);
	return rc ? 3 : 0;
}

void control_print(FILE *to, const char *before, const struct reach_answer *answer)
{
	fprintf(to, "%s%.*s", before, (int)buf_len(&answer->body), buf_span(&answer->body).data);
}

int control_told(const struct command *command, const char *path, const char *method, const char *target,
                 struct reach_answer *answer)
{
	char before[64];
	int status = control_ask(path, method, target, answer);

	if (!status && answer->status != 200) {
		snprintf(before, sizeof before, "understudy: %s: ", command->name);
		control_print(stderr, before, answer);
		status = 3;
	}
	return status;
}

void control_put(char *target, size_t size, const char *key, const char *value)
{
	size_t n = strlen(target);

	n += (size_t)snprintf(target + n, size - n, "%c%s=", strchr(target, '?') ? '&' : '?', key);
	for (; *value && n + 4 < size; value++)
		n += (size_t)snprintf(target + n, size - n, "%%%02x", (unsigned char)*value);
}

/* Ask until it is done: by then another generation may answer, or none for a moment. */
static int await_wish(const struct command *command, const char *path, const char *target,
                      struct reach_answer *answer, FILE *out)
{
	bool waits = false;

	for (unsigned failures = 0; failures < 3; usleep(POLL_US)) {
		int status = control_ask(path, "GET", target, answer);

		if (!status && (answer->status == 200 || answer->status == 422)) {
			control_print(answer->status == 200 ? out : stderr, "", answer);
			return answer->status == 200 ? 0 : 2;
		}
		failures += status || answer->status != 202;
		if (!waits && !status && span_starts(buf_span(&answer->body), SPAN("waiting"))) {
			waits = true;
			fprintf(stderr, "understudy: %s: ", command->name);
			control_print(stderr, "", answer);
		}
	}
	return 3;
}

int control_wish(const struct command *command, const char *path, const char *target, FILE *out)
{
	struct reach_answer answer;
	char number[64];
	int status;

	reach_answer_init(&answer);
	status = control_told(command, path, "POST", target, &answer);
	if (!status) {
		snprintf(number, sizeof number, "/reload?number=%.*s", (int)buf_len(&answer.body),
		         buf_span(&answer.body).data);
		number[strcspn(number, "\n")] = '\0';
		status = await_wish(command, path, number, &answer, out);
	}
	reach_answer_fini(&answer);
	return status;
}
