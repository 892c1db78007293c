/* Linked into `weir` where branches are counted: children that end with _exit(2) count as well. */
#include <unistd.h>

int __llvm_profile_write_file(void);     /* NOLINT(bugprone-reserved-identifier) */
_Noreturn void __real__exit(int status); /* NOLINT(bugprone-reserved-identifier) */
_Noreturn void __wrap__exit(int status); /* NOLINT(bugprone-reserved-identifier) */

_Noreturn void
__wrap__exit(int status) /* NOLINT(bugprone-reserved-identifier) */
{
    (void)__llvm_profile_write_file();
    __real__exit(status);
}
