// Session::print_list: a list, over as many pages as it takes.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "kernel/cli/commands/nouns.hpp"
#include "kernel/cli/commands/session.hpp"
#include "kernel/json/serialize.hpp"
#include "sdk/base/contract.hpp"

namespace trv::cli {
namespace {

struct Listed {
  std::string body = {};  // of the answer, where there was only one
  std::vector<json::Value> items = {};
  std::string cursor = {};  // of what comes next; empty at the end
};

// As the server reads it; what it refuses is its to say.
std::size_t wanted_rows(const std::string& limit) {
  std::size_t rows = 0;
  std::from_chars(limit.data(), limit.data() + limit.size(), rows);
  return rows == 0 ? list_limit_default : std::min(rows, list_limit_max);
}

base::Result<Listed> fetch(Session& session, Speaker speaker, const ListRequest& request) {
  const std::size_t wanted = wanted_rows(request.limit);
  Listed listed{.cursor = request.cursor};
  std::size_t size = wanted;
  std::string limit = request.limit;
  for (std::size_t requests = 1; requests <= list_requests_max; ++requests) {
    auto parameters = request.filters;
    parameters.emplace_back("limit", limit);
    parameters.emplace_back("cursor", listed.cursor);
    TRV_TRY_ASSIGN(HttpResponse response, session.call(speaker, {.target = request.target + query_of(parameters)}));
    TRV_TRY_ASSIGN(const json::Value page, parse_json("the answer", response.body));
    TRV_TRY_ASSIGN(const auto items, items_of(page));
    const std::size_t left = wanted - listed.items.size();
    if (items.size() > left && size > left) {
      // A cursor is after a whole page, so a page that holds too much is asked for again, smaller.
      size = std::max(left, size / 2);
      limit = std::to_string(size);
      continue;
    }
    const std::string next = member_text(page, "next_cursor");
    if (!next.empty() && next == listed.cursor) {
      return base::fail(base::ErrorCode::internal, fmt::format("the server's list repeats the page after {}", next));
    }
    if (requests == 1) {
      listed.body = std::move(response.body);
    } else {
      listed.body.clear();
    }
    const bool found_few = items.size() * 4 < size;
    std::ranges::copy(items, std::back_inserter(listed.items));
    listed.cursor = next;
    if (next.empty() || listed.items.size() >= wanted) break;
    size = found_few ? std::min(size * 2, list_limit_max) : std::max(size / 2, wanted - listed.items.size());
    limit = std::to_string(size);
  }
  return listed;
}

}  // namespace

base::Result<ExitCode> Session::print_list(Speaker speaker, const ListRequest& request,
                                           const std::vector<Field>& fields, std::string_view when_empty) {
  TRV_EXPECTS(!fields.empty());
  TRV_TRY_ASSIGN(Listed listed, fetch(*this, speaker, request));
  if (as_json()) {
    if (listed.body.empty()) {
      const json::Value cursor = listed.cursor.empty() ? json::Value() : json::Value(listed.cursor);
      listed.body = json::serialize({{"items", json::Value::array(std::move(listed.items))}, {"next_cursor", cursor}});
    }
    print_json(listed.body);
    return ExitCode::ok;
  }
  std::vector<Column> columns;
  for (const Field& field : fields) columns.push_back({.title = field.title, .fit = field.fit});
  Table table(std::move(columns));
  for (const json::Value& item : listed.items) {
    std::vector<std::string> cells;
    for (const Field& field : fields) cells.push_back(field.text ? field.text(item) : field_text(item, field.member));
    table.add(std::move(cells));
  }
  const bool narrowed = !request.cursor.empty() ||
                        std::ranges::any_of(request.filters, [](const auto& one) { return !one.second.empty(); });
  if (!table.empty()) {
    world_.out << table.render(style()) << std::flush;
  } else if (!listed.cursor.empty()) {
    note("Nothing yet.");
  } else {
    note(narrowed ? "Nothing matches." : when_empty);
  }
  if (!listed.cursor.empty()) note("There may be more: --cursor " + listed.cursor);
  return ExitCode::ok;
}

}  // namespace trv::cli
