/* Commands that consist of others: `weir` itself, `weir stream`, `weir app`. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

/* Most commands of a group. */
#define MEMBERS_MAX 16

void
cli_group_help(const struct cli_group *group)
{
    printf(
        "Usage: weir %s%sCOMMAND [options]\n\n%s\n\nCommands:\n",
        group->name,
        *group->name == '\0' ? "" : " ",
        group->head);
    for (size_t i = 0; i < group->count; i++) {
        printf("  %-8s  %s\n", group->members[i].name, group->members[i].help);
    }
    printf("\n%s\n", group->foot);
}

const struct cli_member *
cli_group_find(const struct cli_group *group, const char *name)
{
    const char *names[MEMBERS_MAX];
    const char *nearest;

    for (size_t i = 0; i < group->count && i < MEMBERS_MAX; i++) {
        if (strcmp(group->members[i].name, name) == 0) {
            return &group->members[i];
        }
        names[i] = group->members[i].name;
    }
    nearest = cli_nearest(name, names, group->count);
    if (nearest != NULL) {
        (void)cli_usage(
            group->name,
            "unknown command '%s': did you mean `weir %s%s%s`?",
            name,
            group->name,
            *group->name == '\0' ? "" : " ",
            nearest);
    } else {
        (void)cli_usage(group->name, "unknown command '%s'", name);
    }
    return NULL;
}

/* One option before the command, at argv[*at]. */
static int
leading_option(const struct cli_group *group, int argc, char **argv, struct cli *cli, int *at)
{
    const char *word = argv[*at];
    const char *data = NULL;

    if (strcmp(word, "--json") == 0) {
        cli->json = true;
        return CLI_OK;
    }
    if (strcmp(word, "--data") == 0 && *at + 1 < argc) {
        data = argv[++*at];
    } else if (strncmp(word, "--data=", strlen("--data=")) == 0) {
        data = word + strlen("--data=");
    } else if (strcmp(word, "--data") != 0) {
        return cli_usage(group->name, "unknown option '%s' before the command", word);
    }
    if (data == NULL || *data == '\0') {
        return cli_usage(group->name, "--data needs the name of a directory");
    }
    cli->data = data;
    return CLI_OK;
}

int
cli_group_run(const struct cli_group *group, int argc, char **argv, struct cli *cli)
{
    const struct cli_member *member;
    int at = 1;

    for (; at < argc && argv[at][0] == '-'; at++) {
        int status;
        if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0) {
            cli_group_help(group);
            return CLI_OK;
        }
        status = leading_option(group, argc, argv, cli, &at);
        if (status != CLI_OK) {
            return status;
        }
    }
    if (at >= argc) {
        return cli_usage(group->name, "a command is missing, such as '%s'", group->members[0].name);
    }
    member = cli_group_find(group, argv[at]);
    return member == NULL ? CLI_USAGE : member->run(argc - at, argv + at, cli);
}
