# WEIR_SANITIZE: "", "address,undefined", "thread"; WEIR_COVERAGE: counters for gcovr.

set(WEIR_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize= takes them")
option(WEIR_COVERAGE "Count executed lines" OFF)

if(WEIR_SANITIZE)
    add_compile_options(
        -fsanitize=${WEIR_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${WEIR_SANITIZE})
endif()
if(WEIR_COVERAGE)
    add_compile_options(--coverage)
    add_link_options(--coverage)
endif()
