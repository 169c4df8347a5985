/* The schema table told to others: as a JSON Schema for editors, as a manual page for readers. */
#include <ctype.h>
#include <string.h>
#include "proto/base/buf.h"
#include "proxy/config.h"

enum { KEY_PATH_MAX = 256 };

#define VARIABLE "\\\\$\\\\{" /* a value may be written ${VAR}: then only the reader knows it */

static const char *pattern(enum cfg_type type)
{
	switch (type) {
	case CFG_DURATION:
		return "^[0-9.eE+]+(ms|s|m|h|d)$|" VARIABLE;
	case CFG_SIZE:
		return "^[0-9.eE+]+([KMGT]i?B|kB|B)$|" VARIABLE;
	case CFG_SHARE:
	case CFG_RATE:
		return "^[0-9.eE+-]+%$|" VARIABLE;
	case CFG_DOUBLE:
		return "^[0-9.eE+-]+$|" VARIABLE;
	default:
		return VARIABLE;
	}
}

static void put_string(struct buf *out, const char *key, const char *text)
{
	buf_printf(out, "\"%s\":", key);
	buf_json_string(out, span_of(text));
}

static void put_bounds(struct buf *out, const struct cfg_row *row)
{
	if (row->min)
		buf_printf(out, ",\"minimum\":%s", row->min);
	if (row->max)
		buf_printf(out, ",\"maximum\":%s", row->max);
}

/* YAML readers take 1.3 for a number, yes for a boolean or a word: all are the same here. */
static void put_names(struct buf *out, const char *const *names)
{
	buf_puts(out, "\"enum\":[");
	for (unsigned i = 0; names[i]; i++) {
		buf_printf(out, "%s\"%s\"", i ? "," : "", names[i]);
		if (isdigit((unsigned char)names[i][0]))
			buf_printf(out, ",%s", names[i]);
	}
	buf_puts(out, "]");
}

static void put_scalar(struct buf *out, const struct cfg_row *row)
{
	static const char *const yes_no[] = {"yes", "no", "true", "false", NULL};

	switch (row->type) {
	case CFG_DURATION:
	case CFG_SIZE:
	case CFG_SHARE:
	case CFG_RATE:
		buf_printf(out, "\"type\":\"string\",\"pattern\":\"%s\"", pattern(row->type));
		return;
	case CFG_DOUBLE:
		buf_printf(out, "\"type\":[\"number\",\"string\"],\"pattern\":\"%s\"", pattern(row->type));
		put_bounds(out, row);
		return;
	case CFG_INTEGER:
		buf_printf(out, "\"type\":[\"integer\",\"string\"],\"pattern\":\"%s\"", pattern(row->type));
		put_bounds(out, row);
		return;
	case CFG_BOOL:
	case CFG_ENUM:
		buf_puts(out, "\"anyOf\":[{");
		put_names(out, row->type == CFG_BOOL ? yes_no : row->names);
		buf_printf(out, "},{\"type\":%s\"pattern\":\"" VARIABLE "\"}]",
		           row->type == CFG_BOOL ? "[\"boolean\",\"string\"]," : "\"string\",");
		return;
	default:
		buf_puts(out, "\"type\":[\"string\",\"number\"]");
	}
}

static void put_object(struct buf *out, const struct cfg_row *rows);

static void put_list(struct buf *out, const struct cfg_row *row)
{
	buf_puts(out, "\"type\":\"array\",\"items\":{");
	if (row->type == CFG_LIST)
		put_object(out, row->rows);
	else
		buf_puts(out, "\"type\":[\"string\",\"number\"]");
	buf_puts(out, "}");
	if (row->required)
		buf_puts(out, ",\"minItems\":1");
	if (row->capacity)
		buf_printf(out, ",\"maxItems\":%u", row->capacity - row->taken);
}

static void put_row(struct buf *out, const struct cfg_row *row)
{
	buf_json_string(out, span_of(row->name));
	buf_puts(out, ":{");
	put_string(out, "description", row->sentence);
	if (row->value) {
		buf_puts(out, ",");
		put_string(out, "default", row->value);
	}
	buf_puts(out, ",");
	switch (row->type) {
	case CFG_MAPPING:
		put_object(out, row->rows);
		break;
	case CFG_NAMED:
		buf_printf(out, "\"type\":\"object\",\"maxProperties\":%u,\"additionalProperties\":{",
		           row->capacity - row->taken);
		put_object(out, row->rows);
		buf_puts(out, "}");
		break;
	case CFG_PAIRS:
		buf_puts(out,
		         "\"type\":\"object\",\"additionalProperties\":{\"type\":[\"string\",\"number\"]}");
		break;
	case CFG_LIST:
	case CFG_STRINGS:
	case CFG_WORDS:
	case CFG_EACH:
		put_list(out, row);
		break;
	default:
		put_scalar(out, row);
	}
	buf_puts(out, "}");
}

static void put_object(struct buf *out, const struct cfg_row *rows)
{
	const char *comma = "";

	buf_puts(out, "\"type\":\"object\",\"additionalProperties\":false,\"properties\":{");
	for (const struct cfg_row *row = rows; row->name; row++) {
		if (row->type == CFG_UNSUPPORTED)
			continue;
		buf_puts(out, comma);
		put_row(out, row);
		comma = ",";
	}
	buf_puts(out, "},\"required\":[");
	comma = "";
	for (const struct cfg_row *row = rows; row->name; row++) {
		if (!row->required)
			continue;
		buf_printf(out, "%s\"%s\"", comma, row->name);
		comma = ",";
	}
	buf_puts(out, "]");
}

void config_print_schema(FILE *f)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	buf_puts(&out, "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",");
	put_string(&out, "title", "understudy.yaml");
	buf_puts(&out, ",");
	put_object(&out, config_schema());
	fprintf(f, "%.*s}\n", (int)buf_len(&out), buf_span(&out).data);
	buf_fini(&out);
}

/* One line of roff: no control character at its start, no escape inside, a capital and a full stop. */
static void put_sentence(FILE *f, const char *text)
{
	size_t len = strlen(text);

	fprintf(f, "\\&%c", toupper((unsigned char)text[0]));
	for (const char *p = text + 1; *p; p++) {
		if (*p == '\\')
			fputs("\\e", f);
		else
			fputc(*p, f);
	}
	fputs(text[len - 1] == '.' ? "\n" : ".\n", f);
}

static void put_type(FILE *f, const struct cfg_row *row)
{
	static const char *const types[] = {
	        [CFG_STRING] = "text",
	        [CFG_DURATION] = "duration: ms, s, m, h or d",
	        [CFG_SIZE] = "size: B, KiB, MiB, GiB, kB, MB or GB",
	        [CFG_SHARE] = "percentage",
	        [CFG_RATE] = "percentage",
	        [CFG_INTEGER] = "whole number",
	        [CFG_DOUBLE] = "number",
	        [CFG_BOOL] = "yes or no",
	        [CFG_WORDS] = "list of words",
	        [CFG_STRINGS] = "list of texts",
	        [CFG_MAPPING] = "mapping",
	        [CFG_LIST] = "list of mappings",
	        [CFG_NAMED] = "mapping of names to mappings",
	        [CFG_EACH] = "list of texts",
	        [CFG_PAIRS] = "mapping of names to texts",
	        [CFG_HOOK] = "text",
	        [CFG_LATER] = "text",
	};

	fputs("\\&(", f);
	if (row->type == CFG_ENUM)
		for (unsigned i = 0; row->names[i]; i++)
			fprintf(f, "%s%s", i ? " | " : "", row->names[i]);
	else
		fputs(types[row->type], f);
	if (row->max)
		fprintf(f, ", from %s to %s", row->min ? row->min : "0", row->max);
	if (row->capacity)
		fprintf(f, ", at most %u", row->capacity - row->taken);
	fprintf(f, "%s", row->required ? ", required" : "");
	if (row->value && !row->required)
		fprintf(f, ", default %s", row->value);
	fputs(")\n", f);
}

static void put_rows(FILE *f, const struct cfg_row *rows, const char *above)
{
	char path[KEY_PATH_MAX];

	for (const struct cfg_row *row = rows; row->name; row++) {
		if (row->type == CFG_UNSUPPORTED)
			continue;
		snprintf(path, sizeof(path), "%s%s%s", above, above[0] ? "." : "", row->name);
		fprintf(f, ".It Ic %s\n", path);
		put_sentence(f, row->sentence);
		put_type(f, row);
		if (row->type == CFG_LIST)
			strncat(path, "[]", sizeof(path) - strlen(path) - 1);
		if (row->type == CFG_NAMED)
			strncat(path, ".NAME", sizeof(path) - strlen(path) - 1);
		if (row->rows)
			put_rows(f, row->rows, path);
	}
}

static void put_detectors(FILE *f)
{
	fputs(".Sh DETECTORS\nBy group; each is told by a shape, a check and the words around it.\n"
	      ".Bl -tag -width Ds\n",
	      f);
	for (unsigned i = 1; i < DETECT_CLASSES; i++)
		fprintf(f, ".It Sy %s Pq %s\n\\&%s\n", detect_class_name(i), detect_class_group(i),
		        detect_class_sentence(i));
	fputs(".El\n", f);
}

static void put_operators(FILE *f)
{
	static const char *const by[] = {
	        [BY_NOTHING] = "",     [BY_TEXT] = "by TEXT", [BY_COUNT] = "by N",   [BY_NUMBER] = "by X",
	        [BY_DAYS] = "by DAYS", [BY_UNIT] = "by UNIT", [BY_NAMES] = "by LIST"};

	fputs(".Sh MASK OPERATORS\nWhat an operator cannot read becomes [redacted].\n.Bl -tag -width Ds\n",
	      f);
	for (unsigned i = 0; i < MASK_OPERATORS; i++) {
		const struct mask_operator_row *row = &mask_operators[i];

		fprintf(f, ".It Sy %s%s%s\n\\&%s", row->name, *by[row->by] ? " " : "", by[row->by],
		        row->sentence);
		if (row->usual && *row->usual)
			fprintf(f, "; usually %s", row->usual);
		fputs(row->finds ? "; also of what is found\n" : "\n", f);
	}
	fputs(".El\n", f);
}

void config_print_manual(FILE *f)
{
	fputs(".Dd $Mdocdate$\n.Dt UNDERSTUDY.YAML 5\n.Os\n.Sh NAME\n.Nm understudy.yaml\n"
	      ".Nd configuration of the understudy proxy\n.Sh DESCRIPTION\n"
	      "YAML without anchors, tags and further documents; at most 1 MiB.\n"
	      "Quantities carry a unit.\n"
	      "An unknown key, a key given twice and a value of the wrong kind are errors, all told at once "
	      "by\n"
	      ".Dl understudy check -c FILE\n"
	      "In values ${VAR}, ${VAR:-default} and ${VAR:?message} are replaced from the environment, and\n"
	      "$$ is a dollar.\n"
	      "Relative paths are against the folder of the file.\n.Sh KEYS\n.Bl -tag -width Ds\n",
	      f);
	put_rows(f, config_schema(), "");
	fputs(".El\n", f);
	put_detectors(f);
	put_operators(f);
	fputs(".Sh SEE ALSO\n.Dl understudy check --schema\n"
	      "prints the same as a JSON Schema, for editors.\n",
	      f);
}
