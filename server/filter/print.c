/* The inverse of the parser: fewest parentheses, values in quotes where they were. */
#include "server/filter/print.h"

#include "server/filter/fields.h"
#include "server/filter/filter.h"

#include <ctype.h>
#include <string.h>

static void print_quoted(const char *text, struct buf *to)
{
    buf_addc(to, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"')
            buf_addc(to, '"');
        buf_addc(to, *text);
    }
    buf_addc(to, '"');
}

static void print_name(const char *name, struct buf *to)
{
    size_t n = 0, dot = strcspn(name, ".");
    while (isalnum((unsigned char)name[n]) ||
           (name[n] != '\0' && strchr("_./-:+", name[n]) != NULL))
        n++;
    if (name[n] == '\0') {
        buf_adds(to, name);
        return;
    }
    buf_add(to, name, dot + 1);
    print_quoted(name + dot + 1, to);
}

static void print_value(const struct filter_literal *literal, struct buf *to)
{
    if (literal->quoted)
        print_quoted(literal->text, to);
    else
        buf_adds(to, literal->text);
}

static void print_test(const struct filter *filter, const struct filter_node *node, struct buf *to)
{
    static const char *const yes[] = {
        "=", "<", "<=", ">", ">=", "~", "like", "in", "is not null"
    };
    static const char *const no[] = { "!=", "<",        "<=",     ">",      ">=",
                                      "~",  "not like", "not in", "is null" };
    bool opposite = node->negated && strcmp(yes[node->op], no[node->op]) != 0;
    if (node->negated && !opposite)
        buf_adds(to, "not ");
    print_name(node->ref.name, to);
    buf_addf(to, " %s", opposite ? no[node->op] : yes[node->op]);
    for (size_t i = 0; i < node->n; i++) {
        buf_adds(to, node->op == FILTER_IN ? i == 0 ? " (" : ", " : " ");
        print_value(&filter->literals[node->first + i], to);
    }
    if (node->op == FILTER_IN)
        buf_addc(to, ')');
}

static void print_node(const struct filter *filter, int at, int above, struct buf *to)
{
    const struct filter_node *node = &filter->nodes[at];
    if (node->kind == FILTER_TEST) {
        print_test(filter, node, to);
        return;
    }
    bool enclosed = node->negated || (above == FILTER_AND && node->kind == FILTER_OR);
    buf_adds(to, node->negated ? "not (" : enclosed ? "(" : "");
    print_node(filter, node->left, (int)node->kind, to);
    buf_adds(to, node->kind == FILTER_AND ? " and " : " or ");
    /* Chains lean to the left: what leans to the right was enclosed. */
    bool right =
        filter->nodes[node->right].kind == node->kind && !filter->nodes[node->right].negated;
    buf_adds(to, right ? "(" : "");
    print_node(filter, node->right, right ? FILTER_TEST : (int)node->kind, to);
    buf_adds(to, right ? ")" : "");
    if (enclosed)
        buf_addc(to, ')');
}

void filter_print(const struct filter *filter, struct buf *to)
{
    if (filter->root >= 0)
        print_node(filter, filter->root, FILTER_TEST, to);
}
