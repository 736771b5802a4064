# Writes FOLDER/files: the VERSION of the native files, then their names. A jar cannot be listed by the
# program that runs from it.
file(GLOB names RELATIVE ${FOLDER} ${FOLDER}/*)
list(SORT names)
list(JOIN names "\n" names)
file(WRITE ${FOLDER}/files "version ${VERSION}\n${names}\n")
