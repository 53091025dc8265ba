#include "kernel/json_schema/evaluation.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/json_schema/decimal.hpp"
#include "kernel/json_schema/uri.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::json_schema {

std::string to_pointer(const Path& path) {
  std::vector<const Path*> way;
  for (const Path* at = &path; at->parent != nullptr; at = at->parent) way.push_back(at);
  std::string pointer;
  for (auto at = way.rbegin(); at != way.rend(); ++at) {
    pointer += '/';
    pointer += (*at)->key != nullptr ? escape_token((*at)->key->as_string()) : std::to_string((*at)->index);
  }
  return pointer;
}

TypeSet types_of(const json::Value& value) {
  switch (value.kind()) {
    case json::Kind::null: return type_null;
    case json::Kind::boolean: return type_boolean;
    case json::Kind::number: return is_whole(value) ? type_integer | type_number : type_number;
    case json::Kind::string: return type_string;
    case json::Kind::array: return type_array;
    case json::Kind::object: return type_object;
  }
  return 0;
}

std::string kind_words(const json::Value& value) {
  if (value.is_null()) return "null";
  if (value.is_bool()) return "a boolean";
  if (value.is_number()) return is_whole(value) ? "an integer" : "a number with decimals";
  return type_words(types_of(value));
}

bool Evaluation::halt(const Node& node, Stop why) {
  if (stop_ == Stop::none) {
    stop_ = why;
    stopped_at_ = location_of(node);
  }
  return false;
}

bool Evaluation::spend(const Node& node, std::uint64_t steps) {
  if (stop_ != Stop::none) return false;
  if (steps > steps_) {
    steps_ = 0;
    return halt(node, Stop::steps);
  }
  steps_ -= steps;
  return true;
}

bool Evaluation::equal(const Node& node, const json::Value& a, const json::Value& b) {
  json::Effort effort{.steps = steps_, .depth_max = 1'000};
  const bool equal = json::equal_within(a, b, effort);
  steps_ = effort.steps;
  if (effort.out_of_steps) return halt(node, Stop::steps);
  if (effort.too_deep) return halt(node, Stop::depth);
  return equal;
}

void Evaluation::add_problem(const Node& node, std::string_view keyword, const Path& path, std::string sentence) {
  std::string schema_path = location_of(node);
  if (!keyword.empty()) schema_path.append("/").append(keyword);
  problems_->push_back({to_pointer(path), std::move(schema_path), std::move(sentence)});
  constexpr std::uint64_t problem_steps = 100;
  constexpr std::uint64_t bytes_per_step = 16;
  const Problem& made = problems_->back();
  (void)spend(node, problem_steps + (made.instance_path.size() + made.schema_path.size()) / bytes_per_step);
}

bool Evaluation::would_hold(const Node& node, const json::Value& instance, const Path& path, Evaluated* evaluated) {
  auto* const problems = std::exchange(problems_, nullptr);
  const bool answer = holds(node, instance, path, evaluated);
  problems_ = problems;
  return answer;
}

bool Evaluation::holds(const Node& node, const json::Value& instance, const Path& path, Evaluated* evaluated) {
  if (!spend(node, 1)) return false;
  if (node.truth == Truth::always) return true;
  if (node.truth == Truth::never) {
    return fail(node, "", path,
                [&] { return fmt::format("{} is not allowed here: the schema is false", shown(instance)); });
  }
  if (depth_ >= limits_.depth_max) return halt(node, Stop::depth);
  ++depth_;
  const bool enters = scope_.empty() || scope_.back() != node.resource;
  if (enters) scope_.push_back(node.resource);
  const bool answer = rules_hold(node, instance, path, evaluated);
  if (enters) scope_.pop_back();
  --depth_;
  return answer && stop_ == Stop::none;
}

bool Evaluation::rules_hold(const Node& node, const json::Value& instance, const Path& path, Evaluated* evaluated) {
  if (node.meta_schema) return is_meta_schema_valid(node, instance, path);
  const bool has_unevaluated = node.unevaluated_items != nullptr || node.unevaluated_properties != nullptr;
  if (!has_unevaluated && evaluated == nullptr && !node.combination && node.ref == nullptr) {
    bool valid = scalar_rules_hold(node, instance, path);
    if (!valid && !goes_on()) return false;
    if (node.array && instance.is_array()) valid = array_holds(node, instance, path, nullptr) && valid;
    if (!valid && !goes_on()) return false;
    if (node.object && instance.is_object()) valid = object_holds(node, instance, path, nullptr) && valid;
    return valid;
  }
  Evaluated own;
  const bool tracks = (has_unevaluated || evaluated != nullptr) && instance.size() > 0;
  Evaluated* const marks = tracks ? &own : nullptr;
  bool valid = scalar_rules_hold(node, instance, path);
  const auto and_then = [&](auto&& rule) {
    if (valid || goes_on()) valid = rule() && valid;
  };
  and_then([&] { return node.ref == nullptr || holds(*node.ref, instance, path, marks); });
  and_then([&] { return !node.array || !instance.is_array() || array_holds(node, instance, path, marks); });
  and_then([&] { return !node.object || !instance.is_object() || object_holds(node, instance, path, marks); });
  and_then([&] { return !node.combination || combination_holds(node, instance, path, marks); });
  // What a failed rule would have marked is not known, so nothing can be said of the rest.
  if (valid && tracks && has_unevaluated) valid = unevaluated_hold(node, instance, path, own);
  if (valid && evaluated != nullptr && tracks) {
    if (!spend(node, own.size() / 8)) return false;
    evaluated->add(own);
  }
  return valid;
}

bool Evaluation::scalar_rules_hold(const Node& node, const json::Value& instance, const Path& path) {
  bool valid = node.types == 0 || type_holds(node, instance, path);
  if (!valid) return false;  // the other rules are made for the right type
  if (node.constant != nullptr && !equal(node, *node.constant, instance)) {
    valid = fail(node, "const", path, [&] {
      return fmt::format("{} is not {}, the only value allowed", shown(instance), quoted(*node.constant));
    });
  }
  if (!valid && !goes_on()) return false;
  if (node.enum_rule) valid = enum_holds(node, instance, path) && valid;
  if (!valid && !goes_on()) return false;
  if (node.number && instance.is_number()) valid = number_holds(node, instance, path) && valid;
  if (node.string && instance.is_string()) valid = string_holds(node, instance, path) && valid;
  return valid;
}

bool Evaluation::type_holds(const Node& node, const json::Value& instance, const Path& path) {
  if ((types_of(instance) & node.types) != 0) return true;
  return fail(node, "type", path, [&] {
    return fmt::format("{} is {}, expected is {}", shown(instance), kind_words(instance), type_words(node.types));
  });
}

bool Evaluation::enum_holds(const Node& node, const json::Value& instance, const Path& path) {
  const EnumRule& rule = *node.enum_rule;
  if (rule.sorted.empty()) {
    for (const json::Value& value : rule.values->items()) {
      if (!spend(node, 1)) return false;
      if (equal(node, value, instance)) return true;
    }
  } else {
    json::Effort effort{.steps = steps_, .depth_max = 1'000};
    const auto found = std::ranges::lower_bound(
        rule.sorted, 0, [](int order, int) { return order < 0; },
        [&](const json::Value* value) { return json::compare_within(*value, instance, effort); });
    const bool there = found != rule.sorted.end() && json::compare_within(**found, instance, effort) == 0;
    steps_ = effort.steps;
    if (effort.out_of_steps) return halt(node, Stop::steps);
    if (effort.too_deep) return halt(node, Stop::depth);
    if (there) return true;
  }
  return fail(node, "enum", path, [&] {
    constexpr std::size_t shown_max = 8;
    constexpr std::size_t candidates_max = 200;
    std::string list;
    for (std::size_t i = 0; i < std::min(rule.values->size(), shown_max); ++i) {
      list += fmt::format("{}{}", i == 0 ? "" : ", ", quoted(rule.values->at(i)));
    }
    if (rule.values->size() > shown_max) list += fmt::format(" and {} more", rule.values->size() - shown_max);
    std::string near;
    if (instance.is_string() && limits_.shows_values) {
      near = suggestion(instance.as_string(), [&] {
        std::vector<std::string_view> candidates;
        for (const json::Value& value : rule.values->items().first(std::min(rule.values->size(), candidates_max))) {
          if (value.is_string()) candidates.push_back(value.as_string());
        }
        return candidates;
      });
    }
    return fmt::format("{} is none of the values allowed: {}{}", shown(instance),
                       list.empty() ? "there are none" : list, near);
  });
}

bool Evaluation::number_holds(const Node& node, const json::Value& instance, const Path& path) {
  const NumberRules& rules = *node.number;
  bool valid = true;
  // Written so that a NaN holds no bound.
  const auto bound = [&](const std::optional<json::Value>& limit, std::string_view keyword, std::string_view words,
                         auto&& holds) {
    if (!limit || (!valid && !goes_on())) return;
    if (holds(json::Value::compare(instance, *limit)) && instance == instance) return;
    valid =
        fail(node, keyword, path, [&] { return fmt::format("{} is {} {}", shown(instance), words, quoted(*limit)); });
  };
  bound(rules.minimum, "minimum", "less than the minimum,", [](int order) { return order >= 0; });
  bound(rules.maximum, "maximum", "more than the maximum,", [](int order) { return order <= 0; });
  bound(rules.exclusive_minimum, "exclusiveMinimum", "not more than", [](int order) { return order > 0; });
  bound(rules.exclusive_maximum, "exclusiveMaximum", "not less than", [](int order) { return order < 0; });
  if (rules.multiple_of && (valid || goes_on()) && !is_multiple(instance, *rules.multiple_of)) {
    valid = fail(node, "multipleOf", path, [&] {
      return fmt::format("{} is not a multiple of {}", shown(instance), quoted(*rules.multiple_of));
    });
  }
  return valid;
}

bool Evaluation::string_holds(const Node& node, const json::Value& instance, const Path& path) {
  const StringRules& rules = *node.string;
  const std::string_view text = instance.as_string();
  bool valid = true;
  if (rules.length_min > 0 || rules.length_max) {
    if (!spend(node, text.size() / 64)) return false;
    const std::size_t length = base::count_code_points(text);
    const auto words = [&] { return counted(length, "character", "characters"); };
    if (length < rules.length_min) {
      valid = fail(node, "minLength", path, [&] {
        return fmt::format("{} has {}, at least {} are needed", shown(instance), words(), rules.length_min);
      });
    } else if (rules.length_max && length > *rules.length_max) {
      valid = fail(node, "maxLength", path, [&] {
        return fmt::format("{} has {}, at most {} are allowed", shown(instance), words(), *rules.length_max);
      });
    }
  }
  if (!valid && !goes_on()) return false;
  if (rules.pattern != nullptr) {
    const Match match = matcher_.matches(*rules.pattern, text, steps_);
    if (match == Match::too_costly) return halt(node, Stop::pattern);
    if (match == Match::no) {
      valid = fail(node, "pattern", path, [&] {
        return fmt::format("{} does not match the pattern {}", shown(instance),
                           quoted(json::Value(rules.pattern->text())));
      });
    }
  }
  if (rules.format && (valid || goes_on())) {
    if (!spend(node, 4 + text.size() * (*rules.format == Format::regex ? 4 : 1))) return false;
    if (!has_format(text, *rules.format)) {
      valid = fail(node, "format", path,
                   [&] { return fmt::format("{} is not {}", shown(instance), description(*rules.format)); });
    }
  }
  return valid;
}

bool Evaluation::is_meta_schema_valid(const Node& node, const json::Value& instance, const Path& path) {
  const auto wrong = check_schema(instance, *node.meta_schema, steps_);
  if (steps_ == 0) return halt(node, Stop::steps);
  if (!wrong) return true;
  return fail(node, "", path, [&] {
    const std::string_view dialect = to_string(*node.meta_schema);
    return limits_.shows_values
               ? fmt::format("it is not a schema ({}), at #{}: {}", dialect, wrong->pointer, wrong->sentence)
               : fmt::format("it is not a schema ({}), at #{}", dialect, wrong->pointer);
  });
}

std::size_t Schema::pattern_bytes() const noexcept {
  std::size_t bytes = 0;
  for (const Pattern& pattern : compiled_->patterns) bytes += pattern.bytes();
  return bytes;
}

base::Result<std::vector<Problem>> Schema::validate(const json::Value& instance, const ValidateLimits& limits) const {
  TRV_EXPECTS(limits.problems_max > 0);
  std::uint64_t steps = limits.steps_max;
  std::uint64_t given = steps;
  struct Report {
    ~Report() {
      if (spent != nullptr) *spent += given - left;
    }
    std::uint64_t* spent;
    const std::uint64_t& given;
    const std::uint64_t& left;
  } const report{limits.steps_spent, given, steps};
  std::vector<Problem> problems;
  Evaluation quick(limits, steps, nullptr);
  if (quick.run(*compiled_->root, instance)) return problems;
  const auto stopped = [&](const Evaluation& evaluation) {
    const char* why = evaluation.stop() == Stop::depth     ? "it is nested too deeply"
                      : evaluation.stop() == Stop::pattern ? "a regular expression needs too many steps on it"
                                                           : "checking it takes too many steps";
    return base::fail(base::ErrorCode::too_large,
                      fmt::format("{} (at {} of the schema)", why, evaluation.stopped_at()));
  };
  if (quick.stop() != Stop::none) return stopped(quick);
  // It is wrong; what is wrong is asked for only now. The steps are those that are left, and as many again.
  steps += limits.steps_max;
  given += limits.steps_max;
  Evaluation thorough(limits, steps, &problems);
  (void)thorough.run(*compiled_->root, instance);
  if (problems.empty()) {
    TRV_ASSERT(thorough.stop() != Stop::none);
    problems.push_back({"", "#", "it does not match the schema; to say why takes too many steps"});
  }
  return problems;
}

std::string to_text(std::span<const Problem> problems) {
  std::string text;
  for (const Problem& problem : problems) {
    if (!text.empty()) text += '\n';
    text += problem.instance_path.empty() ? problem.sentence
                                          : fmt::format("{}: {}", problem.instance_path, problem.sentence);
  }
  return text;
}

}  // namespace trv::json_schema
