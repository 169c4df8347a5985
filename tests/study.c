/*
 * study.c - a planted-change study: fields of answers differ by chance, as live differs from its own twin,
 * and in one field the candidate changes a share of answers besides. Who finds that field, and who blames
 * others?
 *
 *   ours     replay/results_judge.c: a watched McNemar test a field on exchanges that both sides answered,
 *            corrected over fields by e-BH at 5 %; looked at again and again, a field once found stays found
 *   Diffy    its published rule on the same counts at the end: |c - b| / (c + b) over 20 % and |c - b| / n
 * over 0.03 %, of c and b exchanges in which candidate and twin differ (Settings.scala's defaults) plain    a
 * difference is a difference
 *
 * Printed: of 100 studies how many miss the changed field; and of 100 unchanged fields how many are blamed.
 * Everything is drawn from one seed. Usage: study [STUDIES [EXCHANGES]]
 */
#include <stdio.h>
#include <stdlib.h>

#include "replay/results_inside.h"
#include "tests/lib/draw.h"

enum { FIELDS = 20, LOOK_EVERY = 100 };

enum rule { OURS, DIFFY, PLAIN, RULES };

struct field {
	struct path path;
	uint64_t candidate, baseline; /* exchanges in which each differs from live */
};

struct score {
	unsigned missed[RULES], blamed[RULES];
};

static void exchange(struct field fields[FIELDS], double noise, double change)
{
	for (int i = 0; i < FIELDS; i++) {
		bool baseline = draw() < noise, candidate = draw() < noise;

		if (i == 0 && draw() < change)
			candidate = true;
		fields[i].candidate += candidate;
		fields[i].baseline += baseline;
		fields[i].path.candidate_only += candidate && !baseline;
		fields[i].path.baseline_only += baseline && !candidate;
	}
}

static void look(const struct field fields[FIELDS], bool found[FIELDS])
{
	double log_e[FIELDS], least;

	for (int i = 0; i < FIELDS; i++)
		log_e[i] = results_path_log_e(&fields[i].path);
	evidence_bh(log_e, FIELDS, GATE_ALPHA, &least);
	for (int i = 0; i < FIELDS; i++)
		found[i] |= log_e[i] >= least;
}

static bool diffy(const struct field *f, uint64_t n)
{
	double apart = (double)f->candidate - (double)f->baseline, all = (double)(f->candidate + f->baseline);

	apart = apart < 0 ? -apart : apart;
	return all > 0 && apart / all > 0.20 && apart / (double)n > 0.0003;
}

static void study(uint64_t exchanges, double noise, double change, struct score *score)
{
	static struct field fields[FIELDS];
	bool found[FIELDS] = {false};

	memset(fields, 0, sizeof fields);
	for (uint64_t n = 1; n <= exchanges; n++) {
		exchange(fields, noise, change);
		if (n % LOOK_EVERY == 0)
			look(fields, found);
	}
	for (int i = 0; i < FIELDS; i++) {
		bool says[RULES] = {found[i], diffy(&fields[i], exchanges), fields[i].candidate > 0};

		for (int r = 0; r < RULES; r++)
			*(i ? &score->blamed[r] : &score->missed[r]) += i ? says[r] : !says[r];
	}
}

int main(int argc, char **argv)
{
	static const double noises[] = {0, 0.001, 0.02, 0.2}, changes[] = {0.001, 0.01, 0.05};
	unsigned studies = argc > 1 ? (unsigned)atoi(argv[1]) : 200;
	uint64_t exchanges = argc > 2 ? strtoull(argv[2], NULL, 10) : 10000;

	draw_seed(2);
	printf("%u studies each, %llu exchanges of %d fields; ours was looked at every %d\n", studies,
	       (unsigned long long)exchanges, FIELDS, LOOK_EVERY);
	printf("%8s %8s | %21s | %21s\n", "", "", "missed, per 100", "blamed, per 100");
	printf("%8s %8s | %6s %7s %6s | %6s %7s %6s\n", "noise", "change", "ours", "Diffy", "plain", "ours",
	       "Diffy", "plain");
	for (unsigned i = 0; i < sizeof noises / sizeof *noises; i++)
		for (unsigned j = 0; j < sizeof changes / sizeof *changes; j++) {
			struct score s = {0};

			for (unsigned k = 0; k < studies; k++)
				study(exchanges, noises[i], changes[j], &s);
			printf("%6.1f %% %6.1f %% |", noises[i] * 100, changes[j] * 100);
			for (int r = 0; r < RULES; r++)
				printf(" %6.1f", 100.0 * s.missed[r] / studies);
			printf(" |");
			for (int r = 0; r < RULES; r++)
				printf(" %6.2f", 100.0 * s.blamed[r] / studies / (FIELDS - 1));
			printf("\n");
		}
	return 0;
}
