/* What a candidate gets: rates, warm-up. */
#include <stdlib.h>
#include <string.h>
#include "proxy/config_inside.h"

/* The candidate whose member the field is. */
#define OWNER(at, member) ((struct plan_candidate *)((char *)(at)-offsetof(struct plan_candidate, member)))

/* "50/s", "30/m", "10/h": a whole number of requests. */
void config_rate_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	static const struct {
		const char *unit;
		double seconds;
	} units[] = {{"/s", 1}, {"/m", 60}, {"/h", 3600}};
	const char *text = config_text(c, n->key->text, n);
	size_t digits = text ? strspn(text, "0123456789") : 0;
	unsigned long number = digits && digits < 10 ? strtoul(text, NULL, 10) : 0;

	if (!text)
		return;
	for (unsigned i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (number && strcmp(text + digits, units[i].unit) == 0) {
			*(double *)at = (double)number / units[i].seconds;
			return;
		}
	}
	cfg_fail(c, n, "write a whole number above 0 and /s, /m or /h, such as 50/s",
	         "'%s' must be a rate, not '%.80s'", n->key->text, text);
}

/* A number of copies, or a time. */
void config_warmup_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	static const struct cfg_row number = {.name = "warmup",
	                                      .type = CFG_INTEGER,
	                                      .size = 4,
	                                      .max = "1000000"},
	                            time = {.name = "warmup", .type = CFG_DURATION, .size = 4, .max = "24h"};
	struct plan_candidate *k = OWNER(at, warmup_count);
	const char *text = config_text(c, "warmup", n);

	if (!text)
		return;
	if (text[strspn(text, "0123456789")] == '\0')
		(void)cfg_scalar(c, &number, n, &k->warmup_count);
	else
		(void)cfg_scalar(c, &time, n, &k->warmup_ms);
}
