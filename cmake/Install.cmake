# What `cmake --install` puts below the prefix, and the target `product`: all of that, built.

include(CMakePackageConfigHelpers)

add_custom_target(product DEPENDS manual)
if(TARGET weir)
    add_dependencies(product weir)
    install(TARGETS weir RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

if(TARGET weir_shared)
    add_dependencies(product weir_static weir_shared)
    install(TARGETS weir_static weir_shared
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})

    # What a program that links libweir.a needs besides.
    get_property(external GLOBAL PROPERTY WEIR_EXTERNAL_LIBRARIES)
    set(WEIR_PC_REQUIRES_PRIVATE)
    set(WEIR_PC_LIBS_PRIVATE)
    set(WEIR_STATIC_LIBRARIES)
    foreach(library IN LISTS external)
        get_target_property(module ${library} WEIR_PC_MODULE)
        get_target_property(link_name ${library} WEIR_LINK_NAME)
        if(library STREQUAL "Threads::Threads")
            string(APPEND WEIR_PC_LIBS_PRIVATE " -pthread")
            list(APPEND WEIR_STATIC_LIBRARIES Threads::Threads)
        else()
            list(APPEND WEIR_STATIC_LIBRARIES ${link_name})
            if(module)
                list(APPEND WEIR_PC_REQUIRES_PRIVATE ${module})
            else()
                string(APPEND WEIR_PC_LIBS_PRIVATE " -l${link_name}")
            endif()
        endif()
    endforeach()
    list(JOIN WEIR_PC_REQUIRES_PRIVATE ", " WEIR_PC_REQUIRES_PRIVATE)

    # The way from weir.pc up to the prefix, so that an installed tree can be moved.
    file(RELATIVE_PATH WEIR_PC_UP /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
    string(REGEX REPLACE "/$" "" WEIR_PC_UP ${WEIR_PC_UP})
    configure_file(cmake/weir.pc.in ${PROJECT_BINARY_DIR}/weir.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/weir.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
    if(TARGET weir_sim_static)
        add_dependencies(product weir_sim_static)
        configure_file(cmake/weir-sim.pc.in ${PROJECT_BINARY_DIR}/weir-sim.pc @ONLY)
        install(FILES ${PROJECT_BINARY_DIR}/weir-sim.pc
            DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
    endif()

    set(WEIR_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/weir)
    configure_package_config_file(
        cmake/weirConfig.cmake.in ${PROJECT_BINARY_DIR}/weirConfig.cmake
        INSTALL_DESTINATION ${WEIR_PACKAGE_DIR}
        PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR
        NO_CHECK_REQUIRED_COMPONENTS_MACRO)
    write_basic_package_version_file(
        ${PROJECT_BINARY_DIR}/weirConfigVersion.cmake COMPATIBILITY SameMinorVersion)
    install(
        FILES
            ${PROJECT_BINARY_DIR}/weirConfig.cmake
            ${PROJECT_BINARY_DIR}/weirConfigVersion.cmake
        DESTINATION ${WEIR_PACKAGE_DIR})
endif()

install(DIRECTORY include/weir
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    FILES_MATCHING PATTERN "*.h")

foreach(page IN LISTS WEIR_MANUAL_PAGES)
    string(REGEX MATCH "[0-9]$" section ${page})
    install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()

# install_completion(FILE FOLDER NAME): a shell's completion file, if there is one.
function(install_completion file folder name)
    if(EXISTS ${PROJECT_SOURCE_DIR}/cli/completion/${file})
        install(FILES cli/completion/${file}
            DESTINATION ${CMAKE_INSTALL_DATADIR}/${folder}
            RENAME ${name})
    endif()
endfunction()
install_completion(weir.bash bash-completion/completions weir)
install_completion(_weir zsh/site-functions _weir)
install_completion(weir.fish fish/vendor_completions.d weir.fish)
