#include "module.h"

namespace raison::python {
namespace {

// Every constant of raison.h that a caller may need, under its C name.
void RegisterConstants(py::module_& m) {
#define RAISON_CONSTANT(name) m.attr(#name) = py::int_(static_cast<int64_t>(RSN_##name))
  RAISON_CONSTANT(EVENT_NONE);
  RAISON_CONSTANT(EVENT_PROGRESS);
  RAISON_CONSTANT(EVENT_TOKEN);
  RAISON_CONSTANT(EVENT_STEP_BEGIN);
  RAISON_CONSTANT(EVENT_STEP_END);
  RAISON_CONSTANT(EVENT_THINK_BEGIN);
  RAISON_CONSTANT(EVENT_THINK_END);
  RAISON_CONSTANT(EVENT_NOTICE);
  RAISON_CONSTANT(EVENT_DONE);
  RAISON_CONSTANT(CHANNEL_THINKING);
  RAISON_CONSTANT(CHANNEL_ANSWER);
  RAISON_CONSTANT(TRACE_EXPERTS);
  RAISON_CONSTANT(TRACE_PROMPT);
  RAISON_CONSTANT(TOKENIZE_SPECIAL);
  RAISON_CONSTANT(TOKENIZE_BOS);
  RAISON_CONSTANT(DETOKENIZE_SPECIAL);
  RAISON_CONSTANT(ROLE_SYSTEM);
  RAISON_CONSTANT(ROLE_USER);
  RAISON_CONSTANT(ROLE_ASSISTANT);
  RAISON_CONSTANT(ROLE_TOOL);
  RAISON_CONSTANT(CONTINUE);
  RAISON_CONSTANT(END_THINKING);
  RAISON_CONSTANT(STOP);
#undef RAISON_CONSTANT
}

}  // namespace
}  // namespace raison::python

PYBIND11_MODULE(_raison, m) {
  using namespace raison;
  using namespace raison::python;
  m.doc() = "The C++ face of libraison. Use the package `raison`.";
  // Python turns (status, sentence) into the exception class of that status.
  static py::exception<Error>* native = new py::exception<Error>(m, "NativeError");
  py::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const Error& e) {
      py::object error = py::reinterpret_borrow<py::object>(native->ptr())(e.what());
      error.attr("status") = e.status();
      PyErr_SetObject(native->ptr(), error.ptr());
    }
  });
  m.def("version", &VersionText);
  m.def("status_name", &StatusName);
  RegisterConstants(m);
  RegisterModel(m);
  RegisterSession(m);
}
