# cmake -DINPUT=file -DOUTPUT=file.c -DNAME=name -P embed.cmake: the bytes of a file as
# chaos_asset_NAME of chaos/assets.h. Without INPUT: no bytes.
set(bytes "0")
set(size 0)
if(INPUT)
    file(READ ${INPUT} hex HEX)
    file(SIZE ${INPUT} size)
    string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
endif()
file(WRITE ${OUTPUT}
    "#include \"chaos/assets.h\"\n\n"
    "const unsigned char chaos_asset_${NAME}[] = {\n${bytes}\n};\n"
    "const size_t chaos_asset_${NAME}_size = ${size};\n")
