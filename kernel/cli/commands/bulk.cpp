#include "kernel/cli/commands/bulk.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/commands/progress_line.hpp"
#include "kernel/json/serialize.hpp"

namespace trv::cli {
namespace {

/// Instances that a question or a dry run names.
constexpr std::size_t named_max = 10;

json::Value body_of(const BulkArguments& arguments, bool is_dry, const std::string& cursor) {
  json::Value search = json::Value::object();
  for (const auto& [name, value] : arguments.search.filters()) {
    if (value.empty()) continue;
    search.set(name, name == "not_compensated" ? json::Value(true) : json::Value(value));
  }
  json::Value body{{"action", arguments.action}, {"search", std::move(search)}};
  if (is_dry) body.set("dry_run", json::Value(true));
  if (!arguments.reason.empty()) body.set("reason", json::Value(arguments.reason));
  if (!cursor.empty()) body.set("cursor", json::Value(cursor));
  return body;
}

/// Asks until the search has ended, or `visit` answers false; it sees each answer's items.
base::Status each_page(Session& session, const BulkArguments& arguments, bool is_dry,
                       const std::function<bool(std::span<const json::Value>)>& visit) {
  TRV_TRY_ASSIGN(const std::string target, session.tenant_target("/instance-actions"));
  std::string cursor;
  do {
    TRV_TRY_ASSIGN(const json::Value page,
                   session.call_json(Speaker::member, {.method = "POST",
                                                       .target = target,
                                                       .content_type = "application/json",
                                                       .body = json::serialize(body_of(arguments, is_dry, cursor))}));
    TRV_TRY_ASSIGN(const auto items, items_of(page));
    if (!visit(items)) return {};
    std::string next = member_text(page, "next_cursor");
    if (!next.empty() && next == cursor && items.empty()) {
      return base::fail(base::ErrorCode::internal, "the server's answers repeat a page");
    }
    cursor = std::move(next);
  } while (!cursor.empty());
  return {};
}

std::string named(const json::Value& item) {
  return fmt::format("  {}  {}  {}", member_text(item, "id"), member_text(item, "workflow"),
                     member_text(item, "status"));
}

std::string instances(std::size_t count) {
  return count == 1 ? "1 instance" : fmt::format("{} instances", count);
}

/// Error: invalid where nobody can be asked.
base::Result<bool> is_agreed(Session& session, const BulkArguments& arguments, std::size_t count) {
  if (arguments.is_sure) return true;
  World& world = session.world();
  if (!world.err_is_terminal) {
    return base::fail(base::ErrorCode::invalid,
                      fmt::format("this would {} {}; say --yes to do it, or --dry-run to see them", arguments.action,
                                  instances(count)));
  }
  world.err << fmt::format("{} {}? Type yes: ", arguments.action, instances(count)) << std::flush;
  std::string answer;
  std::getline(world.in, answer);
  return answer == "yes";
}

}  // namespace

std::vector<std::pair<std::string, std::string>> SearchArguments::filters() const {
  return {{"status", status},
          {"workflow", workflow},
          {"error", error},
          {"key", key},
          {"correlation", correlation},
          {"since", since},
          {"until", until},
          {"not_compensated", not_compensated ? "true" : ""}};
}

Verb& add_search(Verb& verb, SearchArguments& arguments) {
  return verb
      .choice("--status", {"active", "running", "suspended", "compensating", "completed", "faulted", "cancelled"},
              arguments.status, "Only those; active: all that have not ended")
      .option("--workflow", "NS/NAME", arguments.workflow, "Only those of this workflow")
      .option("--error", "TYPE-OR-TEXT", arguments.error,
              "Only those that faulted so: the type of the error, such as timeout, or a text in it")
      .option("--key", "KEY", arguments.key, "Only those that were started with this business key")
      .option("--correlation", "NAME=VALUE", arguments.correlation, "Only those that an event started with this value")
      .option("--since", "TIME", arguments.since,
              "Only those that started then or later: RFC 3339, or 90s, 15m, 2h, 7d")
      .option("--until", "TIME", arguments.until, "Only those that started before")
      .flag("--not-compensated", arguments.not_compensated, "Only those that a compensation has failed of");
}

base::Result<ExitCode> act_on_many(Session& session, const BulkArguments& arguments) {
  std::size_t count = 0;
  std::vector<json::Value> first;
  ProgressLine progress(session.world());
  TRV_TRY(each_page(session, arguments, true, [&](std::span<const json::Value> items) {
    count += items.size();
    for (const json::Value& item : items) {
      if (first.size() < named_max) first.push_back(item);
    }
    progress.show(fmt::format("{} found", instances(count)));
    return true;
  }));
  progress.clear();
  if (arguments.is_dry && session.as_json()) {
    session.print_json(json::serialize({{"action", arguments.action},
                                        {"dry_run", true},
                                        {"count", std::uint64_t{count}},
                                        {"items", json::Value::array(std::move(first))}}));
    return ExitCode::ok;
  }
  if (!session.as_json()) {
    for (const json::Value& item : first) session.print(named(item));
    if (count > first.size()) session.print(fmt::format("  … and {} more", count - first.size()));
  }
  if (arguments.is_dry || count == 0) {
    session.print(count == 0 ? "Nothing matches."
                             : fmt::format("{} would be asked to {}.", instances(count), arguments.action));
    return ExitCode::ok;
  }
  TRV_TRY_ASSIGN(const bool agreed, is_agreed(session, arguments, count));
  if (!agreed) {
    session.note("Nothing was done.");
    return ExitCode::refused;
  }
  std::size_t done = 0;
  std::vector<json::Value> all;
  std::vector<std::string> wrong;
  std::string stopped;
  TRV_TRY(each_page(session, arguments, false, [&](std::span<const json::Value> items) {
    for (const json::Value& item : items) {
      all.push_back(item);
      const std::string outcome = member_text(item, "outcome");
      if (outcome == "done") ++done;
      if (outcome == "refused") wrong.push_back(member_text(item, "id") + ": " + member_text(item, "detail"));
      if (outcome == "failed") stopped = member_text(item, "id") + ": " + member_text(item, "detail");
    }
    progress.show(fmt::format("{} of {}", all.size(), count));
    return stopped.empty();
  }));
  progress.clear();
  if (session.as_json()) {
    session.print_json(json::serialize({{"action", arguments.action},
                                        {"dry_run", false},
                                        {"done", std::uint64_t{done}},
                                        {"refused", std::uint64_t{wrong.size()}},
                                        {"items", json::Value::array(std::move(all))}}));
  } else {
    session.print(fmt::format("{}: done for {}, refused for {}.", arguments.action, instances(done), wrong.size()));
    for (std::size_t i = 0; i < std::min(wrong.size(), named_max); ++i) session.print("  refused " + wrong[i]);
    if (wrong.size() > named_max) session.print(fmt::format("  … and {} more", wrong.size() - named_max));
  }
  if (!stopped.empty()) {
    return base::fail(base::ErrorCode::unavailable,
                      "stopped at instance " + stopped + "; give the same command again to go on");
  }
  return wrong.empty() ? ExitCode::ok : ExitCode::refused;
}

}  // namespace trv::cli
