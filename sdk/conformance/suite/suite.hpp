#pragma once
// What every plugin must hold, whatever it does. A plugin's author runs it in a test of the plugin or with the program
// `trav-plugin-check`, which runs each check in a child process, so that a crash or a hang is one finding.
//
// The suite makes calls with the examples of the manifest: `examples` in an operation's input schema (JSON Schema
// 2020-12, an annotation). An operation without examples is called with garbage only.
//
// Each check makes its own instance; the library is initialised and deinitialised again and again. One thread, but for
// the check of cancel(), which the ABI allows from any.

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/abi/plugin.h"
#include "sdk/conformance/exchange.hpp"
#include "sdk/package/manifest.hpp"

namespace trv::conformance::suite {

struct Options {
  std::string configuration = "{}";  ///< accepted by the plugin
  /// By operation: answers of the service that make each example a success. Without them every request of an example is
  /// answered with 200 and {}, and the example need not succeed.
  std::map<std::string, std::vector<HttpStep>, std::less<>> answers = {};
  /// Hears of each step before it is taken: "operation echo, cancelled at await 1". Where the process ends or hangs, it
  /// was in the last one.
  std::function<void(std::string_view)> doing = {};
};

/// The names of the checks, in the order in which they are best run.
[[nodiscard]] std::vector<std::string_view> checks();

/// Runs one check; `name` is one of checks(). Returns what is wrong, in words; empty is good.
[[nodiscard]] std::vector<std::string> run_check(std::string_view name, const trv_entry& entry,
                                                 const package::Manifest& manifest, const Options& options = {});

/// Runs every check in this process. Each line names its check.
[[nodiscard]] std::vector<std::string> run_conformance(const trv_entry& entry, const package::Manifest& manifest,
                                                       const Options& options = {});

}  // namespace trv::conformance::suite
