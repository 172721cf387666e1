/* peers: the open connections: whose they are, how many an address has, who is late.
 *
 * An address (of IPv6, its /64) may have so many connections; one more is still taken, and its
 * first request answered with 429, so that its user learns why; from twice as many on they are
 * closed unheard. Loopback and trusted proxies are exempt: a proxy counts its own clients.
 *
 * Everything happens on the loop thread.
 */
#ifndef ABLATE_SERVER_PEERS_H
#define ABLATE_SERVER_PEERS_H

#include "server/base/network.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct MHD_Connection;
struct exchange;
struct limits;
struct options;

enum { PEERS_CHAINS = 1024 };

/* A connection, beyond its requests. */
struct peer {
    struct peer *next, *previous;
    struct peer *chain_next, *chain_previous; /* the same hash of the address */
    struct network address;
    struct MHD_Connection *connection;
    int fd;
    int64_t since_ms, allowed_ms; /* allowed_ms 0: no deadline */
    bool counted;                 /* towards its address' limit */
    bool over;                    /* one too many: its first request is refused */
    bool ours;                    /* it is our turn: nothing more is needed from it */
    struct exchange *exchange;    /* the request under way */
};

struct peers {
    const struct options *options;
    struct peer *first, *chains[PEERS_CHAINS];
    size_t n;
};

/* Whether a connection from this address is taken at all. */
bool peers_welcome(const struct peers *peers, const struct network *address);
/* NULL when memory runs out. */
struct peer *peers_add(struct peers *peers, const struct network *address,
                       struct MHD_Connection *connection, int fd);
void peers_remove(struct peers *peers, struct peer *peer);
/* From now on the peer has allowed_ms to get on; 0 = as long as it takes. peer may be NULL. */
void peer_wait(struct peer *peer, int64_t allowed_ms);
/* It has header_s for a request's header; one too many shall come to its 429 soon. */
void peer_wait_header(struct peer *peer, const struct limits *limits);
bool peer_is_late(const struct peer *peer);
/* Whether the peer will never send another byte. */
bool peer_has_gone(const struct peer *peer);
/* The same while it is our turn. A peer that has only ended its own side might still read, but
 * looks like one that has closed. */
bool peer_has_left(const struct peer *peer);
/* Whether both sides have ended, or the connection broke. */
bool peer_is_cut_off(const struct peer *peer);
/* Ends a connection whatever microhttpd is doing with it, once that is run: an end of the stream it
 * notices only where it reads or waits for the socket, its own timeout (a second, here) everywhere
 * else. */
void peer_end(const struct peer *peer);

#endif
