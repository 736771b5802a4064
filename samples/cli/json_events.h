// Events as lines of JSON, as docs/trace.schema.json describes them: one object a line, the first
// "request", the last "usage".
#pragma once

#include <string>

#include "raison/raison.hpp"

namespace raison::cli {

// Raised when a line changes so that a reader of the former ones would misread it.
inline constexpr int kTraceVersion = 1;

class JsonEvents {
 public:
  JsonEvents(const Model& model, Session& session) : model_(model), session_(session) {}

  // All of them with the newline.
  std::string RequestLine(const std::string& question) const;
  // Empty for a kind that the schema does not know.
  std::string EventLine(const Event& event) const;
  std::string UsageLine() const;

 private:
  Model model_;
  Session session_;
};

}  // namespace raison::cli
