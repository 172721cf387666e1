/* Specs for tests, written with single quotes. */
#ifndef ABLATE_TESTS_SPECS_H
#define ABLATE_TESTS_SPECS_H

#include "common/json/jsonx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static inline json_t *spec_json(const char *quoted)
{
    char text[8192];
    json_t *json = NULL;
    struct err err;
    snprintf(text, sizeof text, "%s", quoted);
    for (char *c = text; *c != '\0'; c++)
        if (*c == '\'')
            *c = '"';
    if (jsonx_load(text, strlen(text), &json, &err) != 0)
        fail_msg("%s: %s", quoted, err.message);
    return json;
}

/* That a call ended as a row of a table wants. */
static inline void spec_check(const char *quoted, int status, const struct err *err,
                              enum err_code code, const char *pointer, const char *said)
{
    if (status != -(int)code ||
        (code != 0 && (strcmp(err->pointer, pointer) != 0 || strstr(err->message, said) == NULL)))
        fail_msg("%s:\n%s at \"%s\": %s", quoted, err_name(status), err->pointer, err->message);
}

#endif
