/* Recursive descent over the tokens. A reference and its values are checked as soon as they are
 * read, so that an error knows where they stand. */
#include "server/filter/parse.h"

#include "server/filter/fields.h"
#include "server/filter/filter.h"
#include "server/filter/lexer.h"
#include "server/filter/times.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct parser {
    const char *what; /* "filter", "order" */
    const char *text; /* the whole of it */
    enum filter_of of;
    struct token token; /* the next one */
    struct filter *filter;
    char *texts; /* where names and values are kept */
    size_t *texts_n;
    int depth;
    struct err *err;
};

static void advance(struct parser *p)
{
    p->token = lexer_next(p->token.at + p->token.len);
}

static int fail_at(struct parser *p, const struct token *token, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int fail_at(struct parser *p, const struct token *token, const char *format, ...)
{
    char said[sizeof p->err->message];
    va_list args;
    va_start(args, format);
    vsnprintf(said, sizeof said, format, args);
    va_end(args);
    size_t at = (size_t)(token->at - p->text);
    return err_set_in(p->err, ERR_BAD_PARAMETER, p->text, at, token->len, "%s, at character %d: %s",
                      p->what, err_character(p->text, at), said);
}

/* What stands here, for an error: in quotes, cut; "the end". */
static const char *found(const struct token *token, char ret[64])
{
    if (token->kind == TOKEN_END)
        return "the end";
    int n = (int)token->len > 24 ? 24 : (int)token->len;
    while (n > 0 && ((unsigned char)token->at[n] & 0xc0) == 0x80)
        n--; /* whole characters */
    snprintf(ret, 64, "`%.*s`", n, token->at);
    return ret;
}

static int fail_expected(struct parser *p, const char *expected)
{
    char here[64];
    static const struct {
        const char *written, *meant;
    } hints[] = { { "&", "; \"and\" joins tests" },
                  { "|", "; \"or\" joins tests" },
                  { "!", "; \"not\" stands before a test" },
                  { "==", "; equality is one =" },
                  { "<>", "; unequal is !=" } };
    const char *hint = "";
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
        if (strncmp(p->token.at, hints[i].written, strlen(hints[i].written)) == 0)
            hint = hints[i].meant;
    if (p->token.kind == TOKEN_SIGN && p->token.at > p->text && *p->token.at == '=' &&
        p->token.at[-1] == '=')
        hint = "; equality is one =";
    if (p->token.kind == TOKEN_OPEN)
        return fail_at(p, &p->token, "a closing quote expected");
    return fail_at(p, &p->token, "%s expected, not %s%s", expected, found(&p->token, here), hint);
}

/* The content of a token, kept; NULL: there is no room, which the bound on the text prevents. */
static char *keep(struct parser *p, const struct token *token)
{
    char *at = p->texts + *p->texts_n;
    if (*p->texts_n + token->len + 1 > FILTER_TEXTS)
        return NULL;
    *p->texts_n += token_text(token, at) + 1;
    return at;
}

static int fail_full(struct parser *p, const struct token *token)
{
    return fail_at(p, token, "so much does not fit a %s", p->what);
}

/* references */

static int fail_unknown(struct parser *p, const struct token *token, const char *name)
{
    struct near near = { .wanted = name };
    char looks[sizeof p->err->message];
    fields_near(p->of, &near);
    near_text(&near, looks, sizeof looks);
    return fail_at(p, token, "`%.60s` is no field of %s%s; known are %s", name,
                   p->of == FILTER_RUNS ? "a run" : "an experiment", looks, fields_known(p->of));
}

/* A word, and if it ends with a dot what is in the quotes right behind it: tags."a key". */
static int take_name(struct parser *p, struct token *ret_token, char **ret)
{
    char here[64];
    *ret_token = p->token;
    if (p->token.kind != TOKEN_WORD)
        return fail_expected(p, "a field");
    char *name = keep(p, &p->token);
    if (name == NULL)
        return fail_full(p, &p->token);
    bool family = name[strlen(name) - 1] == '.';
    advance(p);
    if (family && p->token.kind == TOKEN_TEXT && p->token.at == ret_token->at + ret_token->len) {
        (*p->texts_n)--; /* one text of both */
        if (keep(p, &p->token) == NULL)
            return fail_full(p, &p->token);
        ret_token->len += p->token.len;
        advance(p);
    }
    if (strchr(name, '%') != NULL)
        return fail_at(p, ret_token, "a field expected, not %s", found(ret_token, here));
    *ret = name;
    return 0;
}

static int take_ref(struct parser *p, struct filter_ref *ret)
{
    char member[2 * FILTER_MAX_BYTES];
    struct token token;
    char *name = NULL;
    int status = take_name(p, &token, &name);
    if (status != 0)
        return status;
    if (!fields_find(p->of, name, member, ret))
        return fail_unknown(p, &token, name);
    ret->name = name;
    ret->at = (size_t)(token.at - p->text);
    ret->len = token.len;
    if (ret->member != NULL) {
        size_t len = strlen(member) + 1;
        if (*p->texts_n + len > FILTER_TEXTS)
            return fail_full(p, &token);
        ret->member = memcpy(p->texts + *p->texts_n, member, len);
        *p->texts_n += len;
    }
    return 0;
}

/* values */

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

static int check_number(struct parser *p, const struct token *token, const struct filter_ref *ref,
                        struct filter_literal *ret)
{
    if (!ret->number)
        return fail_at(p, token, "%.60s is a number; `%.40s` is none%s", ref->name, ret->text,
                       ref->type == TYPE_METRIC ? ", and not nan, inf or -inf" : "");
    if (!ret->integral && ret->text[strspn(ret->text, "-+0123456789")] == '\0')
        return fail_at(p, token,
                       "the integer %.40s is beyond 9007199254740991; a text needs quotes",
                       ret->text);
    return 0;
}

static int check_bool(struct parser *p, const struct token *token, const struct filter_ref *ref,
                      struct filter_literal *ret)
{
    bool yes = strcmp(ret->text, "true") == 0 || strcmp(ret->text, "1") == 0;
    if (!yes && strcmp(ret->text, "false") != 0 && strcmp(ret->text, "0") != 0)
        return fail_at(p, token, "%.60s is true or false, not `%.40s`", ref->name, ret->text);
    ret->integral = ret->number = true;
    ret->integer = yes;
    return 0;
}

static int check_word(struct parser *p, const struct token *token, const struct filter_ref *ref,
                      const struct filter_literal *literal)
{
    char known[256] = "", looks[sizeof p->err->message];
    struct near near = { .wanted = literal->text };
    for (size_t i = 0; ref->choices[i] != NULL; i++) {
        size_t used = strlen(known);
        if (strcmp(ref->choices[i], literal->text) == 0)
            return 0;
        snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "", ref->choices[i]);
        near_add(&near, ref->choices[i]);
    }
    near_text(&near, looks, sizeof looks);
    return fail_at(p, token, "`%.40s` is no %.60s%s; known are %s", literal->text, ref->name, looks,
                   known);
}

static int check_time(struct parser *p, const struct token *token, const struct filter_ref *ref,
                      struct filter_literal *ret)
{
    if (filter_time(ret->text, &ret->from, &ret->to))
        return 0;
    return fail_at(p, token,
                   "%.60s is a time, such as 2026-01-31, 2026-01-31T09:05:30Z or "
                   "\"2026-01-31T09:05+02:00\" (a + in an address is written %%2B), not `%.40s`",
                   ref->name, ret->text);
}

/* Whether a value may be compared with the field by the operator. */
static int check_value(struct parser *p, const struct token *token, const struct filter_ref *ref,
                       enum filter_op op, struct filter_literal *ret)
{
    if (op == FILTER_CONTAINS || op == FILTER_LIKE)
        return 0;
    if (!ret->quoted && strcasecmp(ret->text, "null") == 0)
        return fail_at(p, token,
                       "what isn't there is found by \"is null\"; \"null\" in quotes is a text");
    switch ((enum filter_type)ref->type) {
    case TYPE_METRIC:
        ret->number = ret->number || read_word_number(ret->text, &ret->real);
        return check_number(p, token, ref, ret);
    case TYPE_NUMBER:
        return check_number(p, token, ref, ret);
    case TYPE_BOOL:
        return check_bool(p, token, ref, ret);
    case TYPE_WORD:
        return check_word(p, token, ref, ret);
    case TYPE_TIME:
        return check_time(p, token, ref, ret);
    default:
        return 0;
    }
}

static int take_value(struct parser *p, const struct filter_ref *ref, enum filter_op op)
{
    struct filter *filter = p->filter;
    struct token token = p->token;
    if (token.kind == TOKEN_STRANGE && token.at[0] != '!' && strchr("&|;", token.at[0]) == NULL)
        return fail_at(p, &token, "a value expected; a text with such characters needs quotes");
    if (token.kind != TOKEN_WORD && token.kind != TOKEN_TEXT)
        return fail_expected(p, "a value");
    if (filter->literals_n == FILTER_MAX_VALUES)
        return fail_at(p, &token, "more than %d values", FILTER_MAX_VALUES);
    struct filter_literal *literal = &filter->literals[filter->literals_n];
    *literal = (struct filter_literal){ .quoted = token.kind == TOKEN_TEXT };
    if ((literal->text = keep(p, &token)) == NULL)
        return fail_full(p, &token);
    literal->number = read_number(literal->text, literal);
    int status = check_value(p, &token, ref, op, literal);
    if (status == 0) {
        filter->literals_n++;
        advance(p);
    }
    return status;
}

static int take_list(struct parser *p, struct filter_node *node)
{
    if (!token_is(&p->token, "("))
        return fail_expected(p, "\"(\" and a list of values");
    do {
        advance(p);
        int status = take_value(p, &node->ref, FILTER_IN);
        if (status != 0)
            return status;
        node->n++;
    } while (token_is(&p->token, ","));
    if (!token_is(&p->token, ")"))
        return fail_expected(p, "\",\" or \")\"");
    advance(p);
    return 0;
}

/* tests */

static int take_null(struct parser *p, struct filter_node *node)
{
    node->op = FILTER_EXISTS;
    node->negated = true;
    advance(p);
    if (token_is(&p->token, "not")) {
        node->negated = false;
        advance(p);
    }
    if (!token_is(&p->token, "null"))
        return fail_expected(p, node->negated ? "\"null\" or \"not null\"" : "\"null\"");
    advance(p);
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
static int take_operator(struct parser *p, struct filter_node *node)
{
    static const char expected[] = "one of = != < <= > >= ~, in, like, is";
    node->negated = false;
    node->first = p->filter->literals_n;
    node->n = 0;
    if (token_is(&p->token, "is"))
        return take_null(p, node);
    bool negated = token_is(&p->token, "not");
    struct token token = p->token;
    if (negated)
        advance(p);
    size_t i = 0;
    while (i < OPERATORS && !token_is(&p->token, operators[i].text))
        i++;
    if (i == OPERATORS || (negated && i < OPERATORS - 2))
        return negated ? fail_expected(p, "\"in\" or \"like\"") : fail_expected(p, expected);
    node->op = operators[i].op;
    node->negated = negated || operators[i].negated;
    if (node->op >= FILTER_LESS && node->op <= FILTER_GREATER_EQUAL && !has_order(node->ref.type))
        return fail_at(p, &token, "%.60s has no order; =, != and \"in\" compare it",
                       node->ref.name);
    advance(p);
    if (node->op == FILTER_IN)
        return take_list(p, node);
    node->n = 1;
    return take_value(p, &node->ref, node->op);
}

static int new_node(struct parser *p, enum filter_kind kind)
{
    struct filter_node *node = &p->filter->nodes[p->filter->nodes_n];
    *node = (struct filter_node){ 0 };
    node->kind = kind;
    return p->filter->nodes_n++;
}

static int take_test(struct parser *p, int *ret)
{
    struct token token = p->token;
    if (p->filter->tests_n == FILTER_MAX_TESTS)
        return fail_at(p, &token, "more than %d tests", FILTER_MAX_TESTS);
    p->filter->tests_n++;
    *ret = new_node(p, FILTER_TEST);
    struct filter_node *node = &p->filter->nodes[*ret];
    int status = take_ref(p, &node->ref);
    return status == 0 ? take_operator(p, node) : status;
}

static int take_or(struct parser *p, int *ret);

static int take_group(struct parser *p, int *ret)
{
    if (++p->depth > FILTER_MAX_DEPTH)
        return fail_at(p, &p->token, "less nesting expected: at most %d parentheses are open",
                       FILTER_MAX_DEPTH);
    advance(p);
    int status = take_or(p, ret);
    if (status != 0)
        return status;
    if (!token_is(&p->token, ")"))
        return fail_expected(p, "\"and\", \"or\" or \")\"");
    advance(p);
    p->depth--;
    return 0;
}

static int take_factor(struct parser *p, int *ret)
{
    bool negated = false;
    for (; token_is(&p->token, "not"); advance(p))
        negated = !negated;
    int status = token_is(&p->token, "(") ? take_group(p, ret) : take_test(p, ret);
    if (status == 0)
        p->filter->nodes[*ret].negated ^= negated;
    return status;
}

/* Operands by `take`, joined by a word. */
static int take_joined(struct parser *p, const char *word, int kind,
                       int (*take)(struct parser *, int *), int *ret)
{
    int status = take(p, ret);
    while (status == 0 && token_is(&p->token, word)) {
        int right = -1, node;
        advance(p);
        if ((status = take(p, &right)) != 0)
            break;
        node = new_node(p, kind);
        p->filter->nodes[node].left = *ret;
        p->filter->nodes[node].right = right;
        *ret = node;
    }
    return status;
}

static int take_and(struct parser *p, int *ret)
{
    return take_joined(p, "and", FILTER_AND, take_factor, ret);
}

static int take_or(struct parser *p, int *ret)
{
    return take_joined(p, "or", FILTER_OR, take_and, ret);
}

static int too_long(const char *what, struct err *err)
{
    return err_set(err, ERR_BAD_PARAMETER, "the %s is longer than %d bytes", what,
                   FILTER_MAX_BYTES);
}

int filter_parse(struct filter *ret, enum filter_of of, const char *text, struct err *err)
{
    struct parser p = { .what = "filter",
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
    if (p.token.kind == TOKEN_END)
        return 0;
    int status = take_or(&p, &ret->root);
    if (status == 0 && p.token.kind != TOKEN_END)
        status = fail_expected(&p, "\"and\", \"or\" or the end");
    return status;
}

/* orders */

static int take_key(struct parser *p, struct filter_key *ret)
{
    *ret = (struct filter_key){ .descending = false };
    if (p->token.kind == TOKEN_WORD && p->token.at[0] == '-') {
        ret->descending = true;
        p->token = lexer_next(p->token.at + 1);
    }
    struct token token = p->token;
    int status = take_ref(p, &ret->ref);
    if (status != 0)
        return status;
    if (ret->ref.field->key == NULL)
        return fail_at(p, &token, "%.60s has many values: nothing is sorted by it", ret->ref.name);
    bool down = token_is(&p->token, "desc");
    if (down && ret->descending)
        return fail_at(p, &p->token, "\"-\" in front or \"desc\" behind, not both");
    ret->descending |= down;
    if (down || token_is(&p->token, "asc"))
        advance(p);
    return 0;
}

int filter_order_parse(struct filter_order *ret, enum filter_of of, const char *text,
                       struct err *err)
{
    struct parser p = { .what = "order",
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
    bool by_id = p.token.kind == TOKEN_END;
    if (!by_id)
        ret->descending = false;
    while (!by_id) {
        struct token token = p.token;
        struct filter_key key;
        int status = take_key(&p, &key);
        if (status != 0)
            return status;
        by_id = strcmp(key.ref.name, "id") == 0;
        if (by_id)
            ret->descending = key.descending;
        else if (ret->n == FILTER_MAX_KEYS)
            return fail_at(&p, &token, "more than %d keys beside id", FILTER_MAX_KEYS);
        else
            ret->keys[ret->n++] = key;
        if (!token_is(&p.token, ","))
            break;
        advance(&p);
        if (by_id && p.token.kind != TOKEN_END)
            return fail_at(&p, &p.token, "id decides: nothing can follow it");
    }
    return p.token.kind == TOKEN_END ? 0 : fail_expected(&p, "\",\", desc, asc or the end");
}
