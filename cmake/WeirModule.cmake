# How a folder of weir is built. Each folder's CMakeLists.txt names its files with these functions.
#
#   weir_add_folder(FOLDER)
#   weir_module(NAME [ENGINE_SOURCES a.c ...] [SOURCES b.c ...] [DEPENDS target ...] [LINUX])
#   weir_protobuf_c(TARGET file.proto)
#   weir_library()
#   weir_program(NAME SOURCES a.c ... [DEPENDS target ...] [LINUX])
#   weir_test(NAME SOURCES a.c ... [DEPENDS target ...] [LINUX] [test options])
#   weir_script_test(NAME COMMAND word ... [test options])
#   weir_fuzz(NAME CORPUS folder SOURCES a.c ... [DEPENDS target ...])
#
# Test options: [LABELS l ...] [TIMEOUT s] [ENVIRONMENT V=x ...] [SERIAL: alone on the machine;
# label `alone`].
# File names stand relative to the folder or to the repository.

# A named file or target that does not exist: WARNING leaves it out, FATAL_ERROR stops.
set(WEIR_IF_MISSING FATAL_ERROR)

# Every target compiles against the public headers and against "module/file.h".
include_directories(${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)

# Enter FOLDER if it has a CMakeLists.txt.
function(weir_add_folder folder)
    if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/CMakeLists.txt)
        add_subdirectory(${folder})
    endif()
endfunction()

# Full names of the given files.
function(weir_resolve_sources ret)
    set(found)
    foreach(file IN LISTS ARGN)
        if(IS_ABSOLUTE ${file})
            list(APPEND found ${file})
        elseif(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${file})
            list(APPEND found ${CMAKE_CURRENT_SOURCE_DIR}/${file})
        elseif(EXISTS ${PROJECT_SOURCE_DIR}/${file})
            list(APPEND found ${PROJECT_SOURCE_DIR}/${file})
        else()
            message(${WEIR_IF_MISSING} "${file} is named but does not exist; left out")
        endif()
    endforeach()
    set(${ret} ${found} PARENT_SCOPE)
endfunction()

# Add ARGN to libweir: the objects of our archives, and the libraries of others to link with.
function(weir_add_to_library archive)
    set_property(GLOBAL APPEND PROPERTY WEIR_ARCHIVES ${archive})
    foreach(dependency IN LISTS ARGN)
        if(NOT dependency MATCHES "^weir_")
            set_property(GLOBAL APPEND PROPERTY WEIR_EXTERNAL_LIBRARIES ${dependency})
        endif()
    endforeach()
endfunction()

# Archive weir_NAME_engine of the pure files, archive weir_NAME of the rest, which links the
# engine. Without other sources weir_NAME is an interface. LINUX: the rest may use _GNU_SOURCE.
function(weir_module name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "LINUX" "" "ENGINE_SOURCES;SOURCES;DEPENDS")
    weir_resolve_sources(engine_sources ${arg_ENGINE_SOURCES})
    weir_resolve_sources(sources ${arg_SOURCES})
    set(target weir_${name})
    set(dependencies ${arg_DEPENDS})

    if(engine_sources)
        add_library(${target}_engine STATIC ${engine_sources})
        target_link_libraries(${target}_engine PUBLIC ${arg_DEPENDS})
        set_property(GLOBAL APPEND PROPERTY WEIR_ENGINES ${target}_engine)
        set_property(GLOBAL APPEND PROPERTY WEIR_ENGINE_SOURCES ${engine_sources})
        weir_add_to_library(${target}_engine ${arg_DEPENDS})
        list(PREPEND dependencies ${target}_engine)
    endif()

    if(sources)
        add_library(${target} STATIC ${sources})
        target_link_libraries(${target} PUBLIC ${dependencies})
        if(arg_LINUX)
            target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
        endif()
        weir_add_to_library(${target} ${arg_DEPENDS})
    else()
        add_library(${target} INTERFACE)
        target_link_libraries(${target} INTERFACE ${dependencies})
    endif()
endfunction()

# Archive TARGET of the C code that protoc-c makes of file.proto; "wire/weir.proto" gives
# #include "wire/weir.pb-c.h". Our warnings do not apply to generated code; its _INIT macros cast
# const away in the file that uses them, so call the generated ..._init() functions instead.
function(weir_protobuf_c target file)
    weir_resolve_sources(proto ${file})
    file(RELATIVE_PATH name ${PROJECT_SOURCE_DIR} ${proto})
    string(REGEX REPLACE "\\.proto$" ".pb-c" base ${name})
    set(generated ${PROJECT_BINARY_DIR}/generated)
    file(MAKE_DIRECTORY ${generated})
    add_custom_command(
        OUTPUT ${generated}/${base}.c ${generated}/${base}.h
        COMMAND ${WEIR_PROTOC_C} --proto_path=${PROJECT_SOURCE_DIR} --c_out=${generated} ${proto}
        DEPENDS ${proto}
        COMMENT "Generating ${base}.c"
        VERBATIM)
    add_library(${target} STATIC ${generated}/${base}.c ${generated}/${base}.h)
    target_include_directories(${target} SYSTEM PUBLIC ${generated})
    target_compile_options(${target} PRIVATE -w $<$<C_COMPILER_ID:GNU>:-fno-analyzer>)
    target_link_libraries(${target} PUBLIC protobuf-c)
    weir_add_to_library(${target} protobuf-c)
endfunction()

# libweir.a and libweir.so of all modules so far; weir::weir is the static one in this tree.
function(weir_library)
    get_property(archives GLOBAL PROPERTY WEIR_ARCHIVES)
    get_property(external GLOBAL PROPERTY WEIR_EXTERNAL_LIBRARIES)
    if(NOT archives)
        return()
    endif()
    list(REMOVE_DUPLICATES external)
    set_property(GLOBAL PROPERTY WEIR_EXTERNAL_LIBRARIES "${external}")
    set(objects)
    foreach(archive IN LISTS archives)
        list(APPEND objects $<TARGET_OBJECTS:${archive}>)
    endforeach()
    set(exports ${PROJECT_SOURCE_DIR}/cmake/weir.map)

    add_library(weir_static STATIC ${objects})
    target_link_libraries(weir_static PUBLIC ${external})
    add_library(weir_shared SHARED ${objects})
    target_link_libraries(weir_shared PRIVATE ${external})
    target_link_options(weir_shared PRIVATE -Wl,--version-script=${exports})
    if(NOT WEIR_SANITIZE)
        target_link_options(weir_shared PRIVATE -Wl,--no-undefined)
    endif()
    set_target_properties(weir_shared PROPERTIES
        VERSION ${PROJECT_VERSION}
        SOVERSION ${PROJECT_VERSION_MAJOR}
        LINK_DEPENDS ${exports})
    foreach(library weir_static weir_shared)
        set_target_properties(${library} PROPERTIES OUTPUT_NAME weir LINKER_LANGUAGE C)
        target_include_directories(${library} PUBLIC ${PROJECT_SOURCE_DIR}/include)
    endforeach()
    add_library(weir::weir ALIAS weir_static)
    add_library(weir::shared ALIAS weir_shared)
endfunction()

# Program NAME; it lies directly in the build folder when it is `weir` itself.
function(weir_program name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "LINUX" "" "SOURCES;DEPENDS")
    weir_resolve_sources(sources ${arg_SOURCES})
    if(NOT arg_DEPENDS)
        set(arg_DEPENDS weir::weir)
    endif()
    weir_missing_targets(missing ${arg_DEPENDS})
    if(missing OR NOT sources)
        message(${WEIR_IF_MISSING} "program ${name} left out: no ${missing} ${arg_SOURCES}")
        return()
    endif()
    add_executable(${name} ${sources})
    target_link_libraries(${name} PRIVATE ${arg_DEPENDS})
    if(arg_LINUX)
        target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
    endif()
    if(name STREQUAL "weir")
        set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
    endif()
endfunction()

# Those of ARGN that are not targets.
function(weir_missing_targets ret)
    set(missing)
    foreach(dependency IN LISTS ARGN)
        if(NOT TARGET ${dependency})
            list(APPEND missing ${dependency})
        endif()
    endforeach()
    set(${ret} ${missing} PARENT_SCOPE)
endfunction()

# What all tests share: labels (the folder below tests/ is one, `alone` another), time limit, environment.
function(weir_test_properties name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "SERIAL" "TIMEOUT" "LABELS;ENVIRONMENT")
    file(RELATIVE_PATH place ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
    if(place MATCHES "^tests/([a-z]+)")
        list(APPEND arg_LABELS ${CMAKE_MATCH_1})
    endif()
    if(arg_SERIAL)
        list(APPEND arg_LABELS alone)
    endif()
    list(REMOVE_DUPLICATES arg_LABELS)
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 60)
    endif()
    if(WEIR_SANITIZE)
        math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * 4")
    endif()
    set_tests_properties(${name} PROPERTIES
        LABELS "${arg_LABELS}"
        TIMEOUT ${arg_TIMEOUT}
        RUN_SERIAL ${arg_SERIAL}
        SKIP_RETURN_CODE 77
        ENVIRONMENT "${WEIR_TEST_ENVIRONMENT};${arg_ENVIRONMENT}")
endfunction()

set(WEIR_TEST_ENVIRONMENT
    "WEIR_BINARY=${PROJECT_BINARY_DIR}/weir"
    "WEIR_SOURCE_DIR=${PROJECT_SOURCE_DIR}"
    "WEIR_BUILD_DIR=${PROJECT_BINARY_DIR}"
    "ASAN_OPTIONS=detect_leaks=1:abort_on_error=0"
    "UBSAN_OPTIONS=print_stacktrace=1"
    "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1"
    "GCOV_ERROR_FILE=/dev/null")

# The test options among the caller's arguments, as weir_test_properties takes them.
macro(weir_test_options ret)
    set(${ret} LABELS ${arg_LABELS} TIMEOUT ${arg_TIMEOUT} ENVIRONMENT ${arg_ENVIRONMENT})
    if(arg_SERIAL)
        list(APPEND ${ret} SERIAL)
    endif()
endmacro()

# A cmocka program as a CTest test; exit status 77 means skipped.
function(weir_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "LINUX;SERIAL" "TIMEOUT"
        "SOURCES;DEPENDS;LABELS;ENVIRONMENT")
    weir_resolve_sources(sources ${arg_SOURCES})
    weir_missing_targets(missing ${arg_DEPENDS})
    if(missing OR NOT sources)
        message(${WEIR_IF_MISSING} "test ${name} left out: no ${missing} ${arg_SOURCES}")
        return()
    endif()
    add_executable(${name} ${sources})
    if(TARGET weir_test_support)
        target_link_libraries(${name} PRIVATE weir_test_support)
    endif()
    target_link_libraries(${name} PRIVATE ${arg_DEPENDS} cmocka)
    # cmocka's assertions look as if they returned.
    target_compile_options(${name} PRIVATE
        -Wno-null-dereference $<$<C_COMPILER_ID:GNU>:-fno-analyzer>)
    if(arg_LINUX)
        target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
    endif()
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
    add_test(NAME ${name} COMMAND ${name})
    weir_test_options(options)
    weir_test_properties(${name} ${options})
endfunction()

# A command as a CTest test; exit status 77 means skipped.
function(weir_script_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "SERIAL" "TIMEOUT" "COMMAND;LABELS;ENVIRONMENT")
    add_test(NAME ${name} COMMAND ${arg_COMMAND})
    weir_test_options(options)
    weir_test_properties(${name} ${options})
endfunction()

# A fuzz target: a.c defines LLVMFuzzerTestOneInput. CORPUS is a folder of inputs to start from. In
# a build with WEIR_FUZZ libFuzzer looks for new inputs for a minute; in every other build the test
# replays the corpus and some thousand seeded mutations of it.
function(weir_fuzz name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "CORPUS" "SOURCES;DEPENDS")
    weir_resolve_sources(sources ${arg_SOURCES})
    set(corpus ${CMAKE_CURRENT_SOURCE_DIR}/${arg_CORPUS})
    set(found ${PROJECT_BINARY_DIR}/tests/${name}-corpus)
    add_executable(${name} ${sources})
    target_link_libraries(${name} PRIVATE ${arg_DEPENDS})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
    if(WEIR_FUZZ)
        file(MAKE_DIRECTORY ${found})
        target_link_options(${name} PRIVATE -fsanitize=fuzzer)
        weir_script_test(${name}
            COMMAND ${name} -max_total_time=60 -max_len=65536 ${found} ${corpus}
            LABELS long
            TIMEOUT 120)
    else()
        target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/support/fuzz_replay.c)
        weir_script_test(${name} COMMAND ${name} ${corpus} TIMEOUT 120)
    endif()
endfunction()
