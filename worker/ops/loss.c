/* Only rows that are scored cost anything: they are taken out of the batch, a chunk at a time and
 * in order, and their dx is put back. Where all are scored, a chunk is the batch's own memory.
 *
 * A chunk of rows goes three times over the tiles of the vocabulary, and a tile fits a core's
 * cache:
 *
 *   1. logits of the tile, and while they are near: each row's maximum, exponentials, their sum;
 *   2. row by row, the tiles' maxima and sums become those of the row, and the factor that each
 *      tile's exponentials still lack;
 *   3. the tile times its factors, less the targets, is dlogits: into dW at once, and into the dx
 *      of its group.
 *
 * Last, the groups' dx are added in order.
 *
 * So logits travel to memory and back once. Tiles, groups and chunks depend on the shape alone. */
#include "worker/ops/loss.h"

#include "common/spec/sizes.h"
#include "worker/ops/gemm.h"
#include "worker/ops/vmath.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* A chunk (loss_chunk_rows) is a compromise: dW is read and written once a chunk, and the chunk's
 * logits take memory. */
enum { WIDTH = 256, WIDTH_LEAST = 32, TILES = 16, GROUPS = LOSS_GROUPS, ROWS = 64 };

/* About TILES tiles at least, since they are what threads share out. */
static size_t tile_width(size_t v)
{
    size_t width = v / TILES / WIDTH_LEAST * WIDTH_LEAST;
    return width < WIDTH_LEAST ? WIDTH_LEAST : width > WIDTH ? WIDTH : width;
}

void loss_layout(struct loss *loss, struct arena *arena, size_t n_max, size_t c, size_t v)
{
    size_t width = tile_width(v), tiles = (v + width - 1) / width;
    *loss = (struct loss){
        .n_max = n_max,
        .c = c,
        .v = v,
        .chunk = (size_t)loss_chunk_rows((int64_t)n_max, (int64_t)v),
        .width = width,
        .tiles = tiles,
        .groups = tiles < GROUPS ? tiles : GROUPS,
    };
    loss->logits = arena_take(arena, tiles * loss->chunk * width, sizeof(real));
    loss->most = arena_take(arena, loss->chunk * tiles, sizeof(real));
    loss->sum = arena_take(arena, loss->chunk * tiles, sizeof(real));
    loss->first = arena_take(arena, loss->chunk * tiles, sizeof(int32_t));
    loss->at_target = arena_take(arena, loss->chunk, sizeof(real));
    loss->parts = arena_take(arena, loss->groups * loss->chunk * c, sizeof(real));
    loss->place = arena_take(arena, n_max, sizeof(size_t));
    loss->taken = arena_take(arena, loss->chunk * c, sizeof(real));
    loss->answers = arena_take(arena, loss->chunk, sizeof(int32_t));
    loss->nll = arena_take(arena, n_max, sizeof(double));
    loss->hit = arena_take(arena, n_max, sizeof(uint8_t));
}

struct chunk {
    const struct loss *loss;
    size_t at, rows; /* of the chunk, among the scored rows */
    const real *x, *w;
    const int32_t *targets; /* the chunk's */
    double scale;           /* 1/(scored rows) */
    real *dx, *dw;          /* dx: the chunk's; NULL when there is no backward pass */
};

struct tile {
    size_t from, n; /* columns */
    real *logits;   /* [rows × width] */
};

static struct tile tile_of(const struct loss *loss, size_t i)
{
    size_t from = i * loss->width, left = loss->v - from;
    return (struct tile){ from, left < loss->width ? left : loss->width,
                          loss->logits + i * loss->chunk * loss->width };
}

static bool within(const struct tile *tile, int32_t target)
{
    return (size_t)target - tile->from < tile->n;
}

SIMD static real row_max(const real *x, size_t n)
{
    return lanes_max(x, n, x[0]);
}

SIMD static real row_exp(real *x, size_t n, real most)
{
    return lanes_exp(x, n, most);
}

SIMD static void row_scale(real *x, size_t n, real by)
{
    for (size_t k = 0; k < n; k++)
        x[k] *= by;
}

static void logits_task(void *arg, size_t i, int thread)
{
    (void)thread;
    const struct chunk *chunk = arg;
    const struct loss *loss = chunk->loss;
    const struct tile tile = tile_of(loss, i);
    gemm(chunk->rows, tile.n, loss->c, 1, (struct mat){ chunk->x, loss->c, false },
         (struct mat){ chunk->w + tile.from * loss->c, loss->c, true }, 0, tile.logits,
         loss->width);
    for (size_t row = 0; row < chunk->rows; row++) {
        real *x = tile.logits + row * loss->width, most = row_max(x, tile.n);
        size_t at = row * loss->tiles + i, first = 0;
        while (first < tile.n && !(x[first] == most)) /* ties: the lowest id; none if all is NaN */
            first++;
        if (within(&tile, chunk->targets[row]))
            loss->at_target[row] = x[(size_t)chunk->targets[row] - tile.from];
        loss->most[at] = most;
        loss->first[at] = (int32_t)(tile.from + first);
        loss->sum[at] = row_exp(x, tile.n, most);
    }
}

static void row_task(void *arg, size_t i, int thread)
{
    (void)thread;
    const struct chunk *chunk = arg;
    const struct loss *loss = chunk->loss;
    for (size_t row = i * ROWS; row < (i + 1) * ROWS && row < chunk->rows; row++) {
        const real *most = loss->most + row * loss->tiles;
        real *sum = loss->sum + row * loss->tiles, highest = row_max(most, loss->tiles);
        double total = 0;
        size_t best = 0;
        while (best + 1 < loss->tiles && !(most[best] == highest))
            best++;
        for (size_t tile = 0; tile < loss->tiles; tile++)
            total += (double)sum[tile] * exp((double)most[tile] - (double)highest);
        loss->hit[chunk->at + row] = loss->first[row * loss->tiles + best] == chunk->targets[row];
        loss->nll[chunk->at + row] = log(total) - ((double)loss->at_target[row] - (double)highest);
        for (size_t tile = 0; tile < loss->tiles; tile++)
            sum[tile] = (real)(chunk->scale / total * exp((double)most[tile] - (double)highest));
    }
}

static void gradient_tile(const struct chunk *chunk, size_t i, real *dx, bool first)
{
    const struct loss *loss = chunk->loss;
    const struct tile tile = tile_of(loss, i);
    size_t c = loss->c;
    for (size_t row = 0; row < chunk->rows; row++) {
        real *d = tile.logits + row * loss->width;
        row_scale(d, tile.n, loss->sum[row * loss->tiles + i]);
        if (within(&tile, chunk->targets[row]))
            d[(size_t)chunk->targets[row] - tile.from] -= (real)chunk->scale;
    }
    gemm(tile.n, c, chunk->rows, 1, (struct mat){ tile.logits, loss->width, true },
         (struct mat){ chunk->x, c, false }, 1, chunk->dw + tile.from * c, c);
    gemm(chunk->rows, c, tile.n, 1, (struct mat){ tile.logits, loss->width, false },
         (struct mat){ chunk->w + tile.from * c, c, false }, first ? 0 : 1, dx, c);
}

static void gradient_task(void *arg, size_t group, int thread)
{
    (void)thread;
    const struct chunk *chunk = arg;
    const struct loss *loss = chunk->loss;
    size_t from = group * loss->tiles / loss->groups, to = (group + 1) * loss->tiles / loss->groups;
    for (size_t i = from; i < to; i++)
        gradient_tile(chunk, i, loss->parts + group * loss->chunk * loss->c, i == from);
}

SIMD static void add(real *restrict to, const real *restrict part, size_t n)
{
    for (size_t k = 0; k < n; k++)
        to[k] += part[k];
}

static void sum_task(void *arg, size_t i, int thread)
{
    (void)thread;
    const struct chunk *chunk = arg;
    const struct loss *loss = chunk->loss;
    size_t at = i * ROWS, rows = chunk->rows - at < ROWS ? chunk->rows - at : ROWS;
    real *dx = chunk->dx + at * loss->c;
    for (size_t k = 0; k < rows * loss->c; k++)
        dx[k] = 0;
    for (size_t group = 0; group < loss->groups; group++)
        add(dx, loss->parts + (group * loss->chunk + at) * loss->c, rows * loss->c);
}

/* One chunk, forward; and back when there is somewhere to put it. */
static void run(struct chunk *chunk, struct pool *pool)
{
    size_t blocks = (chunk->rows + ROWS - 1) / ROWS;
    pool_run(pool, chunk->loss->tiles, logits_task, chunk);
    pool_run(pool, blocks, row_task, chunk);
    if (chunk->dw == NULL)
        return;
    pool_run(pool, chunk->loss->groups, gradient_task, chunk);
    pool_run(pool, blocks, sum_task, chunk);
}

/* The chunk's rows side by side in `taken`, which holds x first and dx in the end. */
static void take(struct chunk *chunk, const real *x, const int32_t *targets)
{
    const struct loss *loss = chunk->loss;
    for (size_t row = 0; row < chunk->rows; row++) {
        size_t from = loss->place[chunk->at + row];
        memcpy(loss->taken + row * loss->c, x + from * loss->c, loss->c * sizeof *x);
        loss->answers[row] = targets[from];
    }
    chunk->x = chunk->dx = loss->taken;
    chunk->targets = loss->answers;
}

static void put_back(const struct chunk *chunk, real *dx)
{
    const struct loss *loss = chunk->loss;
    for (size_t row = 0; row < chunk->rows; row++)
        memcpy(dx + loss->place[chunk->at + row] * loss->c, loss->taken + row * loss->c,
               loss->c * sizeof *dx);
}

/* Where the scored rows are; returns how many. */
static size_t find_scored(const struct loss *loss, size_t n, const int32_t *targets)
{
    size_t scored = 0;
    for (size_t i = 0; i < n; i++)
        if (targets[i] != LOSS_UNSCORED)
            loss->place[scored++] = i;
    return scored;
}

void loss_step(const struct loss *loss, struct pool *pool, size_t n, const real *x, const real *w,
               const int32_t *targets, real *dx, real *dw, struct loss_result *ret)
{
    size_t scored = find_scored(loss, n, targets);
    bool all = scored == n;
    *ret = (struct loss_result){ .targets = (int64_t)scored };
    if (!all && dx != NULL)
        memset(dx, 0, n * loss->c * sizeof *dx);
    size_t mean_over = loss->mean_over > 0 ? loss->mean_over : scored;
    for (size_t at = 0; at < scored; at += loss->chunk) {
        struct chunk chunk = {
            .loss = loss,
            .at = at,
            .rows = scored - at < loss->chunk ? scored - at : loss->chunk,
            .x = x + at * loss->c,
            .w = w,
            .targets = targets + at,
            .scale = 1.0 / (double)mean_over,
            .dx = dx != NULL ? dx + at * loss->c : NULL,
            .dw = dw,
        };
        if (!all)
            take(&chunk, x, targets);
        run(&chunk, pool);
        if (!all && dx != NULL)
            put_back(&chunk, dx);
    }
    for (size_t i = 0; i < scored; i++) {
        ret->nll += loss->nll[i];
        ret->correct += loss->hit[i];
    }
}

void loss_forward(const struct loss *loss, struct pool *pool, size_t n, const real *x,
                  const real *w, const int32_t *targets, struct loss_result *ret)
{
    loss_step(loss, pool, n, x, w, targets, NULL, NULL, ret);
}
