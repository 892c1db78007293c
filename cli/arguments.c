/* The command line: one table per command gives the parser, the error lines and --help. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

/* Longest word that a suggestion is looked for. */
#define WORD_MAX 32
/* A suggestion may differ from the word by one letter, and one more for each so many. */
#define LETTERS_PER_ERROR 3

/* The options that every command has; they stand last in --help. */
enum common {
    COMMON_DATA,
    COMMON_JSON,
    COMMON_HELP,
    COMMON_COUNT
};

static const struct cli_option common_options[COMMON_COUNT] = {
    [COMMON_DATA] = {"data", CLI_VALUE, "DIR", "data directory (WEIR_DATA; ./weir-data)"},
    [COMMON_JSON] = {"json", CLI_FLAG, NULL, "output for machines"},
    [COMMON_HELP] = {"help", CLI_FLAG, NULL, "show this text"},
};

/* One run of the parser. */
struct parser {
    const struct cli_command *command;
    struct cli *cli;
    struct cli_arguments *arguments;
    int argc;
    char **argv;
    int next; /* index of the word to look at */
    bool help;
};

static size_t
smallest(size_t a, size_t b, size_t c)
{
    const size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* How many letters have to be put in, left out or changed to make one word of the other. */
static size_t
edit_distance(const char *a, const char *b)
{
    size_t row[WORD_MAX + 1];
    const size_t a_length = strlen(a);
    const size_t b_length = strlen(b);

    if (a_length > WORD_MAX || b_length > WORD_MAX) {
        return WORD_MAX;
    }
    for (size_t j = 0; j <= b_length; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            const size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = smallest(row[j] + 1, row[j - 1] + 1, changed);
        }
    }
    return row[b_length];
}

const char *
cli_nearest(const char *word, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t best_distance = strlen(word) / LETTERS_PER_ERROR + 2;

    for (size_t i = 0; i < count; i++) {
        const size_t distance = edit_distance(word, names[i]);
        if (distance < best_distance && distance < strlen(names[i])) {
            best = names[i];
            best_distance = distance;
        }
    }
    return best;
}

/* The option whose name is the first `length` bytes of `name`, among the command's, then the
 * common ones; *ret_index counts the common ones on. */
static const struct cli_option *
find_option(const struct cli_command *command, const char *name, size_t length, size_t *ret_index)
{
    for (size_t i = 0; i < command->option_count + COMMON_COUNT; i++) {
        const struct cli_option *option = i < command->option_count
                                              ? &command->options[i]
                                              : &common_options[i - command->option_count];
        if (strlen(option->name) == length && strncmp(option->name, name, length) == 0) {
            *ret_index = i;
            return option;
        }
    }
    return NULL;
}

static int
unknown_option(const struct cli_command *command, const char *word, size_t length)
{
    char name[WORD_MAX + 1];
    const char *names[CLI_OPTIONS_MAX + COMMON_COUNT];
    const char *nearest = NULL;

    for (size_t i = 0; i < command->option_count; i++) {
        names[i] = command->options[i].name;
    }
    for (size_t i = 0; i < COMMON_COUNT; i++) {
        names[command->option_count + i] = common_options[i].name;
    }
    if (length <= WORD_MAX) {
        (void)snprintf(name, sizeof name, "%.*s", (int)length, word);
        nearest = cli_nearest(name, names, command->option_count + COMMON_COUNT);
    }
    if (nearest != NULL) {
        return cli_usage(
            command->name,
            "unknown option '--%.*s': did you mean '--%s'?",
            (int)length,
            word,
            nearest);
    }
    return cli_usage(command->name, "unknown option '--%.*s'", (int)length, word);
}

/* Keep the value of option number `index`. */
static int
set_option(struct parser *p, size_t index, const char *value)
{
    if (index < p->command->option_count) {
        p->arguments->value[index] = value;
        return CLI_OK;
    }
    switch ((enum common)(index - p->command->option_count)) {
    case COMMON_DATA:
        if (*value == '\0') {
            return cli_usage(p->command->name, "--data needs the name of a directory, not ''");
        }
        p->cli->data = value;
        return CLI_OK;
    case COMMON_JSON:
        p->cli->json = true;
        return CLI_OK;
    case COMMON_HELP:
    case COMMON_COUNT:
        break;
    }
    p->help = true;
    return CLI_OK;
}

/* "--name", "--name value" or "--name=value", `word` without the dashes. */
static int
parse_option(struct parser *p, const char *word)
{
    const size_t length = strcspn(word, "=");
    const char *value = word[length] == '=' ? word + length + 1 : NULL;
    size_t index;
    const struct cli_option *option = find_option(p->command, word, length, &index);

    if (option == NULL) {
        return unknown_option(p->command, word, length);
    }
    switch (option->kind) {
    case CLI_FLAG:
        if (value != NULL) {
            return cli_usage(
                p->command->name, "--%s takes no value, but got '%s'", option->name, value);
        }
        return set_option(p, index, "");
    case CLI_BOOLEAN:
        return set_option(p, index, value == NULL ? "true" : value);
    case CLI_VALUE:
        break;
    }
    if (value == NULL && p->next < p->argc) {
        value = p->argv[p->next++];
    }
    if (value == NULL) {
        return cli_usage(
            p->command->name,
            "--%s needs a value: --%s %s",
            option->name,
            option->name,
            option->value);
    }
    return set_option(p, index, value);
}

static int
parse_operand(struct parser *p, const char *word)
{
    const struct cli_command *command = p->command;

    if (p->arguments->operand_count == command->operands_max) {
        if (command->operands_max == 0) {
            return cli_usage(command->name, "unexpected '%s': it takes options only", word);
        }
        return cli_usage(command->name, "unexpected '%s' after %s", word, command->operands);
    }
    p->arguments->operand[p->arguments->operand_count++] = word;
    return CLI_OK;
}

static int
parse_words(struct parser *p)
{
    bool options_ended = false;
    int status = CLI_OK;

    while (p->next < p->argc && status == CLI_OK) {
        const char *word = p->argv[p->next++];
        if (options_ended || word[0] != '-' || word[1] == '\0') {
            status = parse_operand(p, word);
        } else if (strcmp(word, "--") == 0) {
            options_ended = true;
        } else if (strcmp(word, "-h") == 0) {
            p->help = true;
        } else if (word[1] == '-') {
            status = parse_option(p, word + 2);
        } else {
            status = cli_usage(
                p->command->name,
                "unknown option '%s': options begin with two dashes, and a name that begins with "
                "one stands after `--`",
                word);
        }
        if (p->help) {
            return CLI_OK;
        }
    }
    return status;
}

bool
cli_arguments_parse(
    const struct cli_command *command,
    int argc,
    char **argv,
    struct cli *cli,
    struct cli_arguments *ret,
    int *ret_status)
{
    struct parser parser = {command, cli, ret, argc, argv, 1, false};
    int status;

    *ret = (struct cli_arguments){.operand_count = 0};
    status = parse_words(&parser);
    if (parser.help) {
        cli_arguments_help(command);
        *ret_status = CLI_OK;
        return false;
    }
    if (status == CLI_OK && ret->operand_count < command->operands_min) {
        status = cli_usage(command->name, "too few words: it needs %s", command->operands);
    }
    if (status != CLI_OK) {
        *ret_status = status;
        return false;
    }
    return true;
}

/* One line of --help: "  --name VALUE   help". */
static void
print_option(const struct cli_option *option)
{
    char left[WORD_MAX * 2];

    if (option->help == NULL) {
        return;
    }
    switch (option->kind) {
    case CLI_FLAG:
        (void)snprintf(left, sizeof left, "--%s", option->name);
        break;
    case CLI_VALUE:
        (void)snprintf(left, sizeof left, "--%s %s", option->name, option->value);
        break;
    case CLI_BOOLEAN:
        (void)snprintf(left, sizeof left, "--%s[=BOOL]", option->name);
        break;
    }
    printf("  %-30s  %s\n", left, option->help);
}

void
cli_arguments_help(const struct cli_command *command)
{
    printf(
        "Usage: weir %s%s%s [options]\n\n%s\n\nOptions:\n",
        command->name,
        *command->operands == '\0' ? "" : " ",
        command->operands,
        command->summary);
    for (size_t i = 0; i < command->option_count; i++) {
        print_option(&command->options[i]);
    }
    for (size_t i = 0; i < COMMON_COUNT; i++) {
        print_option(&common_options[i]);
    }
    if (command->more != NULL) {
        printf("\n%s\n", command->more);
    }
}
