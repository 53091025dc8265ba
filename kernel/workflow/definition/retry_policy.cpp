#include <fmt/format.h>

#include "kernel/workflow/definition/compiler.hpp"
#include "sdk/base/contract.hpp"

namespace trv::definition {
namespace {

constexpr std::string_view attempts_message = "'limit.attempt.count' must be a whole number from 0 to 1,000,000";

void compile_limit(Compiler& compiler, const Node& node, const std::string& what, RetryPolicy& policy) {
  Problems& problems = compiler.problems();
  Fields limit(problems, node, fmt::format("'limit' of {}", what));
  if (const Node* attempt = limit.get("attempt")) {
    Fields fields(problems, *attempt, fmt::format("'limit.attempt' of {}", what));
    if (const Node* count = fields.get("count", Node::Kind::integer)) {
      if (count->text.size() > 7 || count->text.front() == '-' || std::stoul(count->text) > 1'000'000) {
        problems.add(count->position, std::string(attempts_message));
      } else {
        policy.attempts_max = static_cast<std::uint32_t>(std::stoul(count->text));
      }
    }
    policy.attempt_duration_max = compiler.duration(fields.get("duration"), Site::body);
    fields.finish();
  }
  policy.duration_max = compiler.duration(limit.get("duration"), Site::body);
  limit.finish();
}

}  // namespace

RetryPolicy compile_retry(Compiler& compiler, const Node& node, std::string what) {
  RetryPolicy policy;
  Problems& problems = compiler.problems();
  Fields fields(problems, node, std::move(what));
  policy.when = compiler.expression(fields.get("when"), Site::body);
  policy.except_when = compiler.expression(fields.get("exceptWhen"), Site::body);
  policy.delay = compiler.duration(fields.get("delay"), Site::body);
  if (const Node* backoff = fields.get("backoff", Node::Kind::mapping)) {
    if (backoff->entries.size() != 1) {
      problems.add(backoff->position, "'backoff' must name exactly one of constant, linear and exponential");
    }
    Fields kinds(problems, *backoff, fmt::format("'backoff' of {}", fields.what()));
    const auto is = [&](std::string_view name) {
      const Node* kind = kinds.get(name);
      if (kind == nullptr) return false;
      if (kind->kind != Node::Kind::null && !(kind->is_mapping() && kind->entries.empty())) {
        problems.add(kind->position, fmt::format("'backoff.{}' takes no parameters; write {}: {{}}", name, name));
      }
      return true;
    };
    (void)is("constant");
    if (is("linear")) policy.backoff = Backoff::linear;
    if (is("exponential")) policy.backoff = Backoff::exponential;
    kinds.finish();
  }
  if (const Node* jitter = fields.get("jitter")) {
    Fields bounds(problems, *jitter, fmt::format("'jitter' of {}", fields.what()));
    policy.jitter_from = compiler.duration(bounds.require("from"), Site::body);
    policy.jitter_to = compiler.duration(bounds.require("to"), Site::body);
    bounds.finish();
  }
  if (const Node* limit = fields.get("limit")) compile_limit(compiler, *limit, fields.what(), policy);
  fields.finish();
  TRV_ENSURES(policy.jitter_from.has_value() == policy.jitter_to.has_value() || !problems.empty());
  return policy;
}

}  // namespace trv::definition
