# Run by CPack over each package's folder before it is packed: copyright and changelog as Debian's
# policy wants them, and no documents of another package's name.
file(GLOB components ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/*)
foreach(root ${components})
  get_filename_component(component ${root} NAME)
  string(TOUPPER ${component} component)
  set(package ${CPACK_DEBIAN_${component}_PACKAGE_NAME})
  if(NOT package)
    continue()
  endif()
  set(docs ${root}/usr/share/doc/${package})
  file(REMOVE_RECURSE ${root}/usr/share/doc)
  file(READ ${CPACK_RAISON_SOURCE_DIR}/THIRD-PARTY-NOTICES notices)
  file(WRITE ${docs}/copyright
    "Raison, copyright The Raison authors.\n\n"
    "Licensed under the Apache License, Version 2.0; on Debian systems its text is in\n"
    "/usr/share/common-licenses/Apache-2.0.\n\n${notices}")
  # The date of the last change, so that the same tree makes the same package.
  file(TIMESTAMP ${CPACK_RAISON_SOURCE_DIR}/CHANGELOG.md date "%a, %d %b %Y %H:%M:%S +0000" UTC)
  file(WRITE ${docs}/changelog
    "raison (${CPACK_PACKAGE_VERSION}) unstable; urgency=medium\n\n"
    "  * The changes are told in CHANGELOG.md of the source.\n\n"
    " -- ${CPACK_PACKAGE_CONTACT}  ${date}\n")
  execute_process(COMMAND gzip -9nf ${docs}/changelog COMMAND_ERROR_IS_FATAL ANY)
  if(component STREQUAL "LIBRARY")
    file(COPY ${CPACK_RAISON_SOURCE_DIR}/packaging/raison.spdx.json DESTINATION ${docs})
  endif()
endforeach()
