# raison_library(NAME SOURCES... DEPS...): one static, position-independent core folder.
# raison_test(NAME SOURCES... DEPS...):    one gtest program, found by ctest.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 99)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
find_program(RAISON_CCACHE ccache)
if(RAISON_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${RAISON_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${RAISON_CCACHE})
endif()
if(WIN32)  # raison_java.dll, as the JVM and .NET look for it
  set(CMAKE_SHARED_LIBRARY_PREFIX "")
  set(CMAKE_SHARED_MODULE_PREFIX "")
endif()
if(CMAKE_BUILD_TYPE STREQUAL RelWithDebInfo)
  # -g1 keeps line tables and the symbol types of the C ABI small; kernels want -O3.
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O3 -g1 -DNDEBUG")
  set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O3 -g1 -DNDEBUG")
endif()
if(RAISON_SANITIZE)
  # null and alignment take half of the time to compile. AddressSanitizer reports what follows from a
  # null; core/CMakeLists.txt has alignment checked where bytes become numbers.
  add_compile_options(-fsanitize=${RAISON_SANITIZE} -fno-sanitize=null,alignment -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${RAISON_SANITIZE})
endif()
# The same expression gives the same bits in every translation unit; kernels spell fma() out.
add_compile_options(-ffp-contract=off)

set(RAISON_WARNINGS -Wall -Wextra -Wno-missing-field-initializers)

function(raison_library name)
  cmake_parse_arguments(L "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(${name} STATIC ${L_SOURCES})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
  target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX,C>:${RAISON_WARNINGS}>)
  target_link_libraries(${name} PUBLIC ${L_DEPS} PRIVATE ${L_PRIVATE_DEPS})
endfunction()

function(raison_test name)
  cmake_parse_arguments(T "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${T_SOURCES})
  # A test's own lines are compiled longer than they run.
  target_compile_options(${name} PRIVATE ${RAISON_WARNINGS} -O0)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
  target_link_libraries(${name} PRIVATE ${T_DEPS} GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE RAISON_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 600)
endfunction()
