/* How bytes cross to Java.
 *
 * Texts and records are byte[], arrays int[] and float[], copied by JNI in either direction; a null is
 * a NullPointerException. Errors are thrown as org.raison.NativeError(int status, byte[] sentence).
 * The proxies are package-private, know no finalizer and do not count calls in flight: the hand-written
 * layer does both. A call on a deleted proxy is an error, never a crash. */

%insert(runtime) %{
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "bindings/swig/record.h"
%}

%insert(header) %{
namespace {

// A null result leaves an OutOfMemoryError pending.
jbyteArray ToBytes(JNIEnv* jenv, const char* data, size_t size) {
  if (size > static_cast<size_t>(std::numeric_limits<jsize>::max())) {
    throw raison::Error(RSN_ERR_MEMORY, "a text or record of 2 GiB or more");
  }
  jbyteArray array = jenv->NewByteArray(static_cast<jsize>(size));
  if (array != nullptr && size > 0) {
    jenv->SetByteArrayRegion(array, 0, static_cast<jsize>(size),
                             reinterpret_cast<const jbyte*>(data));
  }
  return array;
}

void Fail(JNIEnv* jenv, int32_t status, const char* text) noexcept {
  if (jenv->ExceptionCheck()) return;
  jclass type = jenv->FindClass("org/raison/NativeError");
  if (type == nullptr) return;  // NoClassDefFoundError is pending
  jmethodID constructor = jenv->GetMethodID(type, "<init>", "(I[B)V");
  if (constructor == nullptr) return;
  const size_t size = std::strlen(text);
  jbyteArray sentence = jenv->NewByteArray(static_cast<jsize>(size));
  if (sentence == nullptr) return;
  jenv->SetByteArrayRegion(sentence, 0, static_cast<jsize>(size),
                           reinterpret_cast<const jbyte*>(text));
  jobject error = jenv->NewObject(type, constructor, static_cast<jint>(status), sentence);
  if (error != nullptr) jenv->Throw(static_cast<jthrowable>(error));
}

std::string Bytes(JNIEnv* jenv, jbyteArray array) {
  std::string bytes(static_cast<size_t>(jenv->GetArrayLength(array)), '\0');
  if (!bytes.empty()) {
    jenv->GetByteArrayRegion(array, 0, static_cast<jsize>(bytes.size()),
                             reinterpret_cast<jbyte*>(bytes.data()));
  }
  return bytes;
}

template <typename T>
T Record(JNIEnv* jenv, jbyteArray array) {
  return raison::swig::FromRecord<T>(Bytes(jenv, array));
}

template <typename T>
jbyteArray ToRecordBytes(JNIEnv* jenv, const T& value) {
  const std::string record = raison::swig::ToRecord<T>(value);
  return ToBytes(jenv, record.data(), record.size());
}

inline void Region(JNIEnv* jenv, jintArray array, jsize count, int32_t* to) {
  jenv->GetIntArrayRegion(array, 0, count, reinterpret_cast<jint*>(to));
}
inline void Region(JNIEnv* jenv, jintArray array, jsize count, uint32_t* to) {
  jenv->GetIntArrayRegion(array, 0, count, reinterpret_cast<jint*>(to));
}
inline void Region(JNIEnv* jenv, jfloatArray array, jsize count, float* to) {
  jenv->GetFloatArrayRegion(array, 0, count, to);
}

template <typename T, typename JavaArray>
std::vector<T> Array(JNIEnv* jenv, JavaArray array) {
  std::vector<T> values(static_cast<size_t>(jenv->GetArrayLength(array)));
  if (!values.empty()) Region(jenv, array, static_cast<jsize>(values.size()), values.data());
  return values;
}

jsize Length(size_t count) {
  if (count > static_cast<size_t>(std::numeric_limits<jsize>::max())) {
    throw raison::Error(RSN_ERR_MEMORY, "an array of 2^31 elements or more");
  }
  return static_cast<jsize>(count);
}

template <typename T>
jintArray To_int(JNIEnv* jenv, const std::vector<T>& values) {
  static_assert(sizeof(T) == sizeof(jint));
  jintArray array = jenv->NewIntArray(Length(values.size()));
  if (array != nullptr) {
    jenv->SetIntArrayRegion(array, 0, Length(values.size()),
                            reinterpret_cast<const jint*>(values.data()));
  }
  return array;
}

jfloatArray To_float(JNIEnv* jenv, const std::vector<float>& values) {
  jfloatArray array = jenv->NewFloatArray(Length(values.size()));
  if (array != nullptr) jenv->SetFloatArrayRegion(array, 0, Length(values.size()), values.data());
  return array;
}

}  // namespace
%}

%define RAISON_GUARD(CODE...)
  try {
    CODE
  } catch (const raison::Error& error) {
    Fail(jenv, error.status(), error.what());
    return $null;
  } catch (const std::bad_alloc&) {
    Fail(jenv, RSN_ERR_MEMORY, "the system gave no memory");
    return $null;
  } catch (const std::exception& error) {
    Fail(jenv, RSN_ERR_INTERNAL, error.what());
    return $null;
  }
%enddef

%exception { RAISON_GUARD($action) }

/* Loads nothing on its own: NativeLibrary of the hand-written layer does. */
%pragma(java) jniclassclassmodifiers="final class"
%pragma(java) moduleclassmodifiers="final class"
%typemap(javaclassmodifiers) SWIGTYPE "final class"
%typemap(javafinalize) SWIGTYPE ""
%typemap(javabody) SWIGTYPE %{
  private transient long swigCPtr;
  private transient boolean swigCMemOwn;

  $javaclassname(long cPtr, boolean cMemoryOwn) {
    swigCMemOwn = cMemoryOwn;
    swigCPtr = cPtr;
  }

  static long getCPtr($javaclassname obj) {
    return obj.swigCPtr;
  }
%}
%typemap(javadestruct, methodname="delete", methodmodifiers="synchronized") SWIGTYPE {
    if (swigCPtr != 0) {
      if (swigCMemOwn) {
        swigCMemOwn = false;
        $jnicall;
      }
      swigCPtr = 0;
    }
  }
%typemap(check) SWIGTYPE *self %{
  if ($1 == nullptr) {
    Fail(jenv, RSN_ERR_STATE, "the object is closed");
    return $null;
  }
%}
%typemap(in) SWIGTYPE & %{
  $1 = *($&1_ltype)&$input;
  if ($1 == nullptr) {
    Fail(jenv, RSN_ERR_STATE, "the object is closed");
    return $null;
  }
%}

%define RAISON_CROSS(TYPE, JNI, JAVA, DECODE, ENCODE)
%typemap(jni) TYPE, const TYPE & "JNI"
%typemap(jtype) TYPE, const TYPE & "JAVA"
%typemap(jstype) TYPE, const TYPE & "JAVA"
%typemap(javain) TYPE, const TYPE & "$javainput"
%typemap(javaout) TYPE, const TYPE & { return $jnicall; }
%typemap(in) const TYPE & (TYPE temp) %{
  if ($input == nullptr) {
    SWIG_JavaThrowException(jenv, SWIG_JavaNullPointerException, "$1_name is null");
    return $null;
  }
  RAISON_GUARD(temp = DECODE(jenv, $input);)
  $1 = &temp;
%}
%typemap(out) TYPE %{ RAISON_GUARD($result = ENCODE;) %}
%enddef

%define RAISON_TEXT
RAISON_CROSS(std::string, jbyteArray, byte[], Bytes, ToBytes(jenv, $1.data(), $1.size()))
%enddef

%define RAISON_ARRAY(CPP, ELEMENT)
RAISON_CROSS(std::vector<CPP>, j##ELEMENT##Array, ELEMENT[], Array<CPP>, To_##ELEMENT(jenv, $1))
%enddef

%define RAISON_RECORD(TYPE)
RAISON_CROSS(TYPE, jbyteArray, byte[], Record<TYPE >, ToRecordBytes<TYPE >(jenv, $1))
%enddef
