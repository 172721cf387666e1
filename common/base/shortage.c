/* One flag a thread: a store, a job and the JSON that is made of it are one thread's at a time. */
#include "common/base/shortage.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local bool noted;

void shortage_begin(void)
{
    noted = false;
}

int shortage_end(int status, struct err *err)
{
    bool short_of_memory = noted;
    noted = false;
    return status == 0 && short_of_memory ? err_no_memory(err, "what was asked for") : status;
}

void shortage_note(void)
{
    noted = true;
}

void *shortage_malloc(size_t size)
{
    void *bytes = malloc(size);
    noted |= bytes == NULL;
    return bytes;
}

char *shortage_strdup(const char *text)
{
    char *copy = strdup(text);
    noted |= copy == NULL;
    return copy;
}
