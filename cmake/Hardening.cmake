# Hardening flags; each one is used where the compiler or linker knows it.

option(WEIR_HARDENING "Compile and link with hardening flags" OFF)

include(CheckCCompilerFlag)
include(CheckLinkerFlag)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

function(weir_add_compile_flag flag)
    string(MAKE_C_IDENTIFIER "WEIR_HAS${flag}" known)
    check_c_compiler_flag("-Werror;${flag}" ${known})
    if(${known})
        add_compile_options("${flag}")
    endif()
endfunction()

function(weir_add_link_flag flag)
    string(MAKE_C_IDENTIFIER "WEIR_HAS_LINK${flag}" known)
    check_linker_flag(C "${flag}" ${known})
    if(${known})
        add_link_options("${flag}")
    endif()
endfunction()

if(WEIR_HARDENING)
    set(CMAKE_REQUIRED_QUIET ON)
    foreach(flag
            -Wimplicit-fallthrough
            -Wtrampolines
            -Wbidi-chars=any
            -fstack-clash-protection
            -fstack-protector-strong
            -fcf-protection=full
            -ftrivial-auto-var-init=zero
            -fstrict-flex-arrays=3
            -fzero-init-padding-bits=all
            -fno-delete-null-pointer-checks
            -fno-strict-overflow
            -fno-strict-aliasing
            -fexceptions)
        weir_add_compile_flag(${flag})
    endforeach()
    # In this order: some compilers come with a lower value set.
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
    foreach(flag
            -Wl,-z,noexecstack
            -Wl,-z,relro
            -Wl,-z,now
            -Wl,--as-needed
            -Wl,--no-copy-dt-needed-entries)
        weir_add_link_flag(${flag})
    endforeach()
endif()
