/* Reading, making and rotating the files of the secrets. A token is written durably and its curlrc
 * is not: the next start writes the curlrc anew if it doesn't hold the token. */
#include "server/data/tokens.h"

#include "common/base/files.h"
#include "server/base/random.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INSTANCE_HEX = 16, CURLRC_BYTES = 200 };

static const struct {
    const char *token, *curlrc;
} names[ACCESS_KINDS] = {
    [ACCESS_READ] = { "token.read", "curlrc.read" },
    [ACCESS_SUBMIT] = { "token.submit", "curlrc.submit" },
    [ACCESS_ADMIN] = { "token", "curlrc" },
};

const char *tokens_file(enum access access)
{
    return names[access].token;
}

static bool is_hex(const char *text, size_t len, size_t wanted)
{
    return len == wanted && strspn(text, "0123456789abcdef") >= wanted;
}

/* Reading. */

/* Fills ret->stamp whatever comes of the rest, so that a bad file is looked at once. */
static int load(const char *folder, enum access access, struct token *ret, struct err *err)
{
    char path[PATH_MAX], *text = NULL;
    size_t len;
    uint8_t derived[DIGEST_BYTES];
    struct stat info;
    *ret = (struct token){ 0 };
    snprintf(path, sizeof path, "%s/%s", folder, names[access].token);
    if (lstat(path, &info) == 0) {
        ret->stamp.device = info.st_dev;
        ret->stamp.inode = info.st_ino;
        ret->stamp.seconds = info.st_ctim.tv_sec;
        ret->stamp.nanoseconds = info.st_ctim.tv_nsec;
        ret->stamp.bytes = info.st_size;
    }
    int status = files_read(path, 4096, &text, &len, err);
    if (status != 0)
        return status;
    if (is_hex(text, strcspn(text, "\n"), TOKEN_HEX)) {
        memcpy(ret->text, text, TOKEN_HEX);
        digest_hmac(ret->text, TOKEN_HEX, "mark", 4, derived);
        digest_hex(derived, sizeof ret->mark / 2, ret->mark);
    } else {
        status = err_set(
            err, ERR_BAD_DATA,
            "%s holds no token (64 hexadecimal digits); remove it to have a new one made", path);
    }
    free(text);
    return status;
}

/* Whether the file is there; the first time the name is derived. */
static bool load_instance(const char *folder, struct tokens *tokens)
{
    char path[PATH_MAX], *text = NULL;
    size_t len;
    uint8_t derived[DIGEST_BYTES];
    snprintf(path, sizeof path, "%s/instance", folder);
    bool found = files_read(path, 4096, &text, &len, NULL) == 0 &&
                 is_hex(text, strcspn(text, "\n"), INSTANCE_HEX);
    if (found)
        memcpy(tokens->instance, text, INSTANCE_HEX);
    free(text);
    if (found)
        return true;
    digest_hmac(tokens->of[ACCESS_ADMIN].text, TOKEN_HEX, "instance", 8, derived);
    digest_hex(derived, INSTANCE_HEX / 2, tokens->instance);
    return false;
}

int tokens_peek(const char *folder, struct tokens *ret, struct err *err)
{
    struct tokens tokens = { 0 };
    int status = load(folder, ACCESS_ADMIN, &tokens.of[ACCESS_ADMIN], err);
    if (status != 0)
        return status;
    load(folder, ACCESS_READ, &tokens.of[ACCESS_READ], NULL);
    load(folder, ACCESS_SUBMIT, &tokens.of[ACCESS_SUBMIT], NULL);
    load_instance(folder, &tokens);
    *ret = tokens;
    return 0;
}

static bool is_as_read(const char *folder, enum access access, const struct token *token)
{
    char path[PATH_MAX];
    struct stat info = { 0 };
    snprintf(path, sizeof path, "%s/%s", folder, names[access].token);
    if (lstat(path, &info) != 0)
        info = (struct stat){ 0 };
    return token->stamp.device == info.st_dev && token->stamp.inode == info.st_ino &&
           token->stamp.seconds == info.st_ctim.tv_sec &&
           token->stamp.nanoseconds == info.st_ctim.tv_nsec && token->stamp.bytes == info.st_size;
}

bool tokens_changed(const char *folder, const struct tokens *tokens)
{
    bool changed = false;
    for (enum access access = ACCESS_READ; access < ACCESS_KINDS; access++)
        changed |= !is_as_read(folder, access, &tokens->of[access]);
    return changed;
}

unsigned tokens_refresh(const char *folder, struct tokens *tokens)
{
    unsigned changed = 0;
    for (enum access access = ACCESS_READ; access < ACCESS_KINDS; access++) {
        struct token *token = &tokens->of[access], fresh;
        if (is_as_read(folder, access, token))
            continue;
        load(folder, access, &fresh, NULL);
        if (strcmp(fresh.text, token->text) != 0)
            changed |= 1U << access;
        *token = fresh;
    }
    return changed;
}

/* Writing. */

/* As files_write, without waiting for the disk: for what the next start mends. */
static int write_soon(const char *path, const char *bytes, size_t len, struct err *err)
{
    char temporary[PATH_MAX + 4];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool written = fd >= 0 && write(fd, bytes, len) == (ssize_t)len;
    if (fd >= 0)
        close(fd);
    return written && rename(temporary, path) == 0
               ? 0
               : err_errno(err, ERR_STORAGE, "can't write %s", path);
}

static int write_line(const char *folder, const char *name, const char *text, bool durable,
                      struct err *err)
{
    char path[PATH_MAX], line[CURLRC_BYTES];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    size_t len = (size_t)snprintf(line, sizeof line, "%s\n", text);
    int status =
        durable ? files_write(path, line, len, 0600, err) : write_soon(path, line, len, err);
    struct stat owner;
    /* What root makes belongs to whom the folder belongs: the daemon must read it. */
    if (status == 0 && geteuid() == 0 &&
        (stat(folder, &owner) != 0 || lchown(path, owner.st_uid, owner.st_gid) != 0))
        status = err_errno(err, ERR_STORAGE, "can't give %s to the folder's owner", path);
    return status;
}

static void make_curlrc(enum access access, const char *token, char ret[CURLRC_BYTES])
{
    snprintf(ret, CURLRC_BYTES,
             "# curl -K: sends the %s token of this data folder\n"
             "header = \"Authorization: Bearer %s\"",
             access_names[access], token);
}

int tokens_rotate(const char *folder, enum access access, struct err *err)
{
    char token[TOKEN_HEX + 1], curlrc[CURLRC_BYTES];
    /* Two of us at a time would leave one's token and the other's curlrc. */
    int lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0 || flock(lock, LOCK_EX) != 0) {
        int status = err_errno(err, ERR_STORAGE, "can't lock %s", folder);
        if (lock >= 0)
            close(lock);
        return status;
    }
    random_hex(TOKEN_HEX / 2, token);
    make_curlrc(access, token, curlrc);
    int status = write_line(folder, names[access].token, token, true, err);
    if (status == 0)
        status = write_line(folder, names[access].curlrc, curlrc, false, err);
    close(lock);
    return status;
}

/* A death between a token and its curlrc leaves the old one in there, or none. */
static int mend_curlrc(const char *folder, enum access access, const char *token, struct err *err)
{
    char path[PATH_MAX], wanted[CURLRC_BYTES], *text = NULL;
    size_t len = 0;
    snprintf(path, sizeof path, "%s/%s", folder, names[access].curlrc);
    bool holds = files_read(path, 65536, &text, &len, NULL) == 0 && strstr(text, token) != NULL;
    free(text);
    make_curlrc(access, token, wanted);
    return holds ? 0 : write_line(folder, names[access].curlrc, wanted, false, err);
}

static int open_one(const char *folder, enum access access, struct token *ret, struct err *err)
{
    int status = load(folder, access, ret, err);
    if (status == -ERR_NOT_FOUND) {
        status = tokens_rotate(folder, access, err);
        if (status == 0)
            status = load(folder, access, ret, err);
    }
    return status == 0 ? mend_curlrc(folder, access, ret->text, err) : status;
}

static int open_key(const char *folder, char ret[TOKEN_HEX + 1], struct err *err)
{
    char path[PATH_MAX], *text = NULL;
    size_t len;
    snprintf(path, sizeof path, "%s/key", folder);
    int status = files_read(path, 4096, &text, &len, err);
    if (status == 0 && !is_hex(text, strcspn(text, "\n"), TOKEN_HEX))
        status = err_set(err, ERR_BAD_DATA,
                         "%s holds no key (64 hexadecimal digits); remove it to have a new one "
                         "made, for which runs that train now are strangers",
                         path);
    if (status == 0)
        snprintf(ret, TOKEN_HEX + 1, "%.*s", TOKEN_HEX, text);
    free(text);
    if (status != -ERR_NOT_FOUND)
        return status;
    random_hex(TOKEN_HEX / 2, ret);
    return write_line(folder, "key", ret, true, err);
}

int tokens_open(const char *folder, struct tokens *ret, struct err *err)
{
    struct tokens tokens = { 0 };
    int status = 0;
    for (enum access access = ACCESS_READ; access < ACCESS_KINDS && status == 0; access++)
        status = open_one(folder, access, &tokens.of[access], err);
    if (status != 0)
        return status;
    status = open_key(folder, tokens.key, err);
    if (status == 0 && !load_instance(folder, &tokens))
        status = write_line(folder, "instance", tokens.instance, false, err);
    if (status == 0)
        *ret = tokens;
    return status;
}
