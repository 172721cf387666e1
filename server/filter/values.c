/* What a value may be depends on the type of the field that it is compared with. */
#include "server/filter/values.h"

#include "server/filter/fields.h"
#include "server/filter/near.h"
#include "server/filter/times.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Digits with or without sign, point and exponent, as people and JSON write numbers. */
static bool read_number(const char *text, struct filter_literal *ret)
{
    char *end;
    if (text[strspn(text, "0123456789.+-eE")] != '\0' || strpbrk(text, "0123456789") == NULL)
        return false;
    ret->real = strtod(text, &end);
    if (*end != '\0' || end == text || !isfinite(ret->real))
        return false;
    ret->integral = ret->real == trunc(ret->real) && fabs(ret->real) < 0x1p53;
    ret->integer = ret->integral ? (int64_t)ret->real : 0;
    return true;
}

static bool read_word_number(const char *text, double *ret)
{
    static const struct {
        const char *word;
        double value;
    } words[] = {
        { "nan", NAN }, { "inf", INFINITY }, { "+inf", INFINITY }, { "-inf", -INFINITY }
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(text, words[i].word) == 0) {
            *ret = words[i].value;
            return true;
        }
    return false;
}

static int check_number(struct reader *r, const struct token *token, const struct filter_ref *ref,
                        struct filter_literal *ret)
{
    if (!ret->number)
        return reader_fail(r, token, "%.60s is a number; `%.40s` is none%s", ref->name, ret->text,
                           ref->type == TYPE_METRIC ? ", and not nan, inf or -inf" : "");
    if (!ret->integral && ret->text[strspn(ret->text, "-+0123456789")] == '\0')
        return reader_fail(r, token,
                           "the integer %.40s is beyond 9007199254740991; a text needs quotes",
                           ret->text);
    return 0;
}

static int check_bool(struct reader *r, const struct token *token, const struct filter_ref *ref,
                      struct filter_literal *ret)
{
    bool yes = strcmp(ret->text, "true") == 0 || strcmp(ret->text, "1") == 0;
    if (!yes && strcmp(ret->text, "false") != 0 && strcmp(ret->text, "0") != 0)
        return reader_fail(r, token, "%.60s is true or false, not `%.40s`", ref->name, ret->text);
    ret->integral = ret->number = true;
    ret->integer = yes;
    return 0;
}

static int check_word(struct reader *r, const struct token *token, const struct filter_ref *ref,
                      const struct filter_literal *literal)
{
    char known[256] = "", looks[sizeof r->err->message];
    struct near near = { .wanted = literal->text };
    for (size_t i = 0; ref->choices[i] != NULL; i++) {
        size_t used = strlen(known);
        if (strcmp(ref->choices[i], literal->text) == 0)
            return 0;
        snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "", ref->choices[i]);
        near_add(&near, ref->choices[i]);
    }
    near_text(&near, looks, sizeof looks);
    return reader_fail(r, token, "`%.40s` is no %.60s%s; known are %s", literal->text, ref->name,
                       looks, known);
}

static int check_time(struct reader *r, const struct token *token, const struct filter_ref *ref,
                      struct filter_literal *ret)
{
    if (filter_time(ret->text, &ret->from, &ret->to))
        return 0;
    return reader_fail(
        r, token,
        "%.60s is a time, such as 2026-01-31, 2026-01-31T09:05:30Z or "
        "\"2026-01-31T09:05+02:00\" (a + in an address is written %%2B), not `%.40s`",
        ref->name, ret->text);
}

/* Whether a value may be compared with the field by the operator. */
static int check_value(struct reader *r, const struct token *token, const struct filter_ref *ref,
                       enum filter_op op, struct filter_literal *ret)
{
    if (op == FILTER_CONTAINS || op == FILTER_LIKE)
        return 0;
    if (!ret->quoted && strcasecmp(ret->text, "null") == 0)
        return reader_fail(
            r, token, "what isn't there is found by \"is null\"; \"null\" in quotes is a text");
    switch ((enum filter_type)ref->type) {
    case TYPE_METRIC:
        ret->number = ret->number || read_word_number(ret->text, &ret->real);
        return check_number(r, token, ref, ret);
    case TYPE_NUMBER:
        return check_number(r, token, ref, ret);
    case TYPE_BOOL:
        return check_bool(r, token, ref, ret);
    case TYPE_WORD:
        return check_word(r, token, ref, ret);
    case TYPE_TIME:
        return check_time(r, token, ref, ret);
    default:
        return 0;
    }
}

int values_take(struct reader *r, const struct filter_ref *ref, enum filter_op op)
{
    struct filter *filter = r->filter;
    struct token token = r->token;
    if (token.kind == TOKEN_STRANGE && token.at[0] != '!' && strchr("&|;", token.at[0]) == NULL)
        return reader_fail(r, &token, "a value expected; a text with such characters needs quotes");
    if (token.kind != TOKEN_WORD && token.kind != TOKEN_TEXT)
        return reader_expected(r, "a value");
    if (filter->literals_n == FILTER_MAX_VALUES)
        return reader_fail(r, &token, "more than %d values", FILTER_MAX_VALUES);
    struct filter_literal *literal = &filter->literals[filter->literals_n];
    *literal = (struct filter_literal){ .quoted = token.kind == TOKEN_TEXT };
    if ((literal->text = reader_keep(r, &token)) == NULL)
        return reader_full(r, &token);
    literal->number = read_number(literal->text, literal);
    int status = check_value(r, &token, ref, op, literal);
    if (status == 0) {
        filter->literals_n++;
        reader_advance(r);
    }
    return status;
}
