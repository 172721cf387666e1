#include "worker/ops/gemm.h"

#include <cblas.h>

void gemm_init(void)
{
    openblas_set_num_threads(1);
}

const char *gemm_blas_core(void)
{
    return openblas_get_corename();
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
#ifdef ABLATE_DOUBLE
    cblas_dgemm
#else
    cblas_sgemm
#endif
        (CblasRowMajor, trans(a), trans(b), (blasint)m, (blasint)n, (blasint)k, alpha, a.data,
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
