/* Any text as words of a command line, one a line. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/env.h>

#include "cli/cli.h"

#define WORDS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct cli_option options[] = {
    {"limit", CLI_VALUE, "N", "how many"},
    {"follow", CLI_FLAG, NULL, "go on"},
    {"strict", CLI_BOOLEAN, NULL, "abort"},
};

static const struct cli_command command = {
    .name = "get",
    .operands = "NAME",
    .summary = "Print records.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .operands_min = 1,
    .operands_max = 2,
};

/* Instead of the program's: nobody reads what it says. */
int
cli_usage(const char *command_name, const char *format, ...)
{
    if (command_name == NULL || format == NULL) {
        abort();
    }
    return CLI_USAGE;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *words[WORDS_MAX + 1] = {"get"};
    char *text = malloc(size + 1);
    struct cli cli = {weir_env_default(), "data", false};
    struct cli_arguments arguments;
    int status = 0;
    int count = 1;

    if (text == NULL || freopen("/dev/null", "w", stdout) == NULL) { /* for --help */
        free(text);
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    for (char *word = text; word != NULL && count < WORDS_MAX;) {
        char *end = strchr(word, '\n');

        words[count++] = word;
        if (end != NULL) {
            *end = '\0';
        }
        word = end == NULL ? NULL : end + 1;
    }
    words[count] = NULL;
    if (cli_arguments_parse(&command, count, words, &cli, &arguments, &status) &&
        (arguments.operand_count < 1 || arguments.operand_count > 2)) {
        abort();
    }
    free(text);
    return 0;
}
