// Made by `trav plugin generate` from manifest.json: change that, and make this again.
// clang-format off
#pragma once
// What the operations of sample-plugin take and give. Values, for any thread; sdk/cpp_json/typed.hpp reads and writes them.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sdk/cpp_json/typed.hpp"

namespace sample_plugin_types {

struct EchoInput {
  std::string text = {};

  template <typename Members>
  static void describe(Members& members_) {
    members_.required("text", &EchoInput::text);
    members_.no_others();
  }
};

struct EchoOutput {
  std::string text = {};

  template <typename Members>
  static void describe(Members& members_) {
    members_.required("text", &EchoOutput::text);
  }
};

struct FetchInput {
  std::string page = {};

  template <typename Members>
  static void describe(Members& members_) {
    members_.required("page", &FetchInput::page);
    members_.no_others();
  }
};

struct FetchOutput {
  std::string content = {};

  template <typename Members>
  static void describe(Members& members_) {
    members_.required("content", &FetchOutput::content);
  }
};

}  // namespace sample_plugin_types
