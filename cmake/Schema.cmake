# trv_schemas(<folder>): the FlatBuffers schemas of a folder as the INTERFACE target <folder_with_underscores>.
#
# Every <folder>/<name>.fbs becomes "<folder>/<name>_generated.h" on the include path of who depends on the target, and
# build/schemas/<name>.bfbs, the binary schema that tools and other languages read; its bytes are also the array
# `<name>_schema` of "<folder>/<name>_schema.h". Generated headers are system headers: our warnings do
# not judge them. Schemas of a folder may include each other.

function(trv_schemas folder)
  trv_target_name("${folder}" target)
  set(stage "${CMAKE_BINARY_DIR}/include/${target}")
  set(binary_schemas "${CMAKE_BINARY_DIR}/schemas")
  file(MAKE_DIRECTORY "${stage}/${folder}" "${binary_schemas}")
  file(GLOB schemas CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/${folder}/*.fbs")

  set(products "")
  foreach(schema IN LISTS schemas)
    cmake_path(GET schema STEM name)
    set(header "${stage}/${folder}/${name}_generated.h")
    set(binary "${binary_schemas}/${name}.bfbs")
    set(embedded "${stage}/${folder}/${name}_schema.h")
    add_custom_command(
      OUTPUT "${header}" "${binary}" "${embedded}"
      COMMAND ${TRV_FLATC} --cpp --cpp-std c++17 --scoped-enums -o "${stage}/${folder}" "${schema}"
      COMMAND ${TRV_FLATC} --binary --schema --bfbs-comments --bfbs-builtins -o "${binary_schemas}" "${schema}"
      COMMAND "${CMAKE_COMMAND}" "-DINPUT=${binary}" -DNAME=${name}_schema "-DOUTPUT=${embedded}" -P
              "${CMAKE_SOURCE_DIR}/cmake/EmbedBytes.cmake"
      DEPENDS ${schemas} "${CMAKE_SOURCE_DIR}/cmake/EmbedBytes.cmake"
      COMMENT "Schema ${folder}/${name}.fbs"
      VERBATIM)
    list(APPEND products "${header}" "${binary}" "${embedded}")
  endforeach()

  add_custom_target(${target}_generate DEPENDS ${products})
  add_library(${target} INTERFACE)
  add_dependencies(${target} ${target}_generate)
  target_include_directories(${target} SYSTEM INTERFACE "${stage}")
  target_link_libraries(${target} INTERFACE PkgConfig::FLATBUFFERS)
endfunction()
