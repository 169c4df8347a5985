/* `understudy version`, and the two commands that tell the tables of all others. */
#include "proto/base/version.h"

#include <event2/event.h>
#include <openssl/crypto.h>
#include <protobuf-c/protobuf-c.h>
#include <sqlite3.h>
#include <string.h>
#include <yaml.h>
#include <zstd.h>

#include "proto/base/buf.h"
#include "proxy/config.h"
#include "tools/commands.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZER "address"
#else
#define SANITIZER "none"
#endif
#if defined(__OPTIMIZE__)
#define OPTIMISED "yes"
#else
#define OPTIMISED "no"
#endif
#if defined(NDEBUG)
#define ASSERTIONS "no"
#else
#define ASSERTIONS "yes"
#endif

static bool json;

/* --- version --- */

static const struct {
	const char *name, *value;
} build[] = {
        {"compiler", __VERSION__},  {"sanitizer", SANITIZER},
        {"optimised", OPTIMISED},   {"assertions", ASSERTIONS},
#if defined(__x86_64__)
        {"architecture", "x86_64"},
#elif defined(__aarch64__)
        {"architecture", "aarch64"},
#endif
};

struct library {
	const char *name, *version;
};

/* As they are at run time: what was linked, not what was compiled against. */
static unsigned libraries(struct library out[6])
{
	unsigned n = 0;

	out[n++] = (struct library){"libevent", event_get_version()};
	out[n++] = (struct library){"openssl", OpenSSL_version(OPENSSL_VERSION_STRING)};
	out[n++] = (struct library){"libyaml", yaml_get_version_string()};
	out[n++] = (struct library){"zstd", ZSTD_versionString()};
	out[n++] = (struct library){"sqlite3", sqlite3_libversion()};
	out[n++] = (struct library){"protobuf-c", protobuf_c_version()};
	return n;
}

static void put_member(struct buf *out, const char *before, const char *name, const char *value)
{
	buf_printf(out, "%s\"%s\":", before, name);
	buf_json_string(out, span_of(value));
}

static void print_json(void)
{
	struct library list[6];
	unsigned n = libraries(list);
	struct buf out;

	buf_init(&out, 1 << 16);
	put_member(&out, "{", "version", VERSION);
	buf_puts(&out, ",\"build\":{");
	for (unsigned i = 0; i < sizeof build / sizeof *build; i++)
		put_member(&out, i ? "," : "", build[i].name, build[i].value);
	buf_puts(&out, "},\"libraries\":{");
	for (unsigned i = 0; i < n; i++)
		put_member(&out, i ? "," : "", list[i].name, list[i].version);
	printf("%.*s}}\n", (int)buf_len(&out), buf_span(&out).data);
	buf_fini(&out);
}

static int version_run(const struct words *words)
{
	(void)words;
	if (json)
		print_json();
	else
		printf("understudy " VERSION "\n");
	return 0;
}

static const struct command_flag version_flags[] = {
        {.name = "--json", .sentence = "with how it was built, and the libraries at run time", .set = &json},
        {0},
};

const struct command version_command = {
        .name = "version",
        .does = "print the version",
        .usage = "[--json]",
        .flags = version_flags,
        .status = "0 done, 2 usage",
        .examples = "understudy version\n"
                    "understudy version --json | jq .libraries",
        .run = version_run,
};

/* --- completion --- */

static int completion_run(const struct words *words)
{
	command_complete(commands, words->at[0], stdout);
	return 0;
}

const struct command completion_command = {
        .name = "completion",
        .does = "print the completion script of a shell",
        .usage = "bash|zsh|fish",
        .words = "bash|zsh|fish",
        .status = "0 done, 2 usage",
        .examples = "understudy completion bash >/usr/share/bash-completion/completions/understudy\n"
                    "understudy completion zsh >~/.zfunc/_understudy\n"
                    "understudy completion fish >~/.config/fish/completions/understudy.fish",
        .run = completion_run,
};

/* --- manual --- */

static int manual_run(const struct words *words)
{
	const char *name = words->count ? words->at[0] : "understudy";

	if (!strcmp(name, "understudy")) {
		command_manual_all(commands, stdout);
		return 0;
	}
	if (!strcmp(name, "understudy.yaml")) {
		config_print_manual(stdout);
		return 0;
	}
	for (unsigned i = 0; commands[i]; i++) {
		if (strcmp(commands[i]->name, name))
			continue;
		command_manual(commands[i], stdout);
		return 0;
	}
	return command_wrong(&manual_command, "there is no manual page '%s'", name);
}

const struct command manual_command = {
        .name = "manual",
        .does = "print the manual page of the program, a command or the file",
        .usage = "[COMMAND | understudy.yaml]",
        .about = "Manual pages are mdoc; man and mandoc read them.",
        .words = "[COMMAND]",
        .status = "0 done, 2 usage",
        .examples = "understudy manual replay | man -l -\n"
                    "understudy manual understudy.yaml | man -l -",
        .run = manual_run,
};
