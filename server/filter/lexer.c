/* The longest word or sign that begins here. */
#include "server/filter/lexer.h"

#include "common/base/utf8.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || (c != '\0' && strchr("_./-:+%", c) != NULL);
}

static size_t sign_bytes(const char *at)
{
    static const char *const signs[] = { "!=", "<=", ">=", "=", "<", ">", "~", "(", ")", "," };
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (strncmp(at, signs[i], strlen(signs[i])) == 0)
            return strlen(signs[i]);
    return 0;
}

/* From quote to quote. */
static struct token quoted(const char *at)
{
    const char *end = at + 1;
    for (; *end != '\0'; end++) {
        if (*end != *at)
            continue;
        if (end[1] != *at)
            return (struct token){ TOKEN_TEXT, at, (size_t)(end + 1 - at) };
        end++;
    }
    return (struct token){ TOKEN_OPEN, at, (size_t)(end - at) };
}

struct token lexer_next(const char *at)
{
    while (isspace((unsigned char)*at))
        at++;
    size_t len = 0;
    if (*at == '\0')
        return (struct token){ TOKEN_END, at, 0 };
    if (*at == '"' || *at == '\'')
        return quoted(at);
    while (is_word(at[len]))
        len++;
    if (len > 0)
        return (struct token){ TOKEN_WORD, at, len };
    if ((len = sign_bytes(at)) > 0)
        return (struct token){ TOKEN_SIGN, at, len };
    len = utf8_char(at, strnlen(at, 4));
    return (struct token){ TOKEN_STRANGE, at, len > 0 ? len : 1 };
}

bool token_is(const struct token *token, const char *text)
{
    return (token->kind == TOKEN_WORD || token->kind == TOKEN_SIGN) && token->len == strlen(text) &&
           strncasecmp(token->at, text, token->len) == 0;
}

size_t token_text(const struct token *token, char *ret)
{
    size_t n = 0;
    bool is_text = token->kind == TOKEN_TEXT;
    for (size_t i = is_text; i + is_text < token->len; i++) {
        ret[n++] = token->at[i];
        if (is_text && token->at[i] == token->at[0])
            i++; /* the second of two */
    }
    ret[n] = '\0';
    return n;
}
