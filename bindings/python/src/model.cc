// Options, devices, messages and the model.
#include "module.h"

namespace raison::python {
namespace {

// A model and the queue of its log lines.
struct LoggedModel {
  Model model;
  std::shared_ptr<LogQueue> log;
};

ModelOptions WithLog(ModelOptions options, const std::shared_ptr<LogQueue>& log) {
  options.log = [log](int32_t level, std::string_view text) { log->Put(level, text); };
  if (options.progress) {
    options.progress = [call = options.progress](uint64_t done, uint64_t total) {
      py::gil_scoped_acquire gil;
      return call(done, total);
    };
  }
  return options;
}

void RegisterInfo(py::module_& m) {
  py::class_<ModelInfo>(m, "ModelInfo")
      .def_readonly("context_length", &ModelInfo::context_length)
      .def_readonly("architecture", &ModelInfo::architecture)
      .def_readonly("name", &ModelInfo::name)
      .def_readonly("path", &ModelInfo::path)
      .def_readonly("type", &ModelInfo::type)
      .def_readonly("device", &ModelInfo::device)
      .def_readonly("chat_template", &ModelInfo::chat_template)
      .def_readonly("parameters", &ModelInfo::parameters)
      .def_readonly("active_parameters", &ModelInfo::active_parameters)
      .def_readonly("file_bytes", &ModelInfo::file_bytes)
      .def_readonly("weight_bytes", &ModelInfo::weight_bytes)
      .def_readonly("kv_bytes_per_token", &ModelInfo::kv_bytes_per_token)
      .def_readonly("kv_bytes_limit", &ModelInfo::kv_bytes_limit)
      .def_readonly("kv_bytes_used", &ModelInfo::kv_bytes_used)
      .def_readonly("passes", &ModelInfo::passes)
      .def_readonly("tensors", &ModelInfo::tensors)
      .def_readonly("vocabulary", &ModelInfo::vocabulary)
      .def_readonly("layers", &ModelInfo::layers)
      .def_readonly("hidden", &ModelInfo::hidden)
      .def_readonly("heads", &ModelInfo::heads)
      .def_readonly("kv_heads", &ModelInfo::kv_heads)
      .def_readonly("experts", &ModelInfo::experts)
      .def_readonly("experts_used", &ModelInfo::experts_used)
      .def_readonly("experts_shared", &ModelInfo::experts_shared)
      .def_readonly("dense_layers", &ModelInfo::dense_layers)
      .def_readonly("threads", &ModelInfo::threads)
      .def_readonly("bos_token", &ModelInfo::bos_token)
      .def_readonly("eos_token", &ModelInfo::eos_token)
      .def_readonly("think_begin_token", &ModelInfo::think_begin_token)
      .def_readonly("think_end_token", &ModelInfo::think_end_token)
      .def_readonly("temperature", &ModelInfo::temperature)
      .def_readonly("top_p", &ModelInfo::top_p)
      .def_readonly("min_p", &ModelInfo::min_p)
      .def_readonly("repetition_penalty", &ModelInfo::repetition_penalty)
      .def_readonly("top_k", &ModelInfo::top_k)
      .def_readonly("sampling_from_file", &ModelInfo::sampling_from_file);
  py::class_<TensorInfo>(m, "TensorInfo")
      .def_readonly("name", &TensorInfo::name)
      .def_readonly("type", &TensorInfo::type)
      .def_readonly("shape", &TensorInfo::shape)
      .def_readonly("bytes", &TensorInfo::bytes);
  py::class_<Device>(m, "Device")
      .def_readonly("kind", &Device::kind)
      .def_readonly("name", &Device::name)
      .def_readonly("description", &Device::description)
      .def_readonly("driver", &Device::driver)
      .def_readonly("problem", &Device::problem)
      .def_readonly("memory_total", &Device::memory_total)
      .def_readonly("memory_free", &Device::memory_free);
}

void RegisterOptions(py::module_& m) {
  py::class_<ModelOptions>(m, "ModelOptions")
      .def(py::init<>())
      .def_readwrite("device", &ModelOptions::device)
      .def_readwrite("experts", &ModelOptions::experts)
      .def_readwrite("backend_path", &ModelOptions::backend_path)
      .def_readwrite("chat_template", &ModelOptions::chat_template)
      .def_readwrite("threads", &ModelOptions::threads)
      .def_readwrite("context_length", &ModelOptions::context_length)
      .def_readwrite("kv_bytes", &ModelOptions::kv_bytes)
      .def_readwrite("kv_type", &ModelOptions::kv_type)
      .def_readwrite("load", &ModelOptions::load)
      .def_readwrite("repack", &ModelOptions::repack)
      .def_readwrite("exact", &ModelOptions::exact)
      .def_readwrite("progress", &ModelOptions::progress);
  py::class_<GenerateOptions>(m, "GenerateOptions")
      .def(py::init<>())
      .def_readwrite("max_tokens", &GenerateOptions::max_tokens)
      .def_readwrite("seed", &GenerateOptions::seed)
      .def_readwrite("branch", &GenerateOptions::branch)
      .def_readwrite("temperature", &GenerateOptions::temperature)
      .def_readwrite("top_p", &GenerateOptions::top_p)
      .def_readwrite("min_p", &GenerateOptions::min_p)
      .def_readwrite("repetition_penalty", &GenerateOptions::repetition_penalty)
      .def_readwrite("presence_penalty", &GenerateOptions::presence_penalty)
      .def_readwrite("frequency_penalty", &GenerateOptions::frequency_penalty)
      .def_readwrite("top_k", &GenerateOptions::top_k)
      .def_readwrite("penalty_last_n", &GenerateOptions::penalty_last_n)
      .def_readwrite("sampling_order", &GenerateOptions::sampling_order)
      .def_readwrite("logit_bias_tokens", &GenerateOptions::logit_bias_tokens)
      .def_readwrite("logit_bias", &GenerateOptions::logit_bias)
      .def_readwrite("stop", &GenerateOptions::stop)
      .def_readwrite("thinking", &GenerateOptions::thinking)
      .def_readwrite("think_budget_soft", &GenerateOptions::think_budget_soft)
      .def_readwrite("think_budget_hard", &GenerateOptions::think_budget_hard)
      .def_readwrite("think_minimum", &GenerateOptions::think_minimum)
      .def_readwrite("answer_reserve", &GenerateOptions::answer_reserve)
      .def_readwrite("continuation", &GenerateOptions::continuation)
      .def_readwrite("template_arguments", &GenerateOptions::template_arguments)
      .def_readwrite("trace", &GenerateOptions::trace)
      .def_readwrite("alternatives", &GenerateOptions::alternatives)
      .def_readwrite("release", &GenerateOptions::release)
      .def_readwrite("wait_ms", &GenerateOptions::wait_ms)
      .def_readwrite("exclude_first_token", &GenerateOptions::exclude_first_token)
      .def_readwrite("continue_last", &GenerateOptions::continue_last);
}

}  // namespace

void RegisterModel(py::module_& m) {
  RegisterInfo(m);
  RegisterOptions(m);
  m.def("devices", &Devices, py::arg("backend_path") = "", ReleaseGil());

  py::class_<Messages>(m, "Messages")
      .def(py::init<>())
      .def("add", [](Messages& self, int32_t role, const std::string& text) { self.Add(role, text); })
      .def("add_thought", [](Messages& self, int32_t role, const std::string& text,
                             const std::string& thinking) { self.Add(role, text, thinking); });

  py::class_<LoggedModel>(m, "Model")
      .def(py::init([](const std::string& path, const ModelOptions& options) {
             auto log = std::make_shared<LogQueue>();
             return LoggedModel{Model(path, WithLog(options, log)), log};
           }),
           ReleaseGil())
      .def_static(
          "from_bytes",
          [](py::bytes bytes, const ModelOptions& options) {
            const std::string copy = bytes;
            py::gil_scoped_release release;
            auto log = std::make_shared<LogQueue>();
            return LoggedModel{Model::FromBytes(copy, WithLog(options, log)), log};
          })
      .def("take_log", [](LoggedModel& self) { return self.log->Take(); })
      .def("info", [](const LoggedModel& self) { return self.model.Info(); })
      .def("tensor", [](const LoggedModel& self, size_t i) { return self.model.Tensor(i); })
      .def("plan",
           [](const LoggedModel& self, int32_t format, uint32_t context, uint32_t sessions) {
             return self.model.Plan(format, context, sessions);
           })
      .def(
          "tokenize",
          [](const LoggedModel& self, const std::string& text, uint32_t flags) {
            return self.model.Tokenize(text, flags);
          },
          ReleaseGil())
      .def("detokenize",
           [](const LoggedModel& self, const std::vector<int32_t>& tokens, uint32_t flags) {
             return py::bytes(self.model.Detokenize(tokens, flags));
           })
      .def("token_text",
           [](const LoggedModel& self, int32_t token) { return py::bytes(self.model.TokenText(token)); })
      .def("render",
           [](const LoggedModel& self, const Messages& messages, const GenerateOptions& options) {
             return ToStr(self.model.Render(messages, options));
           })
      .def("session",
           [](const LoggedModel& self, uint32_t context_length) {
             return Session(self.model, SessionOptions{context_length});
           },
           ReleaseGil());
}

}  // namespace raison::python
