/* From the tree to SQL. A condition is made for a value of a type; the field's row puts around it
 * what leads there. */
#include "server/filter/sql.h"

#include "server/filter/fields.h"
#include "server/filter/filter.h"

#include <math.h>
#include <string.h>

enum { SQL_BYTES = 1 << 17 };

void filter_sql_init(struct filter_sql *sql)
{
    buf_init(&sql->text, SQL_BYTES);
    sql->values_n = 0;
    sql->full = false;
}

void filter_sql_done(struct filter_sql *sql)
{
    buf_done(&sql->text);
}

static void bind(struct filter_sql *sql, struct filter_value value)
{
    if (sql->values_n == sizeof sql->values / sizeof *sql->values)
        sql->full = true;
    else
        sql->values[sql->values_n++] = value;
}

void filter_sql_bind_text(struct filter_sql *sql, const char *text)
{
    bind(sql, (struct filter_value){ .type = FILTER_VALUE_TEXT, .text = text });
}

void filter_sql_bind_integer(struct filter_sql *sql, int64_t value)
{
    bind(sql, (struct filter_value){ .type = FILTER_VALUE_INTEGER, .integer = value });
}

void filter_sql_bind_real(struct filter_sql *sql, double value)
{
    bind(sql, (struct filter_value){ .type = FILTER_VALUE_REAL, .real = value });
}

int filter_sql_check(const struct filter_sql *sql, struct err *err)
{
    if (!sql->text.failed && !sql->full)
        return 0;
    return sql->full || sql->text.full
               ? err_set(err, ERR_BAD_PARAMETER, "the filter and its order are too long")
               : err_no_memory(err, "the filter");
}

/* conditions */

static const char *const signs[] = { [FILTER_EQUAL] = "=",
                                     [FILTER_LESS] = "<",
                                     [FILTER_LESS_EQUAL] = "<=",
                                     [FILTER_GREATER] = ">",
                                     [FILTER_GREATER_EQUAL] = ">=" };

static void bind_literal(const struct filter_literal *literal, int type, struct filter_sql *to)
{
    bool number = type == TYPE_NUMBER || type == TYPE_BOOL;
    if (!number)
        filter_sql_bind_text(to, literal->text);
    else if (literal->integral)
        filter_sql_bind_integer(to, literal->integer);
    else
        filter_sql_bind_real(to, literal->real);
}

/* A time: = is the whole span that is named, the others compare with its beginning. */
static void compare_time(const char *value, enum filter_op op, const struct filter_literal *literal,
                         struct filter_sql *to)
{
    if (op == FILTER_EQUAL) {
        buf_addf(&to->text, "(%s >= ? AND %s < ?)", value, value);
        filter_sql_bind_integer(to, literal->from);
        filter_sql_bind_integer(to, literal->to);
        return;
    }
    buf_addf(&to->text, "%s %s ?", value, signs[op]);
    filter_sql_bind_integer(to, literal->from);
}

/* A tag (of t): by number where both are one, else by text. */
static void compare_tag(enum filter_op op, const struct filter_literal *literal,
                        struct filter_sql *to)
{
    bool number = literal->number && !literal->quoted;
    if (number && op == FILTER_EQUAL) {
        buf_adds(&to->text, "(t.value = ? OR t.number = ?)");
        filter_sql_bind_text(to, literal->text);
    } else {
        buf_addf(&to->text, "%s %s ?", number ? "t.number" : "t.value", signs[op]);
    }
    if (number)
        filter_sql_bind_real(to, literal->real);
    else
        filter_sql_bind_text(to, literal->text);
}

/* The last value of a series s. Kind 1 is nan, which compares to nothing but itself; infinities are
 * stored as such. */
static void compare_metric(enum filter_op op, const struct filter_literal *literal,
                           struct filter_sql *to)
{
    if (isnan(literal->real)) {
        buf_adds(&to->text, op == FILTER_EQUAL ? "s.last_kind = 1" : "0");
        return;
    }
    buf_addf(&to->text, "(s.last %s ? AND s.last_kind IN (0, 2, 3))", signs[op]);
    filter_sql_bind_real(to, literal->real);
}

static void compare(const struct filter_ref *ref, enum filter_op op,
                    const struct filter_literal *literal, struct filter_sql *to)
{
    const char *value = ref->field->value;
    switch ((enum filter_type)ref->type) {
    case TYPE_TIME:
        compare_time(value, op, literal, to);
        return;
    case TYPE_TAG:
        compare_tag(op, literal, to);
        return;
    case TYPE_METRIC:
        compare_metric(op, literal, to);
        return;
    default:
        buf_addf(&to->text, "%s %s ?", value, signs[op]);
        bind_literal(literal, ref->type, to);
    }
}

/* As it is printed. */
static void add_printed(const struct filter_ref *ref, struct filter_sql *to)
{
    if (ref->type == TYPE_TIME)
        buf_addf(&to->text, "strftime('%%Y-%%m-%%dT%%H:%%M:%%fZ', %s / 1000.0, 'unixepoch')",
                 ref->field->value);
    else if (ref->type == TYPE_BOOL)
        buf_addf(&to->text, "iif(%s, 'true', 'false')", ref->field->value);
    else
        buf_adds(&to->text, ref->field->value);
}

static void add_condition(const struct filter *filter, const struct filter_node *node,
                          struct filter_sql *to)
{
    const struct filter_literal *literals = &filter->literals[node->first];
    switch (node->op) {
    case FILTER_EXISTS:
        buf_addf(&to->text, "%s IS NOT NULL", node->ref.field->value);
        break;
    case FILTER_CONTAINS:
        buf_adds(&to->text, "instr(");
        add_printed(&node->ref, to);
        buf_adds(&to->text, ", ?) > 0");
        filter_sql_bind_text(to, literals->text);
        break;
    case FILTER_LIKE:
        add_printed(&node->ref, to);
        buf_adds(&to->text, " LIKE ?");
        filter_sql_bind_text(to, literals->text);
        break;
    case FILTER_IN:
        for (size_t i = 0; i < node->n; i++) {
            buf_adds(&to->text, i == 0 ? "(" : " OR ");
            compare(&node->ref, FILTER_EQUAL, &literals[i], to);
        }
        buf_addc(&to->text, ')');
        break;
    default:
        compare(&node->ref, node->op, literals, to);
    }
}

static void add_test(const struct filter *filter, const struct filter_node *node,
                     struct filter_sql *to)
{
    const struct filter_field *field = node->ref.field;
    bool bare = field->before[0] == '\0' && field->nullable && node->op != FILTER_EXISTS;
    buf_adds(&to->text, bare ? "ifnull(" : field->before);
    if (node->ref.member != NULL)
        filter_sql_bind_text(to, node->ref.member);
    add_condition(filter, node, to);
    buf_adds(&to->text, bare ? ", 0)" : field->after);
}

static void add_node(const struct filter *filter, int at, struct filter_sql *to)
{
    const struct filter_node *node = &filter->nodes[at];
    buf_adds(&to->text, node->negated ? "NOT (" : "(");
    if (node->kind == FILTER_TEST) {
        add_test(filter, node, to);
    } else {
        add_node(filter, node->left, to);
        buf_adds(&to->text, node->kind == FILTER_AND ? " AND " : " OR ");
        add_node(filter, node->right, to);
    }
    buf_addc(&to->text, ')');
}

void filter_compile(const struct filter *filter, struct filter_sql *to)
{
    if (filter->root < 0)
        buf_addc(&to->text, '1');
    else
        add_node(filter, filter->root, to);
}

/* orders */

bool filter_key_nullable(const struct filter_key *key)
{
    return key->ref.field->nullable;
}

void filter_compile_key(const struct filter_key *key, struct filter_sql *to)
{
    bool text =
        key->ref.type == TYPE_TEXT || key->ref.type == TYPE_WORD || key->ref.type == TYPE_JSON;
    buf_addf(&to->text, text ? "substr(%s, 1, 40)" : "%s", key->ref.field->key);
    if (key->ref.member != NULL)
        filter_sql_bind_text(to, key->ref.member);
}

/* plans */

/* The parts of the conjunction at `at`, in order: the one behind *after, which becomes -1 there. */
static int must(const struct filter *filter, int at, int *after)
{
    const struct filter_node *node = &filter->nodes[at];
    if (node->kind == FILTER_AND && !node->negated) {
        int found = must(filter, node->left, after);
        return found >= 0 ? found : must(filter, node->right, after);
    }
    if (*after < 0)
        return at;
    if (*after == at)
        *after = -1;
    return -1;
}

int filter_must(const struct filter *filter, int after)
{
    return filter->root < 0 ? -1 : must(filter, filter->root, &after);
}

static bool is_driver(const struct filter *filter, int at)
{
    const struct filter_node *node = &filter->nodes[at];
    if (node->negated || node->kind == FILTER_AND)
        return false;
    if (node->kind == FILTER_OR)
        return is_driver(filter, node->left) && is_driver(filter, node->right);
    bool column = node->ref.field->before[0] == '\0';
    return node->ref.field->driver != NULL && node->op != FILTER_CONTAINS &&
           node->op != FILTER_LIKE && node->op != FILTER_EXISTS &&
           (!column || node->op == FILTER_EQUAL || node->op == FILTER_IN);
}

bool filter_driver(const struct filter *filter, int at, struct filter_sql *to)
{
    const struct filter_node *node = &filter->nodes[at];
    if (!is_driver(filter, at))
        return false;
    if (node->kind == FILTER_OR) {
        filter_driver(filter, node->left, to);
        buf_adds(&to->text, " UNION ");
        return filter_driver(filter, node->right, to);
    }
    buf_adds(&to->text, node->ref.field->driver);
    if (node->ref.member != NULL)
        filter_sql_bind_text(to, node->ref.member);
    add_condition(filter, node, to);
    buf_adds(&to->text, node->ref.field->after);
    return true;
}

bool filter_compile_metric(const struct filter *filter, int at, const char *metric,
                           struct filter_sql *to)
{
    const struct filter_node *node = &filter->nodes[at];
    if (node->kind != FILTER_TEST || node->negated || node->op > FILTER_GREATER_EQUAL ||
        filter_metric(&node->ref, true) == NULL || strcmp(node->ref.member, metric) != 0)
        return false;
    compare_metric(node->op, &filter->literals[node->first], to);
    return true;
}
