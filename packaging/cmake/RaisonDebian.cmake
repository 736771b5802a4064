# Debian packages by CPack: libraison0 (the library, the Vulkan plug-in, the model), libraison-dev,
# raison (the command) and, where the CUDA plug-in is built, libraison0-cuda. Configure with
# CMAKE_INSTALL_PREFIX=/usr, then `cpack -G DEB` in the build folder.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME raison)
set(CPACK_PACKAGE_VENDOR "The Raison authors")
# Whoever publishes packages answers for them.
set(RAISON_PACKAGER "The Raison authors <raison@localhost>" CACHE STRING "Maintainer of Debian packages")
set(CPACK_PACKAGE_CONTACT ${RAISON_PACKAGER})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_COMPONENTS_ALL library development tools)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
# copyright and changelog, which Debian wants in every package in a shape of its own.
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/debian_docs.cmake)
set(CPACK_RAISON_SOURCE_DIR ${PROJECT_SOURCE_DIR})

set(library libraison${PROJECT_VERSION_MAJOR})
set(about "Raison loads open reasoning models and shows each step of their\nthinking: its text, its \
confidence and its cost. Nothing is sent\nanywhere; a small model is built in.")
# dpkg runs ldconfig once for all packages, and knows who has libraison.so.
set(control ${PROJECT_BINARY_DIR}/debian)
file(WRITE ${control}/triggers "activate-noawait ldconfig\n")
file(WRITE ${control}/shlibs
  "libraison ${PROJECT_VERSION_MAJOR} ${library} (>= ${PROJECT_VERSION})\n")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME ${library})
set(CPACK_COMPONENT_LIBRARY_DESCRIPTION "runs open reasoning models on your own hardware\n${about}")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA ${control}/triggers ${control}/shlibs)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_RECOMMENDS libvulkan1)  # opened at run time

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libraison-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION
  "headers for programs that run reasoning models\n${about}")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "${library} (= ${PROJECT_VERSION})")

set(CPACK_DEBIAN_TOOLS_PACKAGE_NAME raison)
set(CPACK_DEBIAN_TOOLS_PACKAGE_SECTION science)
set(CPACK_COMPONENT_TOOLS_DESCRIPTION "runs reasoning models from the command line\n${about}")
# By hand: dpkg-shlibdeps knows the library only once it is installed.
set(CPACK_DEBIAN_TOOLS_PACKAGE_DEPENDS
  "${library} (= ${PROJECT_VERSION}), libc6 (>= 2.34), libgcc-s1 (>= 4.2), libstdc++6 (>= 12)")

if(TARGET raison_cuda_plugin)
  list(APPEND CPACK_COMPONENTS_ALL cuda)
  set(CPACK_DEBIAN_CUDA_PACKAGE_NAME ${library}-cuda)
  set(CPACK_COMPONENT_CUDA_DESCRIPTION "CUDA back end of raison, for NVIDIA cards\n${about}")
  set(CPACK_DEBIAN_CUDA_PACKAGE_DEPENDS "${library} (= ${PROJECT_VERSION})")
  set(CPACK_DEBIAN_CUDA_PACKAGE_SHLIBDEPS ON)
  set(CPACK_DEBIAN_CUDA_PACKAGE_CONTROL_EXTRA ${control}/triggers)
endif()
include(CPack)
