/* cmocka with the standard headers that it needs before it; every test includes this file. */
#ifndef WEIR_TESTS_SUPPORT_WEIR_TEST_H
#define WEIR_TESTS_SUPPORT_WEIR_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* A block of its own, so that sorting leaves it behind the four above. */
#include <cmocka.h>

#endif
