// What the files of the extension share. The extension sees raison.hpp only: it cannot depend on the
// core's C++, and it knows no Python policy: names, keywords and iteration are written in Python.
#pragma once

#include <pybind11/functional.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <deque>
#include <memory>
#include <mutex>
#include <raison/raison.hpp>
#include <string>
#include <utility>

namespace raison::python {

namespace py = pybind11;
using ReleaseGil = py::call_guard<py::gil_scoped_release>;

// Lines of the library's log, kept until Python asks: the library's threads never call into Python.
class LogQueue {
 public:
  void Put(int32_t level, std::string_view text) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (lines_.size() < kMostLines) lines_.emplace_back(level, std::string(text));
  }
  std::deque<std::pair<int32_t, std::string>> Take() {
    std::lock_guard<std::mutex> lock(mutex_);
    return std::exchange(lines_, {});
  }

 private:
  static constexpr size_t kMostLines = 10000;  // nobody listens: do not grow for ever
  std::mutex mutex_;
  std::deque<std::pair<int32_t, std::string>> lines_;
};

// UTF-8 from the library; what is a part of a code point is replaced.
inline py::str ToStr(const std::string& text) {
  return py::reinterpret_steal<py::str>(
      PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace"));
}

void RegisterModel(py::module_& m);
void RegisterSession(py::module_& m);

}  // namespace raison::python
