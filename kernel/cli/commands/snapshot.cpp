// trav snapshot: copies of the shards' state, from which a start goes on.

#include <fmt/format.h>

#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/commands/progress_line.hpp"
#include "kernel/cli/terminal/text.hpp"
#include "kernel/json/serialize.hpp"

namespace trv::cli {
namespace {

/// Of one shard; the server answers after some seconds while the snapshot is taken.
constexpr int requests_max = 720;

/// Of a server that is ready, which says so of each of its shards.
base::Result<std::vector<std::string>> all_shards(Session& session) {
  TRV_TRY_ASSIGN(const json::Value ready, session.call_json(Speaker::nobody, {.target = "/readyz"}));
  std::vector<std::string> shards;
  const json::Value* const list = ready.is_object() ? ready.find("shards") : nullptr;
  if (list == nullptr || !list->is_array()) {
    return base::fail(base::ErrorCode::internal, "the server's answer to /readyz names no shards; is it travd?");
  }
  for (const json::Value& one : list->items()) shards.push_back(member_text(one, "shard"));
  return shards;
}

base::Result<json::Value> take_one(Session& session, const std::string& shard, ProgressLine& progress) {
  const base::Duration begun = session.world().clock.monotonic();
  json::Value body = json::Value::object();
  for (int i = 0; i < requests_max; ++i) {
    progress.show(fmt::format(
        "shard {}: a snapshot is taken, {} s", shard,
        std::chrono::duration_cast<std::chrono::seconds>(session.world().clock.monotonic() - begun).count()));
    TRV_TRY_ASSIGN(const HttpResponse response,
                   session.call(Speaker::operator_, {.method = "POST",
                                                     .target = "/v1/shards/" + percent_encoded(shard) + "/snapshots",
                                                     .content_type = "application/json",
                                                     .body = json::serialize(body)}));
    TRV_TRY_ASSIGN(json::Value answer, parse_json("the answer", response.body));
    if (response.status != 202) return answer;
    const json::Value* const lsn = answer.is_object() ? answer.find("lsn") : nullptr;
    if (lsn != nullptr) body.set("lsn", *lsn);
  }
  return base::fail(
      base::ErrorCode::unavailable,
      fmt::format("the snapshot of shard {} is not done yet; it goes on: see `trav snapshot list`", shard));
}

base::Result<ExitCode> take(Session& session, const std::string& shard) {
  std::vector<std::string> shards = {shard};
  if (shard.empty()) {
    TRV_TRY_ASSIGN(shards, all_shards(session));
  }
  ProgressLine progress(session.world());
  json::Value taken = json::Value::array();
  for (const std::string& one : shards) {
    TRV_TRY_ASSIGN(json::Value answer, take_one(session, one, progress));
    progress.clear();
    const std::string bytes = member_text(answer, "bytes");
    const std::string lsn = member_text(answer, "lsn");
    if (!session.as_json()) {
      session.print(bytes == "0" ? fmt::format("shard {}: it has no record yet", one)
                                 : fmt::format("shard {}: up to record {}, {} bytes", one, lsn, bytes));
    }
    taken.push_back(std::move(answer));
  }
  if (session.as_json()) session.print_value({{"items", std::move(taken)}});
  return ExitCode::ok;
}

}  // namespace

void add_snapshot(CommandTree& tree) {
  Noun noun = tree.noun("snapshot", "Snapshots: copies of the shards' state, from which a start goes on");
  noun.example("trav snapshot take").example("trav snapshot take --shard 3").example("trav snapshot list");
  struct Arguments {
    std::string shard;
    std::string limit;
    std::string cursor;
  };
  const auto arguments = std::make_shared<Arguments>();
  noun.verb("list", "List the snapshots, those of each shard from the newest on (operator)")
      .paging(arguments->limit, arguments->cursor)
      .does([arguments](Session& session) {
        return session.print_list(Speaker::operator_,
                                  {.target = "/v1/snapshots", .limit = arguments->limit, .cursor = arguments->cursor},
                                  {{.title = "SHARD", .member = "shard"},
                                   {.title = "LSN", .member = "lsn"},
                                   {.title = "BYTES", .member = "bytes"},
                                   {.title = "TAKEN", .member = "taken", .fit = Fit::time}},
                                  "No snapshots yet: trav snapshot take");
      });
  noun.verb("take", "Take a snapshot of every shard now, while the server works (operator)")
      .option("--shard", "N", arguments->shard, "Of this one alone")
      .does([arguments](Session& session) { return take(session, arguments->shard); });
}

}  // namespace trv::cli
