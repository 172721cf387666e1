/* A file of weights: refused, or its tensors and metadata, written again, read as the same. */
#include "tests/fuzz/fuzz.h"
#include "worker/files/safetensors.h"

static real values[6], copies[6];
static struct tensor tensors[] = {
    { .name = "w", .shape = { 2, 2 }, .offset = 0, .count = 4 },
    { .name = "b", .shape = { 2, 0 }, .offset = 4, .count = 2 },
};
static const struct params table = { .tensors = tensors, .n = 2, .count = 6 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct safetensors_part part = { "", values }, copy = { "", copies };
    struct safetensors_info info;
    struct err err = { 0 };
    json_t *metadata = NULL, *again = NULL;
    fuzz_file("weights", data, size);
    int status = safetensors_read(fuzz_path("weights"), &table, &part, 1, &metadata, &err);
    if (status != 0) {
        fuzz_refused(status, &err);
        return 0;
    }
    FUZZ_CHECK(safetensors_write(fuzz_path("written"), &table, &part, 1,
                                 metadata != NULL ? json_deep_copy(metadata) : json_object(), &info,
                                 &err) == 0);
    FUZZ_CHECK(safetensors_read(fuzz_path("written"), &table, &copy, 1, &again, &err) == 0);
    FUZZ_CHECK(memcmp(values, copies, sizeof values) == 0);
    FUZZ_CHECK(metadata == NULL || json_equal(metadata, again));
    json_decref(metadata);
    json_decref(again);
    return 0;
}
