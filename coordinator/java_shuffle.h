/*
 * The order in which java.util.Collections.shuffle(list, new java.util.Random(seed)) leaves a list:
 * workers of Java KCL 2.x agree on a leader in this way without a word to each other
 * (docs/state-machines.md T11). Pure.
 */
#ifndef WI_COORDINATOR_JAVA_SHUFFLE_H
#define WI_COORDINATOR_JAVA_SHUFFLE_H

#include <stddef.h>
#include <stdint.h>

/* Most items of a list: Java counts in an int. */
#define WI_JAVA_SHUFFLE_MAX INT32_MAX

/* In place; count <= WI_JAVA_SHUFFLE_MAX. */
void wi_java_shuffle(size_t *items, size_t count, int64_t seed);

#endif
