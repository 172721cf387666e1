/* One layer of attention by itself, run by the kernel in question and by attn/ref on the same
 * inputs. */
#include "worker/audit/equivalence.h"

#include "common/philox.h"
#include "worker/attn/attn.h"
#include "worker/attn/kernel.h"
#include "worker/attn/ref.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const equivalence_parts[EQUIVALENCE_PARTS] = { "output", "dq", "dk", "dv" };

/* One layer of attention by itself. */
struct lab {
    struct run_spec spec;
    struct params params;
    struct pool *pool;
    struct arena arena;
    struct attn_shared shared;
    struct attn attn;
    size_t t, c;
    real *x, *out, *dout, *dx;
};

static void lab_layout(struct lab *lab)
{
    attn_shared_layout(&lab->shared, &lab->arena, &lab->spec, 1, 1);
    attn_layout(&lab->attn, &lab->arena, &lab->shared, &lab->spec, &lab->params, 0, 1);
    lab->x = arena_take(&lab->arena, lab->t * lab->c, sizeof(real));
    lab->out = arena_take(&lab->arena, lab->t * lab->c, sizeof(real));
    lab->dout = arena_take(&lab->arena, lab->t * lab->c, sizeof(real));
    lab->dx = arena_take(&lab->arena, lab->t * lab->c, sizeof(real));
}

static void lab_done(struct lab *lab)
{
    pool_free(lab->pool);
    params_done(&lab->params);
    arena_done(&lab->arena);
}

/* Forward and backward through `kernel`; the results stay in attn.y and shared.dqkv. */
static int lab_run(struct lab *lab, const struct attn_kernel *kernel, struct err *err)
{
    lab->t = (size_t)lab->spec.data.seq_len;
    lab->c = (size_t)lab->spec.model.d_model;
    lab->shared.force = kernel;
    int status = params_new(&lab->spec, &lab->params, err);
    if (status == 0)
        status = pool_new(1, &lab->pool, err);
    if (status != 0)
        return status;
    lab_layout(lab);
    if ((status = arena_build(&lab->arena, err)) != 0)
        return status;
    lab_layout(lab);
    attn_shared_fill(&lab->shared, &lab->spec);
    const struct philox x = philox_stream(lab->spec.seed, "data", "equivalence.x");
    const struct philox dout = philox_stream(lab->spec.seed, "data", "equivalence.dout");
    for (size_t i = 0; i < lab->t * lab->c; i++) {
        lab->x[i] = (real)philox_normal(&x, 0, i);
        lab->dout[i] = (real)philox_normal(&dout, 0, i);
    }
    const struct batch_pass pass = { .spec = &lab->spec, .pool = lab->pool, .batch = 1, .step = 1 };
    attn_forward(&lab->attn, &pass, lab->x, lab->out);
    attn_backward(&lab->attn, &pass, lab->x, lab->dout, lab->dx);
    return 0;
}

/* Greatest |a − b| over greatest |b|, of columns from … from+C−1 of rows [T × ld]. */
static double distance(const struct lab *lab, const real *a, const double *b, size_t from,
                       size_t ld)
{
    double most = 0, greatest = 0;
    bool finite = true;
    for (size_t t = 0; t < lab->t; t++)
        for (size_t i = from; i < from + lab->c; i++) {
            double x = (double)a[t * ld + i], y = b[t * ld + i];
            finite &= isfinite(x) && isfinite(y);
            most = fmax(most, fabs(x - y));
            greatest = fmax(greatest, fabs(y));
        }
    return !finite ? INFINITY : greatest > 0 ? most / greatest : most;
}

/* The keys that the pass chose, as attn/ref takes them: [T × T]. */
static void list_seen(const struct attn *a, uint8_t *sees)
{
    if (a->use_mask)
        memcpy(sees, a->mask, a->t * a->t);
    for (size_t t = 0; a->use_lists && t < a->t; t++)
        for (size_t i = 0; i < (size_t)a->n[t]; i++)
            sees[t * a->t + (size_t)a->keys[t * a->k + i]] = 1;
}

/* chosen: over the keys of the pass, else over all past ones. */
static int compare(const struct lab *lab, bool chosen, struct equivalence *ret, struct err *err)
{
    size_t t = lab->t, c = lab->c;
    double *y = calloc(t * c, sizeof *y), *dqkv = calloc(t * 3 * c, sizeof *dqkv);
    uint8_t *sees = chosen ? calloc(t * t, sizeof *sees) : NULL;
    const struct drop drop =
        drop_of(lab->spec.seed, lab->attn.drop_name, lab->spec.model.dropout, 1, 0);
    const struct attn_ref ref = { .t = t,
                                  .c = c,
                                  .h = lab->attn.h,
                                  .qkv = lab->attn.qkv,
                                  .dy = lab->shared.dy,
                                  .rope_cos = lab->shared.rope_cos,
                                  .rope_sin = lab->shared.rope_sin,
                                  .sees = sees,
                                  .drop = &drop };
    int status = y == NULL || dqkv == NULL || (chosen && sees == NULL)
                     ? err_no_memory(err, "a layer's gradients")
                     : 0;
    if (status == 0 && chosen)
        list_seen(&lab->attn, sees);
    if (status == 0)
        status = attn_ref_run(&ref, y, dqkv, err);
    if (status == 0) {
        ret->differs[0] = distance(lab, lab->attn.y, y, 0, c);
        for (size_t part = 0; part < 3; part++)
            ret->differs[1 + part] = distance(lab, lab->shared.dqkv, dqkv, part * c, 3 * c);
    }
    free(y);
    free(dqkv);
    free(sees);
    return status;
}

static int measure(struct lab *lab, const struct attn_kernel *kernel, bool chosen,
                   struct equivalence *ret, struct err *err)
{
    struct equivalence found = { .seq_len = lab->spec.data.seq_len,
                                 .keys = attention_keys(&lab->spec.model.attention,
                                                        lab->spec.data.seq_len),
                                 .kernel = kernel->name };
    int status = chosen && found.keys >= found.seq_len ? 0 : lab_run(lab, kernel, err);
    if (status == 0 && !(chosen && found.keys >= found.seq_len))
        status = compare(lab, chosen, &found, err);
    if (status == 0)
        *ret = found;
    lab_done(lab);
    return status;
}

int equivalence_measure(const struct run_spec *spec, const struct spec_attention *attention,
                        struct equivalence *ret, struct err *err)
{
    struct lab lab = { .spec =
                           probe_layer(spec, attention, probe_layer_t(spec, attention, false)) };
    const struct attention_info *kind = attention_info_of(attention);
    if (kind->to_dense != NULL)
        kind->to_dense(&lab.spec.model.attention, lab.spec.data.seq_len);
    return measure(&lab, attn_kernel_of(attention, spec->data.seq_len), false, ret, err);
}

int equivalence_measure_own(const struct run_spec *spec, const struct spec_attention *attention,
                            struct equivalence *ret, struct err *err)
{
    struct lab lab = { .spec = probe_layer(spec, attention, probe_layer_t(spec, attention, true)) };
    struct spec_attention *own = &lab.spec.model.attention;
    own->dense_warmup_steps = own->indexer_only_steps = 0;
    if (own->top_k > lab.spec.data.seq_len)
        own->top_k = lab.spec.data.seq_len;
    return measure(&lab, attn_kernel_of(attention, spec->data.seq_len), true, ret, err);
}
