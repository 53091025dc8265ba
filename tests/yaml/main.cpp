// Reads definitions' texts as travd does and prints, for each, its JSON or why it is refused: what compare.py holds
// against other YAML parsers. Input: texts, each behind its length in bytes and a line feed. Output: one line each.

#include <cstdlib>
#include <iostream>
#include <string>

#include "kernel/workflow/definition/node.hpp"

int main() {
  std::string length;
  while (std::getline(std::cin, length)) {
    std::string text(static_cast<std::size_t>(std::strtoull(length.c_str(), nullptr, 10)), '\0');
    if (!std::cin.read(text.data(), static_cast<std::streamsize>(text.size()))) return 1;
    const auto node = trv::definition::read(text, trv::definition::Format::yaml);
    std::cout << (node ? "+" + trv::definition::to_json(*node) : "-" + node.error().message()) << '\n';
  }
  return 0;
}
