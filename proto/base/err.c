#include "proto/base/err.h"

const char *err_text(int code)
{
	switch (code) {
#define X(name, value, text)                                                                                 \
	case value:                                                                                          \
		return text;
		ERR_TABLE(X)
#undef X
	case 0:
		return "success";
	}
	return "unknown error";
}
