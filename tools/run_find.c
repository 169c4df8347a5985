#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "proxy/config.h"
#include "tools/run.h"

enum { RUNS_MAX = 4096 };

static char configured[PATH_MAX_BYTES]; /* run.directory, or empty */

int run_search(const char *config)
{
	struct plan *plan;
	int rc;

	if (!config)
		return 0;
	plan = calloc(1, sizeof *plan);
	if (!plan)
		return ERR_NOMEM;
	rc = config_read(config, plan, stderr);
	if (!rc)
		snprintf(configured, sizeof configured, "%s", plan->run_directory);
	free(plan);
	return rc;
}

struct found {
	char directory[1024];
	struct timespec changed;
};

static bool is_run(const char *directory, struct timespec *changed_out)
{
	char path[1100];
	struct stat st;

	snprintf(path, sizeof path, "%s/summary.json", directory);
	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	*changed_out = st.st_mtim;
	return true;
}

static unsigned look(const char *parent, struct found *list, unsigned n, unsigned max)
{
	DIR *d = opendir(parent);
	struct dirent *e;

	while (d && n < max && (e = readdir(d))) {
		struct found *f = &list[n];

		if (e->d_name[0] != '.' &&
		    snprintf(f->directory, sizeof f->directory, "%.700s/%.255s", parent, e->d_name) > 0)
			n += is_run(f->directory, &f->changed);
	}
	if (d)
		closedir(d);
	return n;
}

static int newest_first(const void *a, const void *b)
{
	const struct timespec *x = &((const struct found *)a)->changed,
	                      *y = &((const struct found *)b)->changed;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? 1 : -1;
	return x->tv_nsec < y->tv_nsec ? 1 : x->tv_nsec > y->tv_nsec ? -1 : 0;
}

unsigned run_list(char (*directories_out)[1024], unsigned max)
{
	struct found *list = calloc(RUNS_MAX, sizeof *list);
	size_t length = strlen(configured);
	unsigned n = 0;

	if (!list)
		return 0;
	while (length > 1 && configured[length - 1] == '/')
		configured[--length] = '\0';
	n = look("runs", list, n, RUNS_MAX);
	if (configured[0] && strcmp(configured, "runs"))
		n = look(configured, list, n, RUNS_MAX);
	qsort(list, n, sizeof *list, newest_first);
	for (unsigned i = 0; i < n && i < max; i++)
		memcpy(directories_out[i], list[i].directory, 1024);
	free(list);
	return n < max ? n : max;
}

/* A prefix of the directory's name or of the run's id; 2: exactly that. */
static int matches(const char *directory, const char *name)
{
	const char *slash = strrchr(directory, '/'), *base = slash ? slash + 1 : directory, *id;
	struct node *summary = NULL;
	char path[1100];
	int match = 0;

	if (!strncmp(base, name, strlen(name)))
		return base[strlen(name)] ? 1 : 2;
	snprintf(path, sizeof path, "%s/summary.json", directory);
	if (doc_load(path, &summary))
		return 0;
	id = doc_text(summary, "run");
	if (!strncmp(id, name, strlen(name)))
		match = id[strlen(name)] ? 1 : 2;
	doc_free(&summary);
	return match;
}

static int find_prefix(const char *name, char (*list)[1024], unsigned n, char out[1024])
{
	unsigned found = 0;

	for (unsigned i = 0; i < n; i++) {
		int match = matches(list[i], name);

		if (!match)
			continue;
		memcpy(out, list[i], 1024);
		if (match == 2)
			return 0;
		found++;
	}
	if (found == 1)
		return 0;
	if (!found)
		fprintf(stderr, "understudy: there is no run '%s' here, in runs/%s%s\n", name,
		        configured[0] ? " or in " : "", configured);
	else
		fprintf(stderr, "understudy: '%s' begins the names of %u runs; see understudy runs list\n",
		        name, found);
	return found ? ERR_LIMIT : ERR_SYS;
}

int run_find(const char *name, char out[1024])
{
	char(*list)[1024];
	struct timespec changed;
	unsigned n;
	int rc = ERR_SYS;

	if (name && is_run(name, &changed)) {
		snprintf(out, 1024, "%s", name);
		return 0;
	}
	list = calloc(RUNS_MAX, sizeof *list);
	if (!list)
		return ERR_NOMEM;
	n = run_list(list, RUNS_MAX);
	if (name && strcmp(name, "last"))
		rc = find_prefix(name, list, n, out);
	else if (n)
		rc = memcpy(out, list[0], 1024) ? 0 : ERR_BUG;
	else
		fprintf(stderr, "understudy: no run in runs/%s%s; name its directory\n",
		        configured[0] ? " or in " : "", configured);
	free(list);
	return rc;
}
