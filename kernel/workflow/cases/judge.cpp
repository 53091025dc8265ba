#include "kernel/workflow/cases/judge.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "kernel/expression/program.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/workflow/definition/duration.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::cases {
namespace {

using definition::Entry;
using json::Value;

constexpr std::size_t shown_bytes_max = 400;

Value value_of(const Node& node) {
  auto value = json::parse(definition::to_json(node));
  TRV_ASSERT(value.has_value());
  return *std::move(value);
}

std::string shown(const Value& value) {
  std::string text = json::serialize(value);
  if (text.size() <= shown_bytes_max) return text;
  return std::string(base::utf8_prefix(text, shown_bytes_max)) + "…";
}

class Judge {
 public:
  Judge(const Case& one, const Value& found) : case_(one), found_(found) {}

  std::vector<Difference> judge() {
    const Value* refused = found_.find("refused");
    if (refused != nullptr && case_.expected.find("refused") == nullptr) {
      differ(case_.expected, fmt::format("it was refused: {}", refused->as_string()));
      return std::move(out_);
    }
    for (const Entry& entry : case_.expected.entries) judge(entry.key, entry.value);
    return std::move(out_);
  }

 private:
  void differ(const Node& at, std::string message) { out_.push_back({at.position, std::move(message)}); }

  void judge(std::string_view what, const Node& expected) {
    static const Value nothing;
    const Value* found = found_.find(what);
    if (found == nullptr) found = &nothing;
    if (what == "that") {
      for (const Node& item : expected.items) holds(item);
    } else if (what == "takes") {
      takes(expected, *found);
    } else if (what == "refused") {
      like("the message", expected, *found);
    } else if (what == "error") {
      error(expected, *found);
    } else if (what == "output" && found_.find("output") == nullptr) {
      differ(expected, fmt::format("there is no output; the status is {}{}", shown(*found_.find("status")), reason()));
    } else if (what == "calls" || what == "emitted" || what == "started") {
      list(what, expected, *found);
    } else if (what == "status" && value_of(expected) != *found) {
      differ(expected, fmt::format("the status is {}{}", shown(*found), reason()));
    } else {
      equal(fmt::format("the {}", what), expected, *found);
    }
  }

  /// Why the instance faulted, for a line that says that it did.
  [[nodiscard]] std::string reason() const {
    const Value* error = found_.find("error");
    return error == nullptr ? std::string() : fmt::format(", with the error {}", shown(*error));
  }

  /// Names the first place where the two part, as a path.
  void equal(const std::string& what, const Node& expected, const Value& found) {
    const Value wanted = value_of(expected);
    if (wanted == found) return;
    if (expected.is_mapping() && found.is_object()) {
      for (const Entry& entry : expected.entries) {
        const Value* member = found.find(std::string_view(entry.key));
        if (member == nullptr)
          return differ(entry.value, fmt::format("{} has no member '{}': {}", what, entry.key, shown(found)));
        if (value_of(entry.value) != *member) return equal(fmt::format("{}.{}", what, entry.key), entry.value, *member);
      }
      for (const json::Entry& entry : found.entries()) {
        if (expected.find(entry.name()) == nullptr) {
          return differ(expected,
                        fmt::format("{} has a member more, '{}': {}", what, entry.name(), shown(entry.value)));
        }
      }
    }
    if (expected.is_sequence() && found.is_array()) {
      const std::size_t both = std::min(expected.items.size(), found.size());
      for (std::size_t i = 0; i < both; ++i) {
        if (value_of(expected.items[i]) != found.at(i)) {
          return equal(fmt::format("{}[{}]", what, i), expected.items[i], found.at(i));
        }
      }
      return differ(expected, fmt::format("{} has {} items, expected are {}: {}", what, found.size(),
                                          expected.items.size(), shown(found)));
    }
    differ(expected, fmt::format("{} is {}, expected is {}", what, shown(found), shown(wanted)));
  }

  void like(const std::string& what, const Node& pattern, const Value& found) {
    const bool is_text = found.is_string() && pattern.is_string();
    if (is_text && is_like(pattern.text, found.as_string())) return;
    differ(pattern, fmt::format("{} is {}, expected is something like '{}'", what, shown(found), pattern.text));
  }

  void error(const Node& expected, const Value& found) {
    if (!found.is_object()) {
      return differ(expected, fmt::format("there is no error; the status is {}", shown(*found_.find("status"))));
    }
    for (const Entry& entry : expected.entries) {
      static const Value nothing;
      const Value* member = found.find(std::string_view(entry.key));
      if (member == nullptr) member = &nothing;
      const std::string what = fmt::format("the error's {}", entry.key);
      const bool is_pattern = entry.key == "detail" || entry.key == "title" || entry.key == "type";
      if (!is_pattern || !entry.value.is_string()) {
        equal(what, entry.value, *member);
      } else if (entry.key == "type" && entry.value.text.find_first_of(":/*") == std::string::npos) {
        // The last part of a standard type is enough.
        const bool is_it = member->is_string() && (member->as_string() == entry.value.text ||
                                                   member->as_string().ends_with("/errors/" + entry.value.text));
        if (!is_it) differ(entry.value, fmt::format("{} is {}{}", what, shown(*member), detail_of(found)));
      } else {
        like(what, entry.value, *member);
      }
    }
  }

  static std::string detail_of(const Value& error) {
    const Value* detail = error.find("detail");
    return detail == nullptr ? std::string() : fmt::format(", with the detail {}", shown(*detail));
  }

  /// As many as expected, in order; of each the members that are named.
  void list(std::string_view what, const Node& expected, const Value& found) {
    TRV_ASSERT(found.is_array());
    const std::size_t both = std::min(expected.items.size(), found.size());
    for (std::size_t i = 0; i < both; ++i) {
      const std::string one = fmt::format("{}[{}]", what, i);
      const Node& item = expected.items[i];
      if (item.is_string()) {
        const std::string_view name = what == "calls" ? "to" : what == "emitted" ? "type" : "workflow";
        const Value* member = found.at(i).find(name);
        like(fmt::format("'{}' of {}", name, one), item, member == nullptr ? Value() : *member);
        continue;
      }
      for (const Entry& entry : item.entries) {
        const Value* member = found.at(i).find(std::string_view(entry.key));
        const std::string of = fmt::format("'{}' of {}", entry.key, one);
        if (member == nullptr) {
          differ(entry.value, fmt::format("there is no {}: {}", of, shown(found.at(i))));
        } else if (entry.key == "to") {
          like(of, entry.value, *member);
        } else {
          equal(of, entry.value, *member);
        }
      }
    }
    if (expected.items.size() != found.size()) {
      differ(expected, fmt::format("{} has {} items, expected are {}: {}", what, found.size(), expected.items.size(),
                                   shown(found)));
    }
  }

  [[nodiscard]] std::optional<double> seconds(const Node& node) {
    const auto length = definition::duration_of(value_of(node));
    const auto from = length ? length->from(case_.begins) : base::Result<base::Duration>(base::fail(length.error()));
    if (from) return std::chrono::duration<double>(*from).count();
    differ(node, from.error().message());
    return std::nullopt;
  }

  /// A length of time, or {from, to}.
  void takes(const Node& expected, const Value& found) {
    if (!found.is_number()) return differ(expected, "nothing was started");
    const Node* from = expected.find("from");
    const Node* to = expected.find("to");
    const bool is_range = from != nullptr && to != nullptr;
    const auto low = seconds(is_range ? *from : expected);
    const auto high = is_range ? seconds(*to) : low;
    if (!low || !high) return;
    constexpr double precision = 1e-6;
    if (found.as_double() >= *low - precision && found.as_double() <= *high + precision) return;
    differ(expected, is_range ? fmt::format("it takes {} s, expected are {} to {} s", found.as_double(), *low, *high)
                              : fmt::format("it takes {} s, expected are {} s", found.as_double(), *low));
  }

  /// An expression of all that was found.
  void holds(const Node& node) {
    if (!node.is_string()) return differ(node, "an item of 'that' must be an expression");
    const auto program = expression::compile(node.text);
    const auto value = program ? expression::evaluate_first(*program, found_)
                               : base::Result<std::optional<Value>>(base::fail(program.error()));
    if (!value) return differ(node, fmt::format("'{}': {}", node.text, value.error().message()));
    if (*value && (**value).is_truthy()) return;
    differ(node, fmt::format("'{}' does not hold of {}", node.text, shown(found_)));
  }

  const Case& case_;
  const Value& found_;
  std::vector<Difference> out_;
};

}  // namespace

std::vector<Difference> differences(const Case& one, const Value& found) {
  return Judge(one, found).judge();
}

}  // namespace trv::cases
