/* A filter's text becomes SQL in which nothing of it stands; mistakes are told with their place and
 * with what would do; what is printed is read as the same again. */
#include "server/filter/fields.h"
#include "server/filter/filter.h"
#include "server/filter/parse.h"
#include "server/filter/print.h"
#include "server/filter/sql.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct filter filter;
static struct filter_order order;

static void parse(enum filter_of of, const char *text)
{
    struct err err = { 0 };
    if (filter_parse(&filter, of, text, &err) != 0)
        fail_msg("%s: %s", text, err.message);
}

/* The SQL of what was parsed; the caller's. */
static char *compiled(size_t *ret_values)
{
    struct filter_sql sql;
    filter_sql_init(&sql);
    filter_compile(&filter, &sql);
    assert_int_equal(filter_sql_check(&sql, NULL), 0);
    *ret_values = sql.values_n;
    char *text = buf_take(&sql.text, NULL);
    filter_sql_done(&sql);
    return text;
}

static char *printed(void)
{
    struct buf text;
    buf_init(&text, 0);
    buf_adds(&text, "");
    filter_print(&filter, &text);
    return buf_take(&text, NULL);
}

static void test_sql_and_values(void **state)
{
    (void)state;
    size_t n = 0;
    parse(FILTER_RUNS, "not (arm = \"a b\" or seed >= 4.5) and reason ~ 3");
    char *sql = compiled(&n);
    assert_string_equal(sql, "(NOT ((r.arm = ?) OR (r.seed >= ?)) AND (instr(r.reason, ?) > 0))");
    free(sql);
    assert_int_equal(n, 3);
    parse(FILTER_RUNS, "ended_at = 2026-01-31"); /* a day; what hasn't ended isn't in it */
    sql = compiled(&n);
    assert_string_equal(sql, "(ifnull((r.ended_at >= ? AND r.ended_at < ?), 0))");
    free(sql);
    parse(FILTER_RUNS, "");
    sql = compiled(&n);
    assert_string_equal(sql, "1");
    free(sql);
}

/* What is printed is what was written, or the fewer signs of it. */
static const struct {
    enum filter_of of;
    const char *text, *printed; /* NULL: the same */
} good[] = {
    { FILTER_RUNS, "state = failed", NULL },
    { FILTER_RUNS, "  state=failed  ", "state = failed" },
    { FILTER_RUNS, "NOT state = failed AND id = 1 Or arm != b",
      "state != failed and id = 1 or arm != b" },
    { FILTER_RUNS, "not not not id < 1", "not id < 1" },
    { FILTER_RUNS, "not id is null", "id is not null" },
    { FILTER_RUNS, "(id = 1 or id = 2) and not (arm = a and arm = b)", NULL },
    { FILTER_RUNS, "id = 1 and (id = 2 and id = 3)", NULL },
    { FILTER_RUNS, "((id = 1) or (id = 2)) or id = 3", "id = 1 or id = 2 or id = 3" },
    { FILTER_RUNS, "id in (1, 2,3) and arm not in (\"a\", 'b')",
      "id in (1, 2, 3) and arm not in (\"a\", \"b\")" },
    { FILTER_RUNS, "arm like 'd%' or arm not like d_%", "arm like \"d%\" or arm not like d_%" },
    { FILTER_RUNS, "arm = \"it's \"\"it\"\"\"", NULL },
    { FILTER_RUNS, "arm = 1e3 and arm = and and arm = in", NULL },
    { FILTER_RUNS, "tags.\"a key\" = 4 and tags.b > 100", NULL },
    { FILTER_RUNS, "tags.\"b\" = 4", "tags.b = 4" },
    { FILTER_RUNS, "grid.model.tied = true and params.model.tied = 0", NULL },
    { FILTER_RUNS, "params.model.d_model >= 64 and params.train.betas.1 < 1", NULL },
    { FILTER_RUNS, "params.model.attention.kind = dsa and params.seed = 1", NULL },
    { FILTER_RUNS, "params.model.attention_layers.0.attention.top_k > 3", NULL },
    { FILTER_RUNS, "metrics.val/loss = nan or metrics.val/loss = -inf or metrics.x.min < 1", NULL },
    { FILTER_RUNS, "audits.finite = fail and audits.tuning in (warn, skipped)", NULL },
    { FILTER_RUNS, "created_at >= 2026-01-31T09:05:30.250+02:00", NULL },
    { FILTER_RUNS, "started_at is null and verify is not null and name ~ x", NULL },
    { FILTER_RUNS, "experiment_id = 1 and verify.state = identical", NULL },
    { FILTER_RUNS, "reason ~ null and reason = \"null\"", NULL },
    { FILTER_EXPERIMENTS, "state = finished and arms = dsa and counts.failed > 0", NULL },
    { FILTER_EXPERIMENTS, "grid.train.lr = 0.01 and params.train.steps < 5", NULL },
    { FILTER_EXPERIMENTS, "deleted_at is null and compare.metric ~ loss and runs = 4", NULL },
    { FILTER_EXPERIMENTS, "verdict = better or verdict.dsa in (worse, invalid)", NULL },
    { FILTER_EXPERIMENTS, "verdict.\"dsa 16\" != equivalent and verdict is not null", NULL },
    { FILTER_EXPERIMENTS, "audits.learned != pass and priority = 0 and tags.a = b", NULL },
    { FILTER_EXPERIMENTS, "parent = 12 or parent is null or name = \"密 \"\"x\"\"\"", NULL },
};

static void test_what_is_printed_is_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        size_t before = 0, after = 0;
        parse(good[i].of, good[i].text);
        char *text = printed(), *sql = compiled(&before);
        assert_string_equal(text, good[i].printed != NULL ? good[i].printed : good[i].text);
        parse(good[i].of, text);
        char *again = printed(), *same = compiled(&after);
        assert_string_equal(again, text);
        assert_string_equal(same, sql);
        assert_int_equal(after, before);
        free(text);
        free(sql);
        free(again);
        free(same);
    }
}

static const struct {
    const char *text;
    int character;
    const char *said;
} bad[] = {
    { "id", 3, "one of = != < <= > >= ~, in, like, is expected, not the end" },
    { "id =", 5, "a value expected, not the end" },
    { "= 4", 1, "a field expected, not `=`" },
    { "id = 4 5", 8, "\"and\", \"or\" or the end expected, not `5`" },
    { "arm = two words", 11, "\"and\", \"or\" or the end expected, not `words`" },
    { "nosuch = 4", 1, "`nosuch` is no field of a run; known are id, experiment" },
    { "sed = 4", 1, "near: seed" },
    { "val/loss < 3", 1, "near: metrics.val/loss" },
    { "d_model = 3", 1, "near: params.model.d_model" },
    { "params.model.dmodel = 3", 1, "near: params.model.d_model" },
    { "id = 1 and grid.train.lrr = 3", 12, "near: grid.train.lr" },
    { "params.train.betas.2 = 3", 1, "is no field" }, /* has two */
    { "params.train.lr.0 = 3", 1, "is no field" },
    { "audits.causal = pass", 1, "is no field of a run; near: audits.causality" },
    { "metrics. = 4", 1, "is no field" },
    { "grid. = 4", 1, "is no field" },
    { "tags. = 4", 1, "is no field" },
    { "counts.failed = 4", 1, "is no field of a run" },
    { "verdict.dsa = better", 1, "is no field of a run" },
    { "state = done", 9,
      "`done` is no state; known are queued, running, succeeded, failed, cancelled" },
    { "state = Failed", 9, "`Failed` is no state; near: failed" },
    { "state in (failed, done)", 19, "`done` is no state" },
    { "state < failed", 7, "state has no order" },
    { "audits.finite = failed", 17, "near: fail; known are pass, skipped, warn, fail" },
    { "params.model.attention.kind = sparse", 31, "known are dense, dsa" },
    { "seed = four", 8, "seed is a number; `four` is none" },
    { "seed = nan", 8, "seed is a number; `nan` is none" },
    { "metrics.val/loss = big", 20, "is none, and not nan, inf or -inf" },
    { "metrics.val/loss.min = nan", 24, "is a number" },
    { "grid.model.tied = yes", 19, "grid.model.tied is true or false, not `yes`" },
    { "created_at = yesterday", 14, "created_at is a time, such as 2026-01-31" },
    { "created_at > 2026-02-30", 14, "is a time" },
    { "created_at > 2026-01-01T09:05:30.2x", 14, "is a time" },
    { "reason = null", 10, "\"is null\"" },
    { "ended_at is nil", 13, "\"null\" or \"not null\" expected, not `nil`" },
    { "ended_at is not nil", 17, "\"null\" expected" },
    { "id in 4", 7, "\"(\" and a list of values expected" },
    { "id in (4", 9, "\",\" or \")\" expected" },
    { "id in ()", 8, "a value expected, not `)`" },
    { "id not = 4", 8, "\"in\" or \"like\" expected" },
    { "id = 'x", 6, "a closing quote expected" },
    { "(id = 4", 8, "\"and\", \"or\" or \")\" expected" },
    { "id = 4)", 7, "the end expected" },
    { "id == 4", 5, "equality is one =" },
    { "id = 4 && id = 5", 8, "\"and\" joins tests" },
    { "id = 4 || id = 5", 8, "\"or\" joins tests" },
    { "!id = 4", 1, "\"not\" stands before a test" },
    { "id <> 4", 5, "a value expected" },
    { "id ; 4", 4, "one of = != < <= > >= ~" },
    { "1=1; DROP TABLE runs", 1, "`1` is no field" },
    { "arm = \"x\"; DROP TABLE runs", 10, "the end expected" },
    { "((((((((((((((((((id = 1))))))))))))))))))", 17, "less nesting expected" },
    { "and", 1, "`and` is no field" },
    { "not", 4, "a field expected" },
    { "arm = \xff\xfe", 7, "a text with such characters needs quotes" },
    { "arm = ä", 7, "a text with such characters needs quotes" },
    { "arm = \"ä\" and arm = ä", 21, "a text with such characters needs quotes" }, /* not bytes */
    { "seed = 9007199254740993", 8, "the integer 9007199254740993 is beyond 9007199254740991" },
};

static void test_errors_say_where(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err err = { 0 };
        int status = filter_parse(&filter, FILTER_RUNS, bad[i].text, &err);
        if (status != -ERR_BAD_PARAMETER || err.character != bad[i].character ||
            strstr(err.message, bad[i].said) == NULL)
            fail_msg("%s: %d at %d, %s", bad[i].text, status, err.character, err.message);
        assert_ptr_equal(strstr(err.message, "filter, at character "), err.message);
    }
    struct err err = { 0 };
    assert_int_equal(filter_parse(&filter, FILTER_RUNS, "arm = \"ä\" and state = done", &err),
                     -ERR_BAD_PARAMETER);
    assert_string_equal(err.context, "arm = \"ä\" and state = done\n"
                                     "                      ^^^^");
    assert_int_equal(filter_parse(&filter, FILTER_EXPERIMENTS, "state = succeeded", &err),
                     -ERR_BAD_PARAMETER);
    assert_non_null(strstr(err.message, "known are queued, running, finished, cancelled"));
}

static void test_orders(void **state)
{
    (void)state;
    struct err err = { 0 };
    assert_int_equal(filter_order_parse(&order, FILTER_RUNS, "", &err), 0);
    assert_int_equal(order.n, 0);
    assert_false(order.descending);
    assert_int_equal(filter_order_parse(&order, FILTER_EXPERIMENTS, "", &err), 0);
    assert_true(order.descending);
    assert_int_equal(filter_order_parse(&order, FILTER_RUNS,
                                        "-metrics.val/loss, created_at asc,seed desc,-id", &err),
                     0);
    assert_int_equal(order.n, 3);
    assert_true(order.keys[0].descending && order.keys[2].descending && order.descending);
    assert_false(order.keys[1].descending);
    assert_string_equal(filter_metric(&order.keys[0].ref, true), "val/loss");
    assert_int_equal(
        filter_order_parse(&order, FILTER_RUNS, "seed,arm,state,attempt,step,id", &err), 0);
    assert_int_equal(order.n, FILTER_MAX_KEYS);
    static const struct {
        const char *text;
        int character;
        const char *said;
    } wrong[] = {
        { "nosuch", 1, "is no field" },
        { "id sideways", 4, "\",\", desc, asc or the end expected" },
        { "-id desc", 5, "not both" },
        { "id, arm", 5, "id decides" },
        { "arm,", 5, "a field expected" },
        { "arm, audits.no", 6, "is no field" },
        { "a.\"b", 3, "" },
        { "seed,arm,state,attempt,step,steps", 29, "more than 5 keys beside id" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int status = filter_order_parse(&order, FILTER_RUNS, wrong[i].text, &err);
        if (status != -ERR_BAD_PARAMETER || strstr(err.message, wrong[i].said) == NULL ||
            (err.character != wrong[i].character && wrong[i].said[0] != '\0'))
            fail_msg("%s: %d at %d, %s", wrong[i].text, status, err.character, err.message);
    }
    assert_int_equal(filter_order_parse(&order, FILTER_EXPERIMENTS, "arms", &err),
                     -ERR_BAD_PARAMETER);
    assert_non_null(strstr(err.message, "has many values"));
}

static void test_bounds(void **state)
{
    (void)state;
    struct err err;
    char text[4096] = "id = 1";
    for (int i = 1; i < FILTER_MAX_TESTS; i++)
        strcat(text, " or id = 1");
    assert_int_equal(filter_parse(&filter, FILTER_RUNS, text, &err), 0);
    strcat(text, " or id = 1");
    assert_int_equal(filter_parse(&filter, FILTER_RUNS, text, &err), -ERR_BAD_PARAMETER);
    assert_non_null(strstr(err.message, "more than 64 tests"));
    strcpy(text, "id in (1");
    for (int i = 1; i < FILTER_MAX_VALUES; i++)
        strcat(text, ",1");
    strcat(text, ")");
    assert_int_equal(filter_parse(&filter, FILTER_RUNS, text, &err), 0);
    size_t n = 0;
    free(compiled(&n));
    assert_int_equal(n, FILTER_MAX_VALUES);
    strcpy(text + strlen(text) - 1, ",1)");
    assert_int_equal(filter_parse(&filter, FILTER_RUNS, text, &err), -ERR_BAD_PARAMETER);
    memset(text, ' ', FILTER_MAX_BYTES + 1);
    text[FILTER_MAX_BYTES + 1] = '\0';
    assert_int_equal(filter_parse(&filter, FILTER_RUNS, text, &err), -ERR_BAD_PARAMETER);
    text[0] = '\0';
    for (int i = 0; i < 480; i++)
        strcat(text, "not ");
    strcat(text, "id = 1");
    assert_int_equal(filter_parse(&filter, FILTER_RUNS, text, &err), 0);
    strcpy(text, "params.model.attention_layers"); /* a path that grows when it is kept */
    for (int i = 0; i < 900; i++)
        strcat(text, ".0");
    strcat(text, " = 1");
    assert_int_equal(filter_parse(&filter, FILTER_RUNS, text, &err), -ERR_BAD_PARAMETER);
}

/* Whatever the bytes: no crash, and text of the client never becomes SQL. */
static void test_noise(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "id",  "arm",  "=",         "!=",     "<",       "~",          "(",         ")",
        "and", "or",   "not",       "in",     "is",      ",",          "\"",        "'",
        "1",   "-",    "x",         ";",      "like",    "null",       "\\",        "--",
        " ",   "\x80", "metrics.a", "grid.b", "tags.\"", "2026-01-01", "created_at"
    };
    uint64_t random = 7;
    size_t taken = 0;
    for (int i = 0; i < 60000; i++) {
        char text[256] = "";
        for (int j = 0; j < 8; j++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            strcat(text, pieces[(random >> 33) % (sizeof pieces / sizeof *pieces)]);
            strcat(text, (random >> 50) & 1 ? " " : "");
        }
        struct err err = { 0 };
        size_t n = 0;
        if (filter_parse(&filter, FILTER_RUNS, text, &err) != 0) {
            assert_true(err.character > 0 && err.character <= (int)strlen(text) + 1);
            continue;
        }
        char *sql = compiled(&n);
        assert_null(strpbrk(sql, ";\\\x80"));
        free(sql);
        taken++;
    }
    assert_true(taken > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sql_and_values),   cmocka_unit_test(test_what_is_printed_is_the_same),
        cmocka_unit_test(test_errors_say_where), cmocka_unit_test(test_orders),
        cmocka_unit_test(test_bounds),           cmocka_unit_test(test_noise),
    };
    return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
