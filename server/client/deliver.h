/* deliver: the daemon's webhook, sent by a process of its own (`ablate deliver`, for ablated alone;
 * server/notices starts it).
 *
 * Standard input has what to send, as JSON: {url, hosts, delivery, second, signature, body}. The URL
 * must name this machine (127.0.0.0/8, [::1], localhost) or one of the hosts that the operator has
 * listed. A name is resolved once, and the connection goes to what came of that; nothing else is
 * asked, no redirect is followed, no proxy is used and no variable of the environment heeded. The
 * receiver answers with 2xx, within DELIVER_S; what else it says is thrown away.
 *
 * Exit status 0: it was told. Else a line on standard error says why not.
 */
#ifndef ABLATE_CLIENT_DELIVER_H
#define ABLATE_CLIENT_DELIVER_H

#define DELIVER "deliver"
enum { DELIVER_S = 15 };

int deliver_main(void);

#endif
