/* A list of all connections, and hash chains by address, so that those of an address are counted
 * without looking at the others. */
#include "server/http/peers.h"

#include "common/base/clock.h"
#include "server/base/options.h"

#include <microhttpd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { FAMILY_BYTES = 12, SITE_BYTES = 8, OVER_MS = 2000 };

/* What is counted: an IPv4 address, the /64 of an IPv6 address. */
static struct network site_of(const struct network *address)
{
    static const uint8_t mapped[FAMILY_BYTES] = { [10] = 0xff, [11] = 0xff };
    struct network site = *address;
    if (memcmp(site.bytes, mapped, sizeof mapped) != 0)
        memset(site.bytes + SITE_BYTES, 0, sizeof site.bytes - SITE_BYTES);
    return site;
}

static size_t chain_of(const struct network *site)
{
    uint32_t hash = 2166136261U; /* FNV-1a */
    for (size_t i = 0; i < sizeof site->bytes; i++)
        hash = (hash ^ site->bytes[i]) * 16777619U;
    return hash % PEERS_CHAINS;
}

static bool is_exempt(const struct peers *peers, const struct network *address)
{
    const struct options *o = peers->options;
    bool exempt = network_is_loopback(address);
    for (size_t i = 0; i < o->proxies_n; i++)
        exempt |= network_holds(&o->proxies[i], address);
    return exempt;
}

static int64_t count(const struct peers *peers, const struct network *site)
{
    int64_t n = 0;
    for (const struct peer *peer = peers->chains[chain_of(site)]; peer != NULL;
         peer = peer->chain_next)
        n += memcmp(peer->address.bytes, site->bytes, sizeof site->bytes) == 0;
    return n;
}

bool peers_welcome(const struct peers *peers, const struct network *address)
{
    struct network site = site_of(address);
    return is_exempt(peers, address) ||
           count(peers, &site) < 2 * peers->options->limits.connections_per_address;
}

struct peer *peers_add(struct peers *peers, const struct network *address,
                       struct MHD_Connection *connection, int fd)
{
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        return NULL;
    peer->connection = connection;
    peer->fd = fd;
    peer->address = site_of(address);
    peer->next = peers->first;
    if (peer->next != NULL)
        peer->next->previous = peer;
    peers->first = peer;
    peers->n++;
    if (is_exempt(peers, address))
        return peer;
    struct peer **chain = &peers->chains[chain_of(&peer->address)];
    peer->over = count(peers, &peer->address) >= peers->options->limits.connections_per_address;
    peer->counted = true;
    peer->chain_next = *chain;
    if (peer->chain_next != NULL)
        peer->chain_next->chain_previous = peer;
    *chain = peer;
    return peer;
}

void peers_remove(struct peers *peers, struct peer *peer)
{
    if (peer->previous != NULL)
        peer->previous->next = peer->next;
    else
        peers->first = peer->next;
    if (peer->next != NULL)
        peer->next->previous = peer->previous;
    peers->n--;
    if (peer->counted) {
        if (peer->chain_previous != NULL)
            peer->chain_previous->chain_next = peer->chain_next;
        else
            peers->chains[chain_of(&peer->address)] = peer->chain_next;
        if (peer->chain_next != NULL)
            peer->chain_next->chain_previous = peer->chain_previous;
    }
    free(peer);
}

void peer_wait(struct peer *peer, int64_t allowed_ms)
{
    if (peer == NULL)
        return;
    peer->since_ms = clock_mono_ms();
    peer->allowed_ms = allowed_ms;
}

void peer_wait_header(struct peer *peer, const struct limits *limits)
{
    peer_wait(peer, peer != NULL && peer->over ? OVER_MS : 1000 * limits->header_s);
}

bool peer_is_late(const struct peer *peer)
{
    return peer->allowed_ms > 0 && clock_mono_ms() - peer->since_ms > peer->allowed_ms;
}

bool peer_has_gone(const struct peer *peer)
{
    char byte;
    return !peer->ours && recv(peer->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

bool peer_has_left(const struct peer *peer)
{
    struct pollfd look = { .fd = peer->fd, .events = POLLRDHUP };
    return poll(&look, 1, 0) > 0;
}

bool peer_is_cut_off(const struct peer *peer)
{
    struct pollfd look = { .fd = peer->fd };
    return poll(&look, 1, 0) > 0; /* POLLERR, POLLHUP */
}

void peer_end(const struct peer *peer)
{
    MHD_set_connection_option(peer->connection, MHD_CONNECTION_OPTION_TIMEOUT, 1U);
    shutdown(peer->fd, SHUT_RDWR);
}
