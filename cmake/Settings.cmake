# Language, output folders and build types of the whole tree.

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
add_compile_definitions(_POSIX_C_SOURCE=200809L)
# __FILE__ in assertions says core/str.c wherever the tree lies.
add_compile_options(-fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=)

# Debug information and optimisation; assert() of other people's headers stays on as well.
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")
if(WEIR_SANITIZE)
    set(CMAKE_C_FLAGS_DEBUG "-O1 -g")
else()
    set(CMAKE_C_FLAGS_DEBUG "-O0 -g")
endif()

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "RelWithDebInfo or Debug" FORCE)
endif()

set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)

find_program(WEIR_CCACHE ccache)
mark_as_advanced(WEIR_CCACHE)
if(WEIR_CCACHE AND NOT CMAKE_C_COMPILER_LAUNCHER)
    set(CMAKE_C_COMPILER_LAUNCHER ${WEIR_CCACHE})
endif()
