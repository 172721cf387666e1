/* buf: a growable run of bytes with an upper bound.
 *
 * An append that would pass the bound, or that finds no memory, marks the buffer failed and changes
 * nothing; later appends do nothing. So a caller may append many times and ask once, at the end.
 * data is always followed by a NUL that len does not count.
 */
#ifndef ABLATE_COMMON_BUF_H
#define ABLATE_COMMON_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data;   /* owned; NULL until the first append */
    size_t len;   /* bytes in use */
    size_t size;  /* bytes allocated */
    size_t limit; /* bytes that len may reach; 0 = no bound */
    bool failed;
    bool full; /* it failed at the bound */
};

void buf_init(struct buf *buf, size_t limit);
void buf_done(struct buf *buf);
/* Empties the buffer and clears `failed`; keeps the memory. */
void buf_clear(struct buf *buf);
void buf_add(struct buf *buf, const void *bytes, size_t len);
void buf_adds(struct buf *buf, const char *text);
void buf_addc(struct buf *buf, char c);
void buf_addf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Forgets what stands behind the first len bytes (len <= buf->len), and `failed`. */
void buf_cut(struct buf *buf, size_t len);
/* Removes the first len bytes (len <= buf->len). */
void buf_shift(struct buf *buf, size_t len);
/* Hands the bytes over (free() them) and leaves the buffer empty; NULL when it has failed. */
char *buf_take(struct buf *buf, size_t *ret_len);

#endif
