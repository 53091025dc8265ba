#include "kernel/gateway/whole_definition.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <memory>

#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/workflow/definition/places.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::gateway {
namespace {

using base::ErrorCode;
using base::fail;
using definition::FetchedFunction;
using definition::UnfetchedFunction;

base::Result<std::string> text_of(const effects::TryResult& result) {
  const shard::Outcome& outcome = result.outcome;
  if (!outcome.ok) return fail(ErrorCode::unavailable, outcome.message);
  if (outcome.status >= 300 && outcome.status < 400) {
    return fail(
        ErrorCode::invalid,
        fmt::format("the answer has status {}, and redirects are not followed; name the address that it leads to",
                    outcome.status));
  }
  if (outcome.status != 200) {
    return fail(ErrorCode::not_found, fmt::format("the answer has status {}", outcome.status));
  }
  const auto encoded = json::parse(outcome.output, {.bytes_max = outcome.output.size() + 4});
  const auto bytes = encoded && encoded->is_string() ? base::from_base64(encoded->as_string()) : std::nullopt;
  if (!bytes) return fail(ErrorCode::invalid, "the answer has no body");
  if (bytes->size() > definition::text_bytes_max) {
    return fail(ErrorCode::too_large, fmt::format("the answer has {} bytes, and a function has at most {}",
                                                  bytes->size(), definition::text_bytes_max));
  }
  return std::string(base::as_text(*bytes));
}

/// Adds a problem at a call.
void add(definition::Checked& checked, const UnfetchedFunction& at, std::string message) {
  definition::Findings& findings = checked.findings;
  definition::Problem problem;
  problem.position = at.position;
  problem.message = definition::readable(std::move(message));
  problem.length = static_cast<int>(std::max<std::size_t>(at.name.size(), 1));
  findings.problems.push_back(std::move(problem));
  ++findings.errors;
  checked.definition.reset();
}

/// The warnings that a function was not looked at are of no use where another problem says what became of it.
void drop_warnings(definition::Findings& findings) {
  const std::size_t before = findings.problems.size();
  std::erase_if(findings.problems, [&](const definition::Problem& problem) {
    return problem.is_warning && std::ranges::any_of(findings.unfetched, [&](const UnfetchedFunction& function) {
             return function.position.offset == problem.position.offset;
           });
  });
  findings.warnings -= std::min(findings.warnings, before - findings.problems.size());
}

/// The first error, once all is said of the author's text.
void name_first(definition::Checked& checked) {
  std::ranges::stable_sort(checked.findings.problems, {},
                           [](const definition::Problem& one) { return one.position.offset; });
  const auto first = std::ranges::find(checked.findings.problems, false, &definition::Problem::is_warning);
  if (first == checked.findings.problems.end()) return;
  checked.error = base::Error(ErrorCode::invalid, first->message).at(first->position.line, first->position.column);
}

std::string not_fetched(const UnfetchedFunction& function, std::string_view why) {
  return fmt::format("the function '{}' cannot be fetched from {}: {}", function.name, function.address, why);
}

}  // namespace

std::vector<base::Result<std::string>> FunctionSource::fetch(const base::TenantId& tenant,
                                                             const std::vector<UnfetchedFunction>& wanted) {
  std::vector<std::future<effects::TryResult>> coming;
  for (const UnfetchedFunction& function : wanted) {
    auto promise = std::make_shared<std::promise<effects::TryResult>>();
    coming.push_back(promise->get_future());
    shard::Effect effect;
    effect.tenant = tenant;
    effect.operation = "GET";
    json::Value input = {{"endpoint", function.address},
                         {"headers", {{"Accept", "application/yaml, application/json;q=0.9, */*;q=0.5"}}},
                         {"output", "raw"}};
    if (!function.authentication.is_null()) input.set("authentication", function.authentication);
    effect.input = json::serialize(input);
    // Every try ends within its time, so there is nothing to cancel.
    (void)calls_.perform(effect, 1, patience,
                         [promise](effects::TryResult result) { promise->set_value(std::move(result)); });
  }
  std::vector<base::Result<std::string>> out;
  out.reserve(coming.size());
  for (auto& one : coming) out.push_back(text_of(one.get()));
  TRV_ENSURES(out.size() == wanted.size());
  return out;
}

base::Result<WholeDefinition> whole_definition(std::string_view text, definition::Format format,
                                               const base::TenantId& tenant, FunctionSource& source,
                                               const definition::MoreChecks& more) {
  WholeDefinition whole{std::string(text), definition::check_and_compile(text, format, more), {}};
  definition::Checked& checked = whole.checked;
  if (checked.findings.errors > 0 || checked.findings.unfetched.empty()) return whole;
  const FunctionSource::Turn turn(source);
  if (!turn.is_taken()) {
    return fail(ErrorCode::exhausted,
                "other definitions wait for the functions that they call; apply this one again in a few seconds");
  }
  for (int round = 1; checked.findings.errors == 0 && !checked.findings.unfetched.empty(); ++round) {
    const std::vector<UnfetchedFunction> wanted = checked.findings.unfetched;
    drop_warnings(checked.findings);
    if (round > fetched_rounds_max || whole.fetched.size() + wanted.size() > fetched_functions_max) {
      add(checked, wanted.front(),
          round > fetched_rounds_max
              ? fmt::format("the functions that are fetched call others more than {} deep, of which '{}' is one",
                            fetched_rounds_max, wanted.front().name)
              : fmt::format("this calls more than {} functions that are to be fetched, of which '{}' is one",
                            fetched_functions_max, wanted.front().name));
      break;
    }
    const std::vector<base::Result<std::string>> texts = source.fetch(tenant, wanted);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const UnfetchedFunction& function = wanted[i];
      if (!texts[i]) {
        add(checked, function, not_fetched(function, texts[i].error().message()));
        continue;
      }
      base::Result<definition::Node> body = definition::read_function(function.address, *texts[i]);
      if (body) {
        whole.fetched.push_back({function, *std::move(body)});
        continue;
      }
      const base::Error& error = body.error();
      add(checked, function,
          fmt::format("in the function '{}' ({}{}): {}", function.name, function.address,
                      error.line() > 0 ? fmt::format(", line {}", error.line()) : "", error.message()));
    }
    if (checked.findings.errors > 0) break;
    const base::Result<definition::Expansion> expanded = definition::Expansion::make(text, format, whole.fetched);
    if (!expanded) {
      add(checked, wanted.front(), expanded.error().message());
      break;
    }
    whole.text = expanded->text();
    checked = definition::check_and_compile(whole.text, format, more);
    expanded->say_of_author(checked.findings, whole.fetched);
  }
  if (checked.findings.errors > 0) name_first(checked);
  TRV_ENSURES(checked.definition.has_value() == (checked.findings.errors == 0));
  return whole;
}

}  // namespace trv::gateway
