// The options that every command shares which loads a model, and those of a request; loading with
// progress on standard error and Ctrl-C.
#pragma once

#include <string>
#include <vector>

#include "raison/raison.hpp"
#include "samples/cli/arguments.h"

namespace raison::cli {

struct ModelArguments {
  std::string model;  // empty: the built-in one
  std::string device, experts, backend_path, chat_template_file;
  int32_t threads = RSN_UNSET;
  int32_t context = 0;
  int32_t kv_type = RSN_KV_DEFAULT;
  bool copy = false, no_repack = false, exact = false;

  void AddPath(Arguments& arguments);       // --model alone
  void AddPlacement(Arguments& arguments);  // and what decides what lies where
  void AddTo(Arguments& arguments);         // and how it is read and run
};

// load: RSN_LOAD_MAP (or COPY with --copy) or RSN_LOAD_HEADER.
ModelOptions ToModelOptions(const ModelArguments& arguments, int32_t load);
Model LoadModel(const ModelArguments& arguments, int32_t load = RSN_LOAD_MAP);

// Loads with `options`, showing progress; `make` does the loading.
Model LoadShowingProgress(const std::string& name, ModelOptions options,
                          const std::function<Model(const ModelOptions&)>& make);

// The options of a request, straight into GenerateOptions.
struct RequestArguments {
  GenerateOptions options;
  std::string system;
  bool experts = false;

  void AddTo(Arguments& arguments);
  // After Parse.
  void Finish();
  // What only a model can check. UsageError for what the command line got wrong.
  void Check(const Model& model) const;
};

// The model inside, 17 million parameters: by name, wherever its file lies.
bool IsPetit(const ModelInfo& info);
// Petit's way of saying that a question is not for it.
bool Declines(const std::string& answer);
// One line on standard error when Petit declined.
void ExplainDecline(const ModelInfo& info, const std::string& answer);

}  // namespace raison::cli
