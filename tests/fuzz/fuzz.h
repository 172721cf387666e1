/* fuzz: what the fuzz targets share. A target takes any bytes at all; what it must not do is crash,
 * trip a sanitizer, or break a promise that FUZZ_CHECK states. A refusal is a promise too: a code
 * and a sentence for a person.
 *
 * Some readers want a path, so an input is written to a file in a folder of the process's own, in
 * memory where the machine has /dev/shm; the folder goes when the process ends.
 */
#ifndef ABLATE_TESTS_FUZZ_H
#define ABLATE_TESTS_FUZZ_H

#include "common/base/err.h"
#include "common/base/utf8.h"

#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* libFuzzer's own names. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #condition);        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static inline int fuzz_remove(const char *path, const struct stat *info, int type,
                              struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

static char fuzz_folder[64];

static inline void fuzz_remove_folder(void)
{
    nftw(fuzz_folder, fuzz_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* A path in the process's folder, which is made when it is first asked for. */
static inline const char *fuzz_path(const char *name)
{
    static char path[160];
    if (fuzz_folder[0] == '\0') {
        snprintf(fuzz_folder, sizeof fuzz_folder, "%s/ablate-fuzz-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        FUZZ_CHECK(mkdtemp(fuzz_folder) != NULL);
        atexit(fuzz_remove_folder);
    }
    snprintf(path, sizeof path, "%s/%s", fuzz_folder, name);
    return path;
}

static inline const char *fuzz_file(const char *name, const void *bytes, size_t size)
{
    const char *path = fuzz_path(name);
    FILE *file = fopen(path, "we");
    FUZZ_CHECK(file != NULL);
    FUZZ_CHECK(fwrite(bytes, 1, size, file) == size);
    FUZZ_CHECK(fclose(file) == 0);
    return path;
}

/* The input as a string: a copy, since it has no NUL behind it. The caller's. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    FUZZ_CHECK(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

/* That a refusal says so, in words that can stand in a JSON document. */
static inline void fuzz_refused(int status, const struct err *err)
{
    FUZZ_CHECK(status < 0 && err->code == -status);
    FUZZ_CHECK(err->message[0] != '\0');
    FUZZ_CHECK(utf8_valid(err->message, strlen(err->message), NULL));
    FUZZ_CHECK(utf8_valid(err->pointer, strlen(err->pointer), NULL));
}

#endif
