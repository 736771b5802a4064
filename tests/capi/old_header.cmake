# Makes the header that an older program saw: today's, without the last fields of the structs that
# grow. Usage: cmake -DHEADER=raison.h -DOUT=old/raison/raison.h -P old_header.cmake
file(READ ${HEADER} text)
string(REPLACE ";" "<semicolon>" text "${text}")
# Everything from a field to the struct's closing brace goes.
foreach(cut "rsn_event:int64_t cached" "rsn_step:float mean_entropy" "rsn_usage:double answer_seconds"
            "rsn_model_info:float temperature" "rsn_generate_options:int32_t alternatives"
            "rsn_model_options:rsn_log_callback log")
  string(REGEX MATCH "^([a-z_]+):(.*)$" ignored "${cut}")
  set(struct ${CMAKE_MATCH_1})
  set(field ${CMAKE_MATCH_2})
  string(FIND "${text}" "struct ${struct} {" begin)
  string(SUBSTRING "${text}" ${begin} -1 rest)
  string(FIND "${rest}" "\n  ${field}<semicolon>" at)
  string(FIND "${rest}" "\n}" end)
  if(begin LESS 0 OR at LESS 0 OR end LESS at)
    message(FATAL_ERROR "${struct} has no field '${field}' to cut at")
  endif()
  math(EXPR cut_begin "${begin} + ${at}")
  math(EXPR cut_end "${begin} + ${end}")
  string(SUBSTRING "${text}" 0 ${cut_begin} head)
  string(SUBSTRING "${text}" ${cut_end} -1 tail)
  set(text "${head}${tail}")
endforeach()
string(REPLACE "#define RAISON_RAISON_H_" "#define RAISON_RAISON_H_\n#define RSN_OLD_HEADER" text
  "${text}")
string(REPLACE "<semicolon>" ";" text "${text}")
file(WRITE ${OUT} "${text}")
