/* An archive as bytes: what the reader takes, the writer makes again byte by byte. */
#include "common/wire/tar.h"
#include "tests/fuzz/fuzz.h"
#include "worker/capsule/capsule_reader.h"

static void write_again(const struct tar_reader *tar, const uint8_t *data, size_t size)
{
    struct tar_reader from = *tar;
    struct tar_writer to = { .file = fopen(fuzz_path("written"), "w+e") };
    struct tar_entry entry;
    struct err err = { 0 };
    char digest[DIGEST_HEX];
    int status;
    FUZZ_CHECK(to.file != NULL);
    from.next = 0;
    while ((status = tar_next(&from, &entry, &err)) == 1) {
        FUZZ_CHECK(tar_path_ok(entry.path));
        FUZZ_CHECK(entry.offset >= TAR_BLOCK && entry.bytes >= 0 &&
                   (size_t)(entry.offset + entry.bytes) <= size);
        FUZZ_CHECK(tar_begin(&to, entry.path, &err) == 0);
        FUZZ_CHECK(tar_add(&to, data + entry.offset, (size_t)entry.bytes, &err) == 0);
        FUZZ_CHECK(tar_end(&to, digest, &err) == 0);
    }
    if (status == 0) {
        uint8_t *written = malloc(size);
        FUZZ_CHECK(tar_finish(&to, &err) == 0 && fflush(to.file) == 0 && written != NULL);
        rewind(to.file);
        FUZZ_CHECK(fread(written, 1, size, to.file) == size && fgetc(to.file) == EOF);
        FUZZ_CHECK(memcmp(written, data, size) == 0);
        free(written);
    } else {
        fuzz_refused(status, &err);
    }
    fclose(to.file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tar_reader tar;
    struct capsule capsule;
    struct err err = { 0 };
    fuzz_file("archive", data, size);
    int status = tar_open(fuzz_path("archive"), &tar, &err);
    if (status == 0) {
        write_again(&tar, data, size);
        tar_done(&tar);
        status = capsule_open(fuzz_path("archive"), &capsule, &err);
        if (status == 0)
            capsule_done(&capsule);
    }
    if (status != 0)
        fuzz_refused(status, &err);
    return 0;
}
