# cmake -DFROM=x.spv -DTO=x.inc -P embed.cmake: SPIR-V as the words of a C array.
file(READ ${FROM} bytes HEX)
string(REGEX REPLACE "(..)(..)(..)(..)" "0x\\4\\3\\2\\1," words "${bytes}")
file(WRITE ${TO} "{${words}}\n")
