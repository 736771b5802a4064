// std::condition_variable as every libstdc++ since gcc 4.4 has it. gcc 12 gave wait() a second
// version (GLIBCXX_3.4.30: it may now leave through an exception when its thread is cancelled), and
// a library that asks for that one is refused by RHEL 9, which has 3.4.29. Nobody cancels threads
// here, so the old version is asked for by name. Core includes this file, never <condition_variable>.
#pragma once

#include <condition_variable>

#if defined(__linux__) && defined(__GLIBCXX__)
__asm__(
    ".symver _ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE, "
    "_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE@GLIBCXX_3.4.11");
#endif
