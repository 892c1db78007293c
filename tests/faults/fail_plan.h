/* Which call of a program is the one to fail: fail_plan.c decides, fail_files.c and fail_events.c
 * stand between the program and the C library. */
#ifndef WI_TESTS_FAULTS_FAIL_PLAN_H
#define WI_TESTS_FAULTS_FAIL_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#define EXPORT     __attribute__((visibility("default")))
#define ERRORS_MAX 3

/* How each call fails; the number of the call says which of the errors it is. */
struct call {
    const char *name;
    int errors[ERRORS_MAX]; /* 0: no more */
    bool once;              /* also when all others fail from there on */
};

/* True if this call is to fail: errno says how. */
bool call_fails(const struct call *call);

/* What the program would have called, as a pointer to a function of `size` bytes. */
void find(const char *name, void *ret_function, size_t size);

#endif
