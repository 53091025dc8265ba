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
  const std::string here = reports ? to_pointer(path) : std::string();
  Nearest nearest;
  bool matches = false;
  for (std::size_t i = 0; i < branches.size(); ++i) {
    std::vector<Problem> found;
    problems_ = reports ? &found : nullptr;
    const bool holds_here = holds(*branches[i], instance, path, evaluated);
    problems_ = problems;
    if (stop_ != Stop::none) return false;
    matches = holds_here || matches;
    if (matches && evaluated == nullptr) return true;
    if (reports && !matches) consider(nearest, i, *branches[i], here, std::move(found));
  }
  if (!matches && reports) add_branch_problems(node, "anyOf", instance, path, std::move(nearest), branches);
  return matches;
}

bool Evaluation::one_of_holds(const Node& node, const json::Value& instance, const Path& path, Evaluated* evaluated) {
  const std::vector<const Node*>& branches = node.combination->one_of;
  const bool reports = goes_on();
  auto* const problems = problems_;
  const std::string here = reports ? to_pointer(path) : std::string();
  Nearest nearest;
  const Node* matching = nullptr;
  for (std::size_t i = 0; i < branches.size(); ++i) {
    std::vector<Problem> found;
    problems_ = reports ? &found : nullptr;
    const bool matches = holds(*branches[i], instance, path, evaluated);
    problems_ = problems;
    if (stop_ != Stop::none) return false;
    if (matches && matching != nullptr) {
      return fail(node, "oneOf", path, [&] {
        return fmt::format("{} is as {} and {} describe; exactly one of the {} must", shown(instance),
                           location_of(*matching), location_of(*branches[i]), branches.size());
      });
    }
    if (matches) matching = branches[i];
    if (reports && matching == nullptr) consider(nearest, i, *branches[i], here, std::move(found));
  }
  if (matching == nullptr && reports) {
    add_branch_problems(node, "oneOf", instance, path, std::move(nearest), branches);
  }
  return matching != nullptr;
}

namespace {

/// Farther than any number of other problems.
constexpr std::size_t other_kind = 1'000;

}  // namespace

/// The branch that was probably meant takes the value's type, agrees in the words that tell branches apart, and has the
/// fewest problems. `here` is where the value is.
void Evaluation::consider(Nearest& nearest, std::size_t branch, const Node& node, const std::string& here,
                          std::vector<Problem> problems) {
  std::size_t distance = 0;
  bool wrong_type = false;
  for (const Problem& problem : problems) {
    const bool decides = problem.schema_path.ends_with("/const") || problem.schema_path.ends_with("/enum");
    wrong_type = wrong_type || (problem.instance_path == here && problem.schema_path.ends_with("/type"));
    distance += decides ? 10 : 1;
  }
  if (wrong_type) {
    distance += other_kind;
    const Node* at = &node;
    constexpr int hops_max = 10;
    for (int hops = 0; at->types == 0 && at->ref != nullptr && hops < hops_max; ++hops) at = at->ref;
    nearest.types |= at->types;
  }
  if (problems.empty() || distance >= nearest.distance) return;
  nearest.distance = distance;
  nearest.branch = branch;
  nearest.problems = std::move(problems);
}

/// Reports that no branch matches, and what is wrong with the nearest.
void Evaluation::add_branch_problems(const Node& node, std::string_view keyword, const json::Value& instance,
                                     const Path& path, Nearest nearest, const std::vector<const Node*>& branches) {
  if (nearest.distance >= other_kind && nearest.types != 0) {
    add_problem(
        node, keyword, path,
        fmt::format("{} is {}, expected is {}", shown(instance), kind_words(instance), type_words(nearest.types)));
    return;
  }
  const std::string count = counted(branches.size(), "schema", "schemas");
  if (nearest.problems.empty()) {
    add_problem(node, keyword, path, fmt::format("{} is as none of {} describes", shown(instance), count));
    return;
  }
  if (branches.size() > 1) {
    add_problem(node, keyword, path,
                fmt::format("{} is as none of {} describes; the nearest is {}, and:", shown(instance), count,
                            location_of(*branches[nearest.branch])));
  }
  for (Problem& problem : nearest.problems) {
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
