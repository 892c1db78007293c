/* Prints docs/configuration.md from the one table of options: the file in the tree must equal it.
 * `print_configuration > docs/configuration.md` after a change of worker/worker_options.c. */
#include <stdio.h>

#include <weir/worker.h>

int
main(void)
{
    (void)puts("# Configuration\n");
    (void)puts("Generated from the table in `worker/worker_options.c`; a test compares the two.\n");
    (void)puts("A worker's options are members of `struct weir_worker_options`, names for");
    (void)puts(
        "`weir_worker_option_set()`, and long options of `weir worker` with `-` for `_` (the");
    (void)puts(
        "unit may be left out: `--lease-duration 10s`). Durations take `ms`, `s`, `m`, `h`,");
    (void)puts("`d`; sizes `KiB`, `MiB`, `GiB`.\n");
    (void)fputs(weir_worker_options_markdown(), stdout);
    (void)puts("\n## Environment\n");
    (void)puts("| variable | what |");
    (void)puts("|---|---|");
    (void)puts("| `WEIR_DATA` | data directory of the `weir` command; `--data` overrides it |");
    (void)puts("| `NO_COLOR` | `weir demo` draws without colours |");
    return 0;
}
