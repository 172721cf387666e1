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
struct peer;

/* Serves on a socket that listener_bind made, and closes it once it serves no more, or when it
 * can't serve. app is borrowed. Errors: RUNNING, USAGE (both: of the socket), INTERNAL,
 * NO_MEMORY. */
int httpd_new(uv_loop_t *loop, struct app *app, int take_fd, struct httpd **ret, struct err *err);
int httpd_port(const struct httpd *httpd);
size_t httpd_connections(const struct httpd *httpd);
/* The i-th reason for which requests were refused, and how many; false behind the last. */
bool httpd_refused(const struct httpd *httpd, size_t i, const char **ret_reason, uint64_t *ret_n);
/* Runs microhttpd once more before the loop sleeps: something was resumed. */
void httpd_kick(struct httpd *httpd);
/* Ends a connection whatever microhttpd is doing with it, soon: an end of the stream it notices
 * only where it reads or waits for the socket, its own timeout (a second, here) everywhere else. */
void httpd_end(struct httpd *httpd, struct peer *peer);
/* Closes a connection's descriptor, which stays microhttpd's, so that its peer reads the reply. */
void httpd_linger(struct httpd *httpd, int fd);
/* Stops listening, ends every connection, frees; closed(arg) when nothing is under way any more. */
void httpd_close(struct httpd *httpd, void (*closed)(void *), void *arg);

#endif
