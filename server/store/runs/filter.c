/* The tables of fields and operators, and a parser by recursive descent that writes SQL as it
 * goes. Only text of these tables gets into the SQL; what the caller wrote is bound. */
#include "server/store/runs/filter.h"

#include "common/json/jsonx.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A field, or with a trailing dot a family whose member name is bound as the first ? of its SQL. */
static const struct field {
    const char *name, *sql;
} fields[] = {
    { "id", "r.id" },
    { "experiment", "r.experiment" },
    { "arm", "r.arm" },
    { "seed", "r.seed" },
    { "state", "r.state" },
    { "priority", "r.priority" },
    { "attempt", "r.attempt" },
    { "step", "r.step" },
    { "steps", "r.steps" },
    { "digest", "r.digest" },
    { "reason", "r.reason" },
    { "created_at", "strftime('%Y-%m-%dT%H:%M:%S', r.created_at / 1000, 'unixepoch')" },
    { "started_at", "strftime('%Y-%m-%dT%H:%M:%S', r.started_at / 1000, 'unixepoch')" },
    { "ended_at", "strftime('%Y-%m-%dT%H:%M:%S', r.ended_at / 1000, 'unixepoch')" },
    { "grid.", "json_extract(r.grid, '$.\"' || ? || '\"')" },
    { "tags.", "json_extract(e.tags, '$.\"' || ? || '\"')" },
};

/* metrics.<name>[.suffix]: a value of the series' summary row. */
static const struct {
    const char *suffix, *sql;
} summaries[] = {
    { ".min", "s.min" },
    { ".max", "s.max" },
    { ".mean", "s.sum / nullif(s.count, 0)" },
    { "", "iif(s.last_kind = 0, s.last, NULL)" },
};

void filter_init(struct filter *filter)
{
    *filter = (struct filter){ 0 };
    buf_init(&filter->sql, 65536);
}

void filter_done(struct filter *filter)
{
    for (size_t i = 0; i < filter->values_n; i++)
        free(filter->values[i].text);
    buf_done(&filter->sql);
    *filter = (struct filter){ 0 };
}

int filter_check(const struct filter *filter, struct err *err)
{
    if (!filter->sql.failed)
        return 0;
    return filter->sql.full ? err_set(err, ERR_BAD_PARAMETER, "the query is too long")
                            : err_no_memory(err, "the query");
}

static int add_value(struct filter *filter, const char *text, size_t len, double number,
                     struct err *err)
{
    if (filter->values_n == FILTER_MAX_VALUES)
        return err_set(err, ERR_BAD_PARAMETER, "the filter has more than %d values",
                       FILTER_MAX_VALUES);
    struct filter_value *value = &filter->values[filter->values_n];
    value->number = number;
    value->text = NULL;
    if (text != NULL && (value->text = strndup(text, len)) == NULL)
        return err_no_memory(err, "the filter");
    filter->values_n++;
    return 0;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '/' || c == '-' || c == ':' ||
           c == '+';
}

static bool ends_with(const char *name, size_t len, const char *suffix)
{
    size_t n = strlen(suffix);
    return len > n && memcmp(name + len - n, suffix, n) == 0;
}

static int metric_field(struct filter *filter, const char *name, size_t len, struct err *err)
{
    size_t i = 0;
    while (!ends_with(name, len, summaries[i].suffix))
        i++;
    buf_addf(&filter->sql,
             "(SELECT %s FROM series s JOIN metric_names n ON n.id = s.name WHERE n.name = ? AND "
             "s.run = r.id)",
             summaries[i].sql);
    return add_value(filter, name, len - strlen(summaries[i].suffix), 0, err);
}

int filter_field(struct filter *filter, const char *name, size_t len, struct err *err)
{
    static const char metrics[] = "metrics.";
    for (size_t i = 0; i < len; i++)
        if (!is_word(name[i]))
            return err_set(err, ERR_BAD_PARAMETER,
                           "a field's name has letters, digits and _ . / - : +, not \"%.*s\"",
                           (int)(len > 80 ? 80 : len), name);
    if (len > sizeof metrics - 1 && memcmp(name, metrics, sizeof metrics - 1) == 0)
        return metric_field(filter, name + sizeof metrics - 1, len - (sizeof metrics - 1), err);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        size_t n = strlen(fields[i].name);
        bool family = fields[i].name[n - 1] == '.';
        if (family ? len <= n || memcmp(name, fields[i].name, n) != 0
                   : len != n || memcmp(name, fields[i].name, n) != 0)
            continue;
        buf_adds(&filter->sql, fields[i].sql);
        return family ? add_value(filter, name + n, len - n, 0, err) : 0;
    }
    return err_set(err, ERR_BAD_PARAMETER,
                   "\"%.*s\" is no field; known are id, experiment, arm, seed, state, priority, "
                   "attempt, step, steps, digest, "
                   "reason, created_at, started_at, ended_at, grid.<path>, tags.<key>, "
                   "metrics.<name>[.min|.max|.mean]",
                   (int)(len > 80 ? 80 : len), name);
}

/* the parser: recursive descent over one cursor */

struct parser {
    struct filter *filter;
    const char *start, *at;
    struct err *err;
    int depth;
};

static int fail(struct parser *p, const char *expected)
{
    return err_set(p->err, ERR_BAD_PARAMETER, "filter, at character %d (\"%.*s\"): %s expected",
                   (int)(p->at - p->start) + 1, (int)jsonx_prefix(p->at, 20), p->at, expected);
}

static void skip_space(struct parser *p)
{
    while (isspace((unsigned char)*p->at))
        p->at++;
}

/* Takes the keyword when it stands here as a whole word. */
static bool take_word(struct parser *p, const char *word)
{
    skip_space(p);
    size_t n = strlen(word);
    if (strncasecmp(p->at, word, n) != 0 || is_word(p->at[n]))
        return false;
    p->at += n;
    return true;
}

static int parse_value(struct parser *p, bool contains)
{
    skip_space(p);
    char quote = *p->at;
    if (quote == '"' || quote == '\'') {
        const char *end = strchr(p->at + 1, quote);
        if (end == NULL)
            return fail(p, "a closing quote");
        int status = add_value(p->filter, p->at + 1, (size_t)(end - p->at - 1), 0, p->err);
        p->at = end + 1;
        return status;
    }
    const char *end = p->at;
    while (is_word(*end))
        end++;
    if (end == p->at)
        return fail(p, "a value");
    char *number_end;
    double number = strtod(p->at, &number_end);
    const char *text = number_end == end && !contains ? NULL : p->at;
    if (text == NULL && p->at + strspn(p->at, "-0123456789") == end && fabs(number) >= 0x1p53)
        return err_set(p->err, ERR_BAD_PARAMETER,
                       "filter: the integer %.*s is beyond 9007199254740991; a text needs quotes",
                       (int)(end - p->at > 40 ? 40 : end - p->at), p->at);
    int status = add_value(p->filter, text, (size_t)(end - p->at), number, p->err);
    p->at = end;
    return status;
}

static int parse_test(struct parser *p)
{
    static const struct {
        const char *text, *suffix, *prefix; /* around the SQL of the field */
    } operators[] = {
        { "!=", " IS NOT ?", "" },     { "<=", " <= ?", "" }, { ">=", " >= ?", "" },
        { "<", " < ?", "" },           { ">", " > ?", "" },   { "=", " = ?", "" },
        { "~", ", ?) > 0", "instr(" },
    };
    skip_space(p);
    const char *name = p->at;
    while (is_word(*p->at))
        p->at++;
    size_t len = (size_t)(p->at - name);
    if (len == 0)
        return fail(p, "a field");
    skip_space(p);
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        size_t n = strlen(operators[i].text);
        if (strncmp(p->at, operators[i].text, n) != 0)
            continue;
        p->at += n;
        buf_adds(&p->filter->sql, operators[i].prefix);
        int status = filter_field(p->filter, name, len, p->err);
        if (status == 0)
            status = parse_value(p, operators[i].text[0] == '~');
        buf_adds(&p->filter->sql, operators[i].suffix);
        return status;
    }
    return fail(p, "one of = != < <= > >= ~");
}

static int parse_expression(struct parser *p);

static int parse_factor(struct parser *p)
{
    if (take_word(p, "not")) {
        buf_adds(&p->filter->sql, "NOT ");
        return parse_factor(p);
    }
    skip_space(p);
    if (*p->at != '(')
        return parse_test(p);
    p->at++;
    if (++p->depth > FILTER_MAX_DEPTH)
        return fail(p, "less nesting");
    buf_addc(&p->filter->sql, '(');
    int status = parse_expression(p);
    if (status != 0)
        return status;
    skip_space(p);
    if (*p->at != ')')
        return fail(p, "\")\"");
    p->at++;
    p->depth--;
    buf_addc(&p->filter->sql, ')');
    return 0;
}

static int parse_expression(struct parser *p)
{
    int status = parse_factor(p);
    while (status == 0) {
        /* SQL's own precedence is the one wanted: AND binds tighter than OR. */
        if (take_word(p, "and"))
            buf_adds(&p->filter->sql, " AND ");
        else if (take_word(p, "or"))
            buf_adds(&p->filter->sql, " OR ");
        else
            break;
        status = parse_factor(p);
    }
    return status;
}

int filter_compile(struct filter *filter, const char *text, struct err *err)
{
    struct parser p = { .filter = filter, .start = text, .at = text, .err = err };
    if (strlen(text) > FILTER_MAX_BYTES)
        return err_set(err, ERR_BAD_PARAMETER, "the filter is longer than %d bytes",
                       FILTER_MAX_BYTES);
    skip_space(&p);
    if (*p.at == '\0') {
        buf_addc(&filter->sql, '1');
        return 0;
    }
    int status = parse_expression(&p);
    if (status != 0)
        return status;
    skip_space(&p);
    if (*p.at != '\0')
        return fail(&p, "\"and\", \"or\" or the end");
    return filter_check(filter, err);
}
