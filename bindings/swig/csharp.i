/* How bytes cross to C#.
 *
 * In: a pinned byte[] or int[] and its length, as one struct of two words by value. Out: one block
 * {uint64 size, bytes} that the managed side copies and frees. Objects: a SafeHandle, so the runtime
 * counts the calls in flight and frees after the last. Errors: status and sentence wait in the
 * thread, and every proxy asks for them; SWIG's own callbacks into managed code are off. */

%insert(runtime) %{
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "bindings/swig/record.h"

namespace {

struct Span {  // NativeSpan in C#
  const void* data;
  int64_t size;  // bytes
};

thread_local int32_t failed_status = 0;
thread_local std::string failed_text;

void Fail(int32_t status, const char* text) noexcept {
  failed_status = status;
  try {
    failed_text = text;
  } catch (...) {
    failed_text.clear();
  }
}

void* Block(const void* data, size_t size) {
  char* block = static_cast<char*>(std::malloc(sizeof(uint64_t) + size));
  if (block == nullptr) throw std::bad_alloc();
  const uint64_t size64 = size;
  std::memcpy(block, &size64, sizeof size64);
  if (size > 0) std::memcpy(block + sizeof size64, data, size);
  return block;
}

std::string Bytes(const Span& span) {
  if (span.size < 0 || (span.data == nullptr && span.size > 0)) {
    throw raison::Error(RSN_ERR_ARGUMENT, "a span of bytes has no data");
  }
  return std::string(static_cast<const char*>(span.size > 0 ? span.data : ""),
                     static_cast<size_t>(span.size));
}

template <typename T>
std::vector<T> Array(const Span& span) {
  const std::string bytes = Bytes(span);
  if (bytes.size() % sizeof(T) != 0) {
    throw raison::Error(RSN_ERR_ARGUMENT, "a span of numbers ends inside one");
  }
  std::vector<T> array(bytes.size() / sizeof(T));
  if (!array.empty()) std::memcpy(array.data(), bytes.data(), bytes.size());
  return array;
}

template <typename T>
T Record(const Span& span) {
  return raison::swig::FromRecord<T>(Bytes(span));
}

// What SWIG's own checks call: a reference that is NULL, mostly.
enum { SWIG_CSharpArgumentNullException, SWIG_CSharpArgumentOutOfRangeException };
[[maybe_unused]] void SWIG_CSharpSetPendingExceptionArgument(int, const char* text, const char*) {
  Fail(RSN_ERR_ARGUMENT, text);
}

}  // namespace

#if defined(_WIN32)
#define RAISON_SWIG_EXPORT __declspec(dllexport)
#else
#define RAISON_SWIG_EXPORT __attribute__((visibility("default")))
#endif

// 0: the thread's latest call went well.
extern "C" RAISON_SWIG_EXPORT int32_t RaisonSwig_Failed() { return failed_status; }
// The sentence as a block, NULL without memory; the error is over.
extern "C" RAISON_SWIG_EXPORT void* RaisonSwig_TakeError() {
  failed_status = 0;
  try {
    return Block(failed_text.data(), failed_text.size());
  } catch (...) {
    return nullptr;
  }
}
extern "C" RAISON_SWIG_EXPORT void RaisonSwig_Free(void* block) { std::free(block); }
%}

%exception %{
  try {
    $action
  } catch (const raison::Error& error) {
    Fail(error.status(), error.what());
    return $null;
  } catch (const std::bad_alloc&) {
    Fail(RSN_ERR_MEMORY, "the system gave no memory");
    return $null;
  } catch (const std::exception& error) {
    Fail(RSN_ERR_INTERNAL, error.what());
    return $null;
  }
%}

%pragma(csharp) moduleclassmodifiers="internal static unsafe class"
%pragma(csharp) imclassclassmodifiers="internal static unsafe class"
%typemap(csclassmodifiers) SWIGTYPE "internal unsafe class"

/* ---- objects */
%typemap(imtype, out="global::System.IntPtr") SWIGTYPE *, SWIGTYPE & "global::System.Runtime.InteropServices.SafeHandle"
%typemap(imtype) SWIGTYPE "global::System.IntPtr"
%typemap(csin) SWIGTYPE *, SWIGTYPE & "$csclassname.getCPtr($csinput)"
%typemap(csout) SWIGTYPE %{ { return new $&csclassname(NativeCall.Check($imcall), true); } %}
%typemap(csconstruct) SWIGTYPE %{: this(NativeCall.Check($imcall), true) {
  }
%}
%typemap(csinterfaces) SWIGTYPE "global::System.IDisposable"
%typemap(csbody) SWIGTYPE %{
  private readonly Handle swigCPtr;

  internal $csclassname(global::System.IntPtr cPtr, bool cMemoryOwn) {
    swigCPtr = new Handle(cPtr, cMemoryOwn);
  }

  internal static global::System.Runtime.InteropServices.SafeHandle getCPtr($csclassname obj) {
    return obj.swigCPtr;
  }

  private sealed class Handle : global::System.Runtime.InteropServices.SafeHandle {
    internal Handle(global::System.IntPtr cPtr, bool owns) : base(global::System.IntPtr.Zero, owns) {
      SetHandle(cPtr);
    }
    public override bool IsInvalid => handle == global::System.IntPtr.Zero;
    protected override bool ReleaseHandle() {
      Delete(handle);
      return true;
    }
    [global::System.Runtime.InteropServices.DllImport("$dllimport", EntryPoint="CSharp_Raison_delete_$csclassname")]
    private static extern void Delete(global::System.IntPtr cPtr);
  }
%}
%typemap(csdispose) SWIGTYPE ""
%typemap(csdisposing, methodname="Dispose", methodmodifiers="public", parameters="") SWIGTYPE {
    swigCPtr.Dispose();
  }

/* ---- scalars */
%typemap(csout) void %{ { $imcall; NativeCall.Check(); } %}
%typemap(csout) bool, int, long long %{ { return NativeCall.Check($imcall); } %}
%apply int { int32_t, uint32_t };
%apply long long { size_t, uint64_t, int64_t };

/* ---- bytes */
%define RAISON_SPAN(TYPE, ELEMENT, DECODE)
%typemap(ctype) const TYPE & "Span"
%typemap(imtype) const TYPE & "NativeSpan"
%typemap(cstype) const TYPE & "ELEMENT[]"
%typemap(csin, pre="    fixed (ELEMENT* swig_$csinput = $csinput) {", terminator="    }")
    const TYPE & "new NativeSpan(swig_$csinput, (long)$csinput.Length * sizeof(ELEMENT))"
%typemap(in) const TYPE & (TYPE temp) %{
  try {
    temp = DECODE($input);
  } catch (const raison::Error& error) {
    Fail(error.status(), error.what());
    return $null;
  } catch (const std::bad_alloc&) {
    Fail(RSN_ERR_MEMORY, "the system gave no memory");
    return $null;
  }
  $1 = &temp;
%}
%enddef

%define RAISON_BLOCK(TYPE, ELEMENT, TAKE, ENCODE...)
%typemap(ctype) TYPE "void *"
%typemap(imtype) TYPE "global::System.IntPtr"
%typemap(cstype) TYPE "ELEMENT[]"
%typemap(csout) TYPE %{ { return NativeCall.TAKE($imcall); } %}
%typemap(out) TYPE %{
  try {
    ENCODE
  } catch (const raison::Error& error) {
    Fail(error.status(), error.what());
    return $null;
  } catch (const std::bad_alloc&) {
    Fail(RSN_ERR_MEMORY, "the system gave no memory");
    return $null;
  }
%}
%enddef

%define RAISON_TEXT
RAISON_SPAN(std::string, byte, Bytes)
RAISON_BLOCK(std::string, byte, TakeBytes, $result = Block($1.data(), $1.size());)
%enddef

%define RAISON_ARRAY(CPP, ELEMENT)
RAISON_SPAN(std::vector<CPP>, ELEMENT, Array<CPP>)
RAISON_BLOCK(std::vector<CPP>, ELEMENT, Take_##ELEMENT, $result = Block($1.data(), $1.size() * sizeof(CPP));)
%enddef

%define RAISON_RECORD(TYPE)
RAISON_SPAN(TYPE, byte, Record<TYPE >)
RAISON_BLOCK(TYPE, byte, TakeBytes,
  const std::string record = raison::swig::ToRecord<TYPE >($1);
  $result = Block(record.data(), record.size());)
%enddef
