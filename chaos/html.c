#include "chaos/html.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

void
chaos_html_text(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        const unsigned char c = (unsigned char)*text;

        switch (c) {
        case '&':
            (void)fputs("&amp;", out);
            break;
        case '<':
            (void)fputs("&lt;", out);
            break;
        case '>':
            (void)fputs("&gt;", out);
            break;
        case '"':
            (void)fputs("&quot;", out);
            break;
        case '\'':
            (void)fputs("&#39;", out);
            break;
        default:
            (void)fputc(c < 0x20 || c == 0x7f ? '?' : c, out);
        }
    }
}

void
chaos_html_count(FILE *out, uint64_t count)
{
    char digits[32];
    const int length = snprintf(digits, sizeof digits, "%" PRIu64, count);

    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            (void)fputc(',', out);
        }
        (void)fputc(digits[i], out);
    }
}

void
chaos_html_ms(FILE *out, double ms)
{
    if (ms >= 10000) {
        (void)fprintf(out, "%.1f s", ms / 1000);
    } else if (ms >= 1000) {
        (void)fprintf(out, "%.2f s", ms / 1000);
    } else {
        (void)fprintf(out, ms < 10 ? "%.1f ms" : "%.0f ms", ms);
    }
}
