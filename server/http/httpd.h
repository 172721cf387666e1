/* httpd: libmicrohttpd inside the libuv loop.
 *
 * microhttpd runs in external epoll mode without a thread of its own: its epoll descriptor is
 * watched by uv_poll, MHD_run is called on each wake, and MHD_get_timeout goes into a uv_timer (0
 * is honoured: its internal ready list is invisible to the descriptor). Everything here happens on
 * the loop thread.
 *
 * Only files of http/ include this; endpoints see reply.h.
 */
#ifndef ABLATE_SERVER_HTTPD_H
#define ABLATE_SERVER_HTTPD_H

#include "server/api/endpoint.h"

#include <uv.h>

struct httpd;

/* Listens on host:port (port 0: a free one). Errors: RUNNING when it is taken, USAGE. */
int httpd_new(uv_loop_t *loop, struct app *app, const char *host, int port, struct httpd **ret,
              struct err *err);
int httpd_port(const struct httpd *httpd);
size_t httpd_connections(const struct httpd *httpd);
/* The i-th reason for which requests were refused, and how many; false behind the last. */
bool httpd_refused(const struct httpd *httpd, size_t i, const char **ret_reason, uint64_t *ret_n);
/* Runs microhttpd once more in this turn of the loop: something was resumed. */
void httpd_kick(struct httpd *httpd);
/* Closes a connection's descriptor, which stays microhttpd's, so that its peer reads the reply. */
void httpd_linger(struct httpd *httpd, int fd);
/* Stops listening, ends every connection, frees; closed(arg) when nothing is under way any more. */
void httpd_close(struct httpd *httpd, void (*closed)(void *), void *arg);

#endif
