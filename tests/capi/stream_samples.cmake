# Runs the stream samples and compares what they print, byte for byte.
foreach(program ${C} ${CPP})
  execute_process(COMMAND ${program} "What is 12 * 13?"
    OUTPUT_VARIABLE output ERROR_VARIABLE error RESULT_VARIABLE result)
  if(NOT result EQUAL 0 OR NOT error STREQUAL "")
    message(FATAL_ERROR "${program}: exit ${result}\n${error}")
  endif()
  if(NOT output MATCHES "\\[step 1, confidence [01]\\.[0-9][0-9]\\]" OR
     NOT output MATCHES "\\[final answer: [^\n]*156" OR
     NOT output MATCHES "[0-9]+ tokens of thinking")
    message(FATAL_ERROR "${program} printed:\n${output}")
  endif()
  if(DEFINED first AND NOT output STREQUAL first)
    message(FATAL_ERROR "${program} printed:\n${output}\nbut another sample printed:\n${first}")
  endif()
  set(first "${output}")
  # A failure is a sentence on stderr and a status.
  execute_process(COMMAND ${program} "x" /no/such/model.gguf
    OUTPUT_QUIET ERROR_VARIABLE error RESULT_VARIABLE result)
  if(result EQUAL 0 OR NOT error MATCHES "/no/such/model.gguf.*RSN_ERR_NOT_FOUND")
    message(FATAL_ERROR "${program} with a missing model: exit ${result}\n${error}")
  endif()
endforeach()
