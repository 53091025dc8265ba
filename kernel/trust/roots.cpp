#include "kernel/trust/roots.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "sdk/base/file.hpp"

namespace trv::trust {
namespace {

using base::ErrorCode;

constexpr std::string_view roles = "publisher, core, certified, community, private, dev, revocations";

base::Result<Root> parse_root(std::string_view line) {
  std::istringstream words{std::string(line)};
  std::string word;
  words >> word;
  TRV_TRY_ASSIGN(note::VerifierKey key, note::VerifierKey::parse(word));
  Root root{.key = std::move(key)};
  bool has_role = false;
  while (words >> word) {
    has_role = true;
    if (word == "publisher") {
      root.publishes = true;
    } else if (word == "revocations") {
      root.revokes = true;
    } else if (const auto level = level_of(word)) {
      root.gives.push_back(*level);
    } else {
      return base::fail(ErrorCode::invalid, fmt::format("`{}` is not one of {}", word, roles));
    }
  }
  if (!has_role) {
    return base::fail(ErrorCode::invalid,
                      fmt::format("what the key may do is missing: write one or more of {} behind it", roles));
  }
  return root;
}

}  // namespace

bool Root::may_give(Level level) const noexcept {
  return std::ranges::find(gives, level) != gives.end();
}

base::Result<Roots> Roots::parse(std::string_view text) {
  Roots roots;
  int number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t first = line.find_first_not_of(" \t\r");
    if (first == std::string_view::npos || line[first] == '#') continue;
    auto root = parse_root(line.substr(first));
    if (root && roots.find(root->key) != nullptr) {
      root = base::fail(ErrorCode::invalid, fmt::format("the key {} is in an earlier line, too", root->key.format()));
    }
    if (!root) return base::fail(std::move(root).error().in(fmt::format("line {}", number)).at(number, 1));
    roots.roots_.push_back(*std::move(root));
  }
  return roots;
}

base::Result<Roots> Roots::load(const std::filesystem::path& file) {
  TRV_TRY_ASSIGN(const base::Bytes bytes, base::read_file(file, trust_file_bytes_max));
  auto roots = parse(base::as_text(bytes));
  if (!roots) return base::fail(std::move(roots).error().in(file.string()));
  return roots;
}

const Root* Roots::find(const note::VerifierKey& key) const noexcept {
  const auto found = std::ranges::find(roots_, key, &Root::key);
  return found == roots_.end() ? nullptr : &*found;
}

}  // namespace trv::trust
