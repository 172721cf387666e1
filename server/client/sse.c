/* Line by line; an empty line gives out what has come. */
#include "server/client/sse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void events_init(struct events *events,
                 int (*take)(void *arg, const char *name, const char *data, size_t len), void *arg)
{
    *events = (struct events){ .next = -1, .last = -1, .take = take, .arg = arg };
    buf_init(&events->line, EVENTS_LINE);
    buf_init(&events->data, EVENTS_LINE);
}

void events_done(struct events *events)
{
    buf_done(&events->line);
    buf_done(&events->data);
}

void events_again(struct events *events)
{
    buf_clear(&events->line);
    buf_clear(&events->data);
    events->name[0] = '\0';
    events->next = -1;
}

static int give(struct events *e)
{
    int status = 0;
    if (e->next >= 0)
        e->last = e->next;
    if (e->data.len > 0) {
        buf_cut(&e->data, e->data.len - 1); /* the line feed behind its last line */
        status =
            e->take(e->arg, e->name[0] != '\0' ? e->name : "message", e->data.data, e->data.len);
    }
    buf_clear(&e->data);
    e->name[0] = '\0';
    e->next = -1;
    return status;
}

static int take_line(struct events *e)
{
    const char *line = e->line.data != NULL ? e->line.data : "";
    size_t len = e->line.len;
    if (len > 0 && line[len - 1] == '\r')
        len--;
    if (len == 0)
        return give(e);
    const char *colon = memchr(line, ':', len);
    size_t name = colon != NULL ? (size_t)(colon - line) : len;
    const char *value = colon != NULL ? colon + 1 : line + len;
    if (value < line + len && *value == ' ')
        value++;
    int value_len = (int)(line + len - value);
    if (name == 2 && memcmp(line, "id", 2) == 0) {
        char *end, text[24];
        snprintf(text, sizeof text, "%.*s", value_len, value);
        long long id = strtoll(text, &end, 10);
        if (end != text && *end == '\0' && id >= 0)
            e->next = id;
    } else if (name == 5 && memcmp(line, "event", 5) == 0) {
        snprintf(e->name, sizeof e->name, "%.*s", value_len, value);
    } else if (name == 4 && memcmp(line, "data", 4) == 0) {
        buf_add(&e->data, value, (size_t)value_len);
        buf_addc(&e->data, '\n');
    }
    return e->data.failed ? -1 : 0;
}

int events_feed(struct events *e, const char *bytes, size_t len)
{
    for (const char *end; len > 0;) {
        end = memchr(bytes, '\n', len);
        size_t part = end != NULL ? (size_t)(end - bytes) : len;
        buf_add(&e->line, bytes, part);
        if (e->line.failed)
            return -1;
        if (end == NULL)
            return 0;
        int status = take_line(e);
        buf_clear(&e->line);
        if (status != 0)
            return status;
        bytes += part + 1;
        len -= part + 1;
    }
    return 0;
}
