#define _GNU_SOURCE
#include "tools/filters.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#if defined(__x86_64__)
enum { OURS = (int)AUDIT_ARCH_X86_64 };
#elif defined(__aarch64__)
enum { OURS = (int)AUDIT_ARCH_AARCH64 };
#else
enum { OURS = 0 };
#endif

/* --- reading --- */

static int read_one(struct filters *f, int pid, unsigned index)
{
	long n = ptrace(PTRACE_SECCOMP_GET_FILTER, pid, index, NULL);
	struct sock_filter *code;

	if (n < 0)
		return errno == ENOENT                   ? ERR_CLOSED
		       : errno == EIO || errno == EINVAL ? ERR_UNSUPPORTED
		                                         : ERR_SYS;
	if (index == FILTERS_MAX)
		return ERR_LIMIT;
	code = calloc((size_t)n, sizeof *code);
	if (!code)
		return ERR_NOMEM;
	if (ptrace(PTRACE_SECCOMP_GET_FILTER, pid, index, code) < 0) {
		free(code);
		return ERR_SYS;
	}
	f->at[index].code = code;
	f->at[index].length = (unsigned)n;
	f->count = index + 1;
	return 0;
}

int filters_read(struct filters *f, int pid)
{
	int err = 0;

	memset(f, 0, sizeof *f);
	if (OURS == 0)
		return ERR_UNSUPPORTED;
	if (ptrace(PTRACE_SEIZE, pid, 0, 0))
		return ERR_SYS;
	if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) || waitpid(pid, NULL, __WALL) != pid)
		err = ERR_SYS;
	for (unsigned i = 0; !err; i++)
		err = read_one(f, pid, i);
	ptrace(PTRACE_DETACH, pid, 0, 0);
	if (err == ERR_CLOSED) /* the last was read */
		return 0;
	filters_free(f);
	return err;
}

void filters_free(struct filters *f)
{
	for (unsigned i = 0; i < f->count; i++)
		free(f->at[i].code);
	f->count = 0;
}

/* --- running (the classic BPF of bpf(4), as seccomp(2) takes it: jumps lead forward only) --- */

static uint32_t calculate(uint16_t code, uint32_t a, uint32_t b)
{
	switch (BPF_OP(code)) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_AND:
		return a & b;
	case BPF_OR:
		return a | b;
	case BPF_XOR:
		return a ^ b;
	case BPF_LSH:
		return b < 32 ? a << b : 0;
	case BPF_RSH:
		return b < 32 ? a >> b : 0;
	default:
		return 0;
	}
}

static bool holds(uint16_t code, uint32_t a, uint32_t b)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ:
		return a == b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	default:
		return a & b; /* BPF_JSET */
	}
}

static uint32_t word_at(const struct seccomp_data *data, uint32_t at)
{
	uint32_t word = 0;

	if (at <= sizeof *data - sizeof word)
		memcpy(&word, (const char *)data + at, sizeof word);
	return word;
}

/* What it returns; a program that this does not understand kills. */
static uint32_t run(const struct sock_filter *code, unsigned length, const struct seccomp_data *data)
{
	uint32_t a = 0, x = 0, memory[BPF_MEMWORDS] = {0};

	for (unsigned at = 0; at < length; at++) {
		const struct sock_filter *c = &code[at];
		uint32_t operand = BPF_SRC(c->code) == BPF_X ? x : c->k;

		if (c->code == (BPF_LD | BPF_W | BPF_ABS))
			a = word_at(data, c->k);
		else if (c->code == (BPF_LD | BPF_IMM))
			a = c->k;
		else if (c->code == (BPF_LDX | BPF_IMM))
			x = c->k;
		else if (c->code == (BPF_LD | BPF_MEM) && c->k < BPF_MEMWORDS)
			a = memory[c->k];
		else if (c->code == (BPF_LDX | BPF_MEM) && c->k < BPF_MEMWORDS)
			x = memory[c->k];
		else if (c->code == BPF_ST && c->k < BPF_MEMWORDS)
			memory[c->k] = a;
		else if (c->code == (BPF_MISC | BPF_TAX))
			x = a;
		else if (c->code == (BPF_MISC | BPF_TXA))
			a = x;
		else if (BPF_CLASS(c->code) == BPF_ALU)
			a = calculate(c->code, a, operand);
		else if (c->code == (BPF_JMP | BPF_JA))
			at += c->k < length ? c->k : length;
		else if (BPF_CLASS(c->code) == BPF_JMP)
			at += holds(c->code, a, operand) ? c->jt : c->jf;
		else if (BPF_CLASS(c->code) == BPF_RET)
			return BPF_RVAL(c->code) == BPF_A ? a : c->k;
		else
			break;
	}
	return SECCOMP_RET_KILL_PROCESS;
}

bool filters_allow(const struct filters *f, int number, const uint64_t args[6])
{
	struct seccomp_data data = {.nr = number, .arch = (uint32_t)OURS};

	memcpy(data.args, args, sizeof data.args);
	for (unsigned i = 0; i < f->count; i++)
		if ((run(f->at[i].code, f->at[i].length, &data) & SECCOMP_RET_ACTION_FULL) !=
		    SECCOMP_RET_ALLOW)
			return false;
	return true;
}
