# Runs the parity table with the drivers in C and C++, whose output must be the same bytes.
foreach(program C CPP)
  execute_process(COMMAND ${${program}} ${CASES}
    OUTPUT_VARIABLE ${program}_output ERROR_VARIABLE error RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${${program}}: exit ${result}\n${error}")
  endif()
  file(WRITE ${OUT}/parity_${program}.txt "${${program}_output}")
endforeach()
if(NOT C_output STREQUAL CPP_output)
  message(FATAL_ERROR "C++ tells something else than C: diff ${OUT}/parity_C.txt ${OUT}/parity_CPP.txt")
endif()
