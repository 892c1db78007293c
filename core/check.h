/* Assertions on what weir itself must guarantee; on in release. Wrong arguments of users are
 * WEIR_EINVAL, never an assertion. */
#ifndef WI_CORE_CHECK_H
#define WI_CORE_CHECK_H

/* Abort with file, line and expression unless the condition holds. */
#define WEIR_ASSERT(condition)                                                                     \
    ((condition) ? (void)0 : wi_assert_failed(__FILE__, __LINE__, #condition))

/* Elements of an array; not for pointers. */
#define WI_ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Print one line on stderr and abort. The one impure function that engines may call. */
_Noreturn void wi_assert_failed(const char *file, int line, const char *expression);

#endif
