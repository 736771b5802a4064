# The committed SPIR-V was made from the shaders as they are: cmake -DSHADERS=... -P this file.
file(READ ${SHADERS}/prebuilt/matmul_tiles_matrix.sha256 kept)
string(STRIP "${kept}" kept)
# The hash is of bytes; CMake hashes files, so the bytes go through one.
set(joined ${CMAKE_CURRENT_BINARY_DIR}/vulkan_prebuilt_sources)
execute_process(COMMAND ${CMAKE_COMMAND} -E cat ${SHADERS}/matmul_tiles.comp ${SHADERS}/common.glsl
  ${SHADERS}/octet.glsl ${SHADERS}/blocks.glsl OUTPUT_FILE ${joined} RESULT_VARIABLE failed)
file(SHA256 ${joined} now)
file(REMOVE ${joined})
if(failed OR NOT now STREQUAL kept)
  message(FATAL_ERROR "prebuilt/matmul_tiles_matrix.spv was made from other sources (${kept}, now "
    "${now}): run core/backend/vulkan/shaders/prebuilt.sh with a newer glslc and commit its output")
endif()
