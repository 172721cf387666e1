/* httpd: libmicrohttpd inside the libuv loop.
 *
 * microhttpd runs in external epoll mode without a thread of its own: its epoll descriptor is
 * watched by uv_poll, MHD_run is called on each wake, at most once a turn of the loop, and
 * MHD_get_timeout goes into a uv_timer, or, when it is 0 (its internal ready list is invisible to
 * the descriptor), into the loop's next turn. Everything here happens on the loop thread.
 *
 * Only files of http/ include this; endpoints see reply.h.
 */
#ifndef ABLATE_SERVER_HTTPD_H
#define ABLATE_SERVER_HTTPD_H

#include "server/http/endpoint.h"

#include <uv.h>

struct httpd;

/* Serves on a socket that listener_bind made, and closes it once it serves no more, or when it
 * can't serve. app is borrowed. Errors: RUNNING, USAGE (both: of the socket), INTERNAL,
 * NO_MEMORY. */
int httpd_new(uv_loop_t *loop, struct app *app, int take_fd, struct httpd **ret, struct err *err);
int httpd_port(const struct httpd *httpd);
size_t httpd_connections(const struct httpd *httpd);
/* The i-th reason for which requests were refused, and how many; false behind the last. */
bool httpd_refused(const struct httpd *httpd, size_t i, const char **ret_reason, uint64_t *ret_n);
/* Stops listening, ends every connection, frees; closed(arg) when nothing is under way any more. */
void httpd_close(struct httpd *httpd, void (*closed)(void *), void *arg);

#endif
