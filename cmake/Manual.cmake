# Manual pages: docs/man/NAME.SECTION.scd becomes man/NAME.SECTION in the build folder.

find_program(WEIR_SCDOC scdoc)
mark_as_advanced(WEIR_SCDOC)
file(GLOB manual_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/man/*.scd)
set(WEIR_MANUAL_PAGES)

if(WEIR_SCDOC)
    file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/man)
    foreach(source IN LISTS manual_sources)
        get_filename_component(page ${source} NAME_WLE)
        set(output ${PROJECT_BINARY_DIR}/man/${page})
        add_custom_command(
            OUTPUT ${output}
            COMMAND sh -c "\"$1\" < \"$2\" > \"$3\"" sh ${WEIR_SCDOC} ${source} ${output}
            DEPENDS ${source}
            COMMENT "Generating man/${page}"
            VERBATIM)
        list(APPEND WEIR_MANUAL_PAGES ${output})
    endforeach()
elseif(manual_sources)
    message(STATUS "scdoc not found: no manual pages")
endif()
add_custom_target(manual ALL DEPENDS ${WEIR_MANUAL_PAGES})
