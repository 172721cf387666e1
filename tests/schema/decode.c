/* The daemon's decoders as filters, so that the tests can hold the written contracts against them.
 *
 *   decode             reads a spec a line; prints {"runs", "spec"} with the defaults filled in, or
 *                      {"code", "pointer", "message"} of what is wrong
 *   decode --wire      reads a message of the workers' protocol a line; prints {"type", "seq"}, or
 *                      {"code", "message"}
 *   decode --tables    prints the spec's field tables: [{"table", "rows": [{"key", "type", …}]}]
 *   decode --routes    prints the route table: [{"method", "path", "access", "body", "args"}] */
#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"
#include "common/json/jsonx_fields.h"
#include "common/spec/attention.h"
#include "common/sweep/sweep.h"
#include "common/sweep/sweep_fields.h"
#include "common/sweep/sweep_run.h"
#include "common/sweep/sweep_unused.h"
#include "common/wire/wire.h"
#include "server/base/presets.h"
#include "server/http/endpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print(json_t *take_value)
{
    struct buf text;
    buf_init(&text, 0);
    jsonx_dump(take_value, JSONX_KEEP_ORDER, &text);
    buf_addc(&text, '\n');
    fwrite(text.data, 1, text.len, stdout);
    buf_done(&text);
    json_decref(take_value);
}

/* Builds every run as well, as a submission does. */
static int check_runs(const struct sweep *sweep, struct err *err)
{
    for (size_t i = 0; i < sweep->runs_n; i++) {
        struct sweep_item item;
        int status = sweep_run(sweep, i, &item, err);
        if (status != 0)
            return status;
        json_decref(item.grid);
    }
    return 0;
}

static void decode(const char *line, size_t len)
{
    struct err err = { 0 };
    struct sweep *sweep = NULL;
    json_t *body = NULL, *spec = NULL;
    int status = jsonx_load(line, len, &body, &err);
    if (status == 0)
        status = preset_apply(body, &spec, &err);
    if (status == 0)
        status = sweep_new(spec, &sweep, &err);
    if (status == 0)
        status = sweep_goal_check(sweep, &err);
    if (status == 0)
        status = sweep_unused_check(sweep, body, &err);
    if (status == 0)
        status = check_runs(sweep, &err);
    if (status == 0)
        print(json_pack("{s:I, s:O}", "runs", (json_int_t)sweep->runs_n, "spec", sweep->spec));
    else
        print(json_pack("{s:s, s:s, s:s}", "code", err_name(status), "pointer", err.pointer,
                        "message", err.message));
    sweep_free(sweep);
    json_decref(spec);
    json_decref(body);
}

static void decode_wire(const char *line, size_t len)
{
    struct err err = { 0 };
    struct wire_message message = { 0 };
    int status = wire_decode(line, len, &message, &err);
    if (status == 0)
        print(json_pack("{s:s, s:I}", "type", wire_type_name(message.type), "seq",
                        (json_int_t)message.seq));
    else
        print(json_pack("{s:s, s:s}", "code", err_name(status), "message", err.message));
    wire_message_done(&message);
}

static json_t *row_json(const struct jsonx_field *row)
{
    json_t *choices = NULL, *preset = NULL;
    for (int i = 0; row->choices != NULL && row->choices[i] != NULL; i++) {
        if (choices == NULL)
            choices = json_array();
        json_array_append_new(choices, json_string(row->choices[i]));
    }
    if (row->preset != NULL)
        jsonx_load(row->preset, strlen(row->preset), &preset, NULL);
    return json_pack("{s:s, s:s, s:f, s:f, s:b, s:b, s:b, s:b, s:o*, s:o*}", "key", row->key,
                     "type", jsonx_type_name(row->type), "min", row->min, "max", row->max,
                     "exclusive_min", (int)row->exclusive_min, "exclusive_max",
                     (int)row->exclusive_max, "required", (int)row->required, "sparse",
                     (int)row->sparse, "choices", choices, "default", preset);
}

static json_t *table_json(const char *name, const struct jsonx_field *rows, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, row_json(&rows[i]));
    return json_pack("{s:s, s:o}", "table", name, "rows", list);
}

static void print_tables(void)
{
    const struct spec_table *const plain[] = { &spec_data_table, &spec_model_table,
                                               &spec_layer_range_table, &spec_train_table,
                                               &sweep_compare_table };
    json_t *all = json_array();
    json_array_append_new(all, table_json("experiment", sweep_table.rows, sweep_table.n));
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        json_array_append_new(all, table_json(plain[i]->name, plain[i]->rows, plain[i]->n));
    for (int kind = 0; kind < ATTENTION_KINDS; kind++) {
        const struct attention_info *row = attention_table[kind];
        char name[64];
        snprintf(name, sizeof name, "attention_%s", row->name);
        json_array_append_new(all, table_json(name, row->fields, row->fields_n));
    }
    json_array_append_new(all, table_json("layer", &spec_layer_row, 1));
    json_array_append_new(all, table_json("seeds", &sweep_seed_row, 1));
    json_array_append_new(all, table_json("tags", &sweep_tag_row, 1));
    print(all);
}

static void print_routes(void)
{
    static const char *const bodies[] = { [BODY_NONE] = "none",
                                          [BODY_JSON] = "json",
                                          [BODY_JSON_OPTIONAL] = "json or none",
                                          [BODY_UPLOAD] = "upload" };
    json_t *all = json_array();
    for (const struct endpoint *row = routes; row->path != NULL; row++)
        json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:s, s:s?}", "method", row->method,
                                             "path", row->path, "access", access_names[row->access],
                                             "body", bodies[row->body], "args", row->args));
    print(all);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *option;
        void (*print)(void);
    } tables[] = { { "--tables", print_tables }, { "--routes", print_routes } };
    char *line = NULL;
    size_t size = 0;
    for (size_t i = 0; argc == 2 && i < sizeof tables / sizeof *tables; i++)
        if (strcmp(argv[1], tables[i].option) == 0) {
            tables[i].print();
            return 0;
        }
    bool wire = argc == 2 && strcmp(argv[1], "--wire") == 0;
    for (ssize_t len; (len = getline(&line, &size, stdin)) > 0;)
        (wire ? decode_wire : decode)(line, (size_t)len);
    free(line);
    return 0;
}
