/* The smallest user: header and library must agree. */
#include <stdio.h>
#include <string.h>

#include <weir/version.h>

int
main(void)
{
    printf("weir %s\n", weir_version());
    return strcmp(weir_version(), WEIR_VERSION) == 0 ? 0 : 1;
}
