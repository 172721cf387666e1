/* sizes: by these the trainer's kernels work, and the estimate of memory counts (cost.c). */
#ifndef ABLATE_COMMON_SIZES_H
#define ABLATE_COMMON_SIZES_H

#include <stdint.h>

enum {
    DOTS_PANEL = 32,             /* rows that weights and keys are packed by (worker/ops/dots.h) */
    ATTENTION_BLOCK = 64,        /* queries that a thread handles at a time (worker/attn/attn.h) */
    INDEXER_PARTS = 8,           /* parts of a pass that a gradient of listed keys is added up in */
    LOSS_CHUNK = 512,            /* scored rows of which the logits stand in memory, at most; */
    LOSS_CHUNK_LEAST = 64,       /* at least, and a multiple of it; */
    LOSS_CHUNK_REALS = 24 << 20, /* between these, as many as have so many logits */
    LOSS_GROUPS = 12             /* parts that the gradient of such a chunk's rows is added up in */
};

/* Rows of a chunk when n rows are scored over a vocabulary of v. */
static inline int64_t loss_chunk_rows(int64_t n, int64_t v)
{
    int64_t rows = LOSS_CHUNK_REALS / v / LOSS_CHUNK_LEAST * LOSS_CHUNK_LEAST;
    rows = rows < LOSS_CHUNK_LEAST ? LOSS_CHUNK_LEAST : rows > LOSS_CHUNK ? LOSS_CHUNK : rows;
    return rows < n ? rows : n;
}

#endif
