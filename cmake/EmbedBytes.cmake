# cmake -DINPUT=<file> -DNAME=<identifier> -DOUTPUT=<header> -P EmbedBytes.cmake
# Writes a header with the file's bytes as `inline constexpr unsigned char <identifier>[]`.
file(READ "${INPUT}" hex HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "((0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,))" "\\1\n" bytes "${bytes}")
file(WRITE "${OUTPUT}" "#pragma once\ninline constexpr unsigned char ${NAME}[] = {\n${bytes}\n};\n")
