/* "METHOD /path": a row whose segments are those of the path, or a list of what is allowed. */
#include "server/http/route.h"
#include "tests/fuzz/fuzz.h"

enum { ALLOW_BYTES = 64 }; /* as route_match asks for */

static size_t count(const char *text, char c)
{
    size_t n = 0;
    for (; *text != '\0'; text++)
        n += *text == c;
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char allow[ALLOW_BYTES];
    const char *params[ENDPOINT_PARAMS] = { NULL };
    char *method = fuzz_text(data, size), *path = strchr(method, ' ');
    if (path != NULL) {
        *path++ = '\0';
        size_t len = strlen(path), segments = count(path, '/');
        const struct endpoint *row = route_match(routes, method, path, params, allow);
        FUZZ_CHECK(memchr(allow, '\0', sizeof allow) != NULL);
        if (row != NULL) {
            FUZZ_CHECK(count(row->path, '/') == segments && allow[0] != '\0');
            for (size_t i = 0; i < ENDPOINT_PARAMS; i++)
                FUZZ_CHECK((i < count(row->path, '{')) == (params[i] != NULL));
            for (size_t i = 0; i < ENDPOINT_PARAMS && params[i] != NULL; i++)
                FUZZ_CHECK(params[i] > path && params[i] < path + len && params[i][0] != '\0' &&
                           strchr(params[i], '/') == NULL);
        }
    }
    free(method);
    return 0;
}
