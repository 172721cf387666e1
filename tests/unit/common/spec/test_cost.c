/* Parameters, FLOPs and memory, counted by hand or compared between specifications; steps for a
 * budget; and that frozen specifications keep theirs. */
#include "common/spec/cost.h"
#include "common/spec/spec_json.h"
#include "tests/unit/common/specs.h"

#include <math.h>

static struct run_spec spec_of(const char *quoted)
{
    struct run_spec spec;
    struct err err;
    json_t *json = spec_json(quoted);
    if (run_spec_decode(json, "", &spec, &err) != 0)
        fail_msg("%s: %s", quoted, err.message);
    json_decref(json);
    return spec;
}

static struct cost cost_of(const char *quoted)
{
    const struct run_spec spec = spec_of(quoted);
    struct cost cost;
    cost_estimate(&spec, &cost);
    return cost;
}

/* Counted by hand, tensor by tensor. */
static void test_parameters(void **state)
{
    (void)state;
    int64_t layer = 2 * 256 /* norms */ + 256 * 768 /* q, k, v */ + 256 * 256 /* output */ +
                    4 * 256 /* gate */ + 4 * 2 * 256 * 512 /* experts */;
    assert_int_equal(cost_of("{'data':{'dataset':'x'}}").parameters, 257 * 256 + 4 * layer + 256);
    assert_int_equal(cost_of("{'data':{'dataset':'x'},'model':{'tied':false}}").parameters,
                     2 * 257 * 256 + 4 * layer + 256);
    int64_t indexer = 256 * (4 * 64 + 64 + 4);
    assert_int_equal(
        cost_of("{'data':{'dataset':'x'},'model':{'attention':{'kind':'dsa'}}}").parameters,
        257 * 256 + 4 * (layer + indexer) + 256);
    assert_int_equal(
        cost_of("{'data':{'dataset':'x'},'model':{'attention':{'kind':'window'}}}").parameters,
        257 * 256 + 4 * layer + 256);
    assert_int_equal(
        cost_of("{'data':{'dataset':'x'},'model':{'experts':1,'experts_per_token':1}}").parameters,
        257 * 256 + 4 * (layer - 4 * 256 - 3 * 2 * 256 * 512) + 256);
}

/* w3: half as many parameters and multiply-adds of the experts again. */
static void test_swiglu(void **state)
{
    (void)state;
    struct cost silu = cost_of("{'data':{'dataset':'x'}}"),
                swiglu = cost_of("{'data':{'dataset':'x'},'model':{'activation':'swiglu'}}");
    assert_int_equal(swiglu.parameters - silu.parameters, 4 * 4 * 256 * 512);
    assert_true(swiglu.flops_per_step - silu.flops_per_step ==
                4.0 * 3 * 2 * (16 * 128) * 2 * 256 * 512);
    assert_true(swiglu.memory_bytes - silu.memory_bytes >
                4 * 4 * (swiglu.parameters - silu.parameters));
}

/* Buffers are a micro-batch's; the work is the batch's. */
static void test_micro_batches(void **state)
{
    (void)state;
#define OF_16 "{'data':{'dataset':'x','seq_len':1024},'train':{'batch_size':16"
    struct cost whole = cost_of(OF_16 "}}"), cut = cost_of(OF_16 ",'micro_batch_size':2}}"),
                same = cost_of(OF_16 ",'micro_batch_size':16}}");
    assert_true(cut.flops_per_step == whole.flops_per_step && cut.parameters == whole.parameters);
    assert_true(cut.memory_bytes < whole.memory_bytes / 4);
    assert_int_equal(same.memory_bytes, whole.memory_bytes);
}

/* A layer costs what its attention costs. */
static void test_layers(void **state)
{
    (void)state;
#define DEEP  "{'data':{'dataset':'x','seq_len':1024},'train':{'steps':100},'model':{'attention':"
#define UPPER ",'attention_layers':[{'layers':[2,3],'attention':"
#define FEW   "{'kind':'dsa','top_k':64,'dense_warmup_steps':10}"
    struct cost dense = cost_of(DEEP "{'kind':'dense'}}}"), few = cost_of(DEEP FEW "}}"),
                mixed = cost_of(DEEP "{'kind':'dense'}" UPPER FEW "}]}}"),
                all = cost_of(DEEP "{'kind':'oracle_topk'},'attention_layers':[{'layers':[0,3],"
                                   "'attention':" FEW "}]}}");
    assert_true(2 * mixed.parameters == dense.parameters + few.parameters);
    assert_true(2 * mixed.flops_per_step == dense.flops_per_step + few.flops_per_step);
    assert_true(fabs(2 * mixed.flops_total / (dense.flops_total + few.flops_total) - 1) < 1e-12);
    assert_true(2 * mixed.memory_bytes > dense.memory_bytes + few.memory_bytes);
    assert_memory_equal(&all, &few, sizeof all);
}

/* The study's step, as measured and stated: 195 and 53 GFLOP at vocabularies of 49152 and 4096. */
static void test_the_study_s_flops(void **state)
{
    (void)state;
    static const struct {
        const char *vocab;
        double gflop;
    } steps[] = { { "49152", 195 }, { "4096", 53 } };
    for (size_t i = 0; i < 2; i++) {
        char text[128];
        snprintf(text, sizeof text, "{'data':{'dataset':'synthetic:uniform','vocab':%s}}",
                 steps[i].vocab);
        struct cost cost = cost_of(text);
        assert_true(fabs(cost.flops_per_step / 1e9 - steps[i].gflop) < 0.02 * steps[i].gflop);
        assert_true(cost.flops_total == 1000 * cost.flops_per_step);
    }
}

/* What must be more is more. */
static void test_order(void **state)
{
    (void)state;
#define LONG "{'data':{'dataset':'x','seq_len':4096},'model':{'attention':"
    double dense = cost_of(LONG "{'kind':'dense'}}}").flops_per_step;
    double narrow = cost_of(LONG "{'kind':'window','window':64}}}").flops_per_step;
    double sparse = cost_of(LONG "{'kind':'dsa','top_k':64}}}").flops_per_step;
    double frozen =
        cost_of(LONG "{'kind':'dsa','top_k':64,'indexer_training':'frozen'}}}").flops_per_step;
    double all = cost_of(LONG "{'kind':'dsa','top_k':4096}}}").flops_per_step;
    assert_true(narrow < frozen && frozen < sparse && sparse < all && dense < all &&
                frozen < dense);
    struct cost warm = cost_of(LONG "{'kind':'dsa','top_k':64,'dense_warmup_steps':500}}}");
    assert_true(warm.flops_per_step == sparse && warm.flops_total > 1000 * sparse);
    struct cost small = cost_of("{'data':{'dataset':'x'}}"),
                wide = cost_of("{'data':{'dataset':'x'},'train':{'batch_size':32}}");
    assert_true(wide.memory_bytes > small.memory_bytes &&
                wide.flops_per_step == 2 * small.flops_per_step);
    assert_true(small.memory_bytes > 16 * small.parameters);
}

/* Two windows of 4 tokens, one layer, C = 8, F = 16, counted by hand: 3·(projections 4096 + core
 * 640 or 448 + feed-forward 4096) + logits 98688 + the indexer's 1352. */
#define SMALL(attention)                                                                           \
    "{'data':{'dataset':'x','seq_len':4},'model':{'layers':1,'heads':1,'d_model':8,'d_ff':16,"     \
    "'experts':1,'experts_per_token':1,'attention':{" attention "}},'train':{'batch_size':2,"
#define SMALL_DSA                                                                                  \
    "'kind':'dsa','top_k':2,'indexer_heads':1,'indexer_dim':4,'indexer_training':'frozen',"        \
    "'dense_warmup_steps':3"
enum { DENSE = 125184, WINDOW = 124608, DSA = 125960, DSA_WARM = 126536 };

static const struct {
    const char *spec, *flops;
    int64_t steps;
    double total;
} budgets[] = {
    { SMALL("'kind':'dense'"), "1251840", 10, 10.0 * DENSE },
    { SMALL("'kind':'dense'"), "1251839", 9, 9.0 * DENSE },
    { SMALL("'kind':'dense'"), "1377023", 10, 10.0 * DENSE },
    { SMALL("'kind':'dense'"), "1", 1, DENSE },
    { SMALL("'kind':'window','window':2"), "1251840", 10, 10.0 * WINDOW },
    { SMALL("'kind':'window','window':2"), "125184000", 1004, 1004.0 * WINDOW },
    { SMALL(SMALL_DSA), "379608", 3, 3.0 * DSA_WARM },
    { SMALL(SMALL_DSA), "1261327", 9, 3.0 * DSA_WARM + 6.0 * DSA },
    { SMALL(SMALL_DSA), "1261328", 10, 3.0 * DSA_WARM + 7.0 * DSA },
};

/* What the first steps cost goes straight up to a bend, and not across one. */
static void test_bends(void **state)
{
    (void)state;
    static const struct {
        const char *spec;
        int64_t bends[2];
    } cases[] = { { SMALL("'kind':'dense'") "'steps':10}}", { 10, 10 } },
                  { SMALL(SMALL_DSA) "'steps':10}}", { 3, 10 } },
                  { SMALL(SMALL_DSA) "'steps':3}}", { 3, 3 } } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct run_spec spec = spec_of(cases[i].spec);
        const int64_t bend = cost_bend(&spec, 0);
        assert_int_equal(bend, cases[i].bends[0]);
        assert_int_equal(cost_bend(&spec, bend), cases[i].bends[1]);
        const double each = cost_flops(&spec, 1);
        assert_true(cost_flops(&spec, bend) == (double)bend * each);
        assert_true((cost_flops(&spec, 10) == 10 * each) == (bend == 10));
    }
}

static void test_steps_of_a_budget(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++) {
        char quoted[700];
        struct run_spec spec;
        struct err err = { 0 };
        snprintf(quoted, sizeof quoted, "%s'flops':%s}}", budgets[i].spec, budgets[i].flops);
        json_t *json = spec_json(quoted);
        if (run_spec_decode(json, "", &spec, &err) != 0)
            fail_msg("%s: %s", quoted, err.message);
        json_decref(json);
        assert_int_equal(spec.train.steps, budgets[i].steps);
        assert_true(spec.train.flops == 0);
        assert_true(cost_of(quoted).flops_total == budgets[i].total);
    }
    assert_true(cost_of(SMALL(SMALL_DSA) "'steps':10}}").flops_per_step == DSA);
}

/* The keys of a sink that the window still holds are seen once. */
#define SINKS                                                                                      \
    "'model':{'layers':2,'heads':2,'d_model':16,'d_ff':24,'experts':4,'experts_per_token':2,"      \
    "'attention':{'kind':'window',"

static void test_sinks(void **state)
{
    (void)state;
    assert_true(cost_of("{'data':{'dataset':'x','seq_len':12}," SINKS "'window':4,'sink':2}},"
                        "'train':{'batch_size':3}}")
                    .flops_per_step == 2087424);
    struct run_spec spec;
    struct err err;
    json_t *json = spec_json("{'data':{'dataset':'x','seq_len':128}," SINKS
                             "'window':32,'sink':16}},'train':{'flops':1e10,'batch_size':4}}");
    assert_int_equal(run_spec_decode(json, "", &spec, &err), 0);
    assert_int_equal(spec.train.steps, 274);
    json_decref(json);
}

/* As frozen when that sink was counted twice, and the same budget bought 267 steps. */
static const char frozen[] =
    "{'artifacts':['final'],'data':{'dataset':'x','documents':0,'pairs':0,'seq_len':128,'split':"
    "'documents','split_seed':0,'test_fraction':0.1,'tokenizer':'byte','tokens':0,'val_fraction':"
    "0.1,'vocab':0},'model':{'activation':'silu','attention':{'kind':'window','sink':16,'window':"
    "32},'balance_weight':0.01,'d_ff':24,'d_model':16,'dropout':0.1,'experts':4,"
    "'experts_per_token':2,'heads':2,'init':'gpt2','layers':2,'router_noise':0.1,'tied':true},"
    "'seed':1,'train':{'batch_size':4,'batch_tokens':0,'betas':[0.9,0.999],'checkpoint_every':200,"
    "'eps':1e-8,'eval_every':200,'eval_tokens':0,'eval_windows':0,'grad_clip':0,'lr':0.003,"
    "'micro_batch_size':0,'min_lr_ratio':0.1,'optimizer':'adam','schedule':'constant','steps':267,"
    "'threads':0,'warmup_steps':0,'weight_decay':0}}";

static void test_frozen_steps_stay(void **state)
{
    (void)state;
    struct run_spec spec;
    struct err err;
    char digest[DIGEST_HEX];
    json_t *json = spec_json(frozen);
    assert_int_equal(run_spec_decode(json, "", &spec, &err), 0);
    assert_int_equal(spec.train.steps, 267);
    assert_int_equal(run_spec_digest(&spec, digest, &err), 0);
    assert_string_equal(digest, "a51f25894319b3316df75a257d49af8ceaacc80c20760d1cc8e09490ebc0c840");
    json_decref(json);
}

/* A symbol more costs the output layer at the scored positions alone: B·6C each. */
static void test_scored_positions(void **state)
{
    (void)state;
    static const struct {
        const char *task;
        double scored;
    } tasks[] = { { "uniform','vocab':", 60 },
                  { "copy','vocab':", 30 },
                  { "mqar','pairs':5,'vocab':", 5 } };
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        double flops[2];
        for (int more = 0; more < 2; more++) {
            char text[200];
            snprintf(text, sizeof text, "{'data':{'seq_len':60,'dataset':'synthetic:%s%d}}",
                     tasks[i].task, more ? 164 : 64);
            flops[more] = cost_of(text).flops_per_step;
        }
        assert_true(flops[1] - flops[0] == 16 * 6.0 * 256 * 100 * tasks[i].scored);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_swiglu),
        cmocka_unit_test(test_micro_batches),
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_the_study_s_flops),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_bends),
        cmocka_unit_test(test_steps_of_a_budget),
        cmocka_unit_test(test_scored_positions),
        cmocka_unit_test(test_sinks),
        cmocka_unit_test(test_frozen_steps_stay),
    };
    return cmocka_run_group_tests_name("cost", tests, NULL, NULL);
}
