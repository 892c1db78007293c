/* Any text as one "name=value" after the other of the worker's options. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/worker.h>

#include "core/config.h"
#include "worker/worker_options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weir_worker_options options = WEIR_WORKER_OPTIONS_INIT;
    char *text = malloc(size + 1);
    struct weir_detail detail;

    if (text == NULL) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    for (char *line = text; line != NULL && line < text + size;) {
        char *end = strchr(line, '\n');
        enum weir_error first = WEIR_OK;
        enum weir_error again = WEIR_OK;

        if (end != NULL) {
            *end = '\0';
        }
        first = wi_config_parse(wi_worker_options_table(), &options, line, &detail);
        again = wi_config_parse(wi_worker_options_table(), &options, line, &detail);
        if (first == WEIR_OK && again != WEIR_OK) {
            abort(); /* what was taken once is taken again */
        }
        line = end == NULL ? NULL : end + 1;
    }
    (void)!wi_worker_options_check(&options, &detail);
    free(text);
    return 0;
}
