/* lexer: the tokens of a filter. Words and quoted texts aren't told apart by what they mean: that is
 * the parser's, since every word may be a value. */
#ifndef ABLATE_SERVER_FILTER_LEXER_H
#define ABLATE_SERVER_FILTER_LEXER_H

#include <stdbool.h>
#include <stddef.h>

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,   /* letters, digits and _ . / - : + % */
    TOKEN_TEXT,   /* between " or ', a doubled one stands for itself */
    TOKEN_SIGN,   /* = != < <= > >= ~ ( ) , */
    TOKEN_OPEN,   /* a text whose closing quote is missing */
    TOKEN_STRANGE /* a character that begins nothing */
};
struct token {
    enum token_kind kind;
    const char *at; /* its first byte; of a text the quote */
    size_t len;
};

/* The token at or behind `at`. */
struct token lexer_next(const char *at);
/* Whether a word or sign is this one; words whatever the case of their letters. */
bool token_is(const struct token *token, const char *text);
/* The content of a text, or a word itself, into ret, which has at least len + 1 bytes; its length. */
size_t token_text(const struct token *token, char *ret);

#endif
