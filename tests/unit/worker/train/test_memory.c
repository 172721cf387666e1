/* What a trainer asks for, with the audits of its arm, against the estimate of its specification:
 * bytes are counted as they are asked for, so that neither the machine nor its load changes them.
 * The estimate's share of the process itself (code, OpenBLAS, threads) isn't asked for here.
 */
#include "common/base/files.h"
#include "common/spec/cost.h"
#include "tests/unit/worker/models.h"
#include "worker/train/train.h"

#include <malloc.h>
#include <stdatomic.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { COUNTED = 0 }; /* these have an allocator of their own */
#else
enum { COUNTED = 1 };

/* glibc's own, behind those below, which the program's other parts and its libraries get. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *at, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *at);
#endif

static _Atomic int64_t asked, most;

/* Aligned blocks, of which the allocator may count as usable whatever lies up to the page's end, and
 * so more or less from time to time: these have the size that was asked for. */
enum { ALIGNED_MOST = 256 };
static struct {
    _Atomic(void *) at;
    int64_t size;
} aligned[ALIGNED_MOST];

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static void *count(void *at, int64_t size)
{
    int64_t now = atomic_fetch_add(&asked, size) + size, before = atomic_load(&most);
    while (now > before && !atomic_compare_exchange_weak(&most, &before, now))
        ;
    return at;
}

static void *note(void *at)
{
    return count(at, at != NULL ? (int64_t)malloc_usable_size(at) : 0);
}

static void forget(void *at)
{
    int64_t size = at != NULL ? (int64_t)malloc_usable_size(at) : 0;
    for (int i = 0; at != NULL && i < ALIGNED_MOST; i++) {
        void *expected = at;
        int64_t own = aligned[i].size;
        if (atomic_compare_exchange_strong(&aligned[i].at, &expected, NULL))
            size = own;
    }
    atomic_fetch_sub(&asked, size);
}

void *malloc(size_t size)
{
    return note(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
    return note(__libc_calloc(n, size));
}

void *realloc(void *at, size_t size)
{
    forget(at);
    void *moved = __libc_realloc(at, size);
    note(moved != NULL || size == 0 ? moved : at);
    return moved;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    void *at = __libc_memalign(alignment, size), *expected;
    for (int i = 0; at != NULL && i < ALIGNED_MOST; i++) {
        expected = NULL;
        if (atomic_compare_exchange_strong(&aligned[i].at, &expected, at)) {
            aligned[i].size = (int64_t)size; /* nobody else has the block yet */
            return count(at, (int64_t)size);
        }
    }
    return note(at);
}

void free(void *at)
{
    forget(at);
    __libc_free(at);
}
#endif

/* Of the estimate's 48 MiB for the process; the others are for events, tables, lists, and the ends of
 * two arenas that are rounded up to a huge page. */
enum { PROCESS = 42 << 20 };

static char folder[] = "/tmp/ablate-memory-XXXXXX";

/* Which audits passed and failed, and whether one couldn't be made. */
static void look(void *arg, const char *line, size_t len)
{
    (void)len;
    if (strstr(line, "\"type\":\"audit\"") != NULL)
        ++*(int *)arg;
    if (strstr(line, "it couldn't be made") != NULL)
        fail_msg("%s", line);
}

/* Trains with all audits of its arm, or with the one named. Returns the most that was asked for. */
static int64_t ask(const struct run_spec *spec, const char *only)
{
    struct train_config config = {
        .spec = *spec, .out = folder, .threads = 2, .audits = true, .replays = true, .only = only
    };
    struct err err = { 0 };
    enum train_end end = TRAIN_STOPPED;
    int told = 0;
    assert_non_null(mkdtemp(folder));
    int64_t before = atomic_load(&asked);
    atomic_store(&most, before);
    const struct emit_config emit = { .sink = look, .sink_arg = &told };
    assert_int_equal(emit_new(&emit, &config.emit, &err), 0);
    if (train_run(&config, &end, &err) != 0)
        fail_msg("%s", err.message);
    emit_free(config.emit, 0);
    files_remove_folder(folder);
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    assert_int_equal(end, TRAIN_FINISHED);
    assert_true(told > 0);
    return atomic_load(&most) - before;
}

static struct run_spec decode(const char *text)
{
    struct run_spec spec = { 0 };
    struct err err = { 0 };
    json_t *json = NULL;
    if (jsonx_load(text, strlen(text), &json, &err) != 0 ||
        run_spec_decode(json, "", &spec, &err) != 0)
        fail_msg("%s: %s", err.pointer, err.message);
    json_decref(json);
    return spec;
}

static void assert_within(const char *name, const struct run_spec *spec, const char *only)
{
    struct cost cost;
    cost_estimate(spec, &cost);
    int64_t took = ask(spec, only), room = cost.memory_bytes - PROCESS;
    if (took > room)
        fail_msg("%s: %lld bytes were asked for, and %lld estimated", name, (long long)took,
                 (long long)room);
}

/* Each kind with all its audits; and by kernel what is tried in one layer. */
static void test_within_the_estimate(void **state)
{
    (void)state;
    static const struct {
        const char *attention, *only;
        int seq_len, d_model;
    } rows[] = { { "\"kind\":\"dense\"", NULL, 64, 64 },
                 { "\"kind\":\"dsa\",\"top_k_ratio\":0.125", NULL, 16, 128 },
                 { "\"kind\":\"window\",\"window\":16", "dense_equivalence", 256, 32 },
                 { "\"kind\":\"dsa\",\"top_k_ratio\":0.125", "dense_equivalence", 512, 64 },
                 { "\"kind\":\"dense\"", "dense_equivalence", 1024, 64 } };
    if (!COUNTED)
        skip();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[600];
        snprintf(text, sizeof text,
                 "{\"data\":{\"dataset\":\"synthetic:uniform\",\"vocab\":64,\"seq_len\":%d},"
                 "\"model\":{\"layers\":1,\"heads\":2,\"d_model\":%d,\"attention\":{%s}},"
                 "\"train\":{\"steps\":2,\"batch_size\":2,\"eval_windows\":2},\"seed\":1}",
                 rows[i].seq_len, rows[i].d_model, rows[i].attention);
        const struct run_spec spec = decode(text);
        assert_within(text, &spec, rows[i].only);
    }
}

/* A model that is nearly all parameters: what has a copy of them is seen. */
static void test_of_many_parameters(void **state)
{
    (void)state;
    static const char *const audits[] = { "gradient", "replay" };
    const struct run_spec spec =
        decode("{\"data\":{\"dataset\":\"synthetic:uniform\",\"vocab\":64,\"seq_len\":16},"
               "\"model\":{\"layers\":2,\"heads\":2,\"d_model\":256,\"d_ff\":2048,\"experts\":2,"
               "\"attention\":{\"kind\":\"dsa\",\"top_k\":4}},"
               "\"train\":{\"steps\":2,\"batch_size\":1,\"eval_windows\":1},\"seed\":1}");
    if (!COUNTED)
        skip();
    for (size_t i = 0; i < sizeof audits / sizeof *audits; i++)
        assert_within(audits[i], &spec, audits[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_within_the_estimate),
        cmocka_unit_test(test_of_many_parameters),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
