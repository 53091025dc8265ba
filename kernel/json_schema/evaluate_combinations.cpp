// allOf, anyOf, oneOf, not, if, and references that depend on the way here.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/json_schema/evaluation.hpp"

namespace trv::json_schema {

bool Evaluation::combination_holds(const Node& node, const json::Value& instance, const Path& path,
                                   Evaluated* evaluated) {
  const Combination& combination = *node.combination;
  bool valid = true;
  if (combination.dynamic_ref) {
    const Node* target = target_of(*combination.dynamic_ref);
    if (!spend(node, scope_.size())) return false;
    valid = holds(*target, instance, path, evaluated);
  }
  for (const Node* one : combination.all_of) {
    if (!valid && !goes_on()) return false;
    valid = holds(*one, instance, path, evaluated) && valid;
  }
  if (!combination.any_of.empty() && (valid || goes_on())) {
    valid = any_of_holds(node, instance, path, evaluated) && valid;
  }
  if (!combination.one_of.empty() && (valid || goes_on())) {
    valid = one_of_holds(node, instance, path, evaluated) && valid;
  }
  if (combination.not_ != nullptr && (valid || goes_on())) {
    const bool matches = would_hold(*combination.not_, instance, path, nullptr);
    if (stop_ != Stop::none) return false;
    if (matches) {
      valid = fail(node, "not", path, [&] {
        return fmt::format("{} is as {} describes, and must not be", shown(instance), location_of(*combination.not_));
      });
    }
  }
  if (combination.if_ != nullptr && (valid || goes_on())) {
    valid = condition_holds(node, instance, path, evaluated) && valid;
  }
  return valid;
}

bool Evaluation::condition_holds(const Node& node, const json::Value& instance, const Path& path,
                                 Evaluated* evaluated) {
  const Combination& combination = *node.combination;
  const bool matches = would_hold(*combination.if_, instance, path, evaluated);
  if (stop_ != Stop::none) return false;
  const Node* then = matches ? combination.then_ : combination.else_;
  return then == nullptr || holds(*then, instance, path, evaluated);
}

bool Evaluation::any_of_holds(const Node& node, const json::Value& instance, const Path& path, Evaluated* evaluated) {
  const std::vector<const Node*>& branches = node.combination->any_of;
  const bool reports = goes_on();
  auto* const problems = problems_;
  std::vector<std::vector<Problem>> found(reports ? branches.size() : 0);
  bool matches = false;
  for (std::size_t i = 0; i < branches.size(); ++i) {
    problems_ = reports ? &found[i] : nullptr;
    matches = holds(*branches[i], instance, path, evaluated) || matches;
    problems_ = problems;
    if (stop_ != Stop::none) return false;
    if (matches && evaluated == nullptr) return true;
  }
  if (!matches && reports) add_branch_problems(node, "anyOf", instance, path, std::move(found), branches);
  return matches;
}

bool Evaluation::one_of_holds(const Node& node, const json::Value& instance, const Path& path, Evaluated* evaluated) {
  const std::vector<const Node*>& branches = node.combination->one_of;
  const bool reports = goes_on();
  auto* const problems = problems_;
  std::vector<std::vector<Problem>> found(reports ? branches.size() : 0);
  std::vector<std::size_t> matching;
  for (std::size_t i = 0; i < branches.size(); ++i) {
    problems_ = reports ? &found[i] : nullptr;
    const bool matches = holds(*branches[i], instance, path, evaluated);
    problems_ = problems;
    if (stop_ != Stop::none) return false;
    if (matches) matching.push_back(i);
    if (matching.size() == 2) {
      return fail(node, "oneOf", path, [&] {
        return fmt::format("{} is as {} and {} describe; exactly one of the {} must", shown(instance),
                           location_of(*branches[matching[0]]), location_of(*branches[matching[1]]), branches.size());
      });
    }
  }
  if (matching.empty() && reports) add_branch_problems(node, "oneOf", instance, path, std::move(found), branches);
  return matching.size() == 1;
}

/// Reports that no branch matches, and what is wrong with the branch that was probably meant: the one that takes the
/// value's type, agrees in the words that tell branches apart, and has the fewest problems.
void Evaluation::add_branch_problems(const Node& node, std::string_view keyword, const json::Value& instance,
                                     const Path& path, std::vector<std::vector<Problem>> branches,
                                     const std::vector<const Node*>& nodes) {
  TRV_EXPECTS(branches.size() == nodes.size());
  constexpr std::size_t none = 1'000'000;
  constexpr std::size_t other_kind = 1'000;
  const std::string here = to_pointer(path);
  std::size_t nearest = branches.size();
  std::size_t nearest_distance = none;
  TypeSet types = 0;
  for (std::size_t i = 0; i < branches.size(); ++i) {
    std::size_t distance = branches[i].empty() ? none : 0;
    bool wrong_type = false;
    for (const Problem& problem : branches[i]) {
      const bool at_top = problem.instance_path == here;
      const bool decides = problem.schema_path.ends_with("/const") || problem.schema_path.ends_with("/enum");
      wrong_type = wrong_type || (at_top && problem.schema_path.ends_with("/type"));
      distance += decides ? 10 : 1;
    }
    if (wrong_type) {
      distance += other_kind;
      const Node* at = nodes[i];
      for (int hops = 0; at->types == 0 && at->ref != nullptr && hops < 10; ++hops) at = at->ref;
      types |= at->types;
    }
    if (distance >= nearest_distance) continue;
    nearest_distance = distance;
    nearest = i;
  }
  if (nearest_distance >= other_kind && types != 0) {
    add_problem(node, keyword, path,
                fmt::format("{} is {}, expected is {}", shown(instance), kind_words(instance), type_words(types)));
    return;
  }
  if (nearest == branches.size()) {
    add_problem(
        node, keyword, path,
        fmt::format("{} is as none of {} describes", shown(instance), counted(nodes.size(), "schema", "schemas")));
    return;
  }
  if (nodes.size() > 1) {
    add_problem(node, keyword, path,
                fmt::format("{} is as none of {} describes; the nearest is {}, and:", shown(instance),
                            counted(nodes.size(), "schema", "schemas"), location_of(*nodes[nearest])));
  }
  for (Problem& problem : branches[nearest]) {
    if (problems_->size() >= limits_.problems_max) return;
    problems_->push_back(std::move(problem));
  }
}

const Node* Evaluation::target_of(const DynamicReference& reference) {
  if (reference.anchor.empty()) return reference.target;
  for (const Resource* resource : scope_) {
    const auto found = resource->dynamic_nodes.find(reference.anchor);
    if (found != resource->dynamic_nodes.end()) return found->second;
  }
  return reference.target;
}

}  // namespace trv::json_schema
