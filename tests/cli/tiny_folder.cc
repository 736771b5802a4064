// Writes the files of a tiny random model as a Hugging Face folder: tiny_folder FOLDER
#include <cstdio>
#include <fstream>

#include "tests/support/tiny_model.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  raison::testing::TinyModel model;
  model.type = raison::DType::kBF16;
  for (const auto& [name, content] : raison::testing::MakeTinyFolder(model)) {
    std::ofstream out(std::string(argv[1]) + "/" + name, std::ios::binary);
    out << content;
    if (!out) {
      std::fprintf(stderr, "%s/%s cannot be written\n", argv[1], name.c_str());
      return 1;
    }
  }
  return 0;
}
