# Finds a CUDA 13 compiler without CMake's CUDA language: on the PATH, in /usr/local/cuda, or as
# packaging/setup.sh --with-cuda unpacks it. Sets RAISON_NVCC (empty: none, or RAISON_CUDA=OFF) and
# RAISON_CUDA_ROOT.
include(RaisonSwitch)
raison_switch(RAISON_CUDA "Build libraison-cuda.so (AUTO: where nvcc is found)")
# N: machine code and PTX, N-real: machine code only, N-virtual: PTX only. Data-centre cards after
# Hopper run neither 90's nor 120's code: PTX of 90 is for them, PTX of 75 for Turing and the rest.
set(RAISON_CUDA_ARCHITECTURES "75-virtual;80-real;89-real;90;120-real" CACHE STRING
  "What libraison-cuda.so has code for")

set(RAISON_NVCC "")
if(NOT RAISON_CUDA STREQUAL OFF AND NOT CMAKE_CROSSCOMPILING)
  if(DEFINED ENV{XDG_CACHE_HOME})
    set(cache $ENV{XDG_CACHE_HOME})
  else()
    set(cache $ENV{HOME}/.cache)
  endif()
  set(places $ENV{CUDACXX} nvcc /usr/local/cuda/bin/nvcc ${cache}/raison/cuda-13.0/nvidia/cu13/bin/nvcc)
  foreach(place ${places})
    unset(found)
    find_program(found ${place} NO_CACHE)
    if(NOT found)
      continue()
    endif()
    execute_process(COMMAND ${found} --version OUTPUT_VARIABLE text ERROR_QUIET RESULT_VARIABLE failed)
    if(NOT failed AND text MATCHES "release ([0-9]+)\\.([0-9]+)" AND CMAKE_MATCH_1 GREATER_EQUAL 13)
      set(RAISON_NVCC ${found})
      break()
    endif()
    message(STATUS "CUDA: ${found} is not of CUDA 13 or later")
  endforeach()
  if(RAISON_NVCC)
    get_filename_component(real ${RAISON_NVCC} REALPATH)
    get_filename_component(RAISON_CUDA_ROOT ${real}/../.. ABSOLUTE)
    message(STATUS "CUDA: ${RAISON_NVCC}, for ${RAISON_CUDA_ARCHITECTURES}")
  elseif(RAISON_CUDA STREQUAL ON)
    message(FATAL_ERROR "RAISON_CUDA=ON, but there is no nvcc of CUDA 13 or later: "
      "packaging/setup.sh --with-cuda fetches one")
  else()
    message(STATUS "CUDA: no nvcc of CUDA 13 or later; libraison-cuda.so is not built")
  endif()
endif()
