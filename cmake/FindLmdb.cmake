# Lmdb_FOUND and the target lmdb. LMDB comes with a pkg-config file in some systems only.

find_path(Lmdb_INCLUDE_DIR lmdb.h)
find_library(Lmdb_LIBRARY lmdb)
mark_as_advanced(Lmdb_INCLUDE_DIR Lmdb_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Lmdb REQUIRED_VARS Lmdb_LIBRARY Lmdb_INCLUDE_DIR)

if(Lmdb_FOUND AND NOT TARGET lmdb)
    add_library(lmdb UNKNOWN IMPORTED GLOBAL)
    set_target_properties(lmdb PROPERTIES
        IMPORTED_LOCATION ${Lmdb_LIBRARY}
        INTERFACE_INCLUDE_DIRECTORIES ${Lmdb_INCLUDE_DIR}
        WEIR_LINK_NAME lmdb)
endif()
