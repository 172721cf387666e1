/* Nothing that people have named leaves its single quotes. */
#include "server/report/figure_parts.h"

#include "common/base/utf8.h"

#include <fontconfig/fontconfig.h>
#include <math.h>
#include <string.h>

struct figure_look figure_look(size_t arm)
{
    static const struct figure_look looks[] = {
        { "0072B2", 7, 1 },  { "D55E00", 5, 2 }, { "009E73", 9, 4 }, { "CC79A7", 13, 5 },
        { "B58900", 11, 3 }, { "56B4E9", 6, 1 }, { "6B5FB5", 4, 2 }, { "5F666D", 8, 4 },
    };
    return looks[arm % (sizeof looks / sizeof *looks)]; /* then they repeat */
}

void figure_quoted(const char *text, struct buf *to)
{
    buf_addc(to, '\'');
    for (const char *c = text; *c != '\0'; c++)
        buf_addc(to, *c == '\'' || *c == '`' || *c == '\\' || (unsigned char)*c < 32 ? ' ' : *c);
    buf_addc(to, '\'');
}

/* Every character that some font has which is asked where the figure's lacks one, as pango asks
 * them; NULL: it isn't known. */
static FcCharSet *drawable(void)
{
    FcPattern *wanted = FcNameParse((const FcChar8 *)"DejaVu Sans");
    FcCharSet *characters = NULL;
    FcFontSet *fonts = NULL;
    FcResult result;
    if (wanted != NULL && FcConfigSubstitute(NULL, wanted, FcMatchPattern)) {
        FcDefaultSubstitute(wanted);
        fonts = FcFontSort(NULL, wanted, FcFalse, &characters, &result);
    }
    if (fonts != NULL)
        FcFontSetDestroy(fonts);
    if (wanted != NULL)
        FcPatternDestroy(wanted);
    return characters;
}

/* Whether nothing is drawn for it, with a font or without: joiners and variation selectors. */
static bool is_unseen(uint32_t c)
{
    return c == 0x200c || c == 0x200d || (c >= 0xfe00 && c <= 0xfe0f) ||
           (c >= 0xe0100 && c <= 0xe01ef);
}

void figure_only_drawable(struct buf *script, size_t from)
{
    struct buf clean;
    FcCharSet *characters = drawable();
    if (characters == NULL)
        return;
    buf_init(&clean, 0);
    for (size_t at = from, n; at < script->len; at += n) {
        uint32_t c = utf8_decode(script->data + at, script->len - at, &n);
        if (c < 0x80 || FcCharSetHasChar(characters, c))
            buf_add(&clean, script->data + at, n);
        else if (!is_unseen(c))
            buf_adds(&clean, FcCharSetHasChar(characters, 0xfffd) ? "\uFFFD" : "?");
    }
    script->failed |= clean.failed;
    if (!clean.failed) {
        script->len = from;
        buf_add(script, clean.data, clean.len);
    }
    buf_done(&clean);
    FcCharSetDestroy(characters);
}

void figure_clip(const char *text, size_t most, struct buf *to)
{
    size_t len = strlen(text), at = 0, end = 0, chars = 0, bytes;
    while ((bytes = utf8_char(text + at, len - at)) > 0) {
        at += bytes;
        end = ++chars < most ? at : end;
    }
    buf_add(to, text, chars > most ? end : at);
    buf_adds(to, chars > most ? "…" : "");
}

void figure_number(double value, struct buf *to)
{
    buf_addc(to, ' ');
    if (isfinite(value))
        buf_addf(to, "%.9g", value);
    else
        buf_adds(to, "NaN");
}
