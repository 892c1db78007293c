/** Writing HTML: everything that is not ours is escaped. */
#ifndef WI_CHAOS_HTML_H
#define WI_CHAOS_HTML_H

#include <stdint.h>
#include <stdio.h>

/** Text, escaped for elements and quoted attributes; control characters become '?'. */
void chaos_html_text(FILE *out, const char *text);

/** "12,345". */
void chaos_html_count(FILE *out, uint64_t count);

/** "12.3 ms", "1.23 s". */
void chaos_html_ms(FILE *out, double ms);

#endif
