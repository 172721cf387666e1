/* Names are read, never contents. What is changed is one unlink or one exclusive create a pass, so
 * that two who do it at once can't both succeed. */
#include "server/data/passes.h"

#include "common/base/clock.h"
#include "common/base/files.h"
#include "server/base/random.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const pass_folders[PASS_KINDS] = { "links", "sessions" };

static const struct {
    int64_t seconds;
    size_t max; /* of an access */
} given[PASS_KINDS] = {
    [PASS_CODE] = { PASS_CODE_S, PASS_CODES_MAX },
    [PASS_SESSION] = { PASS_SESSION_S, PASS_SESSIONS_MAX },
};

static int64_t now_s(void)
{
    return clock_wall_ms() / 1000;
}

/* One pass. */

static bool in_time(const struct pass *pass, enum pass_kind kind)
{
    int64_t left = pass->expiry_s - now_s();
    return left > 0 && left <= given[kind].seconds + PASS_SLACK_S;
}

bool pass_holds(const struct pass *pass, enum pass_kind kind, const struct tokens *tokens)
{
    const struct token *token = &tokens->of[pass->access];
    return token->text[0] != '\0' && strcmp(pass->mark, token->mark) == 0 && in_time(pass, kind);
}

bool pass_is_over(const struct pass *pass, enum pass_kind kind, const struct tokens *tokens)
{
    return !pass_holds(pass, kind, tokens) &&
           (tokens->of[pass->access].text[0] != '\0' || !in_time(pass, kind));
}

bool pass_digest(const char *secret, char ret[DIGEST_HEX])
{
    if (strlen(secret) != PASS_SECRET_HEX || strspn(secret, "0123456789abcdef") != PASS_SECRET_HEX)
        return false;
    digest_of_hex(secret, PASS_SECRET_HEX, ret);
    return true;
}

static void file_path(const char *folder, enum pass_kind kind, const struct pass *pass,
                      char ret[PATH_MAX])
{
    snprintf(ret, PATH_MAX, "%s/%s/%s.%s.%s.%lld", folder, pass_folders[kind], pass->digest,
             access_names[pass->access], pass->mark, (long long)pass->expiry_s);
}

static bool read_name(const char *name, struct pass *ret)
{
    char access[8];
    long long expiry_s;
    int len = 0;
    if (sscanf(name, "%64[0-9a-f].%7[a-z].%16[0-9a-f].%lld%n", ret->digest, access, ret->mark,
               &expiry_s, &len) != 4 ||
        name[len] != '\0' || strlen(ret->digest) != DIGEST_HEX - 1)
        return false;
    ret->expiry_s = expiry_s;
    ret->access = access_of(access);
    return ret->access != ACCESS_PUBLIC;
}

/* Several. */

const struct pass *passes_find(const struct passes *passes, const char *digest)
{
    for (enum access access = ACCESS_READ; access < ACCESS_KINDS; access++)
        for (size_t i = 0; i < passes->n[access]; i++)
            if (strcmp(passes->of[access][i].digest, digest) == 0)
                return &passes->of[access][i];
    return NULL;
}

void passes_drop(struct passes *passes, const char *digest)
{
    const struct pass *found = passes_find(passes, digest);
    if (found == NULL)
        return;
    struct pass *row = passes->of[found->access];
    row[found - row] = row[--passes->n[found->access]];
}

void passes_add(struct passes *passes, const struct pass *pass, struct pass *ret_ended)
{
    struct pass *row = passes->of[pass->access];
    size_t *n = &passes->n[pass->access], first = 0;
    ret_ended->digest[0] = '\0';
    if (*n < given[passes->kind].max) {
        row[(*n)++] = *pass;
        return;
    }
    for (size_t i = 1; i < *n; i++)
        first = row[i].expiry_s < row[first].expiry_s ? i : first;
    *ret_ended = row[first];
    row[first] = *pass;
}

/* Files. */

void passes_remove(const char *folder, enum pass_kind kind, const struct pass *pass)
{
    char path[PATH_MAX];
    file_path(folder, kind, pass, path);
    unlink(path);
}

int passes_load(const char *folder, enum pass_kind kind, const struct tokens *tokens,
                struct passes *ret, struct err *err)
{
    char path[PATH_MAX];
    struct pass pass = { 0 }, ended;
    snprintf(path, sizeof path, "%s/%s", folder, pass_folders[kind]);
    DIR *files = opendir(path);
    if (files == NULL && errno != ENOENT)
        return err_errno(err, ERR_STORAGE, "can't read %s", path);
    memset(ret, 0, sizeof *ret);
    ret->kind = kind;
    for (const struct dirent *entry; files != NULL && (entry = readdir(files)) != NULL;) {
        if (!read_name(entry->d_name, &pass))
            continue;
        if (pass_is_over(&pass, kind, tokens)) {
            passes_remove(folder, kind, &pass);
            continue;
        }
        passes_add(ret, &pass, &ended);
        if (ended.digest[0] != '\0')
            passes_remove(folder, kind, &ended);
    }
    if (files != NULL)
        closedir(files);
    return 0;
}

/* On the heap: it is large for a stack. Errors: as passes_load. */
static int load_new(const char *folder, enum pass_kind kind, const struct tokens *tokens,
                    struct passes **ret, struct err *err)
{
    struct passes *passes = malloc(sizeof *passes);
    if (passes == NULL)
        return err_no_memory(err, "the sessions");
    int status = passes_load(folder, kind, tokens, passes, err);
    if (status == 0)
        *ret = passes;
    else
        free(passes);
    return status;
}

void passes_tidy(const char *folder, const struct tokens *tokens)
{
    for (enum pass_kind kind = 0; kind < PASS_KINDS; kind++) {
        struct passes *passes = NULL;
        load_new(folder, kind, tokens, &passes, NULL);
        free(passes);
    }
}

static int create_file(const char *folder, enum pass_kind kind, const struct pass *pass,
                       struct err *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, pass_folders[kind]);
    int status = files_make_folder(path, err);
    if (status != 0)
        return status;
    file_path(folder, kind, pass, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_errno(err, ERR_STORAGE, "can't create %s", path);
    close(fd);
    return files_sync_folder(path, err);
}

int passes_make(const char *folder, enum pass_kind kind, const struct tokens *tokens,
                enum access access, char ret_secret[PASS_SECRET_HEX + 1], struct pass *ret,
                struct err *err)
{
    char secret[PASS_SECRET_HEX + 1];
    struct passes *passes = NULL;
    struct pass made = { .access = access, .expiry_s = now_s() + given[kind].seconds }, ended;
    const struct token *token = &tokens->of[access];
    if (token->text[0] == '\0')
        return err_set(err, ERR_NOT_FOUND, "there is no %s token; the daemon's next start makes it",
                       access_names[access]);
    random_hex(PASS_SECRET_HEX / 2, secret);
    pass_digest(secret, made.digest);
    memcpy(made.mark, token->mark, sizeof made.mark);
    int status = load_new(folder, kind, tokens, &passes, err);
    if (status == 0) {
        passes_add(passes, &made, &ended);
        if (ended.digest[0] != '\0')
            passes_remove(folder, kind, &ended);
        status = create_file(folder, kind, &made, err);
    }
    free(passes);
    if (status != 0)
        return status;
    memcpy(ret_secret, secret, sizeof secret);
    *ret = made;
    return 0;
}

int passes_end(const char *folder, enum pass_kind kind, const struct pass *pass, struct err *err)
{
    char path[PATH_MAX];
    file_path(folder, kind, pass, path);
    if (unlink(path) != 0)
        return errno == ENOENT ? err_set(err, ERR_NOT_FOUND, "it has ended already")
                               : err_errno(err, ERR_STORAGE, "can't remove %s", path);
    return files_sync_folder(path, err);
}

int passes_use(const char *folder, const struct tokens *tokens, const char *digest,
               struct pass *ret, struct err *err)
{
    struct passes *codes = NULL;
    int status = load_new(folder, PASS_CODE, tokens, &codes, err);
    if (status != 0)
        return status;
    const struct pass *found = passes_find(codes, digest);
    struct pass pass = found != NULL ? *found : (struct pass){ 0 };
    free(codes);
    if (found == NULL || !pass_holds(&pass, PASS_CODE, tokens))
        return err_set(err, ERR_NOT_FOUND, "there is no such code");
    status = passes_end(folder, PASS_CODE, &pass, err);
    if (status == 0)
        *ret = pass;
    return status;
}
