#include "capture/detect/classes.h"

#include <string.h>

enum group {
#define X(name, text) GROUP_##name,
	DETECT_GROUP_TABLE(X)
#undef X
};

static const char *const groups[] = {
#define X(name, text) text,
        DETECT_GROUP_TABLE(X)
#undef X
};

static const struct {
	const char *name;
	enum group group;
	const char *sentence;
} classes[] = {{"none", GROUP_CUSTOM, ""},
#define X(name, text, group, sentence) {text, GROUP_##group, sentence},
               DETECT_TABLE(X)
#undef X
};
_Static_assert((int)DETECT_CLASSES <= (int)CONTEXT_TELEPHONE && DETECT_CLASSES_ALL <= 128,
               "a set has 128 bits");

const char *detect_class_name(unsigned class)
{
	return class < DETECT_CLASSES                                  ? classes[class].name
	       : class >= DETECT_PATTERN && class < DETECT_CLASSES_ALL ? "pattern"
	                                                               : "none";
}

const char *detect_class_group(unsigned class)
{
	return groups[classes[class].group];
}

const char *detect_class_sentence(unsigned class)
{
	return classes[class].sentence;
}

bool detect_set_add_name(struct detect_set *set, const char *name)
{
	bool all = strcmp(name, "all") == 0, found = false;

	for (unsigned i = 1; i < DETECT_CLASSES; i++) {
		if (!all && strcmp(name, classes[i].name) != 0 && strcmp(name, groups[classes[i].group]) != 0)
			continue;
		detect_set_add(set, i);
		found = true;
	}
	return found;
}
