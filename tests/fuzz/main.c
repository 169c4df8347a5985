/*
 * main.c - runs a fuzz target over the files and directories given, without a fuzzing engine; none
 * is a failure.
 */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path, size_t size)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = malloc(size + 1);
	int result = -1;

	if (f == NULL || data == NULL || fread(data, 1, size, f) != size)
		goto out;
	LLVMFuzzerTestOneInput(data, size);
	result = 0;
out:
	if (result < 0)
		perror(path);
	free(data);
	if (f != NULL)
		fclose(f);
	return result;
}

static int replay(const char *path, unsigned *count);

static int replay_dir(const char *path, unsigned *count)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char child[PATH_MAX];
	int result = 0;

	if (dir == NULL) {
		perror(path);
		return -1;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (snprintf(child, sizeof(child), "%s/%s", path, entry->d_name) >= (int)sizeof(child) ||
		    replay(child, count) < 0)
			result = -1;
	}
	closedir(dir);
	return result;
}

static int replay(const char *path, unsigned *count)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		perror(path);
		return -1;
	}
	if (S_ISDIR(st.st_mode))
		return replay_dir(path, count);
	++*count;
	return replay_file(path, (size_t)st.st_size);
}

int main(int argc, char **argv)
{
	unsigned count = 0;
	int result = 0;

	for (int i = 1; i < argc; i++)
		if (replay(argv[i], &count) < 0)
			result = 1;
	printf("%u inputs\n", count);
	if (count == 0)
		result = 1;
	return result;
}
