/* one_change: what an arm differs in, and whether that is one thing. */
#include "tests/unit/server/fairness.h"

static const char compare[] = "\"compare\":{\"baseline\":\"dense\",\"allow\":[%s]}";

/* An experiment of these arms, as it is stored; allow: the list's inside. */
static void begin_arms(struct study *s, const char *arms, const char *grid, const char *allow)
{
    char text[2048], of[512];
    snprintf(of, sizeof of, compare, allow);
    snprintf(
        text, sizeof text,
        "{\"data\":{\"dataset\":\"x\",\"seq_len\":128},\"model\":{\"layers\":4,\"dropout\":0.1,"
        "\"attention\":{\"kind\":\"dense\"}},\"train\":{\"lr\":0.003,\"betas\":[0.9,0.999],"
        "\"weight_decay\":0,\"threads\":0,\"flops\":1e12},\"arms\":%s,\"grid\":%s,%s}",
        arms, grid, of);
    begin(s, text, 2, 2, no_grid);
}

static const struct audit_row *of(const struct study *s, const char *arm)
{
    const struct audit_row *row = NULL;
    for (size_t i = 0; i < s->found_n; i++)
        if (strcmp(s->found[i].name, "one_change") == 0 && strcmp(s->found[i].arm, arm) == 0) {
            assert_null(row);
            assert_null(s->found[i].grid);
            row = &s->found[i];
        }
    assert_non_null(row);
    return row;
}

static void expect_of(struct study *s, const char *status, const char *detail)
{
    look(s);
    const struct audit_row *row = of(s, "dsa");
    if (strcmp(row->status, status) != 0 || strcmp(row->detail, detail) != 0)
        fail_msg("%s: %s", row->status, row->detail);
    assert_string_equal(of(s, "dense")->status, "skipped");
}

static void test_what_arms_set(void **state)
{
    (void)state;
    static const struct {
        const char *arm, *model, *allow, *status, *detail;
    } rows[] = {
        { "{\"model.attention\":{\"kind\":\"dsa\"}}", ",\"attention\":{\"kind\":\"dsa\"}", "",
          "pass", "it differs from dense in attention (model.attention dsa, not dense)" },
        /* one by one, the same */
        { "{\"model.attention.kind\":\"dsa\",\"model.attention.top_k\":9}",
          ",\"attention\":{\"kind\":\"dsa\"}", "", "pass",
          "it differs from dense in attention (model.attention dsa, not dense)" },
        { "{\"model.attention\":{\"kind\":\"dsa\"},\"train.lr\":0.001,\"train.betas\":[0.9,0.95]}",
          ",\"attention\":{\"kind\":\"dsa\"}", "", "warn",
          "it differs from dense in attention (model.attention dsa, not dense) and optimiser "
          "(train.lr 0.001, not 0.003; train.betas [0.9,0.95], not [0.9,0.999]): what comes out "
          "can't be put down to one of them" },
        { "{\"model.attention\":{\"kind\":\"dsa\"},\"train.lr\":0.001,\"train.weight_decay\":0.1}",
          ",\"attention\":{\"kind\":\"dsa\"}", "\"optimiser\",\"train.weight_decay\"", "pass",
          "it differs from dense in attention (model.attention dsa, not dense); besides, allowed "
          "or of no concern: train.lr 0.001, not 0.003; train.weight_decay 0.1, not 0" },
        { "{\"model.attention\":{\"kind\":\"dsa\"},\"train.lr\":0.001,\"train.weight_decay\":0.1}",
          ",\"attention\":{\"kind\":\"dsa\"}", "\"model.attention\"", "warn",
          "it differs from dense in regularisation (train.weight_decay 0.1, not 0) and optimiser "
          "(train.lr 0.001, not 0.003): what comes out can't be put down to one of them; besides, "
          "allowed or of no concern: model.attention dsa, not dense" },
        /* set, but to what it is */
        { "{\"model.layers\":4,\"train.lr\":0.003,\"train.momentum\":0.9}", "", "", "pass",
          "it differs from dense in nothing that counts" },
        { "{\"model.layers\":4.0,\"train.momentum\":0.8}", "", "", "pass",
          "it differs from dense in optimiser (train.momentum 0.8, not 0.9)" },
        { "{\"train.threads\":2,\"model.dropout\":0,\"train.steps\":9}", "", "", "warn",
          "it differs from dense in regularisation (model.dropout 0, not 0.1) and budget "
          "(train.steps 9, not unset): what comes out can't be put down to one of them; besides, "
          "allowed or of no concern: train.threads 2, not 0" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char arms[512];
        struct study s;
        snprintf(arms, sizeof arms, "{\"dense\":{},\"dsa\":%s}", rows[i].arm);
        begin_arms(&s, arms, "{}", rows[i].allow);
        s.more[1] = rows[i].model;
        expect_of(&s, rows[i].status, rows[i].detail);
        end(&s);
    }
}

/* What the baseline alone sets is a difference of the other, too; what the grid sets is none. */
static void test_either_arm_sets(void **state)
{
    (void)state;
    struct study s;
    begin_arms(&s, "{\"dense\":{\"train.lr\":0.001},\"dsa\":{\"model.layers\":2}}", "{}", "");
    s.more[1] = NULL;
    expect_of(&s, "warn",
              "it differs from dense in model_size (model.layers 2, not 4) and optimiser (train.lr "
              "0.003, not 0.001): what comes out can't be put down to one of them");
    json_t *e = load(of(&s, "dsa")->evidence),
           *wanted =
               load("[{\"path\":\"model.layers\",\"concern\":\"model_size\",\"allowed\":false,"
                    "\"value\":2,\"baseline\":4},{\"path\":\"train.lr\",\"concern\":"
                    "\"optimiser\",\"allowed\":false,\"value\":0.003,\"baseline\":0.001}]");
    assert_true(json_equal(json_object_get(e, "differences"), wanted));
    json_decref(e);
    json_decref(wanted);
    end(&s);
    begin_arms(&s, "{\"dense\":{\"train.lr\":0.001},\"dsa\":{\"model.layers\":2}}",
               "{\"train.lr\":[0.1]}", "");
    s.more[1] = NULL;
    expect_of(&s, "pass", "it differs from dense in model_size (model.layers 2, not 4)");
    end(&s);
}

/* Two attentions of one kind: their fields. */
static void test_fields_of_one_kind(void **state)
{
    (void)state;
    struct study s;
    begin_arms(&s,
               "{\"dense\":{\"model.attention\":{\"kind\":\"dsa\"}},\"dsa\":{\"model.attention\":{"
               "\"kind\":\"dsa\",\"top_k\":16,\"kl_weight\":2}}}",
               "{}", "");
    s.more[0] = ",\"attention\":{\"kind\":\"dsa\"}";
    s.more[1] = ",\"attention\":{\"kind\":\"dsa\",\"top_k\":16,\"kl_weight\":2}";
    expect_of(&s, "pass",
              "it differs from dense in attention (model.attention.top_k 16, not 64; "
              "model.attention.kl_weight 2, not 1)");
    end(&s);
}

static void test_one_arm(void **state)
{
    (void)state;
    struct study s;
    begin(&s, plain, 1, 2, no_grid);
    look(&s);
    assert_string_equal(of(&s, "dense")->status, "skipped");
    assert_string_equal(of(&s, "dense")->detail, "there is one arm: nothing to compare");
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_arms_set),
        cmocka_unit_test(test_either_arm_sets),
        cmocka_unit_test(test_fields_of_one_kind),
        cmocka_unit_test(test_one_arm),
    };
    return cmocka_run_group_tests_name("fairness: change", tests, NULL, NULL);
}
