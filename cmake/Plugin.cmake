# trv_plugin(<id>): the plugin in plugins/<id>.
#
# Makes build/plugins/<id>/plugin.so, which exports trv_entry_v1 and nothing else and brings its own C++ library; the
# package build/packages/<id>-<version>.trvp; and three tests: plugins_<id>_test from *_test.cpp against the fake host,
# plugins_<id>_conformance, which runs the conformance suite against the package, and plugins_<id>_validation, which
# compares what it does in-process and isolated, too.

set(TRV_PLUGIN_EXPORTS "${CMAKE_SOURCE_DIR}/sdk/template/plugin.version")

# What plugins share, compiled once: Boost.JSON, and plugins/rest for those that speak to a JSON API.
function(trv_plugins_shared)
  file(GLOB rest CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/plugins/rest/*.cpp")
  add_library(plugins_shared OBJECT "${CMAKE_SOURCE_DIR}/plugins/json.cpp" ${rest})
  set_target_properties(plugins_shared PROPERTIES CXX_STANDARD 20)
  target_link_libraries(plugins_shared PUBLIC sdk_cpp sdk_cpp_json Boost::headers)
  target_compile_options(plugins_shared PRIVATE -fno-gnu-unique)
  file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/include/plugins_shared/plugins")
  file(CREATE_LINK "${CMAKE_SOURCE_DIR}/plugins/rest" "${CMAKE_BINARY_DIR}/include/plugins_shared/plugins/rest" SYMBOLIC)
  target_include_directories(plugins_shared PUBLIC "${CMAKE_BINARY_DIR}/include/plugins_shared")
endfunction()

function(trv_plugin id)
  set(folder "${CMAKE_SOURCE_DIR}/plugins/${id}")
  file(GLOB sources CONFIGURE_DEPENDS "${folder}/*.cpp")
  file(GLOB tests CONFIGURE_DEPENDS "${folder}/*_test.cpp")
  file(GLOB_RECURSE documents CONFIGURE_DEPENDS "${folder}/README.md" "${folder}/LICENSE" "${folder}/docs/*")
  list(REMOVE_ITEM sources ${tests})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${folder}/manifest.json")
  file(READ "${folder}/manifest.json" manifest)
  string(JSON version GET "${manifest}" version)

  add_library(plugin_${id}_objects OBJECT ${sources})
  set_target_properties(plugin_${id}_objects PROPERTIES CXX_STANDARD 20)
  target_link_libraries(plugin_${id}_objects PUBLIC sdk_cpp sdk_cpp_json Boost::headers)
  target_compile_options(plugin_${id}_objects PRIVATE -fno-gnu-unique)
  # A plugin sees its own headers, as "plugins/<id>/….hpp", plugins/rest, and those of the SDK.
  file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/include/plugin_${id}/plugins")
  file(CREATE_LINK "${folder}" "${CMAKE_BINARY_DIR}/include/plugin_${id}/plugins/${id}" SYMBOLIC)
  target_include_directories(plugin_${id}_objects PRIVATE "${CMAKE_BINARY_DIR}/include/plugin_${id}"
                             "${CMAKE_BINARY_DIR}/include/plugins_shared")

  set(library plugin_${id})
  add_library(${library} MODULE $<TARGET_OBJECTS:plugin_${id}_objects> $<TARGET_OBJECTS:plugins_shared>)
  set_target_properties(${library} PROPERTIES PREFIX "" OUTPUT_NAME plugin LINKER_LANGUAGE CXX
                        LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/plugins/${id}"
                        LINK_DEPENDS "${TRV_PLUGIN_EXPORTS}")
  target_link_options(${library} PRIVATE -Wl,--version-script=${TRV_PLUGIN_EXPORTS})
  if(NOT TRV_SANITIZE)
    target_link_options(${library} PRIVATE -static-libstdc++ -static-libgcc -Wl,-z,defs -Wl,--gc-sections -s)
  endif()

  set(package "${CMAKE_BINARY_DIR}/packages/${id}-${version}.trvp")
  file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/packages")
  add_custom_command(OUTPUT "${package}" COMMAND trv_pack "${folder}" "$<TARGET_FILE:${library}>" "${package}"
                     DEPENDS trv_pack ${library} "${folder}/manifest.json" ${documents}
                     COMMENT "Packing ${id}-${version}.trvp" VERBATIM)
  add_custom_target(package_${id} ALL DEPENDS "${package}")

  trv_test(plugins_${id}_test SOURCES ${tests} DEPENDS sdk/conformance sdk/cpp sdk/cpp_json LABEL unit)
  target_sources(plugins_${id}_test PRIVATE $<TARGET_OBJECTS:plugin_${id}_objects> $<TARGET_OBJECTS:plugins_shared>)
  target_link_libraries(plugins_${id}_test PRIVATE Boost::headers)
  target_include_directories(plugins_${id}_test PRIVATE "${CMAKE_BINARY_DIR}/include/plugin_${id}")
  add_test(NAME plugins_${id}_conformance COMMAND trav-plugin-check "${package}")
  set_tests_properties(plugins_${id}_conformance PROPERTIES LABELS unit TIMEOUT 120)
  # The same answers in-process and behind the walls of travd.
  add_test(NAME plugins_${id}_validation COMMAND trav plugin validate "${package}")
  set_tests_properties(plugins_${id}_validation PROPERTIES LABELS unit TIMEOUT 120)
  set_property(GLOBAL APPEND PROPERTY TRV_UNIT_TESTS package_${id} trav-plugin-check trav)
endfunction()
