/* Numbers of arms, points, seeds and places, each by first appearance. */
#include "server/verdict/layout.h"

#include "common/json/jsonx_dump.h"
#include "server/objects/objects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *layout_reduced(const json_t *tune, const char *grid)
{
    json_t *point = objects_embed(grid);
    for (size_t i = 0; i < json_array_size(tune); i++)
        json_object_del(point, json_string_value(json_array_get(tune, i)));
    return point;
}

char *layout_key(const json_t *value)
{
    return jsonx_text(value, JSONX_CANONICAL);
}

/* The number that stands for a text; *n counts them. When memory runs out `seen` holds fewer. */
static size_t number_of(json_t *seen, const char *text, size_t *n)
{
    const json_t *known = json_object_get(seen, text);
    if (known != NULL)
        return (size_t)json_integer_value(known);
    json_object_set_new_nocheck(seen, text, json_integer((json_int_t)*n));
    return (*n)++;
}

static bool number_runs(struct layout *l, struct layout_run (*of)(const void *, size_t),
                        const void *runs)
{
    json_t *arms = json_object(), *points = json_object(), *seeds = json_object();
    for (size_t i = 0; i < l->runs_n; i++) {
        struct layout_run run = of(runs, i);
        char seed[24];
        snprintf(seed, sizeof seed, "%lld", (long long)run.seed);
        struct layout_at at = { number_of(arms, run.arm, &l->arms_n),
                                number_of(points, run.grid, &l->points_n),
                                number_of(seeds, seed, &l->seeds_n) };
        l->arms[at.arm] = run.arm;
        l->points[at.point] = run.grid;
        l->seeds[at.seed] = run.seed;
        l->at[i] = at;
    }
    bool ok = json_object_size(arms) == l->arms_n && json_object_size(points) == l->points_n &&
              json_object_size(seeds) == l->seeds_n;
    json_decref(arms);
    json_decref(points);
    json_decref(seeds);
    return ok;
}

static bool place_runs(struct layout *l)
{
    size_t n = l->seeds_n * l->points_n * l->arms_n;
    l->runs = calloc(n + 1, sizeof *l->runs);
    for (size_t i = 0; l->runs != NULL && i < n; i++)
        l->runs[i] = SIZE_MAX;
    for (size_t i = 0; l->runs != NULL && i < l->runs_n; i++)
        l->runs[(l->at[i].seed * l->points_n + l->at[i].point) * l->arms_n + l->at[i].arm] = i;
    return l->runs != NULL;
}

static bool find_places(struct layout *l, const json_t *tune)
{
    json_t *seen = json_object();
    bool ok = true;
    for (size_t point = 0; ok && point < l->points_n; point++) {
        json_t *grid = layout_reduced(tune, l->points[point]);
        char *key = layout_key(grid);
        size_t known = l->places_n;
        ok = key != NULL;
        if (ok)
            l->place_of[point] = number_of(seen, key, &l->places_n);
        if (l->places_n > known) {
            l->places[known] = (struct layout_place){ grid, key, point };
            continue;
        }
        json_decref(grid);
        free(key);
    }
    ok = ok && json_object_size(seen) == l->places_n;
    json_decref(seen);
    return ok;
}

int layout_init(struct layout *l, struct layout_run (*of)(const void *runs, size_t i),
                const void *runs, size_t n, const json_t *tune, struct err *err)
{
    *l = (struct layout){ .runs_n = n };
    l->arms = calloc(n + 1, sizeof *l->arms);
    l->points = calloc(n + 1, sizeof *l->points);
    l->seeds = calloc(n + 1, sizeof *l->seeds);
    l->at = calloc(n + 1, sizeof *l->at);
    l->place_of = calloc(n + 1, sizeof *l->place_of);
    l->places = calloc(n + 1, sizeof *l->places);
    bool ok = l->arms != NULL && l->points != NULL && l->seeds != NULL && l->at != NULL &&
              l->place_of != NULL && l->places != NULL;
    ok = ok && number_runs(l, of, runs) && place_runs(l) && find_places(l, tune);
    return ok ? 0 : err_no_memory(err, "a comparison of %zu runs", n);
}

void layout_done(struct layout *l)
{
    for (size_t i = 0; i < l->places_n; i++) {
        json_decref(l->places[i].grid);
        free(l->places[i].key);
    }
    free(l->arms);
    free(l->points);
    free(l->seeds);
    free(l->at);
    free(l->runs);
    free(l->place_of);
    free(l->places);
    *l = (struct layout){ 0 };
}

void layout_choose(const struct layout *l, const struct tuning_sum *sums, bool maximise,
                   size_t *ret)
{
    for (size_t i = 0; i < l->places_n * l->arms_n; i++)
        ret[i] = SIZE_MAX;
    for (size_t point = 0; point < l->points_n; point++)
        for (size_t arm = 0; arm < l->arms_n; arm++) {
            const struct tuning_sum *sum = &sums[point * l->arms_n + arm];
            size_t *chosen = &ret[l->place_of[point] * l->arms_n + arm];
            if (sum->runs > 0 && (*chosen == SIZE_MAX ||
                                  tuning_prefers(sum, &sums[*chosen * l->arms_n + arm], maximise)))
                *chosen = point;
        }
}
