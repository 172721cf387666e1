/* The files of a capsule, by a forger who gets every digest right: the input is "==> PATH" lines,
 * each followed by that file's content, out of which an archive with a sound manifest is made. */
#include "common/json/jsonx_dump.h"
#include "common/wire/tar.h"
#include "tests/fuzz/fuzz.h"
#include "worker/capsule/capsule_check.h"

static const char mark[] = "==> ";

struct archive {
    struct tar_writer tar;
    struct buf sums;
    json_t *files;
};

/* false: the writer refuses the path. */
static bool put(struct archive *a, const char *path, const void *bytes, size_t len, bool list)
{
    struct err err = { 0 };
    char whole[600], digest[DIGEST_HEX];
    snprintf(whole, sizeof whole, "x-1/%.500s", path);
    if (tar_begin(&a->tar, whole, &err) != 0 || tar_add(&a->tar, bytes, len, &err) != 0 ||
        tar_end(&a->tar, digest, &err) != 0)
        return false;
    if (list) {
        buf_addf(&a->sums, CAPSULE_LINE, digest, path);
        json_array_append_new(a->files, json_pack("{s:s, s:I, s:s}", "path", path, "bytes",
                                                  (json_int_t)len, "sha256", digest));
    }
    return true;
}

static bool put_files(struct archive *a, char *text)
{
    bool ok = strncmp(text, mark, strlen(mark)) == 0;
    while (ok && text != NULL) {
        char *path = text + strlen(mark), *content = strchr(path, '\n');
        if (content == NULL)
            return false;
        *content++ = '\0';
        text = strstr(content, "\n==> ");
        size_t len = text != NULL ? (size_t)(++text - content) : strlen(content);
        ok = put(a, path, content, len, true);
    }
    return ok;
}

static bool put_end(struct archive *a)
{
    char digest[DIGEST_HEX];
    struct buf text;
    struct err err = { 0 };
    const char *sums = a->sums.data != NULL ? a->sums.data : "";
    digest_of_hex(sums, a->sums.len, digest);
    json_t *manifest =
        json_pack("{s:i, s:s, s:s, s:b, s:O, s:{s:i, s:s, s:s}}", "format", CAPSULE_FORMAT,
                  "digest", digest, "ablated", "fuzz", "partial", 0, "files", a->files,
                  "experiment", "id", 1, "name", "x", "state", "finished");
    buf_init(&text, 0);
    jsonx_dump(manifest, JSONX_KEEP_ORDER, &text);
    bool ok = put(a, CAPSULE_SUMS, sums, a->sums.len, false) &&
              put(a, CAPSULE_MANIFEST, text.data, text.len, false);
    ok = ok && tar_finish(&a->tar, &err) == 0;
    json_decref(manifest);
    buf_done(&text);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct archive a = { .files = json_array() };
    struct capsule capsule;
    struct err err = { 0 };
    char *text = fuzz_text(data, size);
    buf_init(&a.sums, 0);
    a.tar.file = fopen(fuzz_path("capsule.tar"), "w+e");
    FUZZ_CHECK(a.tar.file != NULL);
    bool made = put_files(&a, text) && put_end(&a);
    FUZZ_CHECK(fclose(a.tar.file) == 0);
    if (made && capsule_open(fuzz_path("capsule.tar"), &capsule, &err) == 0) {
        int status = capsule_check(&capsule, &err);
        if (status != 0)
            fuzz_refused(status, &err);
        capsule_done(&capsule);
    } else if (made) {
        fuzz_refused(-err.code, &err);
    }
    json_decref(a.files);
    buf_done(&a.sums);
    free(text);
    return 0;
}
