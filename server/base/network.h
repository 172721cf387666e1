/* network: IP addresses, and ranges of them. */
#ifndef ABLATE_SERVER_NETWORK_H
#define ABLATE_SERVER_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockaddr;

enum { NETWORK_TEXT = 46, NETWORK_BITS = 128 };

/* An IPv4 address a.b.c.d is kept as ::ffff:a.b.c.d, so it is the same however it arrives. */
struct network {
    uint8_t bytes[16];
    int bits; /* how many of them count; NETWORK_BITS: one address */
};

/* Reads "192.0.2.7", "::1", "10.0.0.0/8", "fd00::/8"; false when it is none, or when bits are set
 * beyond those that count. */
bool network_parse(const char *text, struct network *ret);
/* The address of a socket; false for other families. */
bool network_of(const struct sockaddr *address, struct network *ret);
bool network_holds(const struct network *range, const struct network *address);
/* 127.0.0.0/8 or ::1. */
bool network_is_loopback(const struct network *address);
void network_print(const struct network *address, char ret[NETWORK_TEXT]);

/* The client of a request, when `peer` has connected and a header X-Forwarded-For says `forwarded`
 * (NULL: there is none). Each proxy appends the address that connected to it, so the list is read
 * from the right: an entry is believed as long as the proxy that appended it is trusted. The first
 * address that isn't a trusted proxy's is the client's; what that one wrote further left isn't
 * looked at. An entry that is no address ends the walk at the proxy that appended it. */
struct network network_client(const struct network *peer, const char *forwarded,
                              const struct network *trusted, size_t trusted_n);

#endif
