#include "proto/net/conn_h2.h"

void conn_h2_mute(struct conn *c)
{
	buf_consume(&c->out, buf_len(&c->out));
}

int conn_h2_send(struct conn *c, struct h2 *h2)
{
	size_t queued;
	int err;

	do {
		struct buf *out = conn_out(c);

		err = h2_drain(h2, out, CONN_READ_BYTES);
		queued = buf_len(out);
		if (conn_flush(c)) {
			conn_h2_mute(c);
			return err ? err : ERR_CLOSED;
		}
	} while (!err && queued && !c->blocked);
	return err;
}
