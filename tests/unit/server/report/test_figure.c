/* The figure's script, and gnuplot on it: panels, what is chosen, what can't be smuggled in, the
 * cache. */
#include "tests/unit/server/studies.h"

#include "common/base/digest.h"
#include "server/report/figure.h"
#include "server/report/figure_pairs.h"
#include "server/report/figure_parts.h"
#include "server/report/plot.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

static void script_of(struct study *s, struct buf *to)
{
    json_t *r = report(s);
    buf_init(to, 0);
    figure_script(r, FIGURE_SVG, to);
    assert_false(to->failed);
    json_decref(r);
}

static void assert_has(const struct buf *text, const char *part)
{
    if (strstr(text->data, part) == NULL)
        fail_msg("no \"%s\" in\n%.*s", part, (int)text->len, text->data);
}

/* The spec's grid, in place of `begin`'s empty one; lives as long as the study is used. */
static void with_grid(struct study *s, const char *grid)
{
    static char spec[1024];
    const char *old = strstr(s->experiment.spec, "\"grid\":{}");
    assert_non_null(old);
    snprintf(spec, sizeof spec, "%.*s\"grid\":%s%s", (int)(old - s->experiment.spec),
             s->experiment.spec, grid, old + strlen("\"grid\":{}"));
    s->experiment.spec = spec;
}

static void fill(struct study *s)
{
    static const char *const grids[] = { "{\"data.seq_len\":64}", "{\"data.seq_len\":256}" };
    static const char *const arms[] = { "dense", "dsa" };
    begin(s, BY_LOSS);
    with_grid(s, "{\"data.seq_len\":[64,256]}");
    for (int64_t seed = 1; seed <= 2; seed++)
        for (int g = 0; g < 2; g++)
            for (int a = 0; a < 2; a++) {
                struct run_row *run = add(s, arms[a], grids[g], seed, RUN_SUCCEEDED);
                double value = 3 - g + a * 0.5 + (double)seed / 10;
                final(run, "val/loss", value, value, value);
                final(run, "time/step_s", 0.1, 0.05, 0.15);
                for (int64_t step = 10; step <= 20; step += 10)
                    s->curves[s->curves_n++] =
                        (struct curve_point){ run->id, step, value + 1.0 / (double)step };
            }
}

static void test_by_length(void **state)
{
    (void)state;
    struct study s;
    struct buf text;
    fill(&s);
    audited(&s, "causality", "dsa", "{}", "fail", "", "{}");
    script_of(&s, &text);
    /* x (dense stands a little to the left), mean and deviation of 3.1 and 3.2, and of 2.1 and 2.2
     */
    assert_has(&text, "$judged_0 << END\n 63.4");
    assert_has(&text, " 3.15 0.0707106781\n");
    assert_has(&text, "set xtics nomirror ('64' 64, '256' 256)");
    assert_has(&text, "set logscale x");
    assert_has(&text, "'val/loss by step, L = 256'");
    /* curves at 256 only, with the band from least to greatest seed */
    assert_has(&text, "$curve_0 << END\n 10 2.25 2.2 2.3\n 20 ");
    assert_has(&text, "title 'dsa (invalid)'");
    assert_has(&text, "title 'dense'");
    assert_has(&text, "'Time a step'");
    assert_has(&text, "with yerrorbars");
    buf_done(&text);
}

/* No factor: a mark an arm. Nothing measured: the panel says so instead of failing. */
static void test_without_a_factor(void **state)
{
    (void)state;
    struct study s;
    struct buf text;
    begin(&s, BY_LOSS);
    final(add(&s, "dense", "{}", 1, RUN_SUCCEEDED), "val/loss", 2, 2, 2);
    final(add(&s, "dsa", "{}", 1, RUN_SUCCEEDED), "val/loss", NAN, 1, 3);
    script_of(&s, &text);
    assert_has(&text, "set xtics nomirror ('dense' 1, 'dsa' 2)");
    assert_has(&text, "$judged_0 << END\n 1 2 0\nEND");
    assert_has(&text, "$judged_1 << END\n 2 NaN 0\nEND");
    assert_has(&text, "'dsa (1 diverged)'");
    assert_has(&text, "nothing measured yet");
    buf_done(&text);
}

/* After tuning each arm is drawn with the value that it chose. */
static void test_tuned(void **state)
{
    (void)state;
    struct study s;
    struct buf text;
    begin(&s, "{\"metric\":\"val/loss\",\"goal\":\"min\",\"at\":\"last\",\"baseline\":\"dense\","
              "\"tune\":[\"train.lr\"]}");
    with_grid(&s, "{\"train.lr\":[0.1,0.2]}");
    for (int a = 0; a < 2; a++)
        for (int g = 0; g < 2; g++) {
            struct run_row *run =
                add(&s, a == 0 ? "dense" : "dsa",
                    g == 0 ? "{\"train.lr\":0.1}" : "{\"train.lr\":0.2}", 1, RUN_SUCCEEDED);
            final(run, "val/loss", a == g ? 1 : 2, 1, 2);
            final(run, "test/loss", 10 * a + g, 0, 99);
        }
    script_of(&s, &text);
    assert_has(&text, "'Final test/loss'");
    assert_has(&text, "$judged_0 << END\n 1 0 0\nEND");
    assert_has(&text, "$judged_1 << END\n 2 11 0\nEND");
    buf_done(&text);
}

/* What decides isn't drawn twice: four panels, four things. */
static void test_no_panel_twice(void **state)
{
    (void)state;
    static const struct {
        const char *compare, *titles[3];
    } rows[] = {
        { "val/loss", { "'Final val/loss'", "'Accuracy'", "'Time a step'" } },
        { "val/accuracy", { "'Final val/accuracy'", "'Loss'", "'Time a step'" } },
        { "test/accuracy", { "'Final test/accuracy'", "'Loss'", "'Time a step'" } },
        { "time/step_s", { "'Final time/step_s'", "'Accuracy'", "'Loss'" } },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct study s;
        struct buf text;
        char compare[128];
        snprintf(compare, sizeof compare, "{\"metric\":\"%s\",\"baseline\":\"dense\"}",
                 rows[i].compare);
        begin(&s, compare);
        struct run_row *run = add(&s, "dense", "{}", 1, RUN_SUCCEEDED);
        final(run, strncmp(rows[i].compare, "test", 4) == 0 ? "test/loss" : "val/loss", 2.5, 2.5,
              2.5);
        script_of(&s, &text);
        for (size_t panel = 0; panel < 3; panel++)
            assert_has(&text, rows[i].titles[panel]);
        if (i > 0)
            assert_has(&text, "$loss_0 << END\n 1 2.5 0\nEND");
        buf_done(&text);
    }
}

/* Six seeds, dsa worse by 0.01 a seed's number; two lengths, at the second of which it diverges in
 * the third seed and is lost in the fourth. */
static void fill_pairs(struct study *s)
{
    static const char *const grids[] = { "{\"data.seq_len\":64}", "{\"data.seq_len\":256}" };
    begin(s, BY_LOSS);
    with_grid(s, "{\"data.seq_len\":[64,256]}");
    for (int64_t seed = 1; seed <= 6; seed++)
        for (int g = 0; g < 2; g++) {
            final(add(s, "dense", grids[g], seed, RUN_SUCCEEDED), "val/loss", 2, 2, 2);
            double value = g == 1 && seed == 3 ? (double)NAN : 2 + 0.01 * (double)seed;
            final(add(s, "dsa", grids[g], seed, g == 1 && seed == 4 ? RUN_FAILED : RUN_SUCCEEDED),
                  "val/loss", value, 2, 3);
        }
}

static size_t lines_of(const struct buf *text, const char *block)
{
    size_t n = 0;
    const char *at = strstr(text->data, block);
    assert_non_null(at);
    for (at = strchr(at, '\n') + 1; strncmp(at, "END\n", 4) != 0; at = strchr(at, '\n') + 1)
        n++;
    return n;
}

/* A row a claim: its seeds, mean, interval, and what became of its pairs. */
static void test_pairs(void **state)
{
    (void)state;
    struct study s;
    struct buf text;
    fill_pairs(&s);
    script_of(&s, &text);
    assert_has(&text, "set terminal svg size 1000,1008 "); /* 760 + 44 + 96 + 3 rows of 36 */
    assert_has(&text, "'val/loss: differences to dense, paired by seed'");
    assert_has(&text,
               "set ytics scale 0 font ',10' ('dsa, mean over the grid' 1, 'dsa, seq_len 64' 2, "
               "'dsa, seq_len 256' 3)");
    assert_has(&text, "'undetermined: 5 of 6 pairs, 1 lost by one, 1 diverged (dsa)' 1, "
                      "'worse: 6 of 6 pairs' 2, ");
    /* of the second row: the first seed on top, in dsa's colour */
    assert_int_equal(lines_of(&text, "$pairs << END"), 4 + 6 + 4);
    assert_has(&text, "\n 0.01 1.79166667 0x60D55E00\n 0.02 1.875 0x60D55E00\n");
    assert_int_equal(lines_of(&text, "$diverged << END"), 2);
    assert_has(&text, "\n 0.063 1 0x00D55E00\n 0.063 3 0x00D55E00\nEND");
    assert_has(&text, "$means << END\n NaN 1\n 0.035 2\n NaN 3\nEND");
    /* low and length; of five pairs there is none */
    assert_has(&text, "$spans << END\n NaN 1 NaN\n 0.01 2 0.05\n NaN 3 NaN\nEND");
    assert_has(&text, "rectangle from -0.01, graph 0 to 0.01, graph 1");
    assert_has(&text, "Band: within ±0.01. Cross: one of the two diverged. '");
    buf_done(&text);
}

/* Shares in points; no band without a margin; and nothing where there is nothing to compare. */
static void test_pairs_of_shares(void **state)
{
    (void)state;
    struct study s;
    struct buf text;
    begin(&s, "{\"metric\":\"val/accuracy\",\"goal\":\"max\",\"baseline\":\"dense\"}");
    final(add(&s, "dense", "{}", 1, RUN_SUCCEEDED), "val/accuracy", 0.5, 0.5, 0.5);
    script_of(&s, &text);
    assert_has(&text, "set terminal svg size 1000,760 ");
    assert_null(strstr(text.data, "paired by seed"));
    buf_done(&text);
    struct run_row *run = add(&s, "dsa", "{}", 1, RUN_RUNNING);
    script_of(&s, &text);
    assert_has(&text, "'No seed has a value of both arms yet.'");
    buf_done(&text);
    run->state = RUN_SUCCEEDED;
    final(run, "val/accuracy", 0.625, 0.5, 0.7);
    script_of(&s, &text);
    assert_has(&text, "$pairs << END\n 12.5 1 0x60D55E00\nEND");
    assert_has(&text, "'Δ val/accuracy, points'");
    assert_null(strstr(text.data, "Band: within"));
    assert_null(strstr(text.data, "rectangle from"));
    buf_done(&text);
}

/* However many claims, the page stays bounded, and says what it leaves out. */
static void test_many_claims(void **state)
{
    (void)state;
    static char grids[8][32];
    static const char *const arms[] = { "dense", "a", "b", "c", "d", "e", "f", "g", "h", "i" };
    struct study s;
    struct buf text;
    begin(&s, BY_LOSS);
    with_grid(&s, "{\"data.seq_len\":[1,2,3,4,5,6,7,8]}");
    for (int g = 0; g < 8; g++)
        for (size_t a = 0; a < 10; a++) {
            snprintf(grids[g], sizeof grids[g], "{\"data.seq_len\":%d}", g + 1);
            final(add(&s, arms[a], grids[g], 1, RUN_SUCCEEDED), "val/loss", 2, 2, 2);
        }
    script_of(&s, &text);
    assert_has(&text, "set terminal svg size 1000,1604 "); /* 760 + 44 + 96 + 32 rows of 22 */
    assert_has(&text, "32 of 81 claims are shown; the report has all.");
    assert_int_equal(lines_of(&text, "$pairs << END"), FIGURE_PAIRS_MAX);
    assert_int_equal(lines_of(&text, "$means << END"), FIGURE_PAIRS_MAX);
    buf_done(&text);
}

/* Names come from people: nothing of them is run, and no line of the script is theirs. */
static void test_text_stays_text(void **state)
{
    (void)state;
    struct study s;
    struct buf text;
    fill(&s);
    static char name[] = "a'; system('touch /tmp/x') `id`\n\\\"";
    s.experiment.name = name;
    script_of(&s, &text);
    assert_has(&text, "'a ; system( touch /tmp/x )  id   \"'");
    assert_null(strchr(text.data, '`'));
    buf_done(&text);
}

static bool installed(void)
{
    return system("command -v gnuplot >/dev/null 2>&1") == 0;
}

static size_t count(const char *folder, const char *prefix)
{
    size_t n = 0;
    DIR *dir = opendir(folder);
    for (const struct dirent *e; (e = readdir(dir)) != NULL;)
        n += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
    closedir(dir);
    return n;
}

/* What becomes of the panel in the picture: a mark a seed, and text that stays text there as well. */
static void test_pairs_drawn(void **state)
{
    (void)state;
    char folder[] = "/tmp/ablate-figure-XXXXXX", command[128];
    static char name[] = "<b>&\"'";
    struct study s;
    struct buf text, picture;
    struct err err = { 0 };
    size_t dots = 0, crosses = 0;
    if (!installed())
        skip();
    assert_non_null(mkdtemp(folder));
    fill_pairs(&s);
    s.experiment.name = name;
    script_of(&s, &text);
    buf_init(&picture, 0);
    if (plot_make(folder, "pairs", "svg", &text, &picture, &err) != 0)
        fail_msg("%s", err.message);
    const char *at = strstr(picture.data, "id=\"gnuplot_plot_3f\""); /* the sixth plot's dots */
    assert_non_null(at);
    assert_non_null(strstr(picture.data, "differences to dense, paired by seed"));
    assert_non_null(strstr(picture.data, "dsa, mean over the grid"));
    assert_non_null(strstr(picture.data, "worse: 6 of 6 pairs"));
    for (; (at = strstr(at, "<use xlink:href='#gpPt")) != NULL; at++) {
        dots += strncmp(at, "<use xlink:href='#gpPt6'", 24) == 0;
        crosses += strncmp(at, "<use xlink:href='#gpPt1'", 24) == 0;
    }
    assert_int_equal(dots, 14);
    assert_int_equal(crosses, 2);
    assert_non_null(strstr(picture.data, "&lt;b>&amp;"));
    assert_null(strstr(picture.data, "<b>"));
    buf_done(&text);
    buf_done(&picture);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

static void test_gnuplot_draws_it(void **state)
{
    (void)state;
    char folder[] = "/tmp/ablate-figure-XXXXXX", tag[DIGEST_HEX], command[128];
    struct study s;
    struct buf text, picture;
    if (!installed())
        skip();
    assert_non_null(mkdtemp(folder));
    fill(&s);
    json_t *r = report(&s);
    for (int format = 0; format < FIGURE_FORMATS; format++) {
        buf_init(&text, 0);
        buf_init(&picture, 0);
        figure_script(r, (enum figure_format)format, &text);
        digest_of_hex(text.data, text.len, tag);
        struct err err = { 0 };
        if (plot_make(folder, tag, figure_format_names[format], &text, &picture, &err) != 0)
            fail_msg("%s", err.message);
        assert_true(picture.len > 1000);
        if (format == FIGURE_SVG)
            assert_non_null(strstr(picture.data, "<svg"));
        else
            assert_memory_equal(picture.data, "\x89PNG", 4);
        buf_done(&text);
        buf_done(&picture);
    }
    json_decref(r);
    assert_int_equal(count(folder, "figure-"), 2);
    assert_int_equal(count(folder, "drawing-"), 0);

    /* What has been drawn isn't drawn again: this script would fail. */
    struct err err = { 0 };
    buf_init(&picture, 0);
    buf_init(&text, 0);
    buf_adds(&text, "this is no command\n");
    assert_int_equal(plot_make(folder, tag, "png", &text, &picture, NULL), 0);
    assert_int_equal(plot_make(folder, "other", "png", &text, &picture, &err), -ERR_INTERNAL);
    assert_non_null(strstr(err.message, "gnuplot failed"));
    assert_int_equal(count(folder, "drawing-"), 0);

    /* The folder stays bounded. */
    for (int i = 0; i < PLOT_KEPT + 5; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/figure-%d.svg", folder, i);
        fclose(fopen(path, "w"));
    }
    buf_clear(&text);
    buf_adds(&text, "set terminal svg\nplot x\n");
    assert_int_equal(plot_make(folder, "new", "svg", &text, &picture, NULL), 0);
    assert_int_equal(count(folder, "figure-"), PLOT_KEPT);
    assert_int_equal(count(folder, "figure-new.svg"), 1);
    buf_done(&text);
    buf_done(&picture);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

static void test_without_gnuplot(void **state)
{
    (void)state;
    char folder[] = "/tmp/ablate-figure-XXXXXX", command[128], path[4096];
    struct err err = { 0 };
    struct buf text, picture;
    assert_non_null(mkdtemp(folder));
    buf_init(&text, 0);
    buf_init(&picture, 0);
    buf_adds(&text, "plot x\n");
    snprintf(path, sizeof path, "%s", getenv("PATH"));
    setenv("PATH", folder, 1);
    assert_int_equal(plot_make(folder, "tag", "svg", &text, &picture, &err), -ERR_UNAVAILABLE);
    setenv("PATH", path, 1);
    assert_non_null(strstr(err.message, "gnuplot-nox"));
    assert_int_equal(count(folder, "drawing-"), 0);
    buf_done(&text);
    buf_done(&picture);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

/* A character without a font would be drawn over the whole page (U+E000 is nobody's). */
static void test_drawable(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 0);
    buf_adds(&text, "\uE000 before; plain ");
    size_t from = text.len;
    buf_adds(&text, "a\uE000b\u200d\uFE0F c");
    figure_only_drawable(&text, from);
    assert_memory_equal(text.data, "\uE000 before; plain a", from + 1);
    const char *rest = text.data + from;
    if (strstr(rest, "\uFFFD") != NULL)
        assert_memory_equal(rest, "a\uFFFDb", strlen("a\uFFFDb"));
    else
        assert_memory_equal(rest, "a?b", 3);
    assert_memory_equal(text.data + text.len - 2, " c", 2);
    assert_null(memchr(rest, 0xEE, text.len - from));
    buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drawable),         cmocka_unit_test(test_by_length),
        cmocka_unit_test(test_without_a_factor), cmocka_unit_test(test_tuned),
        cmocka_unit_test(test_no_panel_twice),   cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_pairs_of_shares),  cmocka_unit_test(test_many_claims),
        cmocka_unit_test(test_pairs_drawn),      cmocka_unit_test(test_text_stays_text),
        cmocka_unit_test(test_gnuplot_draws_it), cmocka_unit_test(test_without_gnuplot),
    };
    return cmocka_run_group_tests_name("figure", tests, NULL, NULL);
}
