/* digest: SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104), by Nettle. */
#ifndef ABLATE_COMMON_DIGEST_H
#define ABLATE_COMMON_DIGEST_H

#include "common/base/err.h"

#include <nettle/sha2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DIGEST_BYTES = 32, DIGEST_HEX = 65, DIGEST_BASE64 = 45 };

struct digest {
    struct sha256_ctx context;
};

void digest_init(struct digest *digest);
void digest_add(struct digest *digest, const void *bytes, size_t len);
/* Ends the digest; the struct must be initialised again before it is used again. */
void digest_end(struct digest *digest, uint8_t ret[DIGEST_BYTES]);
void digest_end_hex(struct digest *digest, char ret[DIGEST_HEX]);

void digest_of(const void *bytes, size_t len, uint8_t ret[DIGEST_BYTES]);
void digest_of_hex(const void *bytes, size_t len, char ret[DIGEST_HEX]);
/* Digests the whole file at path. Errors: ERR_STORAGE. */
int digest_file(const char *path, char ret[DIGEST_HEX], struct err *err);
/* The same of a file that is open; `path` is what an error calls it. */
int digest_open_file(int fd, const char *path, char ret[DIGEST_HEX], struct err *err);
void digest_hmac(const void *key, size_t key_len, const void *bytes, size_t len,
                 uint8_t ret[DIGEST_BYTES]);

/* Lower-case hexadecimal of len bytes; ret holds 2·len + 1 characters. */
void digest_hex(const uint8_t *bytes, size_t len, char *ret);
/* A digest in hexadecimal, as base64 (RFC 4648). */
void digest_base64(const char *hex, char ret[DIGEST_BASE64]);
/* Compares in time that depends on len alone. */
bool digest_equal(const void *a, const void *b, size_t len);

#endif
