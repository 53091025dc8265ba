#include "kernel/cli/commands/operations.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/cli/terminal/text.hpp"
#include "kernel/json/parse.hpp"
#include "sdk/package/package.hpp"

namespace trv::cli {
namespace {

constexpr std::string_view package_extension = ".trvp";

void add(Operations& all, std::string_view plugin, std::string_view version, const json::Value& manifest) {
  const json::Value* operations = manifest.find("operations");
  if (operations == nullptr || !operations->is_array()) return;
  for (const json::Value& one : operations->items()) {
    const std::string name = member_text(one, "name");
    if (name.empty()) continue;
    const json::Value* input = one.find("input");
    all.push_back({.call = fmt::format("{}.{}:{}@default", plugin, name, version),
                   .title = member_text(one, "title"),
                   .summary = member_text(one, "summary"),
                   .input = input == nullptr ? json::Value() : *input});
  }
}

}  // namespace

base::Result<Operations> operations_in(const std::filesystem::path& folder, std::vector<std::string>& unreadable) {
  std::error_code failed;
  std::vector<std::filesystem::path> files;
  for (auto entry = std::filesystem::recursive_directory_iterator(folder, failed);
       !failed && entry != std::filesystem::recursive_directory_iterator(); entry.increment(failed)) {
    if (entry->path().extension() == package_extension) files.push_back(entry->path());
  }
  if (failed) {
    return base::fail(base::ErrorCode::not_found,
                      fmt::format("folder of packages '{}': {}", folder.string(), failed.message()));
  }
  std::ranges::sort(files);
  Operations all;
  for (const std::filesystem::path& file : files) {
    const auto package = package::read(file);
    const auto manifest = package ? json::parse(package->manifest.text) : base::fail(package.error());
    if (!manifest) {
      const std::string& why = manifest.error().message();
      unreadable.push_back(why.contains(file.string()) ? why : fmt::format("{}: {}", file.string(), why));
      continue;
    }
    add(all, package->manifest.id, package->manifest.version, *manifest);
  }
  return all;
}

base::Result<Operations> operations_of(Session& session) {
  Operations all;
  std::string cursor;
  do {
    TRV_TRY_ASSIGN(const std::string target, session.tenant_target("/plugins?limit=500"));
    TRV_TRY_ASSIGN(
        const json::Value page,
        session.call_json(Speaker::member,
                          {.target = target + (cursor.empty() ? "" : "&cursor=" + percent_encoded(cursor))}));
    TRV_TRY_ASSIGN(const auto items, items_of(page));
    for (const json::Value& grant : items) {
      const std::string id = member_text(grant, "id");
      const std::string version = member_text(grant, "version");
      TRV_TRY_ASSIGN(const json::Value shown,
                     session.call_json(Speaker::member, {.target = fmt::format("/v1/plugins/{}/{}", percent_encoded(id),
                                                                               percent_encoded(version))}));
      if (const json::Value* manifest = shown.find("manifest")) add(all, id, version, *manifest);
    }
    cursor = member_text(page, "next_cursor");
  } while (!cursor.empty());
  return all;
}

}  // namespace trv::cli
