/* Any bytes as a history: the reader takes or refuses each line, what it takes is written as it was
 * read, and the checker stands whatever the events say. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>

#include "sim/checker.h"
#include "sim/history_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same line again. */
static bool
is_canonical(const struct wi_history_line *line, const char *text, size_t length)
{
    char again[WI_HISTORY_LINE_SIZE];
    size_t written = line->type == WI_HISTORY_LINE_SETTINGS
                         ? wi_history_format_settings(&line->settings, again)
                         : wi_history_format(&line->event, again);

    return line->type == WI_HISTORY_LINE_REMARK ||
           (written == length && memcmp(again, text, length) == 0);
}

static bool
feed(struct wi_checker **checker, const struct wi_history_line *line)
{
    struct wi_violation violation;

    if (line->type == WI_HISTORY_LINE_SETTINGS && *checker == NULL &&
        wi_checker_new(weir_env_default(), &line->settings, checker) != WEIR_OK) {
        return false;
    }
    return line->type != WI_HISTORY_LINE_EVENT || *checker == NULL ||
           wi_checker_feed(*checker, &line->event, &violation);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wi_checker *checker = NULL;
    size_t start = 0;
    bool holds = true;

    for (size_t i = 0; i <= size; i++) {
        struct wi_history_line line;
        const char *text = (const char *)data + start;

        if (i < size && data[i] != '\n') {
            continue;
        }
        if (wi_history_parse(text, i - start, 1, &line, NULL) == WEIR_OK) {
            if (!is_canonical(&line, text, i - start)) {
                abort();
            }
            holds = holds && feed(&checker, &line);
        }
        start = i + 1;
    }
    wi_checker_free(checker);
    return 0;
}
