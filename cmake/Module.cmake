# trv_module(<folder> [DEPENDS <folder>...] [PACKAGES <target>...] [HEADER_ONLY])
#
# Folder = target = namespace. `events/log` becomes the static library `events_log` from every *.cpp in the folder, with
# every *.hpp and *.h as its public headers; *_test.cpp become its test program `events_log_test`.
#
# A module sees only what it declares. Its headers are staged under build/include/<target>/ by symbolic link, and only
# the stages of declared modules are on the include path, so an undeclared `#include "events/lmdb/env.hpp"` does not
# compile. A declared cycle is refused at configure time.

function(trv_target_name folder out)
  string(REPLACE "/" "_" name "${folder}")
  set(${out} "${name}" PARENT_SCOPE)
endfunction()

function(trv_module folder)
  cmake_parse_arguments(ARG "HEADER_ONLY" "" "DEPENDS;PACKAGES;TEST_DEPENDS;TEST_PACKAGES" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "trv_module(${folder}): unknown arguments ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  set(source_dir "${CMAKE_SOURCE_DIR}/${folder}")
  trv_target_name("${folder}" target)
  set(stage "${CMAKE_BINARY_DIR}/include/${target}")

  file(GLOB sources CONFIGURE_DEPENDS "${source_dir}/*.cpp")
  file(GLOB tests CONFIGURE_DEPENDS "${source_dir}/*_test.cpp")
  file(GLOB headers CONFIGURE_DEPENDS RELATIVE "${source_dir}" "${source_dir}/*.hpp" "${source_dir}/*.h" "${source_dir}/ext/*.h")
  if(tests)
    list(REMOVE_ITEM sources ${tests})
  endif()
  list(REMOVE_ITEM sources "${source_dir}/main.cpp")

  file(REMOVE_RECURSE "${stage}/${folder}")
  set(staged_headers "")
  foreach(header IN LISTS headers)
    cmake_path(GET header PARENT_PATH subfolder)
    file(MAKE_DIRECTORY "${stage}/${folder}/${subfolder}")
    file(CREATE_LINK "${source_dir}/${header}" "${stage}/${folder}/${header}" SYMBOLIC)
    list(APPEND staged_headers "${stage}/${folder}/${header}")
  endforeach()

  set(depends "")
  foreach(dependency IN LISTS ARG_DEPENDS)
    trv_target_name("${dependency}" name)
    list(APPEND depends "${name}")
  endforeach()

  if(ARG_HEADER_ONLY)
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  else()
    add_library(${target} STATIC ${sources})
    set(scope PUBLIC)
    set_target_properties(${target} PROPERTIES LINKER_LANGUAGE CXX)
  endif()
  target_include_directories(${target} ${scope} "${stage}")
  target_link_libraries(${target} ${scope} ${depends} ${ARG_PACKAGES})
  if(staged_headers)
    target_sources(${target} ${scope} FILE_SET HEADERS BASE_DIRS "${stage}" FILES ${staged_headers})
  endif()
  set_property(TARGET ${target} PROPERTY VERIFY_INTERFACE_HEADER_SETS ON)
  set_property(GLOBAL APPEND PROPERTY TRV_MODULES ${target})

  # Every symbol of the library must come from itself or from what it declares.
  if(NOT ARG_HEADER_ONLY AND sources)
    set(link_test "${target}_link_test")
    add_executable(${link_test} EXCLUDE_FROM_ALL "${CMAKE_SOURCE_DIR}/cmake/link_test.cpp")
    target_link_libraries(${link_test} PRIVATE -Wl,--whole-archive $<TARGET_FILE:${target}> -Wl,--no-whole-archive
                                               ${depends} ${ARG_PACKAGES})
    add_dependencies(${link_test} ${target})
    set_property(GLOBAL APPEND PROPERTY TRV_LINK_TESTS ${link_test})
  endif()

  if(tests)
    trv_test(${target}_test SOURCES ${tests} DEPENDS ${folder} ${ARG_TEST_DEPENDS} PACKAGES ${ARG_TEST_PACKAGES} LABEL unit)
  endif()
endfunction()

# trv_test(<name> SOURCES <file>... [DEPENDS <folder>...] [PACKAGES <target>...] LABEL <label> [TIMEOUT <seconds>] [SERIAL])
# A GoogleTest program; each of its tests becomes a ctest test with the label.
function(trv_test name)
  cmake_parse_arguments(ARG "SERIAL" "LABEL;TIMEOUT" "SOURCES;DEPENDS;PACKAGES" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  foreach(dependency IN LISTS ARG_DEPENDS)
    trv_target_name("${dependency}" dependency_target)
    target_link_libraries(${name} PRIVATE ${dependency_target})
  endforeach()
  target_link_libraries(${name} PRIVATE ${ARG_PACKAGES} GTest::gmock GTest::gtest_main)
  # Unoptimised: half of a test's compile time, and what it tests is optimised all the same.
  target_compile_options(${name} PRIVATE $<$<CONFIG:RelWithDebInfo>:-O0>)
  # Only where it is used, so that two checkouts share their other objects in ccache.
  foreach(source IN LISTS ARG_SOURCES)
    file(STRINGS "${source}" uses REGEX "TRV_(SOURCE|BINARY)_DIR" LIMIT_COUNT 1)
    if(uses)
      set_property(SOURCE "${source}" APPEND PROPERTY COMPILE_DEFINITIONS
                   TRV_SOURCE_DIR="${CMAKE_SOURCE_DIR}" TRV_BINARY_DIR="${CMAKE_BINARY_DIR}")
    endif()
  endforeach()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 60)
  endif()
  if(TRV_SANITIZE)
    math(EXPR ARG_TIMEOUT "${ARG_TIMEOUT} * 5")
  endif()
  set(properties LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT})
  if(ARG_SERIAL)
    list(APPEND properties RUN_SERIAL TRUE)
  endif()
  if(ARG_LABEL STREQUAL "unit")
    set_property(GLOBAL APPEND PROPERTY TRV_UNIT_TESTS ${name})
  endif()
  include(GoogleTest)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 30 PROPERTIES ${properties})
endfunction()

# trv_program(<name> <folder> [DEPENDS <folder>...] [PACKAGES <target>...]): build/bin/<name> from <folder>/main.cpp.
function(trv_program name folder)
  cmake_parse_arguments(ARG "" "" "DEPENDS;PACKAGES" ${ARGN})
  add_executable(${name} "${CMAKE_SOURCE_DIR}/${folder}/main.cpp")
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
  foreach(dependency IN LISTS ARG_DEPENDS)
    trv_target_name("${dependency}" dependency_target)
    target_link_libraries(${name} PRIVATE ${dependency_target})
  endforeach()
  target_link_libraries(${name} PRIVATE ${ARG_PACKAGES})
endfunction()

# trv_embed(<folder> <file> <identifier> [<target>]): the file's bytes as an array, in "<folder>/<identifier>.h" for that
# module alone, or for the target that is named.
function(trv_embed folder file identifier)
  trv_target_name("${folder}" target)
  if(ARGC GREATER 3)
    set(target "${ARGV3}")
  endif()
  set(header "${CMAKE_BINARY_DIR}/embedded/${target}/${folder}/${identifier}.h")
  set(script "${CMAKE_SOURCE_DIR}/cmake/EmbedBytes.cmake")
  add_custom_command(
    OUTPUT "${header}"
    COMMAND "${CMAKE_COMMAND}" "-DINPUT=${CMAKE_SOURCE_DIR}/${folder}/${file}" -DNAME=${identifier} "-DOUTPUT=${header}" -P "${script}"
    DEPENDS "${CMAKE_SOURCE_DIR}/${folder}/${file}" "${script}"
    VERBATIM)
  target_sources(${target} PRIVATE "${header}")
  target_include_directories(${target} PRIVATE "${CMAKE_BINARY_DIR}/embedded/${target}")
  # What reads the sources without building them needs it, too.
  add_custom_target(${target}_${identifier} DEPENDS "${header}")
  set_property(GLOBAL APPEND PROPERTY TRV_EMBEDDED ${target}_${identifier})
endfunction()

# The module rules as one target: `module_rules` compiles every public header alone, links every library whole and writes
# every embedded file.
# `unit_tests` builds every test program with the label unit, and nothing that only other tests need.
function(trv_finish_modules)
  get_property(unit_tests GLOBAL PROPERTY TRV_UNIT_TESTS)
  add_custom_target(unit_tests DEPENDS ${unit_tests})
  get_property(link_tests GLOBAL PROPERTY TRV_LINK_TESTS)
  get_property(modules GLOBAL PROPERTY TRV_MODULES)
  add_custom_target(module_rules)
  get_property(embedded GLOBAL PROPERTY TRV_EMBEDDED)
  add_dependencies(module_rules ${link_tests} ${embedded})
  foreach(module IN LISTS modules)
    if(TARGET ${module}_verify_interface_header_sets)
      add_dependencies(module_rules ${module}_verify_interface_header_sets)
    endif()
  endforeach()
endfunction()
