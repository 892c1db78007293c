# The warnings of the house, all of them errors.

option(WEIR_WERROR "Treat warnings as errors" ON)
option(WEIR_ANALYZER "Run gcc's static analyzer on every file" OFF)

add_compile_options(
    -Wall
    -Wextra
    -Wpedantic
    -Wconversion
    -Wsign-conversion
    -Wshadow
    -Wundef
    -Wvla
    -Wswitch-enum
    -Wformat=2
    -Wcast-qual
    -Wcast-align
    -Wstrict-prototypes
    -Wmissing-prototypes
    -Wnull-dereference)

if(CMAKE_C_COMPILER_ID MATCHES "Clang")
    # WEIR_ASSERT(!"why this cannot be reached") is meant.
    add_compile_options(-Wno-string-conversion)
endif()
if(WEIR_WERROR)
    add_compile_options(-Werror)
endif()
if(WEIR_ANALYZER AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-fanalyzer)
endif()
