/* OpenBLAS is loaded when the first model is made, not with the program: keepers, --version and the
 * checks of a capsule need none of it. Where memory is refused OpenBLAS doesn't fail: it asks
 * again, for ever (seen in 0.3.21: blas_memory_alloc, in its start-up and in the first product of
 * each thread). So the memory that it is about to map is mapped here first, as a trial: for the
 * library with one thread, which takes no buffer yet, then for a buffer for each thread that will
 * multiply. OpenBLAS keeps the buffers and hands them to its callers, under a lock: from then on no
 * product allocates anything.
 *
 * Rejected: a process that tries it out, and is killed when it spins. It would need no knowledge of
 * sizes, but a limit of time that a busy machine doesn't reach.
 */
#include "worker/ops/gemm.h"

#include <cblas.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifdef ABLATE_DOUBLE
#define CBLAS_GEMM cblas_dgemm
#else
#define CBLAS_GEMM cblas_sgemm
#endif
#define TEXT(name)  TEXT_(name)
#define TEXT_(name) #name

enum { LIBRARY_BYTES = 64 << 20 }; /* it and the libraries below it; 42 MB in Debian 12 */

static struct {
    __typeof__(CBLAS_GEMM) *gemm;
    __typeof__(openblas_get_corename) *core;
    void *(*take_buffer)(int what_for);
    void (*return_buffer)(void *buffer);
} blas;

static int try_memory(size_t bytes, struct err *err)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return err_no_memory(err, "OpenBLAS: %zu MiB were refused", bytes >> 20);
    munmap(at, bytes);
    return 0;
}

static int load(struct err *err)
{
    const struct {
        const char *name;
        void *to;
    } symbols[] = {
        { TEXT(CBLAS_GEMM), &blas.gemm },
        { "openblas_get_corename", &blas.core },
        { "blas_memory_alloc", &blas.take_buffer },
        { "blas_memory_free", &blas.return_buffer },
    };
    int status = try_memory(LIBRARY_BYTES, err);
    if (status != 0)
        return status;
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return err_set(err, ERR_INTERNAL, "OpenBLAS can't be loaded: %s", dlerror());
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        void *symbol = dlsym(library, symbols[i].name);
        if (symbol == NULL)
            return err_set(err, ERR_INTERNAL, "OpenBLAS can't be used: %s", dlerror());
        memcpy(symbols[i].to, &symbol, sizeof symbol);
    }
    return 0;
}

/* All buffers are taken before the first is returned, since OpenBLAS hands out any that is free. */
static int reserve(int threads, int has, struct err *err)
{
    void **buffers = calloc((size_t)threads, sizeof *buffers);
    int status = buffers == NULL ? err_no_memory(err, "OpenBLAS") : 0;
    for (int i = 0; i < threads && status == 0; i++) {
        if (i >= has)
            status = try_memory(GEMM_BUFFER_BYTES, err);
        if (status == 0 && (buffers[i] = blas.take_buffer(0)) == NULL)
            status = err_set(err, ERR_NO_MEMORY, "OpenBLAS has no buffers for %d threads", threads);
    }
    for (int i = 0; i < threads && buffers != NULL && buffers[i] != NULL; i++)
        blas.return_buffer(buffers[i]);
    free(buffers);
    return status;
}

int gemm_init(int threads, struct err *err)
{
    static bool loaded;
    static int reserved;
    int status = loaded ? 0 : load(err);
    if (status != 0)
        return status;
    loaded = true;
    status = threads > reserved ? reserve(threads, reserved, err) : 0;
    if (status == 0 && threads > reserved)
        reserved = threads;
    return status;
}

const char *gemm_blas_core(void)
{
    return blas.core();
}

static enum CBLAS_TRANSPOSE trans(struct mat m)
{
    return m.t ? CblasTrans : CblasNoTrans;
}

void gemm(size_t m, size_t n, size_t k, real alpha, struct mat a, struct mat b, real beta, real *c,
          size_t ldc)
{
    if (m == 0 || n == 0)
        return;
    blas.gemm(CblasRowMajor, trans(a), trans(b), (blasint)m, (blasint)n, (blasint)k, alpha, a.data,
              (blasint)a.ld, b.data, (blasint)b.ld, beta, c, (blasint)ldc);
}

/* Tiles are as large as a core's cache likes, yet many enough to share out. */
enum { TILE_ROWS = 256, TILE_COLS = 512 };

struct shared {
    size_t m, n, k, rows, cols, across;
    struct mat a, b;
    real beta, *c;
    size_t ldc;
};

static const real *shifted(struct mat m, size_t row, size_t col)
{
    return m.t ? m.data + col * m.ld + row : m.data + row * m.ld + col;
}

static void tile(void *arg, size_t i, int thread)
{
    (void)thread;
    const struct shared *s = arg;
    size_t row = i / s->across * s->rows, col = i % s->across * s->cols;
    size_t m = s->m - row < s->rows ? s->m - row : s->rows;
    size_t n = s->n - col < s->cols ? s->n - col : s->cols;
    gemm(m, n, s->k, 1, (struct mat){ shifted(s->a, row, 0), s->a.ld, s->a.t },
         (struct mat){ shifted(s->b, 0, col), s->b.ld, s->b.t }, s->beta, s->c + row * s->ldc + col,
         s->ldc);
}

static size_t tiles(size_t n, size_t size)
{
    return (n + size - 1) / size;
}

/* Splits n evenly into about n/most parts, in multiples of 16. */
static size_t even(size_t n, size_t most)
{
    size_t parts = tiles(n, most);
    return parts == 0 ? most : (tiles(n, parts) + 15) / 16 * 16;
}

void gemm_shared(struct pool *pool, size_t m, size_t n, size_t k, struct mat a, struct mat b,
                 real beta, real *c, size_t ldc)
{
    struct shared s = { m, n, k, even(m, TILE_ROWS), even(n, TILE_COLS), 0, a, b, beta, c, ldc };
    /* Few tiles but long sums (gradients of weights): smaller ones, so that no thread idles. */
    while (tiles(m, s.rows) * tiles(n, s.cols) < 8 && (s.rows > 64 || s.cols > 64)) {
        size_t *longer = s.rows >= s.cols ? &s.rows : &s.cols;
        *longer = (*longer / 2 + 15) / 16 * 16;
    }
    s.across = tiles(n, s.cols);
    pool_run(pool, tiles(m, s.rows) * s.across, tile, &s);
}
