#include "common/path.h"

/* Measured on a CPU with AVX-512 (make bench): the probabilities of more than so many positions
 * cost more to keep than to make again; lists pay from so many positions on, when a query sees at
 * most that share of them. */
enum { KEPT_MOST = 512, GATHER_FROM = 1024, GATHER_SHARE = 4 };

int64_t attention_keys(const struct spec_attention *attention, int64_t t)
{
    int64_t k = attention->kind == ATTENTION_WINDOW ? attention->window + attention->sink
                                                    : attention->top_k;
    return k > 0 && k < t ? k : t;
}

enum attention_path attention_dense_path(int64_t t)
{
    return t <= KEPT_MOST ? PATH_KEPT : PATH_FLASH;
}

enum attention_path attention_path(const struct spec_attention *attention, int64_t t)
{
    bool few = t >= GATHER_FROM && attention_keys(attention, t) * GATHER_SHARE <= t;
    return attention->kind != ATTENTION_DENSE && few ? PATH_GATHER : attention_dense_path(t);
}
