// Sessions and what they tell.
#include "module.h"

namespace raison::python {
namespace {

void RegisterRecords(py::module_& m) {
  py::class_<Event>(m, "Event")
      .def_readonly("kind", &Event::kind)
      .def_readonly("reason", &Event::reason)
      .def_readonly("status", &Event::status)
      .def_readonly("position", &Event::position)
      .def_readonly("microseconds", &Event::microseconds)
      .def_property_readonly("text", [](const Event& e) { return ToStr(e.text); })
      .def_readonly("step", &Event::step)
      .def_readonly("channel", &Event::channel)
      .def_readonly("token", &Event::token)
      .def_readonly("source", &Event::source)
      .def_readonly("rank", &Event::rank)
      .def_readonly("logprob", &Event::logprob)
      .def_readonly("entropy", &Event::entropy)
      .def_readonly("sampled_logprob", &Event::sampled_logprob)
      .def_readonly("alternatives", &Event::alternatives)
      .def_readonly("alternative_logprobs", &Event::alternative_logprobs)
      .def_readonly("expert_layers", &Event::expert_layers)
      .def_readonly("experts", &Event::experts)
      .def_readonly("expert_weights", &Event::expert_weights)
      .def_readonly("done", &Event::done)
      .def_readonly("total", &Event::total)
      .def_readonly("cached", &Event::cached)
      .def("to_json", [](const Event& e) { return ToStr(ToJson(e)); });
  py::class_<Step>(m, "Step")
      .def_readonly("index", &Step::index)
      .def_readonly("id", &Step::id)
      .def_readonly("parent", &Step::parent)
      .def_readonly("channel", &Step::channel)
      .def_readonly("marker", &Step::marker)
      .def_readonly("flags", &Step::flags)
      .def_readonly("branch", &Step::branch)
      .def_property_readonly("text", [](const Step& s) { return ToStr(s.text); })
      .def_readonly("begin", &Step::begin)
      .def_readonly("end", &Step::end)
      .def_readonly("rewind", &Step::rewind)
      .def_readonly("begin_seconds", &Step::begin_seconds)
      .def_readonly("end_seconds", &Step::end_seconds)
      .def_readonly("mean_logprob", &Step::mean_logprob)
      .def_readonly("lowest_logprob", &Step::lowest_logprob)
      .def_readonly("mean_entropy", &Step::mean_entropy)
      .def_readonly("confidence", &Step::confidence)
      .def("to_json", [](const Step& s) { return ToStr(ToJson(s)); });
  py::class_<Token>(m, "Token")
      .def_readonly("token", &Token::token)
      .def_readonly("position", &Token::position)
      .def_readonly("microseconds", &Token::microseconds)
      .def_property_readonly("text", [](const Token& t) { return py::bytes(t.text); })
      .def_readonly("step", &Token::step)
      .def_readonly("channel", &Token::channel)
      .def_readonly("source", &Token::source)
      .def_readonly("rank", &Token::rank)
      .def_readonly("logprob", &Token::logprob)
      .def_readonly("entropy", &Token::entropy)
      .def_readonly("sampled_logprob", &Token::sampled_logprob)
      .def_readonly("branch", &Token::branch)
      .def_readonly("alternatives", &Token::alternatives)
      .def_readonly("alternative_logprobs", &Token::alternative_logprobs)
      .def_readonly("expert_layers", &Token::expert_layers)
      .def_readonly("experts", &Token::experts)
      .def_readonly("expert_weights", &Token::expert_weights);
  py::class_<Usage>(m, "Usage")
      .def_readonly("prompt_tokens", &Usage::prompt_tokens)
      .def_readonly("cached_tokens", &Usage::cached_tokens)
      .def_readonly("thinking_tokens", &Usage::thinking_tokens)
      .def_readonly("answer_tokens", &Usage::answer_tokens)
      .def_readonly("forced_tokens", &Usage::forced_tokens)
      .def_readonly("discarded_tokens", &Usage::discarded_tokens)
      .def_readonly("passes", &Usage::passes)
      .def_readonly("prompt_seconds", &Usage::prompt_seconds)
      .def_readonly("thinking_seconds", &Usage::thinking_seconds)
      .def_readonly("answer_seconds", &Usage::answer_seconds)
      .def_readonly("total_seconds", &Usage::total_seconds);
}

Event NextOf(Session& session) {
  Event event;
  session.Next(event);
  return event;
}

}  // namespace

void RegisterSession(py::module_& m) {
  RegisterRecords(m);
  py::class_<Session>(m, "Session")
      .def("ask", &Session::Ask, ReleaseGil())
      .def("prompt", &Session::Prompt, ReleaseGil())
      .def("prompt_text", &Session::PromptText, ReleaseGil())
      .def("next", &NextOf, ReleaseGil())
      .def("end_thinking", &Session::EndThinking, ReleaseGil())
      .def("stop", &Session::Stop, ReleaseGil())
      .def("inject", &Session::Inject, ReleaseGil())
      .def("rewind", [](Session& s, int64_t position) { s.Rewind(position); }, ReleaseGil())
      .def("rewind_with",
           [](Session& s, int64_t position, const GenerateOptions& o) { s.Rewind(position, o); },
           ReleaseGil())
      .def("fork", [](const Session& s) { return s.Fork(); }, ReleaseGil())
      .def("fork_with", [](const Session& s, const GenerateOptions& o) { return s.Fork(o); },
           ReleaseGil())
      .def("cancel", &Session::Cancel, ReleaseGil())
      .def("position", &Session::Position)
      .def("running",
           [](const Session& s) {
             int32_t running = 0;
             internal::Check(rsn_session_running(s.handle(), &running));
             return running != 0;
           })
      .def("step_count", &Session::StepCount)
      .def("step", &Session::Step)
      .def("step_experts", &Session::StepExperts)
      .def("token", &Session::Token)
      .def("text", [](const Session& s, int32_t channel) { return ToStr(s.Text(channel)); })
      .def("answer",
           [](const Session& s) {
             const Answer answer = s.Answer();
             return py::make_tuple(ToStr(answer.text), answer.step);
           })
      .def("logits", &Session::Logits, ReleaseGil())
      .def("usage", &Session::Usage)
      .def("options", &Session::EffectiveOptions);

  py::class_<Sessions>(m, "Sessions")
      .def(py::init<>())
      .def("add", &Sessions::Add)
      // (index, event); the index is -1 when nobody has a running request.
      .def("next",
           [](Sessions& self) {
             Event event;
             const int64_t which = self.Next(event);
             return std::make_pair(which, std::move(event));
           },
           ReleaseGil());
}

}  // namespace raison::python
