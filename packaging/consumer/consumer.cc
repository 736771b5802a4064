// The same in C++: raison.hpp as an installed header.
#include <cstdio>
#include <raison/raison.hpp>

int main() try {
  raison::Session session{raison::Model()};
  session.Ask("What is 12 * 13?");
  size_t thinking = 0, answer = 0;
  for (const raison::Event& event : session.Events()) {
    if (event.kind != RSN_EVENT_TOKEN) continue;
    (event.channel == RSN_CHANNEL_THINKING ? thinking : answer) += event.text.size();
  }
  std::printf("raison.hpp: %zu bytes of thinking, %zu of answer\n", thinking, answer);
  return thinking == 0 || answer == 0;
} catch (const raison::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
