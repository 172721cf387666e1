/* Decoding goes from the outside in: the run's own keys, then each section by its table, attention
 * by its kind's table, and last the rules that involve several fields. Encoding is the inverse and
 * writes the resolved form, so that decoding what was encoded gives the same bits. */
#include "common/spec/spec_json.h"

#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"
#include "common/names.h"
#include "common/spec/attention.h"
#include "common/spec/spec_check.h"
#include "common/spec/spec_fields.h"

#include <stdio.h>
#include <string.h>

static int decode_table(const json_t *obj, const struct spec_table *table, void *out,
                        const char *base, struct err *err)
{
    char pointer[sizeof err->pointer];
    jsonx_pointer(pointer, sizeof pointer, base, table->name);
    return jsonx_decode(obj, table->rows, table->n, out, pointer, err);
}

/* Element i of the list at base. */
static void index_pointer(char *ret, size_t size, const char *base, size_t i)
{
    char index[24];
    snprintf(index, sizeof index, "%zu", i);
    jsonx_pointer(ret, size, base, index);
}

static bool is_hex(const char *text, size_t len)
{
    return strlen(text) == len && strspn(text, "0123456789abcdef") == len;
}

/* Derives data.kind from data.dataset. Errors: INVALID_VALUE. */
static int classify_dataset(struct spec_data *data, const char *pointer, struct err *err)
{
    static const char *const tasks[] = { [DATASET_UNIFORM] = "synthetic:uniform",
                                         [DATASET_MQAR] = "synthetic:mqar",
                                         [DATASET_COPY] = "synthetic:copy" };
    for (int kind = DATASET_UNIFORM; kind <= DATASET_COPY; kind++)
        if (strcmp(data->dataset, tasks[kind]) == 0) {
            data->kind = (enum dataset_kind)kind;
            return 0;
        }
    data->kind = DATASET_STORED;
    if (names_is_plain(data->dataset))
        return 0;
    if (strncmp(data->dataset, "sha256:", 7) == 0 && is_hex(data->dataset + 7, 2 * DIGEST_BYTES))
        return 0;
    return err_set_at(err, ERR_INVALID_VALUE, pointer,
                      "\"dataset\" must be a stored corpus (1 to %d letters, digits, spaces or "
                      ". _ -), sha256: and 64 hexadecimal digits, or one of %s, %s, %s",
                      NAMES_MAX, tasks[DATASET_UNIFORM], tasks[DATASET_MQAR], tasks[DATASET_COPY]);
}

/* Errors: also INCONSISTENT, when both steps and flops are given. */
static int decode_train(const json_t *obj, const char *base, struct spec_train *ret,
                        struct err *err)
{
    int status = decode_table(obj, &spec_train_table, ret, base, err);
    if (status < 0 || ret->flops == 0 || json_object_get(obj, "steps") == NULL)
        return status;
    char at[sizeof err->pointer];
    snprintf(at, sizeof at, "%s/train/flops", base);
    return err_set_at(err, ERR_INCONSISTENT, at,
                      "give steps or flops, not both (steps is %lld); flops decides the steps",
                      (long long)ret->steps);
}

void spec_budget_yield(json_t *train, bool steps, bool flops)
{
    if (steps != flops)
        json_object_del(train, steps ? "flops" : "steps");
}

/* The kind decides which table applies, so that it is read first. */
static int decode_kind(const json_t *obj, const char *pointer, int *ret, struct err *err)
{
    const json_t *kind = json_object_get(obj, "kind");
    char at[sizeof err->pointer];
    *ret = ATTENTION_DENSE;
    if (kind == NULL)
        return 0;
    jsonx_pointer(at, sizeof at, pointer, "kind");
    return jsonx_decode_value(kind, &attention_table[ATTENTION_DENSE]->fields[0], ret, at, err);
}

/* The value of "attention", by its kind's table. */
static int decode_attention(const json_t *obj, const char *pointer, struct spec_attention *ret,
                            struct err *err)
{
    int kind = ATTENTION_DENSE;
    *ret = (struct spec_attention){ 0 };
    if (obj == NULL)
        return 0;
    int status = decode_kind(obj, pointer, &kind, err);
    if (status < 0)
        return status;
    const struct attention_info *row = attention_table[kind];
    status = jsonx_decode(obj, row->fields, row->fields_n, ret, pointer, err);
    if (status < 0)
        return status;
    ret->kind = kind;
    if (ret->top_k > 0 && json_object_get(obj, "top_k_ratio") != NULL) {
        char at[sizeof err->pointer];
        jsonx_pointer(at, sizeof at, pointer, "top_k_ratio");
        return err_set_at(err, ERR_INCONSISTENT, at,
                          "give top_k or top_k_ratio, not both (top_k is %lld)",
                          (long long)ret->top_k);
    }
    return 0;
}

/* "layers": [first, last]. */
static int decode_bounds(const json_t *pair, const char *pointer, struct spec_layer_range *ret,
                         struct err *err)
{
    int64_t *const ends[] = { &ret->first, &ret->last };
    int status = 0;
    if (json_array_size(pair) != 2)
        return err_set_at(err, ERR_OUT_OF_RANGE, pointer,
                          "\"layers\" must be the first and the last layer, not %zu numbers",
                          json_array_size(pair));
    for (size_t i = 0; i < 2 && status == 0; i++) {
        char at[sizeof err->pointer];
        index_pointer(at, sizeof at, pointer, i);
        status = jsonx_decode_value(json_array_get(pair, i), &spec_layer_row, ends[i], at, err);
    }
    return status;
}

static int decode_range(const json_t *obj, const char *pointer, struct spec_layer_range *ret,
                        struct err *err)
{
    struct spec_layer_range_in in;
    char at[sizeof err->pointer];
    int status =
        jsonx_decode(obj, spec_layer_range_table.rows, spec_layer_range_table.n, &in, pointer, err);
    if (status == 0) {
        jsonx_pointer(at, sizeof at, pointer, "layers");
        status = decode_bounds(in.layers, at, ret, err);
    }
    if (status == 0) {
        jsonx_pointer(at, sizeof at, pointer, "attention");
        status = decode_attention(in.attention, at, &ret->attention, err);
    }
    return status;
}

/* The value of "attention_layers" (NULL: none) into ret's. */
static int decode_layers(const json_t *list, const char *pointer, struct spec_model *ret,
                         struct err *err)
{
    size_t n = json_array_size(list);
    int status = 0;
    if (n > SPEC_LAYERS)
        return err_set_at(err, ERR_OUT_OF_RANGE, pointer,
                          "\"attention_layers\" must have at most %d ranges, not %zu", SPEC_LAYERS,
                          n);
    for (size_t i = 0; i < n && status == 0; i++) {
        char at[sizeof err->pointer];
        index_pointer(at, sizeof at, pointer, i);
        status = decode_range(json_array_get(list, i), at, &ret->attention_layers[i], err);
    }
    ret->attention_layers_n = n;
    return status;
}

int spec_artifacts_decode(const json_t *names, const char *pointer, unsigned *ret, struct err *err)
{
    if (names == NULL) {
        *ret = 1u << ARTIFACT_FINAL;
        return 0;
    }
    const struct jsonx_field row = { .key = "artifacts",
                                     .type = JSONX_ENUM,
                                     .choices = artifact_names };
    unsigned set = 0;
    for (size_t i = 0; i < json_array_size(names); i++) {
        char at[sizeof err->pointer];
        index_pointer(at, sizeof at, pointer, i);
        int which;
        int status = jsonx_decode_value(json_array_get(names, i), &row, &which, at, err);
        if (status < 0)
            return status;
        if ((set & 1u << which) != 0)
            return err_set_at(err, ERR_INVALID_VALUE, at, "\"artifacts\" names \"%s\" twice",
                              artifact_names[which]);
        set |= 1u << which;
    }
    *ret = set;
    return 0;
}

static json_t *encode_artifacts(unsigned artifacts)
{
    json_t *names = json_array();
    for (int i = 0; i < ARTIFACTS; i++)
        if ((artifacts & 1u << i) != 0)
            json_array_append_new(names, json_string(artifact_names[i]));
    return names;
}

/* Sections may be absent; empty stands for them. */
static int decode_sections(const struct spec_run_in *in, const json_t *empty, const char *base,
                           struct run_spec *spec, struct err *err)
{
    struct spec_model_in model = { 0 };
    char pointer[sizeof err->pointer];
    int status = decode_table(in->data, &spec_data_table, &spec->data, base, err);
    if (status == 0) {
        snprintf(pointer, sizeof pointer, "%s/data/dataset", base);
        status = classify_dataset(&spec->data, pointer, err);
    }
    if (status == 0)
        status = decode_table(in->model != NULL ? in->model : empty, &spec_model_table, &model,
                              base, err);
    if (status == 0) {
        spec->model = model.model;
        snprintf(pointer, sizeof pointer, "%s/model/attention", base);
        status = decode_attention(model.attention, pointer, &spec->model.attention, err);
    }
    if (status == 0) {
        snprintf(pointer, sizeof pointer, "%s/model/attention_layers", base);
        status = decode_layers(model.attention_layers, pointer, &spec->model, err);
    }
    if (status == 0)
        status = decode_train(in->train != NULL ? in->train : empty, base, &spec->train, err);
    if (status == 0) {
        snprintf(pointer, sizeof pointer, "%s/artifacts", base);
        status = spec_artifacts_decode(in->artifacts, pointer, &spec->artifacts, err);
    }
    return status;
}

int run_spec_decode(const json_t *obj, const char *pointer, struct run_spec *ret, struct err *err)
{
    struct err ignored;
    if (err == NULL)
        err = &ignored;
    struct spec_run_in in;
    int status = jsonx_decode(obj, spec_run_table.rows, spec_run_table.n, &in, pointer, err);
    if (status < 0)
        return status;
    struct run_spec spec = { .seed = in.seed };
    json_t *empty = json_object();
    status = decode_sections(&in, empty, pointer, &spec, err);
    json_decref(empty);
    if (status == 0)
        status = spec_resolve(&spec, pointer, err);
    if (status == 0)
        *ret = spec;
    return status;
}

static json_t *encode_table(const struct spec_table *table, const void *in)
{
    return jsonx_encode(table->rows, table->n, in);
}

static json_t *encode_attention(const struct spec_attention *attention)
{
    const struct attention_info *kind = attention_info_of(attention);
    json_t *obj = jsonx_encode(kind->fields, kind->fields_n, attention);
    json_object_del(obj, "top_k_ratio"); /* where a kind has it, it was resolved into top_k */
    return obj;
}

static json_t *encode_layers(const struct spec_model *model)
{
    json_t *list = json_array();
    for (size_t i = 0; i < model->attention_layers_n; i++) {
        const struct spec_layer_range *range = &model->attention_layers[i];
        json_array_append_new(list, json_pack("{s:[I, I], s:o}", "layers", (json_int_t)range->first,
                                              (json_int_t)range->last, "attention",
                                              encode_attention(&range->attention)));
    }
    return list;
}

json_t *run_spec_encode(const struct run_spec *spec)
{
    json_t *model = encode_table(&spec_model_table, &spec->model);
    json_t *train = encode_table(&spec_train_table, &spec->train);
    json_object_del(train, "flops"); /* resolved into steps */
    json_object_set_new_nocheck(model, "attention", encode_attention(&spec->model.attention));
    if (spec->model.attention_layers_n > 0)
        json_object_set_new_nocheck(model, "attention_layers", encode_layers(&spec->model));
    return json_pack("{s:o, s:o, s:o, s:I, s:o}", "data",
                     encode_table(&spec_data_table, &spec->data), "model", model, "train", train,
                     "seed", (json_int_t)spec->seed, "artifacts",
                     encode_artifacts(spec->artifacts));
}

static int digest_json(const json_t *value, char ret[DIGEST_HEX], struct err *err)
{
    struct buf text;
    buf_init(&text, 0);
    jsonx_dump(value, JSONX_CANONICAL, &text);
    int status = 0;
    if (text.failed)
        status = err_no_memory(err, "a run's canonical form");
    else
        digest_of_hex(text.data, text.len, ret);
    buf_done(&text);
    return status;
}

int run_spec_digest(const struct run_spec *spec, char ret[DIGEST_HEX], struct err *err)
{
    json_t *frozen = run_spec_encode(spec);
    json_object_del(json_object_get(frozen, "train"), "threads");
    int status = digest_json(frozen, ret, err);
    json_decref(frozen);
    return status;
}

int run_spec_cell(const json_t *frozen, char ret[DIGEST_HEX], struct err *err)
{
    json_t *cell = json_copy((json_t *)(uintptr_t)frozen),
           *train = json_copy(json_object_get(cell, "train"));
    json_object_del(cell, "seed");
    json_object_del(cell, "artifacts");
    json_object_del(train, "threads");
    json_object_del(train, "checkpoint_every");
    if (train != NULL)
        json_object_set_new(cell, "train", train);
    int status = digest_json(cell, ret, err);
    json_decref(cell);
    return status;
}

void spec_fill_split(json_t *data)
{
    static const char synthetic[] = "synthetic:";
    const char *dataset = json_string_value(json_object_get(data, "dataset"));
    if (dataset != NULL && json_object_get(data, "split") == NULL &&
        strncmp(dataset, synthetic, strlen(synthetic)) != 0)
        json_object_set_new(data, "split", json_string("families"));
}

/* data.dataset may still be missing here: an override may bring it. Then the split waits for it. */
static int fill_data(const json_t *data, json_t **ret, struct err *err)
{
    struct spec_data filled = { 0 };
    bool named = json_object_get(data, "dataset") != NULL;
    json_t *copy = json_is_object(data) ? json_copy((json_t *)(uintptr_t)data) : json_object();
    bool split = json_object_get(copy, "split") != NULL;
    spec_fill_split(copy);
    if (!named)
        json_object_set_new(copy, "dataset", json_string("unnamed"));
    int status = decode_table(copy, &spec_data_table, &filled, "", err);
    json_decref(copy);
    if (status == 0 && named)
        status = classify_dataset(&filled, "/data/dataset", err);
    if (status < 0)
        return status;
    *ret = encode_table(&spec_data_table, &filled);
    if (!named)
        json_object_del(*ret, "dataset");
    if (!named && !split)
        json_object_del(*ret, "split");
    return 0;
}

/* Attention keeps the fields that were given: a default of one kind would be unknown to the kind
 * that an override chooses. So do the ranges of layers, since seq_len may change. */
static int fill_model(const json_t *model, json_t **ret, struct err *err)
{
    struct spec_model_in filled = { 0 };
    int status = decode_table(model, &spec_model_table, &filled, "", err);
    if (status == 0)
        status =
            decode_attention(filled.attention, "/model/attention", &filled.model.attention, err);
    if (status == 0)
        status =
            decode_layers(filled.attention_layers, "/model/attention_layers", &filled.model, err);
    if (status < 0)
        return status;
    json_t *attention = filled.attention != NULL ? json_deep_copy(filled.attention) : json_object();
    json_object_set_new(attention, "kind",
                        json_string(attention_kind_names[filled.model.attention.kind]));
    *ret = encode_table(&spec_model_table, &filled.model);
    json_object_set_new(*ret, "attention", attention);
    json_object_set_new(*ret, "attention_layers",
                        filled.attention_layers != NULL ? json_deep_copy(filled.attention_layers)
                                                        : json_array());
    return 0;
}

int spec_fill(const json_t *data, const json_t *model, const json_t *train, json_t **ret,
              struct err *err)
{
    json_t *empty = json_object(), *data_out = NULL, *model_out = NULL;
    struct spec_train filled;
    int status = fill_data(data != NULL ? data : empty, &data_out, err);
    if (status == 0)
        status = fill_model(model != NULL ? model : empty, &model_out, err);
    if (status == 0)
        status = decode_train(train != NULL ? train : empty, "", &filled, err);
    if (status == 0) {
        json_t *train_out = encode_table(&spec_train_table, &filled);
        if (filled.flops > 0) /* each run's own */
            json_object_del(train_out, "steps");
        *ret =
            json_pack("{s:O, s:O, s:o}", "data", data_out, "model", model_out, "train", train_out);
    }
    json_decref(data_out);
    json_decref(model_out);
    json_decref(empty);
    return status;
}
