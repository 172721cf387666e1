/* POST experiments/{id}/seeds: more repetitions of what an experiment trains. Every cell's frozen
 * specification is taken again with each new seed, and nothing else of it changes. What the claims
 * make of seeds that came later is verdict/study.h's. */
#include "server/api/api.h"

#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"
#include "common/json/jsonx_fields.h"
#include "common/spec/spec_json.h"
#include "common/sweep/sweep.h"
#include "common/sweep/sweep_fields.h"
#include "server/base/options.h"
#include "server/http/exchange/exchange_request.h"
#include "server/jobs/space.h"
#include "server/objects/objects.h"
#include "server/runs/supervisor.h"
#include "server/store/runs/store_experiments.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct more {
    int64_t id, seeds[SWEEP_MAX_RUNS];
    size_t seeds_n;
    struct trained_cell *cells;
    size_t cells_n;
    struct new_run *runs; /* [seeds × cells]; spec and digest are owned, the rest is the cells' */
    size_t runs_n;
    struct experiment_row row;
};

static void forget_runs(struct more *m)
{
    for (size_t i = 0; i < m->runs_n; i++) {
        free((char *)(uintptr_t)m->runs[i].spec);
        free((char *)(uintptr_t)m->runs[i].digest);
    }
    free(m->runs);
    trained_cells_free(m->cells, m->cells_n);
    m->runs = NULL;
    m->cells = NULL;
    m->runs_n = m->cells_n = 0;
}

static void more_free(void *arg)
{
    struct more *m = arg;
    forget_runs(m);
    experiment_row_done(&m->row);
    free(m);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int take_seeds(const json_t *list, struct more *m, struct err *err)
{
    size_t n = json_array_size(list);
    if (n == 0 || n > SWEEP_MAX_RUNS)
        return err_set_at(err, ERR_OUT_OF_RANGE, "/seeds",
                          "\"seeds\" must have 1 to %d seeds, not %zu", SWEEP_MAX_RUNS, n);
    for (size_t i = 0; i < n; i++) {
        char at[sizeof err->pointer];
        snprintf(at, sizeof at, "/seeds/%zu", i);
        int status =
            jsonx_decode_value(json_array_get(list, i), &sweep_seed_row, &m->seeds[i], at, err);
        if (status < 0)
            return status;
    }
    qsort(m->seeds, n, sizeof *m->seeds, by_value);
    for (size_t i = 1; i < n; i++)
        if (m->seeds[i] == m->seeds[i - 1])
            return err_set_at(err, ERR_INVALID_VALUE, "/seeds", "seed %lld stands there twice",
                              (long long)m->seeds[i]);
    m->seeds_n = n;
    return 0;
}

int seeds_decode(struct request *req, struct err *err)
{
    struct asked {
        json_t *seeds;
    } asked = { 0 };
    static const struct jsonx_field fields[] = {
        { .key = "seeds",
          .type = JSONX_ARRAY,
          .offset = offsetof(struct asked, seeds),
          .required = true },
    };
    struct more *m = request_state(req, sizeof *m, more_free, err);
    if (m == NULL)
        return -ERR_NO_MEMORY;
    int status = request_id(req, 0, &m->id, err);
    if (status == 0)
        status = jsonx_decode(req->body, fields, 1, &asked, "", err);
    if (status == 0)
        status = take_seeds(asked.seeds, m, err);
    return status == 0 ? space_check(req->app->space, err) : status;
}

static int build_run(const struct request *req, const struct trained_cell *cell, int64_t seed,
                     struct new_run *ret, struct err *err)
{
    struct run_spec spec;
    char digest[DIGEST_HEX];
    json_t *frozen = NULL;
    int status = jsonx_load(cell->spec, strlen(cell->spec), &frozen, err);
    if (status == 0)
        status = run_spec_decode(frozen, "", &spec, err);
    json_decref(frozen);
    if (status != 0)
        return status;
    spec.seed = seed;
    *ret = (struct new_run){ .arm = cell->arm,
                             .grid = cell->grid,
                             .dataset_digest = cell->dataset_digest,
                             .cell = cell->cell,
                             .windows = cell->windows,
                             .seed = seed,
                             .priority = cell->priority,
                             .max_attempts = cell->max_attempts,
                             .exclusive = cell->exclusive,
                             .steps = spec.train.steps };
    cost_estimate(&spec, &ret->cost);
    if (ret->cost.memory_bytes > req->app->options->memory_bytes)
        return err_set(err, ERR_MODEL_TOO_LARGE,
                       "a run of arm \"%.64s\" needs about %lld MiB, and the daemon may use %lld "
                       "(--memory)",
                       cell->arm, (long long)(ret->cost.memory_bytes >> 20),
                       (long long)(req->app->options->memory_bytes >> 20));
    status = run_spec_digest(&spec, digest, err);
    if (status != 0)
        return status;
    frozen = run_spec_encode(&spec);
    ret->spec = jsonx_text(frozen, JSONX_CANONICAL);
    ret->digest = strdup(digest);
    json_decref(frozen);
    return ret->spec != NULL && ret->digest != NULL ? 0 : err_no_memory(err, "a run");
}

int seeds_read(struct request *req, struct store *store, struct err *err)
{
    struct more *m = req->state;
    int status = store_experiment_cells(store, m->id, &m->cells, &m->cells_n, err);
    if (status != 0)
        return status;
    if (m->seeds_n * m->cells_n > SWEEP_MAX_RUNS)
        return err_set_at(err, ERR_TOO_MANY_RUNS, "/seeds",
                          "%zu seeds of %zu arms and grid points are more than %d runs", m->seeds_n,
                          m->cells_n, SWEEP_MAX_RUNS);
    m->runs = calloc(m->seeds_n * m->cells_n + 1, sizeof *m->runs);
    if (m->runs == NULL)
        return err_no_memory(err, "%zu runs", m->seeds_n * m->cells_n);
    for (size_t i = 0; i < m->seeds_n && status == 0; i++)
        for (size_t c = 0; c < m->cells_n && status == 0; c++)
            status = build_run(req, &m->cells[c], m->seeds[i], &m->runs[m->runs_n++], err);
    return status;
}

int seeds_write(struct request *req, struct store *store, struct err *err)
{
    struct more *m = req->state;
    int status = store_experiment_grow(store, m->id, m->runs, m->runs_n, SWEEP_MAX_RUNS, err);
    return status == 0 ? store_experiment_get(store, m->id, &m->row, err) : status;
}

int seeds_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    struct more *m = req->state;
    forget_runs(m); /* there may be thousands, and the state is freed on the loop */
    reply_json(reply, 201, objects_experiment(&m->row), -1);
    return 0;
}

int seeds_finish(struct request *req, struct reply *reply, struct err *err)
{
    (void)reply;
    (void)err;
    supervisor_kick(req->app->supervisor);
    return 0;
}
