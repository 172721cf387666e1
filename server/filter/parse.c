/* Recursive descent over the tokens. A reference and its values are checked as soon as they are
 * read, so that an error knows where they stand. */
#include "server/filter/parse.h"

#include "server/filter/fields.h"
#include "server/filter/lexer.h"
#include "server/filter/reader.h"
#include "server/filter/values.h"

#include <string.h>

/* A list of values behind "in". */
static int take_list(struct reader *r, struct filter_node *node)
{
    if (!token_is(&r->token, "("))
        return reader_expected(r, "\"(\" and a list of values");
    do {
        reader_advance(r);
        int status = values_take(r, &node->ref, FILTER_IN);
        if (status != 0)
            return status;
        node->n++;
    } while (token_is(&r->token, ","));
    if (!token_is(&r->token, ")"))
        return reader_expected(r, "\",\" or \")\"");
    reader_advance(r);
    return 0;
}

/* tests */

static int take_null(struct reader *r, struct filter_node *node)
{
    node->op = FILTER_EXISTS;
    node->negated = true;
    reader_advance(r);
    if (token_is(&r->token, "not")) {
        node->negated = false;
        reader_advance(r);
    }
    if (!token_is(&r->token, "null"))
        return reader_expected(r, node->negated ? "\"null\" or \"not null\"" : "\"null\"");
    reader_advance(r);
    return 0;
}

static const struct {
    const char *text;
    enum filter_op op;
    bool negated;
} operators[] = {
    { "=", FILTER_EQUAL, false },    { "!=", FILTER_EQUAL, true },
    { "<", FILTER_LESS, false },     { "<=", FILTER_LESS_EQUAL, false },
    { ">", FILTER_GREATER, false },  { ">=", FILTER_GREATER_EQUAL, false },
    { "~", FILTER_CONTAINS, false }, { "like", FILTER_LIKE, false },
    { "in", FILTER_IN, false },
};
#define OPERATORS (sizeof operators / sizeof *operators)

static bool has_order(int type)
{
    return type != TYPE_WORD && type != TYPE_BOOL;
}

/* What follows a field. */
static int take_operator(struct reader *r, struct filter_node *node)
{
    static const char expected[] = "one of = != < <= > >= ~, in, like, is";
    node->negated = false;
    node->first = r->filter->literals_n;
    node->n = 0;
    if (token_is(&r->token, "is"))
        return take_null(r, node);
    bool negated = token_is(&r->token, "not");
    struct token token = r->token;
    if (negated)
        reader_advance(r);
    size_t i = 0;
    while (i < OPERATORS && !token_is(&r->token, operators[i].text))
        i++;
    if (i == OPERATORS || (negated && i < OPERATORS - 2))
        return negated ? reader_expected(r, "\"in\" or \"like\"") : reader_expected(r, expected);
    node->op = operators[i].op;
    node->negated = negated || operators[i].negated;
    if (node->op >= FILTER_LESS && node->op <= FILTER_GREATER_EQUAL && !has_order(node->ref.type))
        return reader_fail(r, &token, "%.60s has no order; =, != and \"in\" compare it",
                           node->ref.name);
    reader_advance(r);
    if (node->op == FILTER_IN)
        return take_list(r, node);
    node->n = 1;
    return values_take(r, &node->ref, node->op);
}

static int new_node(struct reader *r, enum filter_kind kind)
{
    struct filter_node *node = &r->filter->nodes[r->filter->nodes_n];
    *node = (struct filter_node){ 0 };
    node->kind = kind;
    return r->filter->nodes_n++;
}

static int take_test(struct reader *r, int *ret)
{
    struct token token = r->token;
    if (r->filter->tests_n == FILTER_MAX_TESTS)
        return reader_fail(r, &token, "more than %d tests", FILTER_MAX_TESTS);
    r->filter->tests_n++;
    *ret = new_node(r, FILTER_TEST);
    struct filter_node *node = &r->filter->nodes[*ret];
    int status = reader_ref(r, &node->ref);
    return status == 0 ? take_operator(r, node) : status;
}

static int take_or(struct reader *r, int *ret);

static int take_group(struct reader *r, int *ret)
{
    if (++r->depth > FILTER_MAX_DEPTH)
        return reader_fail(r, &r->token, "less nesting expected: at most %d parentheses are open",
                           FILTER_MAX_DEPTH);
    reader_advance(r);
    int status = take_or(r, ret);
    if (status != 0)
        return status;
    if (!token_is(&r->token, ")"))
        return reader_expected(r, "\"and\", \"or\" or \")\"");
    reader_advance(r);
    r->depth--;
    return 0;
}

static int take_factor(struct reader *r, int *ret)
{
    bool negated = false;
    for (; token_is(&r->token, "not"); reader_advance(r))
        negated = !negated;
    int status = token_is(&r->token, "(") ? take_group(r, ret) : take_test(r, ret);
    if (status == 0)
        r->filter->nodes[*ret].negated ^= negated;
    return status;
}

/* Operands by `take`, joined by a word. */
static int take_joined(struct reader *r, const char *word, enum filter_kind kind,
                       int (*take)(struct reader *, int *), int *ret)
{
    int status = take(r, ret);
    while (status == 0 && token_is(&r->token, word)) {
        int right = -1, node;
        reader_advance(r);
        if ((status = take(r, &right)) != 0)
            break;
        node = new_node(r, kind);
        r->filter->nodes[node].left = *ret;
        r->filter->nodes[node].right = right;
        *ret = node;
    }
    return status;
}

static int take_and(struct reader *r, int *ret)
{
    return take_joined(r, "and", FILTER_AND, take_factor, ret);
}

static int take_or(struct reader *r, int *ret)
{
    return take_joined(r, "or", FILTER_OR, take_and, ret);
}

static int too_long(const char *what, struct err *err)
{
    return err_set(err, ERR_BAD_PARAMETER, "the %s is longer than %d bytes", what,
                   FILTER_MAX_BYTES);
}

int filter_parse(struct filter *ret, enum filter_of of, const char *text, struct err *err)
{
    struct reader r = { .what = "filter",
                        .text = text,
                        .of = of,
                        .filter = ret,
                        .texts = ret->texts,
                        .texts_n = &ret->texts_n,
                        .token = lexer_next(text),
                        .err = err };
    ret->of = of;
    ret->root = -1;
    ret->nodes_n = 0;
    ret->tests_n = ret->literals_n = ret->texts_n = 0;
    if (strlen(text) > FILTER_MAX_BYTES)
        return too_long("filter", err);
    if (r.token.kind == TOKEN_END)
        return 0;
    int status = take_or(&r, &ret->root);
    if (status == 0 && r.token.kind != TOKEN_END)
        status = reader_expected(&r, "\"and\", \"or\" or the end");
    return status;
}

/* orders */

static int take_key(struct reader *r, struct filter_key *ret)
{
    *ret = (struct filter_key){ .descending = false };
    if (r->token.kind == TOKEN_WORD && r->token.at[0] == '-') {
        ret->descending = true;
        r->token = lexer_next(r->token.at + 1);
    }
    struct token token = r->token;
    int status = reader_ref(r, &ret->ref);
    if (status != 0)
        return status;
    if (ret->ref.field->key == NULL)
        return reader_fail(r, &token, "%.60s has many values: nothing is sorted by it",
                           ret->ref.name);
    bool down = token_is(&r->token, "desc");
    if (down && ret->descending)
        return reader_fail(r, &r->token, "\"-\" in front or \"desc\" behind, not both");
    ret->descending |= down;
    if (down || token_is(&r->token, "asc"))
        reader_advance(r);
    return 0;
}

int filter_order_parse(struct filter_order *ret, enum filter_of of, const char *text,
                       struct err *err)
{
    struct reader r = { .what = "order",
                        .text = text,
                        .of = of,
                        .texts = ret->texts,
                        .texts_n = &ret->texts_n,
                        .token = lexer_next(text),
                        .err = err };
    ret->n = ret->texts_n = 0;
    ret->descending = of == FILTER_EXPERIMENTS;
    if (strlen(text) > FILTER_MAX_BYTES)
        return too_long("order", err);
    bool by_id = r.token.kind == TOKEN_END;
    if (!by_id)
        ret->descending = false;
    while (!by_id) {
        struct token token = r.token;
        struct filter_key key;
        int status = take_key(&r, &key);
        if (status != 0)
            return status;
        by_id = strcmp(key.ref.name, "id") == 0;
        if (by_id)
            ret->descending = key.descending;
        else if (ret->n == FILTER_MAX_KEYS)
            return reader_fail(&r, &token, "more than %d keys beside id", FILTER_MAX_KEYS);
        else
            ret->keys[ret->n++] = key;
        if (!token_is(&r.token, ","))
            break;
        reader_advance(&r);
        if (by_id && r.token.kind != TOKEN_END)
            return reader_fail(&r, &r.token, "id decides: nothing can follow it");
    }
    return r.token.kind == TOKEN_END ? 0 : reader_expected(&r, "\",\", desc, asc or the end");
}
