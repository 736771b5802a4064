// raison devices: what models can be loaded on here, and what keeps the rest from being used.
#include <nlohmann/json.hpp>

#include "samples/cli/arguments.h"
#include "samples/cli/commands.h"
#include "samples/cli/errors.h"
#include "samples/cli/terminal.h"
#include "raison/raison.hpp"

namespace raison::cli {
namespace {

using Json = nlohmann::ordered_json;

const char* KindName(int32_t kind) {
  switch (kind) {
    case RSN_DEVICE_CPU: return "cpu";
    case RSN_DEVICE_INTEGRATED_GPU: return "integrated gpu";
    case RSN_DEVICE_GPU: return "gpu";
    default: return "unknown";
  }
}

std::string Gib(uint64_t bytes) {
  return bytes == 0 ? "?" : Format("%.1f GiB", static_cast<double>(bytes) / (1 << 30));
}

std::string Line(const Device& d) {
  std::string line = Format("%-12s ", Harmless(d.name).c_str());
  if (!d.problem.empty()) return line + "cannot be used: " + Harmless(d.problem) + "\n";
  line += Format("%s, %s free of %s, ", KindName(d.kind), Gib(d.memory_free).c_str(),
                 Gib(d.memory_total).c_str());
  line += Harmless(d.description);
  if (!d.driver.empty()) line += ", driver " + Harmless(d.driver);
  return line + "\n";
}

}  // namespace

int ListDevices(const Words& words) {
  std::string backend_path;
  bool json = false;
  Arguments arguments("devices", "[OPTIONS]",
                      "Lists the devices that a model can be loaded on, by the names that --device "
                      "takes, and those that cannot be used with the reason.");
  arguments.Section("Options");
  arguments.Text("--backend-path", "PATH", &backend_path,
                 "a folder with back ends, or one's file, sought first");
  arguments.Flag("--json", &json, "an array of objects");
  arguments.Example("raison devices", "what --device takes on this machine");
  arguments.Example("raison run --device cuda:0=20,cpu --model big.gguf \"...\"",
                    "20 layers on the card, the rest beside it");
  if (!arguments.Parse(words)) {
    Print(arguments.Help());
    return kOk;
  }
  std::string out;
  Json list = Json::array();
  for (const Device& d : Devices(backend_path)) {
    out += Line(d);
    list.push_back({{"name", d.name},
                    {"kind", KindName(d.kind)},
                    {"description", d.description},
                    {"driver", d.driver},
                    {"problem", d.problem},
                    {"memory_total", d.memory_total},
                    {"memory_free", d.memory_free}});
  }
  Print(json ? list.dump(2, ' ', false, Json::error_handler_t::replace) + "\n" : out);
  return kOk;
}

}  // namespace raison::cli
