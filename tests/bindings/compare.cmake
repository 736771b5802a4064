# Runs a driver of the parity table (DRIVER) and the C driver (MEASURE): they must print the same bytes.
foreach(which DRIVER MEASURE)
  execute_process(COMMAND ${${which}} ${CASES}
    OUTPUT_FILE ${FOLDER}/${which}.txt ERROR_VARIABLE error RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${${which}}: exit ${result}\n${error}")
  endif()
endforeach()
execute_process(COMMAND diff -u ${FOLDER}/MEASURE.txt ${FOLDER}/DRIVER.txt
  OUTPUT_VARIABLE difference RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  string(SUBSTRING "${difference}" 0 4000 difference)
  message(FATAL_ERROR "${DRIVER} prints something else:\n${difference}")
endif()
file(STRINGS ${FOLDER}/DRIVER.txt lines)
list(LENGTH lines count)
if(count LESS 1000)
  message(FATAL_ERROR "only ${count} lines: the table was not run")
endif()
