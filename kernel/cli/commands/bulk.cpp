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
  for (const json::Entry& one : arguments.more.entries()) body.set(one.name(), one.value);
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

/// What instances come to, with the first of them.
struct Tally {
  std::size_t good = 0;
  std::size_t refused = 0;
  std::vector<json::Value> first_good;
  std::vector<json::Value> first_refused;
  std::string stopped;  ///< where and why nothing further is tried

  void add(const json::Value& item) {
    const std::string outcome = member_text(item, "outcome");
    const bool is_refused = outcome == "refused";
    if (outcome == "failed") stopped = member_text(item, "id") + ": " + member_text(item, "detail");
    if (!is_refused && outcome != "possible" && outcome != "done") return;
    ++(is_refused ? refused : good);
    std::vector<json::Value>& first = is_refused ? first_refused : first_good;
    if (first.size() < named_max) first.push_back(item);
  }
  void tell_refused(Session& session) const {
    for (const json::Value& item : first_refused) {
      session.print(fmt::format("  refused {}: {}", member_text(item, "id"), member_text(item, "detail")));
    }
    if (refused > first_refused.size()) session.print(fmt::format("  … and {} more", refused - first_refused.size()));
  }
  [[nodiscard]] base::Status is_whole() const {
    if (stopped.empty()) return {};
    return base::fail(base::ErrorCode::unavailable,
                      "stopped at instance " + stopped + "; give the same command again to go on");
  }
};

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

bool SearchArguments::is_given() const {
  return std::ranges::any_of(filters(), [](const auto& one) { return !one.second.empty(); });
}

Verb& add_bulk(Verb& verb, BulkArguments& arguments) {
  return add_search(verb, arguments.search)
      .flag("--dry-run", arguments.is_dry, "Only say for which of them it is possible, and why not for the others")
      .flag("--yes", arguments.is_sure, "Do it to all of them without a question");
}

base::Status check_alone(const BulkArguments& arguments) {
  // One instance is not asked about, so that --yes says nothing new.
  if (!arguments.search.is_given()) return {};
  return base::fail(base::ErrorCode::invalid,
                    "give an instance's ID, or options that find instances such as --status, not both");
}

base::Result<ExitCode> act_on_many(Session& session, const BulkArguments& arguments) {
  if (!arguments.search.is_given()) {
    return base::fail(base::ErrorCode::invalid,
                      "which instances? Give an ID, or options that find them, such as --workflow and --status");
  }
  ProgressLine progress(session.world());
  Tally found;
  TRV_TRY(each_page(session, arguments, true, [&](std::span<const json::Value> items) {
    for (const json::Value& item : items) found.add(item);
    progress.show(fmt::format("{} found", instances(found.good + found.refused)));
    return found.stopped.empty();
  }));
  progress.clear();
  TRV_TRY(found.is_whole());
  if (arguments.is_dry && session.as_json()) {
    session.print_json(json::serialize({{"action", arguments.action},
                                        {"dry_run", true},
                                        {"count", std::uint64_t{found.good}},
                                        {"refused", std::uint64_t{found.refused}},
                                        {"items", json::Value::array(std::move(found.first_good))},
                                        {"refused_items", json::Value::array(std::move(found.first_refused))}}));
    return ExitCode::ok;
  }
  if (!session.as_json()) {
    for (const json::Value& item : found.first_good) session.print(named(item));
    if (found.good > found.first_good.size())
      session.print(fmt::format("  … and {} more", found.good - found.first_good.size()));
    found.tell_refused(session);
  }
  if (arguments.is_dry || found.good == 0) {
    session.print(found.good + found.refused == 0 ? "Nothing matches."
                                                  : fmt::format("{}: possible for {}, not for {}.", arguments.action,
                                                                instances(found.good), found.refused));
    return ExitCode::ok;
  }
  TRV_TRY_ASSIGN(const bool agreed, is_agreed(session, arguments, found.good));
  if (!agreed) {
    session.note("Nothing was done.");
    return ExitCode::refused;
  }
  Tally done;
  std::vector<json::Value> all;
  const base::Status ended = each_page(session, arguments, false, [&](std::span<const json::Value> items) {
    for (const json::Value& item : items) {
      done.add(item);
      all.push_back(item);
    }
    progress.show(fmt::format("{} of {}", all.size(), found.good + found.refused));
    return done.stopped.empty();
  });
  progress.clear();
  const std::size_t tried = all.size();
  if (session.as_json()) {
    session.print_json(json::serialize({{"action", arguments.action},
                                        {"dry_run", false},
                                        {"done", std::uint64_t{done.good}},
                                        {"refused", std::uint64_t{done.refused}},
                                        {"items", json::Value::array(std::move(all))}}));
  } else {
    session.print(
        fmt::format("{}: done for {}, refused for {}.", arguments.action, instances(done.good), done.refused));
    done.tell_refused(session);
  }
  if (!ended) {
    return base::fail(base::Error(ended.error())
                          .in(fmt::format("cut off after {} of {}; whether more was done is not known. Give the same "
                                          "command again to go on",
                                          tried, instances(found.good + found.refused))));
  }
  TRV_TRY(done.is_whole());
  return done.refused == 0 ? ExitCode::ok : ExitCode::refused;
}

}  // namespace trv::cli
