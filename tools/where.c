#include "tools/where.h"

static int print_fields(const struct where_field *f)
{
	for (; f->name; f++)
		printf("%-20s %-7s %s\n", f->name, f->number ? "number" : "text", f->sentence);
	return 0;
}

int where_read(const struct command *c, const char *text, const struct where_field *fields, struct where *out)
{
	struct where_error error;
	struct buf b;

	*out = (struct where){0};
	if (!text)
		return -1;
	if (span_eq(span_of(text), SPAN("fields")))
		return print_fields(fields);
	if (!where_compile(text, fields, out, &error))
		return -1;
	buf_init(&b, 4096);
	where_explain(text, &error, &b);
	fprintf(stderr, "understudy: %s: --where: %.*s", c->name, (int)buf_len(&b), buf_span(&b).data);
	buf_fini(&b);
	return 2;
}

void where_manual_of(const struct where_field *field, const char *whose, FILE *f)
{
	fputs(".Sh FILTERS\n"
	      "An expression of\n.Fl \\-where\n"
	      "compares fields with values by == != < <= > >= or =~, a pattern in which * stands for any\n"
	      "bytes and ? for one, and joins comparisons with and, or, not and parentheses.\n"
	      "A value with blanks in it stands in quotes of either kind.\n"
	      "A comparison with what is not there is false.\n",
	      f);
	fprintf(f, "The fields of %s:\n.Bl -tag -width Ds\n", whose);
	for (; field->name; field++)
		fprintf(f, ".It Ic %s\n%s: %s.\n", field->name, field->number ? "Number" : "Text",
		        field->sentence);
	fputs(".El\n", f);
}

void where_manual(FILE *f)
{
	where_manual_of(where_fields, "an exchange", f);
}
