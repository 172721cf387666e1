/* Reading, comparing and printing addresses. All of them have 128 bits here: inet_pton reads them,
 * and IPv4 stands in the mapped range ::ffff:0:0/96. */
#include "server/base/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static bool read_address(const char *text, size_t len, struct network *ret, int *ret_family_bits)
{
    char copy[NETWORK_TEXT];
    struct network address = { .bits = NETWORK_BITS };
    if (len >= sizeof copy)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (inet_pton(AF_INET6, copy, address.bytes) == 1) {
        *ret_family_bits = 128;
    } else {
        memcpy(address.bytes, mapped, sizeof mapped);
        if (inet_pton(AF_INET, copy, address.bytes + sizeof mapped) != 1)
            return false;
        *ret_family_bits = 32;
    }
    *ret = address;
    return true;
}

static bool bit_is_set(const struct network *network, int i)
{
    return (network->bytes[i / 8] >> (7 - i % 8) & 1) != 0;
}

bool network_parse(const char *text, struct network *ret)
{
    struct network network;
    int family_bits = 0;
    const char *slash = strchr(text, '/');
    if (!read_address(text, slash != NULL ? (size_t)(slash - text) : strlen(text), &network,
                      &family_bits))
        return false;
    if (slash != NULL) {
        char *end;
        long bits = strtol(slash + 1, &end, 10);
        if (slash[1] < '0' || slash[1] > '9' || *end != '\0' || bits > family_bits)
            return false;
        network.bits = NETWORK_BITS - family_bits + (int)bits;
    }
    for (int i = network.bits; i < NETWORK_BITS; i++)
        if (bit_is_set(&network, i))
            return false;
    *ret = network;
    return true;
}

bool network_of(const struct sockaddr *address, struct network *ret)
{
    struct network network = { .bits = NETWORK_BITS };
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        memcpy(network.bytes, &v6.sin6_addr, sizeof network.bytes);
    } else if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        memcpy(network.bytes, mapped, sizeof mapped);
        memcpy(network.bytes + sizeof mapped, &v4.sin_addr, 4);
    } else {
        return false;
    }
    *ret = network;
    return true;
}

bool network_holds(const struct network *range, const struct network *address)
{
    int whole = range->bits / 8, rest = range->bits % 8;
    if (memcmp(range->bytes, address->bytes, (size_t)whole) != 0)
        return false;
    return rest == 0 || (range->bytes[whole] ^ address->bytes[whole]) >> (8 - rest) == 0;
}

bool network_is_loopback(const struct network *address)
{
    static const struct network v6 = { .bytes = { [15] = 1 }, .bits = 128 },
                                v4 = { .bytes = { [10] = 0xff, [11] = 0xff, [12] = 127 },
                                       .bits = 104 };
    return network_holds(&v4, address) || network_holds(&v6, address);
}

void network_print(const struct network *address, char ret[NETWORK_TEXT])
{
    bool v4 = memcmp(address->bytes, mapped, sizeof mapped) == 0;
    inet_ntop(v4 ? AF_INET : AF_INET6, address->bytes + (v4 ? sizeof mapped : 0), ret,
              NETWORK_TEXT);
}

static bool is_trusted(const struct network *address, const struct network *trusted, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (network_holds(&trusted[i], address))
            return true;
    return false;
}

/* "192.0.2.7", "192.0.2.7:80", "2001:db8::1", "[2001:db8::1]:80", with blanks around. */
static bool read_forwarded(const char *text, size_t len, struct network *ret)
{
    int ignored;
    while (len > 0 && (*text == ' ' || *text == '\t')) {
        text++;
        len--;
    }
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        len--;
    const char *colon = memchr(text, ':', len);
    if (len > 0 && text[0] == '[') {
        const char *end = memchr(text, ']', len);
        if (end == NULL)
            return false;
        return read_address(text + 1, (size_t)(end - text) - 1, ret, &ignored);
    }
    if (colon != NULL && memchr(colon + 1, ':', len - (size_t)(colon + 1 - text)) == NULL)
        len = (size_t)(colon - text); /* one colon: a port */
    return read_address(text, len, ret, &ignored);
}

struct network network_client(const struct network *peer, const char *forwarded,
                              const struct network *trusted, size_t trusted_n)
{
    struct network client = *peer, next;
    size_t end = forwarded != NULL ? strlen(forwarded) : 0;
    while (end > 0 && is_trusted(&client, trusted, trusted_n)) {
        size_t begin = end;
        while (begin > 0 && forwarded[begin - 1] != ',')
            begin--;
        if (!read_forwarded(forwarded + begin, end - begin, &next))
            break;
        client = next;
        end = begin > 0 ? begin - 1 : 0;
    }
    return client;
}
