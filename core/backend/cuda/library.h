// A shared library that is opened at run time because most machines have it and some do not: the
// driver's NVML, cuBLAS. Refuses nothing: what is missing is an empty handle and a sentence.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace raison::cuda {

class Library {
 public:
  // The first of `files` that opens; each is a path, or a name for the loader's own path.
  // `loads_first` names a file beside it (of the same folder) that it needs and the loader might
  // not find.
  struct Candidate {
    std::string file;
    std::string loads_first = {};
  };
  static Library Open(const std::vector<Candidate>& candidates);

  explicit operator bool() const { return handle_ != nullptr; }
  const std::string& file() const { return file_; }
  // Why none opened: the loader's words on a name without a folder, or else on the first file.
  const std::string& problem() const { return problem_; }

  // False, and `problem` says so, if the library has no such function.
  template <typename Function>
  bool Find(const char* name, Function*& function) {
    function = reinterpret_cast<Function*>(Symbol(name));
    return function != nullptr;
  }

 private:
  void* Symbol(const char* name);

  std::shared_ptr<void> handle_;
  std::string file_, problem_;
};

}  // namespace raison::cuda
