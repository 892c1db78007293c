# Libraries of others, as targets that a module names after DEPENDS:
# lmdb protobuf-c cjson crypto xxhash libdl Threads::Threads, and cmocka for tests.

find_package(PkgConfig REQUIRED)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(Lmdb REQUIRED)

# weir_pkg_library(TARGET MODULE): imported target TARGET from pkg-config's MODULE.
function(weir_pkg_library target module)
    pkg_check_modules(${target} REQUIRED IMPORTED_TARGET GLOBAL ${module})
    add_library(${target} INTERFACE IMPORTED GLOBAL)
    set_target_properties(${target} PROPERTIES
        INTERFACE_LINK_LIBRARIES PkgConfig::${target}
        WEIR_PC_MODULE ${module}
        WEIR_LINK_NAME ${target})
endfunction()

weir_pkg_library(protobuf-c libprotobuf-c)
weir_pkg_library(cjson libcjson)
weir_pkg_library(crypto libcrypto)
weir_pkg_library(xxhash libxxhash)
weir_pkg_library(cmocka cmocka)

# dlopen(); with glibc 2.34 and musl it is a part of libc.
add_library(libdl INTERFACE IMPORTED GLOBAL)
set_target_properties(libdl PROPERTIES
    INTERFACE_LINK_LIBRARIES "${CMAKE_DL_LIBS}"
    WEIR_PC_MODULE ""
    WEIR_LINK_NAME dl)

find_program(WEIR_PROTOC_C protoc-c REQUIRED)
mark_as_advanced(WEIR_PROTOC_C)
