#pragma once
// Inputs for an operation, made of its JSON Schema and its examples: what a schema allows at its edges. The same
// randomness gives the same inputs. One thread.
//
// Most of what is made matches the schema, and not all: who needs that checks it.

#include <string>
#include <vector>

#include "kernel/json/value.hpp"
#include "sdk/base/random.hpp"

namespace trv::plugin_run {

class InputMaker {
 public:
  /// All outlive this. Half of the inputs are the schema's examples with changes, where there are any.
  InputMaker(const json::Value& schema, base::Random& random);

  [[nodiscard]] json::Value make();

 private:
  [[nodiscard]] bool happens_in(std::uint64_t of) { return random_.below(of) == 0; }
  template <typename List>
  [[nodiscard]] const auto& one_of(const List& list) {
    return list[random_.below(std::size(list))];
  }
  [[nodiscard]] json::Value value(const json::Value& schema, int depth);
  [[nodiscard]] json::Value of_type(const json::Value& schema, std::string_view type, int depth);
  [[nodiscard]] json::Value text(const json::Value& schema);
  [[nodiscard]] json::Value number(const json::Value& schema, bool is_integer);
  [[nodiscard]] json::Value array(const json::Value& schema, int depth);
  [[nodiscard]] json::Value object(const json::Value& schema, int depth);
  [[nodiscard]] json::Value anything(int depth);
  [[nodiscard]] json::Value changed(const json::Value& example, const json::Value& schema, int depth);

  const json::Value& schema_;
  base::Random& random_;
  std::vector<json::Value> examples_;
  int values_left_ = 0;
};

/// A text that programs stumble over.
[[nodiscard]] std::string odd_text(base::Random& random);
/// Any JSON, `depth` deep at most.
[[nodiscard]] json::Value odd_json(base::Random& random, const std::vector<std::string>& names, int depth);

}  // namespace trv::plugin_run
