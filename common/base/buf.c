/* Every append goes through reserve(), which alone knows the bound; memory grows by doubling, so
 * that many small appends cost little more than one large one. */
#include "common/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *buf, size_t limit)
{
    *buf = (struct buf){ .limit = limit };
}

void buf_done(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){ .limit = buf->limit };
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->failed = buf->full = false;
    if (buf->data != NULL)
        buf->data[0] = '\0';
}

/* Makes room for len more bytes and the final NUL. */
static bool reserve(struct buf *buf, size_t len)
{
    if (buf->failed)
        return false;
    if (len > (size_t)-1 - buf->len - 1 || (buf->limit != 0 && buf->len + len > buf->limit)) {
        buf->failed = buf->full = true;
        return false;
    }
    size_t need = buf->len + len + 1;
    if (need > buf->size) {
        size_t size = buf->size < 64 ? 64 : buf->size;
        while (size < need)
            size = size > (size_t)-1 / 2 ? need : size * 2;
        char *data = realloc(buf->data, size);
        if (data == NULL) {
            buf->failed = true;
            return false;
        }
        buf->data = data;
        buf->size = size;
    }
    return true;
}

void buf_add(struct buf *buf, const void *bytes, size_t len)
{
    if (!reserve(buf, len))
        return;
    if (len > 0)
        memcpy(buf->data + buf->len, bytes, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void buf_adds(struct buf *buf, const char *text)
{
    buf_add(buf, text, strlen(text));
}

void buf_addc(struct buf *buf, char c)
{
    buf_add(buf, &c, 1);
}

void buf_addf(struct buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    if (len < 0)
        buf->failed = true;
    else if (reserve(buf, (size_t)len)) {
        vsnprintf(buf->data + buf->len, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    }
    va_end(again);
    va_end(args);
}

void buf_cut(struct buf *buf, size_t len)
{
    buf->len = len;
    buf->failed = buf->full = false;
    if (buf->data != NULL)
        buf->data[len] = '\0';
}

void buf_shift(struct buf *buf, size_t len)
{
    if (len == 0)
        return;
    memmove(buf->data, buf->data + len, buf->len - len);
    buf->len -= len;
    buf->data[buf->len] = '\0';
}

char *buf_take(struct buf *buf, size_t *ret_len)
{
    if (!reserve(buf, 0))
        return NULL;
    char *data = buf->data;
    data[buf->len] = '\0';
    if (ret_len != NULL)
        *ret_len = buf->len;
    *buf = (struct buf){ .limit = buf->limit };
    return data;
}
