/* bench: times what the trainer does, for tests/bench/run.py, a JSON line a call.
 *
 *   bench sgemm            the rate of this machine's own sgemm, 1024³, one product a thread
 *   bench dots             the same of what decides (worker/ops/dots.h)
 *   bench step SPEC        whole training steps; SPEC: a run's JSON, vocabulary as data.vocab
 *   bench attention SPEC   one layer's attention alone, forward and backward
 *
 * Each takes [--threads N] [--steps N].
 *
 * Steps are timed one by one after two that are not. What is printed: the seconds of each, the
 * FLOPs that the definition asks for (common/spec/cost.h), and the process's peak memory.
 */
#include "common/base/clock.h"
#include "common/base/simd.h"
#include "common/json/jsonx.h"
#include "common/philox.h"
#include "common/spec/cost.h"
#include "common/spec/spec_json.h"
#include "worker/attn/attn.h"
#include "worker/base/arena.h"
#include "worker/model/model.h"
#include "worker/ops/dots.h"
#include "worker/ops/gemm.h"
#include "worker/optim/optim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

struct options {
    int threads, steps;
    struct run_spec spec;
};

static void die(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(64);
}

static void check(int status, const struct err *err)
{
    if (status == 0)
        return;
    fprintf(stderr, "bench: %s %s\n", err->pointer, err->message);
    exit(65);
}

static void read_spec(const char *text, struct run_spec *ret)
{
    struct err err = { 0 };
    json_t *json = NULL;
    int status = jsonx_load(text, strlen(text), &json, &err);
    if (status == 0)
        status = run_spec_decode(json, "", ret, &err);
    check(status, &err);
    json_decref(json);
}

/* {…, "seconds":[…]} and a newline. */
static void print(json_t *facts, const double *seconds, int n)
{
    struct rusage usage;
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(list, json_real(seconds[i]));
    getrusage(RUSAGE_SELF, &usage);
    json_object_set_new(facts, "seconds", list);
    json_object_set_new(facts, "peak_bytes", json_integer((json_int_t)usage.ru_maxrss * 1024));
    json_object_set_new(facts, "blas_core", json_string(gemm_blas_core()));
    json_object_set_new(facts, "code_path", json_string(simd_path()));
    json_dumpf(facts, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(facts);
}

static double *new_seconds(int n)
{
    double *seconds = calloc((size_t)n, sizeof *seconds);
    if (seconds == NULL)
        die("no memory");
    return seconds;
}

enum { SGEMM = 1024, WARM = 2 };

static void sgemm_task(void *arg, size_t i, int thread)
{
    (void)thread;
    real *c = (real *)arg + i * 3 * SGEMM * SGEMM, *a = c + SGEMM * SGEMM, *b = a + SGEMM * SGEMM;
    gemm(SGEMM, SGEMM, SGEMM, 1, (struct mat){ a, SGEMM, false }, (struct mat){ b, SGEMM, false },
         0, c, SGEMM);
}

static void dots_task(void *arg, size_t i, int thread)
{
    (void)thread;
    real *c = (real *)arg + i * 3 * SGEMM * SGEMM, *a = c + SGEMM * SGEMM, *b = a + SGEMM * SGEMM;
    dots_kernels()->product(SGEMM, SGEMM, SGEMM, 1, a, SGEMM, b, c, SGEMM);
}

static void run_products(const struct options *o, void (*task)(void *, size_t, int))
{
    struct pool *pool;
    struct err err = { 0 };
    size_t threads = (size_t)o->threads, n = threads * 3 * SGEMM * SGEMM;
    double *seconds = new_seconds(o->steps);
    real *all = malloc(n * sizeof *all);
    if (all == NULL)
        die("no memory");
    for (size_t i = 0; i < n; i++)
        all[i] = (real)(i % 7) / 7;
    check(gemm_init(o->threads, &err), &err);
    check(pool_new(o->threads, &pool, &err), &err);
    for (int i = -WARM; i < o->steps; i++) {
        double start = clock_mono_s();
        pool_run(pool, threads, task, all);
        if (i >= 0)
            seconds[i] = clock_mono_s() - start;
    }
    double flops = 2.0 * SGEMM * SGEMM * SGEMM * (double)threads;
    print(json_pack("{s:f, s:i}", "flops", flops, "threads", o->threads), seconds, o->steps);
    pool_free(pool);
    free(all);
    free(seconds);
}

static void run_sgemm(const struct options *o)
{
    run_products(o, sgemm_task);
}

static void run_dots(const struct options *o)
{
    run_products(o, dots_task);
}

static void run_step(const struct options *o)
{
    struct err err = { 0 };
    struct cost cost;
    struct model *model;
    struct optim_stats optim;
    struct model_stats stats = { 0 };
    const struct run_spec *spec = &o->spec;
    double *seconds = new_seconds(o->steps);
    const struct philox stream = philox_stream(1, "data", "bench");
    size_t tokens = (size_t)(spec->train.batch_size * (spec->data.seq_len + 1));
    int32_t *windows = malloc(tokens * sizeof *windows);
    if (windows == NULL)
        die("no memory");
    cost_estimate(spec, &cost);
    check(model_new(spec, o->threads, &model, &err), &err);
    for (int i = -WARM; i < o->steps; i++) {
        for (size_t k = 0; k < tokens; k++)
            windows[k] = (int32_t)(philox_word(&stream, (uint64_t)(i + WARM), k) %
                                   (uint64_t)run_spec_vocab(spec));
        double start = clock_mono_s();
        model_step(model, windows, i + WARM + 1, &stats);
        optim_step(&spec->train, model_params(model), i + WARM + 1, model_pool(model), &optim);
        if (i >= 0)
            seconds[i] = clock_mono_s() - start;
    }
    print(json_pack("{s:f, s:i, s:I, s:I, s:f}", "flops", cost.flops_per_step, "threads",
                    o->threads, "parameters", (json_int_t)cost.parameters, "estimated_bytes",
                    (json_int_t)cost.memory_bytes, "loss", stats.loss),
          seconds, o->steps);
    model_free(model);
    free(windows);
    free(seconds);
}

static void run_attention(const struct options *o)
{
    struct err err = { 0 };
    const struct run_spec *spec = &o->spec;
    size_t batch = (size_t)spec->train.batch_size, n = batch * (size_t)spec->data.seq_len;
    size_t c = (size_t)spec->model.d_model;
    double *seconds = new_seconds(o->steps);
    struct params params;
    struct pool *pool;
    struct arena arena = { 0 };
    struct attn_shared shared = { 0 };
    struct attn attn;
    real *x, *out, *dx;
    check(gemm_init(o->threads, &err), &err);
    check(params_new(spec, &params, &err), &err);
    check(pool_new(o->threads, &pool, &err), &err);
    for (int round = 0; round < 2; round++) {
        attn_shared_layout(&shared, &arena, spec, batch, o->threads);
        attn_layout(&attn, &arena, &shared, spec, &params, 0, batch);
        x = arena_take(&arena, n * c, sizeof(real));
        out = arena_take(&arena, n * c, sizeof(real));
        dx = arena_take(&arena, n * c, sizeof(real));
        if (round == 0)
            check(arena_build(&arena, &err), &err);
    }
    attn_shared_fill(&shared, spec);
    const struct philox stream = philox_stream(1, "data", "bench");
    for (size_t i = 0; i < n * c; i++)
        x[i] = (real)philox_normal(&stream, 0, i);
    for (int i = -WARM; i < o->steps; i++) {
        struct batch_pass pass = { .spec = spec,
                                   .pool = pool,
                                   .batch = batch,
                                   .tokens = n,
                                   .step = (uint64_t)(i + WARM + 1) };
        double start = clock_mono_s();
        attn_forward(&attn, &pass, x, out);
        attn_backward(&attn, &pass, x, x, dx);
        if (i >= 0)
            seconds[i] = clock_mono_s() - start;
    }
    print(json_pack("{s:i}", "threads", o->threads), seconds, o->steps);
    pool_free(pool);
    arena_done(&arena);
    params_done(&params);
    free(seconds);
}

static const struct {
    const char *name;
    bool with_spec;
    void (*run)(const struct options *o);
} commands[] = {
    { "sgemm", false, run_sgemm },
    { "dots", false, run_dots },
    { "step", true, run_step },
    { "attention", true, run_attention },
};

static int number(const char *text)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*end != '\0' || value < 1 || value > 10000)
        die("--threads and --steps take a number from 1");
    return (int)value;
}

int main(int argc, char **argv)
{
    struct options o = { .threads = 1, .steps = 5 };
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++) {
        int at = 2;
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        if (commands[i].with_spec && argc <= at)
            die("which SPEC?");
        if (commands[i].with_spec)
            read_spec(argv[at++], &o.spec);
        for (; at + 1 < argc; at += 2) {
            if (strcmp(argv[at], "--threads") == 0)
                o.threads = number(argv[at + 1]);
            else if (strcmp(argv[at], "--steps") == 0)
                o.steps = number(argv[at + 1]);
            else
                die("options: --threads N --steps N");
        }
        commands[i].run(&o);
        return 0;
    }
    die("usage: bench sgemm|dots|step|attention [SPEC] [--threads N] [--steps N]");
}
