# WEIR_SANITIZE: "", "address,undefined", "thread"; WEIR_COVERAGE: counters for gcovr;
# WEIR_MCDC: counters of branches and decisions for llvm-cov (clang); WEIR_FUZZ: fuzz targets run
# under libFuzzer (clang).

set(WEIR_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize= takes them")
option(WEIR_COVERAGE "Count executed lines" OFF)
option(WEIR_MCDC "Count executed branches and decisions" OFF)
option(WEIR_FUZZ "Link fuzz targets with libFuzzer" OFF)

if(WEIR_SANITIZE)
    add_compile_options(
        -fsanitize=${WEIR_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${WEIR_SANITIZE})
endif()
if(WEIR_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(WEIR_COVERAGE)
    add_compile_options(--coverage)
    add_link_options(--coverage)
endif()
if(WEIR_MCDC)
    add_compile_options(-fprofile-instr-generate -fcoverage-mapping -fcoverage-mcdc)
    add_link_options(-fprofile-instr-generate)
endif()
