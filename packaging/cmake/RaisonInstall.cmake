# What leaves the build tree, and in which shape: libraison.so with its version script and SONAME,
# the raison command, the headers, the built-in model, the CMake package and the pkg-config file.
# The build tree has the installed tree's layout (bin/ lib/ share/raison/), so that the library
# finds its model in the same way in both.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

if(TARGET raison AND WIN32)
  # What RSN_API marks is exported and nothing else. The number is that of the SONAME: Windows takes
  # a DLL whose name is loaded already for the one that is wanted.
  target_link_options(raison PRIVATE -Wl,--exclude-all-symbols)
  set_target_properties(raison PROPERTIES
    RUNTIME_OUTPUT_NAME raison${PROJECT_VERSION_MAJOR}
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin   # beside programs
    ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)  # libraison.dll.a
elseif(TARGET raison)
  target_link_options(raison PRIVATE
    -Wl,--version-script=${PROJECT_SOURCE_DIR}/packaging/raison.map
    # Drops what no rsn_ function reaches: Rust's standard library alone brings a network stack, and
    # the library must not even import socket().
    -Wl,--gc-sections
    -Wl,--exclude-libs,ALL   # also for what a static archive marks as default visibility
    -Wl,-z,relro,-z,now
    -Wl,--as-needed)
  # An undefined symbol is a link error here, not at the user's (sanitizers leave theirs open).
  if(NOT RAISON_SANITIZE)
    target_link_options(raison PRIVATE -Wl,-z,defs)
  endif()
  set_property(TARGET raison APPEND PROPERTY
    LINK_DEPENDS ${PROJECT_SOURCE_DIR}/packaging/raison.map)
  # Full types for the files that define the ABI: packaging/abi/check_abi.sh reads them.
  target_compile_options(raison PRIVATE $<$<CONFIG:RelWithDebInfo>:-g>)
  set_target_properties(raison PROPERTIES
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
endif()

if(TARGET raison)
  set_target_properties(raison PROPERTIES EXPORT_NAME raison)
  if(NOT TARGET raison::raison)
    add_library(raison::raison ALIAS raison)
  endif()
  install(TARGETS raison EXPORT raisonTargets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library NAMELINK_COMPONENT development
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT library
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development
    INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/raison
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)

  set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/raison)
  install(EXPORT raisonTargets NAMESPACE raison:: DESTINATION ${config_dir} COMPONENT development)
  configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/raisonConfig.cmake.in
    ${PROJECT_BINARY_DIR}/raisonConfig.cmake INSTALL_DESTINATION ${config_dir})
  # 0.x: a minor release may break; from 1.0 on SameMajorVersion.
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/raisonConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/raisonConfig.cmake
    ${PROJECT_BINARY_DIR}/raisonConfigVersion.cmake
    DESTINATION ${config_dir} COMPONENT development)

  # Relative to the .pc file itself: the tree can be moved, and PREFIX given at install time.
  file(RELATIVE_PATH RAISON_PC_TO_PREFIX
    /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
  configure_file(${PROJECT_SOURCE_DIR}/packaging/pkgconfig/raison.pc.in
    ${PROJECT_BINARY_DIR}/raison.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/raison.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
  install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/THIRD-PARTY-NOTICES
    ${PROJECT_SOURCE_DIR}/packaging/raison.spdx.json
    DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT library)
endif()

if(TARGET raison_cli)
  set_target_properties(raison_cli PROPERTIES
    OUTPUT_NAME raison
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin
    INSTALL_RPATH $ORIGIN/../${CMAKE_INSTALL_LIBDIR})
  install(TARGETS raison_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT tools)
endif()

# The built-in model: a link in the build tree, a copy in the installed one. The library looks for
# this name (core/model/builtin.cc).
set(model ${PROJECT_SOURCE_DIR}/samples/petit/petit-q8_0.gguf)
if(EXISTS ${model})
  file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/share/raison)
  file(CREATE_LINK ${model} ${PROJECT_BINARY_DIR}/share/raison/petit.gguf SYMBOLIC)
  install(FILES ${model} DESTINATION ${CMAKE_INSTALL_DATADIR}/raison RENAME petit.gguf
    COMPONENT library)
endif()

# What wheel, nupkg and jar carry for one platform, in one folder: the library under its SONAME (zip
# formats hold no links), the Vulkan plug-in where it is built, without debug information, and the model
# beside them, where the library looks first. The package of CUDA is another one.
if(TARGET raison)
  set(natives ${PROJECT_BINARY_DIR}/natives)
  set(soname libraison.so.${PROJECT_VERSION_MAJOR})
  if(WIN32)
    set(soname raison${PROJECT_VERSION_MAJOR}.dll)
  endif()
  set(commands
    COMMAND ${CMAKE_COMMAND} -E rm -rf ${natives}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${natives}
    COMMAND ${CMAKE_COMMAND} -E copy ${model} ${natives}/petit.gguf
    COMMAND ${CMAKE_STRIP} --strip-unneeded -o ${natives}/${soname} $<TARGET_FILE:raison>)
  set(parts raison ${model})
  if(TARGET raison-vulkan)
    list(APPEND commands COMMAND ${CMAKE_STRIP} --strip-unneeded
      -o ${natives}/libraison-vulkan.so $<TARGET_FILE:raison-vulkan>)
    list(APPEND parts raison-vulkan)
  endif()
  # The stamp last: a folder that was left half done is made again.
  add_custom_command(OUTPUT ${PROJECT_BINARY_DIR}/natives.stamp ${commands}
    COMMAND ${CMAKE_COMMAND} -E touch ${PROJECT_BINARY_DIR}/natives.stamp
    DEPENDS ${parts} COMMENT "Laying out natives/" VERBATIM)
  add_custom_target(raison_natives DEPENDS ${PROJECT_BINARY_DIR}/natives.stamp)
endif()
# What NuGet's and Maven's packages of CUDA carry. Not a part of `all`: few make them.
if(TARGET raison_cuda_plugin)
  set(plugin ${PROJECT_BINARY_DIR}/natives-cuda/libraison-cuda.so)
  add_custom_command(OUTPUT ${plugin}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/natives-cuda
    COMMAND ${CMAKE_STRIP} --strip-unneeded -o ${plugin} $<TARGET_FILE:raison_cuda_plugin>
    DEPENDS raison_cuda_plugin COMMENT "Laying out natives-cuda/" VERBATIM)
  add_custom_target(raison_natives_cuda DEPENDS ${plugin})
endif()
