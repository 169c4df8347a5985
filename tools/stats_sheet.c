#include "tools/stats_sheet.h"

#include <math.h>
#include <stdio.h>

#include "replay/evidence.h"

enum { FIGURES_MAX = 32, NAME_COLUMN = 24 };

struct figure {
	enum sheet_kind kind;
	const char *name; /* JSON's key */
	double value, high;
	const char *word;
};
static struct {
	struct figure at[FIGURES_MAX];
	unsigned count;
} sheet;

void sheet_add(enum sheet_kind kind, const char *name, double value)
{
	sheet.at[sheet.count++] = (struct figure){.kind = kind, .name = name, .value = value};
}

void sheet_add_interval(enum sheet_kind kind, const char *name, struct interval i)
{
	sheet.at[sheet.count++] = (struct figure){.kind = kind, .name = name, .value = i.low, .high = i.high};
}

void sheet_add_word(const char *name, const char *word)
{
	sheet.at[sheet.count++] = (struct figure){.kind = WORD, .name = name, .word = word};
}

void sheet_add_evidence(double log_e)
{
	sheet_add(NUMBER, "log_e_value", log_e);
	sheet_add(NUMBER, "e_value", exp(log_e));
	sheet_add(NUMBER, "p_value", evidence_p(log_e));
}

static void json_number(double value)
{
	if (isfinite(value))
		printf("%.12g", value);
	else
		printf("null");
}

static void print_json(const struct figure *f)
{
	printf(",\"%s\":", f->name);
	if (f->kind == WORD) {
		printf("\"%s\"", f->word);
	} else if (f->kind == INTERVAL || f->kind == SHARE_INTERVAL) {
		printf("[");
		json_number(f->value);
		printf(",");
		json_number(f->high);
		printf("]");
	} else {
		json_number(f->value);
	}
}

static void text_number(double value, bool share)
{
	if (!isfinite(value))
		printf("%s", isnan(value) ? "-" : value > 0 ? "inf" : "-inf");
	else if (share)
		printf("%.4g %%", value * 100);
	else
		printf("%.6g", value);
}

static void print_text(const struct figure *f)
{
	bool share = f->kind == SHARE || f->kind == SHARE_INTERVAL;
	int n = 0;

	for (const char *at = f->name; *at; at++, n++)
		putchar(*at == '_' ? ' ' : *at);
	printf("%*s", n < NAME_COLUMN ? NAME_COLUMN - n : 1, "");
	if (f->kind == WORD) {
		printf("%s\n", f->word);
		return;
	}
	if (f->kind == COUNT && isfinite(f->value)) {
		printf("%.0f\n", f->value);
		return;
	}
	if (f->kind == INTERVAL || f->kind == SHARE_INTERVAL)
		printf("[");
	text_number(f->value, share);
	if (f->kind == INTERVAL || f->kind == SHARE_INTERVAL) {
		printf(", ");
		text_number(f->high, share);
		printf("]");
	}
	putchar('\n');
}

void sheet_print(const char *statistic, double alpha, double t_opt, bool json)
{
	if (json)
		printf("{\"statistic\":\"%s\",\"alpha\":%.12g,\"t_opt\":%.12g", statistic, alpha, t_opt);
	for (unsigned i = 0; i < sheet.count; i++)
		(json ? print_json : print_text)(&sheet.at[i]);
	if (json)
		printf("}\n");
	else
		printf("%-*s%.4g %%, however often one looks\n", NAME_COLUMN, "level", (1 - alpha) * 100);
}
