#include "kernel/expression/names.hpp"

#include <algorithm>

#include "kernel/expression/builtins/builtin.hpp"
#include "kernel/expression/builtins/prelude.hpp"

namespace trv::expression {

const std::vector<std::string_view>& function_names() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> all = {"empty", "error", "not", "path", "range"};
    for (const auto natives :
         {math_natives(), string_natives(), collection_natives(), time_natives(), regex_natives()}) {
      for (const Native& native : natives) all.push_back(native.name);
    }
    for (const PreludeName& defined : prelude_names()) all.push_back(defined.name);
    std::erase_if(all, [](std::string_view name) { return name.starts_with('_'); });
    std::ranges::sort(all);
    const auto repeated = std::ranges::unique(all);
    all.erase(repeated.begin(), repeated.end());
    return all;
  }();
  return names;
}

}  // namespace trv::expression
