/* Nettle behind the project's own names, so that another library could take its place here. */
#include "common/base/digest.h"

#include <fcntl.h>
#include <nettle/base64.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <string.h>
#include <unistd.h>

void digest_init(struct digest *digest)
{
    sha256_init(&digest->context);
}

void digest_add(struct digest *digest, const void *bytes, size_t len)
{
    sha256_update(&digest->context, len, bytes);
}

void digest_end(struct digest *digest, uint8_t ret[DIGEST_BYTES])
{
    sha256_digest(&digest->context, DIGEST_BYTES, ret);
}

void digest_end_hex(struct digest *digest, char ret[DIGEST_HEX])
{
    uint8_t bytes[DIGEST_BYTES];
    digest_end(digest, bytes);
    digest_hex(bytes, sizeof bytes, ret);
}

void digest_of(const void *bytes, size_t len, uint8_t ret[DIGEST_BYTES])
{
    struct digest digest;
    digest_init(&digest);
    digest_add(&digest, bytes, len);
    digest_end(&digest, ret);
}

void digest_of_hex(const void *bytes, size_t len, char ret[DIGEST_HEX])
{
    uint8_t raw[DIGEST_BYTES];
    digest_of(bytes, len, raw);
    digest_hex(raw, sizeof raw, ret);
}

int digest_open_file(int fd, const char *path, char ret[DIGEST_HEX], struct err *err)
{
    struct digest digest;
    digest_init(&digest);
    char chunk[65536];
    ssize_t got;
    while ((got = read(fd, chunk, sizeof chunk)) > 0)
        digest_add(&digest, chunk, (size_t)got);
    if (got < 0)
        return err_errno(err, ERR_STORAGE, "can't read %s", path);
    digest_end_hex(&digest, ret);
    return 0;
}

int digest_file(const char *path, char ret[DIGEST_HEX], struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, ERR_STORAGE, "can't open %s", path);
    int status = digest_open_file(fd, path, ret, err);
    close(fd);
    return status;
}

void digest_hmac(const void *key, size_t key_len, const void *bytes, size_t len,
                 uint8_t ret[DIGEST_BYTES])
{
    struct hmac_sha256_ctx context;
    hmac_sha256_set_key(&context, key_len, key);
    hmac_sha256_update(&context, len, bytes);
    hmac_sha256_digest(&context, DIGEST_BYTES, ret);
}

void digest_hex(const uint8_t *bytes, size_t len, char *ret)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        ret[2 * i] = digits[bytes[i] >> 4];
        ret[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret[2 * len] = '\0';
}

static uint8_t nibble(char digit)
{
    return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

void digest_base64(const char *hex, char ret[DIGEST_BASE64])
{
    uint8_t bytes[DIGEST_BYTES] = { 0 };
    size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n && i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
    base64_encode_raw(ret, sizeof bytes, bytes);
    ret[DIGEST_BASE64 - 1] = '\0';
}

bool digest_equal(const void *a, const void *b, size_t len)
{
    return memeql_sec(a, b, len) != 0;
}
