// What jni.h wants to know of Windows: a JDK for Linux brings its own system's file only. The types are
// those that every JDK for Windows has.
#ifndef RAISON_JNI_MD_H_
#define RAISON_JNI_MD_H_

#define JNIEXPORT __declspec(dllexport)
#define JNIIMPORT __declspec(dllimport)
#define JNICALL __stdcall

typedef long jint;
typedef long long jlong;
typedef signed char jbyte;

#endif  // RAISON_JNI_MD_H_
