/* tar: archives of plain files (POSIX.1-1988 ustar), written and read.
 *
 * A file is a block of 512 bytes (name, size, checksum), its content and zeros up to the next
 * block; two blocks of zeros end the archive. Owner, group, mode and time are always the same, so
 * that equal content gives equal bytes.
 *
 * The reader takes what the writer makes and nothing else: it makes the header anew from the name
 * and the size that it finds, and compares all 512 bytes. So there is no code here for links,
 * devices, extensions or sparse files, hence none that could be tricked.
 *
 * Rejected: libarchive. It is well kept, but it brings libxml2, ICU and libstdc++ (30 MB of shared
 * objects) into the daemon and into every trainer, reads three dozen formats where one is wanted,
 * and would have to be talked out of most of them.
 */
#ifndef ABLATE_COMMON_TAR_H
#define ABLATE_COMMON_TAR_H

#include "common/base/digest.h"
#include "common/base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { TAR_BLOCK = 512, TAR_PATH_BYTES = 257 };
#define TAR_FILE_MAX (((int64_t)1 << 33) - 1) /* eleven octal digits */

/* Whether a path is relative, of parts that aren't "", "." or "..", and of letters, digits and
 * . _ - alone. */
bool tar_path_ok(const char *path);
/* Errors: INVALID_VALUE (the path isn't ok or too long), TOO_LARGE. */
int tar_header(const char *path, int64_t bytes, uint8_t ret[TAR_BLOCK], struct err *err);

/* Writing: begin, add …, end for each file, then finish. A file that couldn't be written once stays
 * broken: later calls fail, too. Errors: those of tar_header, STORAGE, DISK_FULL. */
struct tar_writer {
    FILE *file;    /* borrowed; can seek, stands at its end */
    int64_t begin; /* offset of the file's header, which is written at its end */
    int64_t bytes; /* of content so far */
    char path[TAR_PATH_BYTES];
    struct digest digest;
};
int tar_begin(struct tar_writer *tar, const char *path, struct err *err);
int tar_add(struct tar_writer *tar, const void *bytes, size_t len, struct err *err);
/* ret_digest: SHA-256 of the content. */
int tar_end(struct tar_writer *tar, char ret_digest[DIGEST_HEX], struct err *err);
int tar_finish(struct tar_writer *tar, struct err *err);

/* Reading. */
struct tar_reader {
    int fd;
    int64_t bytes, next; /* of the archive; where the next header stands */
};
struct tar_entry {
    char path[TAR_PATH_BYTES];
    int64_t offset, bytes; /* of the content */
};
/* Errors: NOT_FOUND, STORAGE, BAD_DATA (not a plain file, not of whole blocks). */
int tar_open(const char *path, struct tar_reader *ret, struct err *err);
void tar_done(struct tar_reader *tar);
/* 1 = an entry, 0 = the end, and the archive ends there. Errors: STORAGE, BAD_DATA. */
int tar_next(struct tar_reader *tar, struct tar_entry *ret, struct err *err);
/* Reads exactly len bytes at an offset of the archive. Errors: STORAGE, BAD_DATA, after which ret's
 * content is unspecified. */
int tar_read(const struct tar_reader *tar, int64_t offset, void *ret, size_t len, struct err *err);

#endif
