/* cmocka with the standard headers that it needs before it; every test includes this file. */
#ifndef WI_TESTS_SUPPORT_WEIR_TEST_H
#define WI_TESTS_SUPPORT_WEIR_TEST_H

/* IWYU pragma: begin_exports */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* A block of its own, so that sorting leaves it behind the four above. */
#include <cmocka.h>
/* IWYU pragma: end_exports */

#endif
