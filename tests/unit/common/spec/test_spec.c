/* Run specs: defaults, every rule over several fields, the frozen form and its digest. */
#include "common/spec/spec.h"
#include "common/spec/spec_fields.h"
#include "common/spec/spec_json.h"
#include "tests/unit/common/specs.h"

#define RANGES "{'data':{'dataset':'x'},'model':{'attention_layers':"

static const struct {
    const char *spec;
    enum err_code code;
    const char *pointer, *said;
} cases[] = {
    { "{'data':{'dataset':'x'}}", 0, "", "" },
    { "{}", ERR_MISSING_FIELD, "/data", "" },
    { "{'data':{}}", ERR_MISSING_FIELD, "/data/dataset", "" },
    { "{'data':{'dataset':'a/b'}}", ERR_INVALID_VALUE, "/data/dataset", "" },
    { "{'data':{'dataset':'synthetic:nosuch'}}", ERR_INVALID_VALUE, "/data/dataset", "" },
    { "{'data':{'dataset':'sha256:12'}}", ERR_INVALID_VALUE, "/data/dataset", "" },
    { "{'data':{'dataset':'x'},'nope':1}", ERR_UNKNOWN_FIELD, "/nope", "" },
    { "{'data':{'dataset':'x','nope':1}}", ERR_UNKNOWN_FIELD, "/data/nope", "" },
    { "{'data':{'dataset':'x','vocab':10}}", ERR_INCONSISTENT, "/data/vocab", "synthetic" },
    { "{'data':{'dataset':'x','val_fraction':0.5,'test_fraction':0.5}}", ERR_INCONSISTENT,
      "/data/test_fraction", "" },
    { "{'data':{'dataset':'x','val_fraction':0}}", ERR_OUT_OF_RANGE, "/data/val_fraction", "" },
    { "{'data':{'dataset':'x','seq_len':1}}", ERR_OUT_OF_RANGE, "/data/seq_len", "" },
    { "{'data':{'dataset':'x'},'model':{'heads':7}}", ERR_INCONSISTENT, "/model/heads",
      "7 does not divide 256" },
    { "{'data':{'dataset':'x'},'model':{'d_model':24,'heads':8}}", ERR_INCONSISTENT, "/model/heads",
      "must be even" },
    { "{'data':{'dataset':'x'},'model':{'experts':1}}", ERR_INCONSISTENT,
      "/model/experts_per_token", "at most experts (1)" },
    { "{'data':{'dataset':'x'},'model':{'experts':1,'experts_per_token':1}}", 0, "", "" },
    { "{'data':{'dataset':'x'},'model':{'dropout':1}}", ERR_OUT_OF_RANGE, "/model/dropout", "" },
    { "{'data':{'dataset':'x'},'model':{'attention':{'kind':'nosuch'}}}", ERR_INVALID_VALUE,
      "/model/attention/kind", "\"oracle_topk\"" },
    { "{'data':{'dataset':'x'},'model':{'attention':{'kind':'dense','top_k':4}}}",
      ERR_UNKNOWN_FIELD, "/model/attention/top_k", "" },
    { "{'data':{'dataset':'x'},'model':{'attention':{'kind':'dsa','top_k':129}}}", ERR_INCONSISTENT,
      "/model/attention/top_k", "at most seq_len (128), not 129" },
    { "{'data':{'dataset':'x'},'model':{'attention':{'kind':'dsa','top_k':4,'top_k_ratio':0.5}}}",
      ERR_INCONSISTENT, "/model/attention/top_k_ratio", "not both" },
    { "{'data':{'dataset':'x'},'model':{'attention':{'kind':'dsa','top_k_ratio':0}}}",
      ERR_OUT_OF_RANGE, "/model/attention/top_k_ratio", "" },
    { "{'data':{'dataset':'x'},'model':{'attention':{'kind':'dsa','indexer_rope':true,'indexer_dim'"
      ":6}}}",
      ERR_INCONSISTENT, "/model/attention/indexer_dim", "multiple of 4" },
    { "{'data':{'dataset':'x'},'model':{'attention':{'kind':'dsa','dense_warmup_steps':1001}}}",
      ERR_INCONSISTENT, "/model/attention/dense_warmup_steps", "" },
    { "{'data':{'dataset':'x','seq_len':32},'model':{'attention':{'kind':'window'}}}",
      ERR_INCONSISTENT, "/model/attention/window", "" },
    { "{'data':{'dataset':'x'},'model':{'attention':{'kind':'window','sink':129}}}",
      ERR_INCONSISTENT, "/model/attention/sink", "" },
    { RANGES "[]}}", 0, "", "" },
    { RANGES "[{'layers':[0,3],'attention':{}}]}}", 0, "", "" },
    { RANGES "{}}}", ERR_WRONG_TYPE, "/model/attention_layers", "" },
    { RANGES "[{'layers':[0,1]}]}}", ERR_MISSING_FIELD, "/model/attention_layers/0/attention", "" },
    { RANGES "[{'attention':{}}]}}", ERR_MISSING_FIELD, "/model/attention_layers/0/layers", "" },
    { RANGES "[{'layers':[1],'attention':{}}]}}", ERR_OUT_OF_RANGE,
      "/model/attention_layers/0/layers", "not 1" },
    { RANGES "[{'layers':[0,64],'attention':{}}]}}", ERR_OUT_OF_RANGE,
      "/model/attention_layers/0/layers/1", "" },
    { RANGES "[{'layers':[0,4],'attention':{}}]}}", ERR_INCONSISTENT,
      "/model/attention_layers/0/layers", "0 to 3; [0, 4]" },
    { RANGES "[{'layers':[2,1],'attention':{}}]}}", ERR_INCONSISTENT,
      "/model/attention_layers/0/layers", "" },
    { RANGES "[{'layers':[0,1],'attention':{}},{'layers':[1,2],'attention':{}}]}}",
      ERR_INCONSISTENT, "/model/attention_layers/1/layers", "" },
    { RANGES "[{'layers':[2,2],'attention':{}},{'layers':[1,1],'attention':{}}]}}",
      ERR_INCONSISTENT, "/model/attention_layers/1/layers", "" },
    { RANGES "[{'layers':[0,0],'attention':{'kind':'dense','top_k':4}}]}}", ERR_UNKNOWN_FIELD,
      "/model/attention_layers/0/attention/top_k", "" },
    { RANGES "[{'layers':[0,0],'attention':{}},{'layers':[1,1],'attention':{'kind':'dsa','top_k':"
             "129}}]}}",
      ERR_INCONSISTENT, "/model/attention_layers/1/attention/top_k", "at most seq_len (128)" },
    { RANGES "[{'layers':[0,0],'attention':{'kind':'window','window':200}}]}}", ERR_INCONSISTENT,
      "/model/attention_layers/0/attention/window", "" },
    { RANGES "[{'layers':[0,0],'attention':{'kind':'dsa','dense_warmup_steps':1001}}]}}",
      ERR_INCONSISTENT, "/model/attention_layers/0/attention/dense_warmup_steps", "" },
    { "{'data':{'dataset':'x'},'train':{'batch_tokens':2048}}", 0, "", "" },
    { "{'data':{'dataset':'x'},'train':{'micro_batch_size':16}}", 0, "", "" },
    { "{'data':{'dataset':'x'},'train':{'micro_batch_size':32}}", ERR_INCONSISTENT,
      "/train/micro_batch_size", "32 does not divide 16" },
    { "{'data':{'dataset':'x'},'train':{'micro_batch_size':16,'batch_tokens':1024}}",
      ERR_INCONSISTENT, "/train/micro_batch_size", "16 does not divide 8" },
    { "{'data':{'dataset':'x'},'train':{'batch_tokens':2047}}", ERR_INCONSISTENT,
      "/train/batch_tokens", "" },
    { "{'data':{'dataset':'x'},'train':{'warmup_steps':1001}}", ERR_INCONSISTENT,
      "/train/warmup_steps", "" },
    { "{'data':{'dataset':'x'},'train':{'steps':10,'flops':0}}", 0, "", "" },
    { "{'data':{'dataset':'x'},'train':{'steps':10,'flops':1e12}}", ERR_INCONSISTENT,
      "/train/flops", "not both (steps is 10)" },
    { "{'data':{'dataset':'x'},'train':{'flops':-1}}", ERR_OUT_OF_RANGE, "/train/flops", "" },
    { "{'data':{'dataset':'x'},'train':{'flops':5e18}}", ERR_INCONSISTENT, "/train/flops",
      "at most 10000000 steps" },
    { "{'data':{'dataset':'x'},'train':{'flops':1,'warmup_steps':1}}", 0, "", "" },
    { "{'data':{'dataset':'x'},'train':{'flops':1,'warmup_steps':2}}", ERR_INCONSISTENT,
      "/train/warmup_steps", "at most steps (1)" },
    { "{'data':{'dataset':'x'},'model':{'attention':{'kind':'dsa','dense_warmup_steps':2}},'train':"
      "{'flops':1}}",
      ERR_INCONSISTENT, "/model/attention/dense_warmup_steps", "at most steps (1)" },
    { "{'data':{'dataset':'x'},'train':{'weight_decay':0.1}}", ERR_INCONSISTENT,
      "/train/weight_decay", "adamw" },
    { "{'data':{'dataset':'x'},'train':{'weight_decay':0.1,'optimizer':'adamw'}}", 0, "", "" },
    { "{'data':{'dataset':'x'},'train':{'betas':[0.9,1]}}", ERR_OUT_OF_RANGE, "/train/betas/1",
      "" },
    { "{'data':{'dataset':'x'},'seed':-1}", ERR_OUT_OF_RANGE, "/seed", "" },
    { "{'data':{'dataset':'x'},'seed':9007199254740991}", 0, "", "" },
    { "{'data':{'dataset':'x'},'seed':9007199254740992}", ERR_OUT_OF_RANGE, "/seed",
      "not 9007199254740992" },
    { "{'data':{'dataset':'x'},'seed':9007199254740993}", ERR_OUT_OF_RANGE, "/seed",
      "not 9007199254740993" },
    { "{'data':{'dataset':'x'},'seed':9007199254740993.0}", ERR_OUT_OF_RANGE, "/seed", "" },
    { "{'data':{'dataset':'x'},'artifacts':['final','final']}", ERR_INVALID_VALUE, "/artifacts/1",
      "twice" },
    { "{'data':{'dataset':'x'},'artifacts':['weights']}", ERR_INVALID_VALUE, "/artifacts/0", "" },
    { "{'data':{'dataset':'synthetic:mqar','pairs':100}}", ERR_INCONSISTENT, "/data/pairs",
      "need seq_len 400" },
    { "{'data':{'dataset':'synthetic:mqar','vocab':7}}", ERR_INCONSISTENT, "/data/vocab", "" },
    { "{'data':{'dataset':'synthetic:copy','vocab':1}}", ERR_INCONSISTENT, "/data/vocab", "" },
    { "{'data':{'dataset':'synthetic:uniform','pairs':1}}", ERR_INCONSISTENT, "/data/pairs", "" },
};

static void test_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *json = spec_json(cases[i].spec);
        struct run_spec spec;
        struct err err = { 0 };
        int status = run_spec_decode(json, "", &spec, &err);
        spec_check(cases[i].spec, status, &err, cases[i].code, cases[i].pointer, cases[i].said);
        json_decref(json);
    }
}

static void decode(const char *quoted, struct run_spec *ret)
{
    struct err err;
    json_t *json = spec_json(quoted);
    if (run_spec_decode(json, "", ret, &err) != 0)
        fail_msg("%s: %s", quoted, err.message);
    json_decref(json);
}

static void test_defaults(void **state)
{
    (void)state;
    struct run_spec spec;
    decode("{'data':{'dataset':'x'}}", &spec);
    assert_int_equal(spec.data.kind, DATASET_STORED);
    assert_int_equal(spec.data.seq_len, 128);
    assert_int_equal(spec.model.layers, 4);
    assert_int_equal(spec.model.heads, 8);
    assert_int_equal(spec.model.d_model, 256);
    assert_int_equal(spec.model.d_ff, 512);
    assert_int_equal(spec.model.experts, 4);
    assert_int_equal(spec.model.attention.kind, ATTENTION_DENSE);
    assert_int_equal(spec.train.steps, 1000);
    assert_true(spec.train.lr == 0.003 && spec.train.betas[1] == 0.999 && spec.train.eps == 1e-8);
    assert_int_equal(spec.seed, 42);
    assert_int_equal(spec.artifacts, 1u << ARTIFACT_FINAL);
    assert_int_equal(run_spec_vocab(&spec), 257);
    assert_true(spec.model.tied);
}

static void test_top_k(void **state)
{
    (void)state;
    static const struct {
        const char *seq_len, *ratio;
        int64_t k;
    } ratios[] = { { "128", "0.5", 64 }, { "100", "0.29", 29 }, { "128", "0.001", 1 },
                   { "128", "1", 128 },  { "10", "0.3", 3 },    { "10", "0.35", 3 } };
    for (size_t i = 0; i < sizeof ratios / sizeof *ratios; i++) {
        static const char *const kinds[] = { "dsa", "random_topk", "oracle_topk" };
        for (size_t k = 0; k < 3; k++) {
            char text[256];
            struct run_spec spec;
            snprintf(text, sizeof text,
                     "{'data':{'dataset':'x','seq_len':%s},'model':{'attention':{'kind':'%s','top_"
                     "k_ratio':%s}}}",
                     ratios[i].seq_len, kinds[k], ratios[i].ratio);
            decode(text, &spec);
            assert_int_equal(spec.model.attention.top_k, ratios[i].k);
        }
    }
}

static const char *const sound[] = {
    "{'data':{'dataset':'x'}}",
    "{'data':{'dataset':'sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'},"
    "'seed':9007199254740991}",
    "{'data':{'dataset':'synthetic:mqar'},'model':{'attention':{'kind':'window','window':5,'sink':"
    "2}}}",
    "{'data':{'dataset':'x','seq_len':64,'split':'windows'},'model':{'init':'torch','tied':false,'"
    "attention':{'kind':'dsa',"
    "'top_k_ratio':0.3,'selection':'published','indexer_training':'frozen'}},'train':{'batch_"
    "tokens':640,'schedule':'cosine'},"
    "'artifacts':['gradients','init','attention']}",
    "{'data':{'dataset':'x'},'model':{'attention':{'kind':'random_topk'}},'artifacts':[]}",
    RANGES "[{'layers':[0,1],'attention':{'kind':'dsa','top_k_ratio':0.25}},{'layers':[3,3],"
           "'attention':{'kind':'window'}}]},'train':{'micro_batch_size':4}}",
    "{'data':{'dataset':'x'},'train':{'flops':1e13}}",
};

/* Frozen, decoded and frozen again: the same bits, and nothing left to a default. */
static void test_the_frozen_form_is_a_fixed_point(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++) {
        struct run_spec spec, again;
        struct err err;
        char digest[DIGEST_HEX], digest_again[DIGEST_HEX];
        decode(sound[i], &spec);
        json_t *frozen = run_spec_encode(&spec);
        assert_int_equal(run_spec_decode(frozen, "", &again, &err), 0);
        json_t *twice = run_spec_encode(&again);
        assert_true(json_equal(frozen, twice));
        assert_int_equal(run_spec_digest(&spec, digest, &err), 0);
        assert_int_equal(run_spec_digest(&again, digest_again, &err), 0);
        assert_string_equal(digest, digest_again);
        assert_null(json_object_get(json_object_get(json_object_get(frozen, "model"), "attention"),
                                    "top_k_ratio"));
        for (size_t j = 0; j < spec_train_table.n; j++) {
            const char *key = spec_train_table.rows[j].key;
            bool there = json_object_get(json_object_get(frozen, "train"), key) != NULL;
            assert_int_equal(there, strcmp(key, "flops") != 0 && !spec_train_table.rows[j].sparse);
        }
        json_decref(frozen);
        json_decref(twice);
    }
}

static void test_ranges_of_layers(void **state)
{
    (void)state;
    struct run_spec spec, plain;
    decode(RANGES "[{'layers':[0,1],'attention':{'kind':'dsa','top_k_ratio':0.25}},{'layers':[3,3],"
                  "'attention':{'kind':'window','window':9}}],'layers':5}}",
           &spec);
    static const int kinds[] = { ATTENTION_DSA, ATTENTION_DSA, ATTENTION_DENSE, ATTENTION_WINDOW,
                                 ATTENTION_DENSE };
    for (int64_t layer = 0; layer < 5; layer++)
        assert_int_equal(run_spec_attention(&spec, layer)->kind, kinds[layer]);
    assert_int_equal(run_spec_attention(&spec, 1)->top_k, 32);
    json_t *frozen = run_spec_encode(&spec);
    const json_t *ranges = json_object_get(json_object_get(frozen, "model"), "attention_layers");
    assert_int_equal(json_array_size(ranges), 2);
    json_decref(frozen);
    /* No ranges, no key: runs from before there were any keep their digest. */
    decode(RANGES "[]}}", &plain);
    frozen = run_spec_encode(&plain);
    assert_null(json_object_get(json_object_get(frozen, "model"), "attention_layers"));
    json_decref(frozen);
}

static void test_the_digest_is_of_what_matters(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool same;
    } pairs[] = {
        { "{'data':{'dataset':'x'}}", "{'train':{'steps':1000,'threads':7},'data':{'dataset':'x'}}",
          true },
        { "{'data':{'dataset':'x'}}", "{'data':{'dataset':'y'}}", false },
        { "{'data':{'dataset':'x'}}", "{'data':{'dataset':'x'},'seed':43}", false },
        { "{'data':{'dataset':'x'}}",
          "{'data':{'dataset':'x'},'train':{'lr':0.0030000000000000001}}", true },
        { "{'data':{'dataset':'x'},'model':{'attention':{'kind':'dsa','top_k':64}}}",
          "{'data':{'dataset':'x'},'model':{'attention':{'kind':'dsa','top_k_ratio':0.5}}}", true },
        { "{'data':{'dataset':'x'}}", RANGES "[]}}", true },
        { "{'data':{'dataset':'x'}}", RANGES "[{'layers':[0,0],'attention':{'kind':'dsa'}}]}}",
          false },
        { "{'data':{'dataset':'x'},'artifacts':['init','final']}",
          "{'data':{'dataset':'x'},'artifacts':['final','init']}", true },
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct run_spec a, b;
        struct err err;
        char of_a[DIGEST_HEX], of_b[DIGEST_HEX];
        decode(pairs[i].a, &a);
        decode(pairs[i].b, &b);
        assert_int_equal(run_spec_digest(&a, of_a, &err), 0);
        assert_int_equal(run_spec_digest(&b, of_b, &err), 0);
        assert_int_equal(strcmp(of_a, of_b) == 0, pairs[i].same);
    }
}

static void test_paths(void **state)
{
    (void)state;
    static const char *const known[] = {
        "data.seq_len", "model.attention", "model.attention.top_k", "model.attention.window",
        "train.lr",     "data.dataset",    "model.attention_layers"
    };
    static const char *const unknown[] = { "",
                                           "data",
                                           "seed",
                                           "data.",
                                           "data.nope",
                                           "model.attention.",
                                           "model.attention.nope",
                                           "model.attention_layers.0",
                                           "datax.seq_len",
                                           "data.seq_len.x",
                                           "train..lr",
                                           "artifacts" };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_true(spec_path_known(known[i]));
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        assert_false(spec_path_known(unknown[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_top_k),
        cmocka_unit_test(test_the_frozen_form_is_a_fixed_point),
        cmocka_unit_test(test_ranges_of_layers),
        cmocka_unit_test(test_the_digest_is_of_what_matters),
        cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests_name("spec", tests, NULL, NULL);
}
