# Abseil from Debian's own source package, built here with -fPIC and hidden visibility: Debian's
# static archives are not position independent, and its shared ones would be needed at run time.
# packaging/setup.sh puts the source there.
set(raison_cache "$ENV{HOME}/.cache")
if(NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
  set(raison_cache "$ENV{XDG_CACHE_HOME}")
endif()
set(RAISON_ABSEIL_SOURCE_DIR "${raison_cache}/raison/abseil" CACHE PATH "Abseil 20220623 source")
if(NOT EXISTS ${RAISON_ABSEIL_SOURCE_DIR}/CMakeLists.txt)
  message(FATAL_ERROR "No Abseil source in ${RAISON_ABSEIL_SOURCE_DIR}: run packaging/setup.sh "
                      "or set RAISON_ABSEIL_SOURCE_DIR")
endif()
set(ABSL_PROPAGATE_CXX_STD ON)
set(ABSL_ENABLE_INSTALL OFF)
set(BUILD_TESTING OFF)
add_subdirectory(${RAISON_ABSEIL_SOURCE_DIR} ${PROJECT_BINARY_DIR}/abseil EXCLUDE_FROM_ALL SYSTEM)
