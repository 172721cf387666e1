/* Experiments: what is refused and where, how many runs, which, and in what order. */
#include "common/sweep/sweep.h"
#include "common/sweep/sweep_run.h"
#include "common/sweep/sweep_unused.h"
#include "tests/unit/common/specs.h"

#define STUDY                                                                                      \
    "'data':{'dataset':'x'},'arms':{'dense':{},'dsa':{'model.attention':{'kind':'dsa','top_k_"     \
    "ratio':0.5}}},"                                                                               \
    "'grid':{'data.seq_len':[64,128,256],'train.lr':[0.001,0.003]},'seeds':[42,43,44]"

static const struct {
    const char *spec;
    enum err_code code;
    const char *pointer, *said;
} cases[] = {
    { "{'data':{'dataset':'x'}}", 0, "", "" },
    { "{" STUDY "}", 0, "", "" },
    { "{}", ERR_MISSING_FIELD, "/data/dataset", "" },
    { "{'nope':1}", ERR_UNKNOWN_FIELD, "/nope", "" },
    { "{'name':'a\\tb','data':{'dataset':'x'}}", ERR_INVALID_VALUE, "/name", "" },
    { "{'data':{'dataset':'x'},'model':{'heads':'8'}}", ERR_WRONG_TYPE, "/model/heads", "" },
    { "{'data':{'dataset':'x'},'arms':{}}", ERR_OUT_OF_RANGE, "/arms", "1 to 64" },
    { "{'data':{'dataset':'x'},'arms':{'a\\tb':{}}}", ERR_INVALID_VALUE, "/arms/a\tb", "" },
    { "{'data':{'dataset':'x'},'arms':{'a':[]}}", ERR_WRONG_TYPE, "/arms/a", "" },
    { "{'data':{'dataset':'x'},'arms':{'a':{'seed':1}}}", ERR_UNKNOWN_FIELD, "/arms/a/seed",
      "is not the path of a field" },
    { "{'data':{'dataset':'x'},'arms':{'a':{'model.attention':{},'model.attention.kind':'dsa'}}}",
      ERR_INCONSISTENT, "/arms/a/model.attention.kind", "is a part of" },
    { "{'data':{'dataset':'x'},'grid':{'data.seq_len':64}}", ERR_WRONG_TYPE, "/grid/data.seq_len",
      "array" },
    { "{'data':{'dataset':'x'},'grid':{'data.seq_len':[]}}", ERR_OUT_OF_RANGE, "/grid/data.seq_len",
      "" },
    { "{'data':{'dataset':'x'},'grid':{'data.seq_len':[64,128,64.0]}}", ERR_INVALID_VALUE,
      "/grid/data.seq_len/2", "already" },
    { "{'data':{'dataset':'x'},'grid':{'nope':[1]}}", ERR_UNKNOWN_FIELD, "/grid/nope", "" },
    { "{'data':{'dataset':'x'},'seeds':[]}", ERR_OUT_OF_RANGE, "/seeds", "" },
    { "{'data':{'dataset':'x'},'seeds':[1,2,1]}", ERR_INVALID_VALUE, "/seeds/2", "" },
    { "{'data':{'dataset':'x'},'seeds':[1,-2]}", ERR_OUT_OF_RANGE, "/seeds/1", "" },
    { "{'data':{'dataset':'x'},'seeds':[1,'2']}", ERR_WRONG_TYPE, "/seeds/1", "" },
    { "{'data':{'dataset':'x'},'compare':{'baseline':'b'}}", ERR_INCONSISTENT, "/compare/baseline",
      "there is no arm \"b\"" },
    { "{'data':{'dataset':'x'},'compare':{'metric':'val/los'}}", ERR_INVALID_VALUE,
      "/compare/metric", "\"val/loss\", \"train/loss\"" },
    { "{'data':{'dataset':'x'},'compare':{'metric':'dsa/recall'}}", ERR_INCONSISTENT,
      "/compare/metric", "no run measures dsa/recall: that takes attention that chooses its keys" },
    { "{'data':{'dataset':'x'},'model':{'experts':1,'experts_per_token':1},"
      "'compare':{'metric':'moe/imbalance'}}",
      ERR_INCONSISTENT, "/compare/metric", "more than one expert" },
    { "{" STUDY ",'compare':{'metric':'dsa/kl'}}", 0, "", "" }, /* by one arm of two */
    { "{'data':{'dataset':'x'},'compare':{'metric':'train/lr'}}", ERR_INCONSISTENT, "/compare/goal",
      "neither less nor more train/lr is better" },
    { "{'data':{'dataset':'x'},'compare':{'metric':'train/lr','goal':'min'}}", 0, "", "" },
    { "{'data':{'dataset':'x'},'compare':{'tune':['train.lr']}}", ERR_INCONSISTENT,
      "/compare/tune/0", "not a factor" },
    { "{'data':{'dataset':'x'},'tags':{'a':1}}", ERR_WRONG_TYPE, "/tags/a", "" },
    { "{'data':{'dataset':'x'},'tags':{'a\\n':'x'}}", ERR_INVALID_VALUE, "/tags/a\n", "" },
    { "{'data':{'dataset':'x'},'priority':1001}", ERR_OUT_OF_RANGE, "/priority", "" },
    { "{'data':{'dataset':'x'},'artifacts':['x']}", ERR_INVALID_VALUE, "/artifacts/0", "" },
    { "{'arms':{'a':{'data.dataset':'x'},'b':{'data.dataset':'y'}}}", 0, "", "" },
    { "{'arms':{'a':{'data.dataset':'x'},'b':{}}}", ERR_MISSING_FIELD, "/data/dataset", "" },
};

#define COPY "'data':{'dataset':'synthetic:copy'"

/* Fields of a stored corpus, given to a synthetic task. */
static const struct {
    const char *given, *pointer; /* "" = accepted */
} without_effect[] = {
    { "{" COPY ",'vocab':9,'split_seed':3}}", "" },
    { "{" COPY ",'split':'documents','tokens':0,'documents':0,'val_fraction':0.1}}", "" },
    { "{" COPY ",'split':'windows'}}", "/data/split" },
    { "{" COPY ",'tokens':9}}", "/data/tokens" },
    { "{" COPY ",'documents':9}}", "/data/documents" },
    { "{" COPY ",'val_fraction':0.2}}", "/data/val_fraction" },
    { "{" COPY ",'test_fraction':0.2}}", "/data/test_fraction" },
    { "{'data':{'dataset':'x','split':'windows'}}", "" },
    { "{" COPY "},'arms':{'a':{},'b':{'data.split':'windows'}}}", "/arms/b/data.split" },
    { "{" COPY "},'grid':{'data.tokens':[0,9]}}", "/grid/data.tokens/1" },
    { "{'data':{'dataset':'x','split':'windows'},'arms':{'a':{},'b':{'data.dataset':"
      "'synthetic:copy'}}}",
      "" },
    { "{'data':{'dataset':'x'},'arms':{'a':{},'b':{'data.dataset':'synthetic:copy','data.tokens':"
      "5}}}",
      "/arms/b/data.tokens" },
    { "{" COPY ",'split':'windows'},'grid':{'data.dataset':['x','synthetic:copy']}}", "" },
    { "{'data':{'split':'windows'},'grid':{'data.dataset':['synthetic:uniform','synthetic:copy']}}",
      "/data/split" },
};

static void test_what_has_no_effect(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof without_effect / sizeof *without_effect; i++) {
        json_t *json = spec_json(without_effect[i].given);
        struct sweep *sweep = NULL;
        struct err err = { 0 };
        assert_int_equal(sweep_new(json, &sweep, &err), 0);
        int status = sweep_unused_check(sweep, json, &err);
        if (strcmp(err.pointer, without_effect[i].pointer) != 0)
            fail_msg("%s: %s (%s)", without_effect[i].given, err.pointer, err.message);
        assert_int_equal(status, err.pointer[0] != '\0' ? -ERR_INCONSISTENT : 0);
        sweep_free(sweep);
        json_decref(json);
    }
    /* A preset's value that was merged in before isn't the caller's. */
    json_t *merged = spec_json("{" COPY ",'split':'windows'}}"), *given = spec_json("{" COPY "}}");
    struct sweep *sweep = NULL;
    assert_int_equal(sweep_new(merged, &sweep, NULL), 0);
    assert_int_equal(sweep_unused_check(sweep, given, NULL), 0);
    sweep_free(sweep);
    json_decref(merged);
    json_decref(given);
}

static void test_what_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *json = spec_json(cases[i].spec);
        struct sweep *sweep = NULL;
        struct err err = { 0 };
        int status = sweep_new(json, &sweep, &err);
        spec_check(cases[i].spec, status, &err, cases[i].code, cases[i].pointer, cases[i].said);
        sweep_free(sweep);
        json_decref(json);
    }
}

/* Errors that only a run shows, blamed on the override that brought them. */
static const struct {
    const char *spec;
    enum err_code code;
    const char *pointer;
} runs[] = {
    { "{'data':{'dataset':'x'},'arms':{'a':{'model.heads':7}}}", ERR_INCONSISTENT,
      "/arms/a/model.heads" },
    { "{'data':{'dataset':'x'},'arms':{'a':{'model.heads':'x'}}}", ERR_WRONG_TYPE,
      "/arms/a/model.heads" },
    { "{'data':{'dataset':'x'},'arms':{'a':{'model.attention':{'kind':'dsa','top_k':-1}}}}",
      ERR_OUT_OF_RANGE, "/arms/a/model.attention/top_k" },
    { "{'data':{'dataset':'x'},'grid':{'data.seq_len':[64,1]}}", ERR_OUT_OF_RANGE,
      "/grid/data.seq_len/1" },
    { "{'data':{'dataset':'x'},'arms':{'a':{'model.attention':{'kind':'dsa','top_k':100}}},'grid':{"
      "'data.seq_len':[128,64]}}",
      ERR_INCONSISTENT, "/arms/a/model.attention/top_k" },
    { "{'data':{'dataset':'x'},'model':{'attention':{'kind':'dsa','top_k':100}},'grid':{'data.seq_"
      "len':[128,64]}}",
      ERR_INCONSISTENT, "/grid/data.seq_len/1" },
    { "{'data':{'dataset':'x'},'model':{'heads':7}}", ERR_INCONSISTENT, "/model/heads" },
    { "{'data':{'dataset':'x'},'arms':{'a':{'model.attention':7,'train.lr':1}}}", ERR_WRONG_TYPE,
      "/arms/a/model.attention" },
};

static void test_blame(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        json_t *json = spec_json(runs[i].spec);
        struct sweep *sweep = NULL;
        struct sweep_item item;
        struct err err = { 0 };
        if (sweep_new(json, &sweep, &err) != 0)
            fail_msg("%s: %s", runs[i].spec, err.message);
        int status = 0;
        for (size_t j = 0; j < sweep->runs_n && status == 0; j++)
            if ((status = sweep_run(sweep, j, &item, &err)) == 0)
                json_decref(item.grid);
        spec_check(runs[i].spec, status, &err, runs[i].code, runs[i].pointer, "");
        sweep_free(sweep);
        json_decref(json);
    }
}

static void test_the_study(void **state)
{
    (void)state;
    json_t *json =
        spec_json("{'name':'s','tags':{'t':'v'},'compare':{'tune':['train.lr']}," STUDY "}");
    struct sweep *sweep;
    struct err err;
    assert_int_equal(sweep_new(json, &sweep, &err), 0);
    assert_int_equal(sweep->runs_n, 36);
    assert_string_equal(sweep->compare.baseline, "dense"); /* the first arm */
    assert_string_equal(sweep->name, "s");
    static const int lengths[] = { 64, 128, 256 };
    static const double rates[] = { 0.001, 0.003 };
    for (size_t i = 0; i < 36; i++) {
        struct sweep_item item;
        assert_int_equal(sweep_run(sweep, i, &item, &err), 0);
        /* seed by seed, grid point by grid point, the last factor fastest, arms side by side */
        assert_int_equal(item.spec.seed, 42 + (int)(i / 12));
        assert_int_equal(item.spec.data.seq_len, lengths[i / 4 % 3]);
        assert_true(item.spec.train.lr == rates[i / 2 % 2]);
        assert_string_equal(item.arm, i % 2 ? "dsa" : "dense");
        assert_int_equal(item.spec.model.attention.kind, i % 2 ? ATTENTION_DSA : ATTENTION_DENSE);
        assert_int_equal(item.spec.model.attention.top_k, i % 2 ? lengths[i / 4 % 3] / 2 : 0);
        char *grid = json_dumps(item.grid, JSON_COMPACT | JSON_REAL_PRECISION(3));
        char wanted[64];
        snprintf(wanted, sizeof wanted, "{\"data.seq_len\":%d,\"train.lr\":%s}", lengths[i / 4 % 3],
                 i / 2 % 2 ? "0.003" : "0.001");
        assert_string_equal(grid, wanted);
        free(grid);
        json_decref(item.grid);
    }
    /* What is stored says everything, and means the same again. */
    struct sweep *again;
    assert_int_equal(sweep_new(sweep->spec, &again, &err), 0);
    assert_true(json_equal(sweep->spec, again->spec));
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(sweep->spec, "train"), "steps")), 1000);
    sweep_free(again);
    sweep_free(sweep);
    json_decref(json);
}

/* Without a goal it is the metric's own; another is for sweep_goal_check to refuse. */
static void test_the_goal(void **state)
{
    (void)state;
    static const struct {
        const char *compare, *goal;
        int check;
    } rows[] = {
        { "{}", "min", 0 },
        { "{'metric':'val/accuracy'}", "max", 0 },
        { "{'metric':'throughput/tokens_per_s'}", "max", 0 },
        { "{'metric':'val/accuracy','goal':'max'}", "max", 0 },
        { "{'metric':'val/accuracy','goal':'min'}", "min", -ERR_INCONSISTENT },
        { "{'metric':'test/loss','goal':'max'}", "max", -ERR_INCONSISTENT },
        { "{'metric':'train/grad_norm','goal':'max'}", "max", 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[256];
        struct sweep *sweep = NULL;
        struct err err = { 0 };
        snprintf(text, sizeof text, "{'data':{'dataset':'x'},'compare':%s}", rows[i].compare);
        json_t *json = spec_json(text);
        assert_int_equal(sweep_new(json, &sweep, &err), 0);
        const json_t *compare = json_object_get(sweep->spec, "compare");
        assert_string_equal(json_string_value(json_object_get(compare, "goal")), rows[i].goal);
        assert_int_equal(sweep_goal_check(sweep, &err), rows[i].check);
        if (rows[i].check != 0)
            assert_string_equal(err.pointer, "/compare/goal");
        sweep_free(sweep);
        json_decref(json);
    }
}

static void test_a_grid_value_replaces_an_arm_s(void **state)
{
    (void)state;
    json_t *json = spec_json(
        "{'data':{'dataset':'x'},'arms':{'a':{'model.attention':{'kind':'dsa','top_k':4}}},"
        "'grid':{'model.attention.top_k':[8,16]}}");
    struct sweep *sweep;
    struct sweep_item item;
    struct err err;
    assert_int_equal(sweep_new(json, &sweep, &err), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(sweep_run(sweep, i, &item, &err), 0);
        assert_int_equal(item.spec.model.attention.top_k, 8 << i);
        json_decref(item.grid);
    }
    sweep_free(sweep);
    json_decref(json);
}

/* Given at each level: the spec's own, an arm's, the grid's. A budget of 1 buys one step. */
static void test_steps_and_flops_replace_each_other(void **state)
{
    (void)state;
    static const struct {
        const char *train, *arm, *grid;
        int64_t steps;
    } levels[] = {
        { "'flops':1", "", "", 1 },
        { "'steps':7", "'train.flops':1", "", 1 },
        { "'flops':1", "'train.steps':7", "", 7 },
        { "'flops':1", "", "'train.steps':[8]", 8 },
        { "'steps':7", "", "'train.flops':[1]", 1 },
        { "'flops':1", "'train.steps':7", "'train.flops':[1]", 1 },
        { "'steps':7", "'train.flops':1", "'train.steps':[8]", 8 },
        { "'steps':7", "'train.flops':0", "", 7 },
        { "'flops':1", "'train.flops':0", "", 1000 },
    };
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        char quoted[300];
        struct sweep *sweep = NULL, *again = NULL;
        struct sweep_item item;
        struct err err = { 0 };
        snprintf(quoted, sizeof quoted,
                 "{'data':{'dataset':'x'},'train':{%s},'arms':{'a':{%s}},'grid':{%s}}",
                 levels[i].train, levels[i].arm, levels[i].grid);
        json_t *json = spec_json(quoted);
        if (sweep_new(json, &sweep, &err) != 0 || sweep_run(sweep, 0, &item, &err) != 0 ||
            sweep_new(sweep->spec, &again, &err) != 0)
            fail_msg("%s: %s", quoted, err.message);
        if (item.spec.train.steps != levels[i].steps)
            fail_msg("%s: %lld steps", quoted, (long long)item.spec.train.steps);
        assert_true(json_equal(sweep->spec, again->spec));
        json_decref(item.grid);
        sweep_free(sweep);
        sweep_free(again);
        json_decref(json);
    }
}

static json_t *count_to(int n)
{
    json_t *list = json_array();
    for (int i = 1; i <= n; i++)
        json_array_append_new(list, json_integer(i));
    return list;
}

static void test_too_many(void **state)
{
    (void)state;
    static const struct {
        int seeds, factors, values;
        enum err_code code;
        const char *said;
    } sizes[] = {
        { 10000, 0, 0, 0, "" },
        { 10001, 0, 0, ERR_TOO_MANY_RUNS, "10001 runs" },
        { 10, 1, 1000, 0, "" },
        { 100, 2, 100, ERR_TOO_MANY_RUNS, "1000000 runs" },
        { 60000, 6, 60000, ERR_TOO_MANY_RUNS, "more than 10^18" },
    };
    static const char *const paths[] = {
        "train.steps",     "train.eval_every",   "train.checkpoint_every",
        "data.split_seed", "train.eval_windows", "data.documents"
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        json_t *json = spec_json("{'data':{'dataset':'x'}}"), *grid = json_object();
        struct sweep *sweep = NULL;
        struct err err = { 0 };
        json_object_set_new(json, "seeds", count_to(sizes[i].seeds));
        for (int j = 0; j < sizes[i].factors; j++)
            json_object_set_new(grid, paths[j], count_to(sizes[i].values));
        json_object_set_new(json, "grid", grid);
        int status = sweep_new(json, &sweep, &err);
        if (status != -(int)sizes[i].code || strstr(err.message, sizes[i].said) == NULL)
            fail_msg("%d seeds: %s", sizes[i].seeds, err.message);
        sweep_free(sweep);
        json_decref(json);
    }
}

/* A stored corpus is split by families unless it is said how; a synthetic task by nothing, as ever;
 * where the arms name the corpus, by what each names. */
static void test_the_split_of_a_corpus(void **state)
{
    (void)state;
    static const struct {
        const char *spec;
        int splits[2]; /* of runs 0 and 1 */
        const char *filled;
    } rows[] = {
        { "{'data':{'dataset':'x'},'seeds':[1,2]}",
          { SPLIT_FAMILIES, SPLIT_FAMILIES },
          "families" },
        { "{'data':{'dataset':'x','split':'documents'},'seeds':[1,2]}",
          { SPLIT_DOCUMENTS, SPLIT_DOCUMENTS },
          "documents" },
        { "{'data':{'dataset':'synthetic:copy'},'seeds':[1,2]}",
          { SPLIT_DOCUMENTS, SPLIT_DOCUMENTS },
          "documents" },
        { "{'arms':{'a':{'data.dataset':'x'},'b':{'data.dataset':'synthetic:copy'}}}",
          { SPLIT_FAMILIES, SPLIT_DOCUMENTS },
          NULL },
        { "{'data':{'split':'windows'},'grid':{'data.dataset':['x','y']}}",
          { SPLIT_WINDOWS, SPLIT_WINDOWS },
          "windows" },
        { "{'data':{'dataset':'x'},'grid':{'data.split':['documents','families']}}",
          { SPLIT_DOCUMENTS, SPLIT_FAMILIES },
          "families" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *json = spec_json(rows[i].spec);
        struct sweep *sweep;
        struct err err = { 0 };
        if (sweep_new(json, &sweep, &err) != 0)
            fail_msg("%s: %s", rows[i].spec, err.message);
        const char *filled =
            json_string_value(json_object_get(json_object_get(sweep->spec, "data"), "split"));
        assert_int_equal(filled != NULL, rows[i].filled != NULL);
        if (filled != NULL)
            assert_string_equal(filled, rows[i].filled);
        for (size_t run = 0; run < 2; run++) {
            struct sweep_item item;
            assert_int_equal(sweep_run(sweep, run, &item, &err), 0);
            assert_int_equal(item.spec.data.split, rows[i].splits[run]);
            json_decref(item.grid);
        }
        sweep_free(sweep);
        json_decref(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_what_has_no_effect),
        cmocka_unit_test(test_blame),
        cmocka_unit_test(test_the_study),
        cmocka_unit_test(test_the_goal),
        cmocka_unit_test(test_a_grid_value_replaces_an_arm_s),
        cmocka_unit_test(test_steps_and_flops_replace_each_other),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_the_split_of_a_corpus),
    };
    return cmocka_run_group_tests_name("sweep", tests, NULL, NULL);
}
