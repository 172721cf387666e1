/* Texts are kept one behind the other in the room of the filter or order, each ended by a zero. */
#include "server/filter/reader.h"

#include "server/filter/fields.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void reader_advance(struct reader *r)
{
    r->token = lexer_next(r->token.at + r->token.len);
}

int reader_fail(struct reader *r, const struct token *token, const char *format, ...)
{
    char said[sizeof r->err->message];
    va_list args;
    va_start(args, format);
    vsnprintf(said, sizeof said, format, args);
    va_end(args);
    size_t at = (size_t)(token->at - r->text);
    return err_set_in(r->err, ERR_BAD_PARAMETER, r->text, at, token->len, "%s, at character %d: %s",
                      r->what, err_character(r->text, at), said);
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

int reader_expected(struct reader *r, const char *expected)
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
        if (strncmp(r->token.at, hints[i].written, strlen(hints[i].written)) == 0)
            hint = hints[i].meant;
    if (r->token.kind == TOKEN_SIGN && r->token.at > r->text && *r->token.at == '=' &&
        r->token.at[-1] == '=')
        hint = "; equality is one =";
    if (r->token.kind == TOKEN_OPEN)
        return reader_fail(r, &r->token, "a closing quote expected");
    return reader_fail(r, &r->token, "%s expected, not %s%s", expected, found(&r->token, here),
                       hint);
}

char *reader_keep(struct reader *r, const struct token *token)
{
    char *at = r->texts + *r->texts_n;
    if (*r->texts_n + token->len + 1 > FILTER_TEXTS)
        return NULL;
    *r->texts_n += token_text(token, at) + 1;
    return at;
}

int reader_full(struct reader *r, const struct token *token)
{
    return reader_fail(r, token, "so much does not fit a %s", r->what);
}

/* references */

static int fail_unknown(struct reader *r, const struct token *token, const char *name)
{
    struct near near = { .wanted = name };
    char looks[sizeof r->err->message];
    fields_near(r->of, &near);
    near_text(&near, looks, sizeof looks);
    return reader_fail(r, token, "`%.60s` is no field of %s%s; known are %s", name,
                       r->of == FILTER_RUNS ? "a run" : "an experiment", looks,
                       fields_known(r->of));
}

/* A word, and if it ends with a dot what is in the quotes right behind it: tags."a key". */
static int take_name(struct reader *r, struct token *ret_token, char **ret)
{
    char here[64];
    *ret_token = r->token;
    if (r->token.kind != TOKEN_WORD)
        return reader_expected(r, "a field");
    char *name = reader_keep(r, &r->token);
    if (name == NULL)
        return reader_full(r, &r->token);
    bool family = name[strlen(name) - 1] == '.';
    reader_advance(r);
    if (family && r->token.kind == TOKEN_TEXT && r->token.at == ret_token->at + ret_token->len) {
        (*r->texts_n)--; /* one text of both */
        if (reader_keep(r, &r->token) == NULL)
            return reader_full(r, &r->token);
        ret_token->len += r->token.len;
        reader_advance(r);
    }
    if (strchr(name, '%') != NULL)
        return reader_fail(r, ret_token, "a field expected, not %s", found(ret_token, here));
    *ret = name;
    return 0;
}

int reader_ref(struct reader *r, struct filter_ref *ret)
{
    char member[2 * FILTER_MAX_BYTES];
    struct token token;
    char *name = NULL;
    int status = take_name(r, &token, &name);
    if (status != 0)
        return status;
    if (!fields_find(r->of, name, member, ret))
        return fail_unknown(r, &token, name);
    ret->name = name;
    ret->at = (size_t)(token.at - r->text);
    ret->len = token.len;
    if (ret->member != NULL) {
        size_t len = strlen(member) + 1;
        if (*r->texts_n + len > FILTER_TEXTS)
            return reader_full(r, &token);
        ret->member = memcpy(r->texts + *r->texts_n, member, len);
        *r->texts_n += len;
    }
    return 0;
}
