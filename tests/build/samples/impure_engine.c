#include <time.h>

long wi_impure_now(void);

long
wi_impure_now(void)
{
    struct timespec now = {0, 0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}
