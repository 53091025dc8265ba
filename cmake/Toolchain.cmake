# Compiler settings that every target shares.

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)

# A cycle between static libraries is an error at configure time.
set_property(GLOBAL PROPERTY GLOBAL_DEPENDS_NO_CYCLES ON)

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports false positives from inlined standard-library code at -O2.
  add_compile_options(-Wno-maybe-uninitialized -Wno-restrict -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread)
else()
  # g++ 12's std::stable_sort uses what g++ 12 deprecates; clang reports that as ours.
  add_compile_options(-Wno-deprecated-declarations)
endif()
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")

set(TRV_SANITIZE "" CACHE STRING "Sanitizers to build with, as given to -fsanitize=")
if(TRV_SANITIZE)
  add_compile_options(-fsanitize=${TRV_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${TRV_SANITIZE})
  if(TRV_SANITIZE STREQUAL "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-tsan)  # Boost.Asio's fences: at worst a report too many
  endif()
  add_compile_definitions(TRV_SANITIZED=1)
  # Reports name lines; the rest would double what is compiled and linked.
  set(CMAKE_CXX_FLAGS_DEBUG "-g1")
endif()

option(TRV_FUZZ "Build the libFuzzer targets; needs clang" OFF)
if(TRV_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_program(TRV_CCACHE ccache)
if(TRV_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${TRV_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
else()
  # The paths that ccache gives the compiler: the bytes are the same wherever and however they are built.
  add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=../../ -ffile-prefix-map=${CMAKE_BINARY_DIR}/=)
endif()
