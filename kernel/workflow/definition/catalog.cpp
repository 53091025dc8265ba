#include "kernel/workflow/definition/catalog.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sdk/base/contract.hpp"

namespace trv::definition {
namespace {

/// A part of a path that is one step down, whatever reads it.
bool is_step(std::string_view text) {
  return !text.empty() && text.size() <= 128 && text.front() != '.' && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.' || c == '+';
  });
}

/// What comes before the next '/', which is taken off, too.
std::string_view next_step(std::string_view& path) {
  const std::size_t end = std::min(path.find('/'), path.size());
  const std::string_view step = path.substr(0, end);
  path.remove_prefix(std::min(end + 1, path.size()));
  return step;
}

std::string github(std::string_view address, std::string_view path) {
  const std::string_view owner = next_step(path);
  const std::string_view repository = next_step(path);
  if (owner.empty() || repository.empty()) return std::string(address);
  std::string_view branch = "main";
  if (path.starts_with("tree/") || path.starts_with("blob/") || path.starts_with("raw/")) {
    (void)next_step(path);
    branch = next_step(path);
  }
  return fmt::format("https://raw.githubusercontent.com/{}/{}/{}{}{}", owner, repository, branch,
                     path.empty() ? "" : "/", path);
}

// Its projects may be several groups deep: "/-/" ends their path, and without it all is the project.
std::string gitlab(std::string_view path) {
  const std::size_t end = path.find("/-/");
  const std::string_view project = path.substr(0, end);
  if (end == std::string_view::npos) return fmt::format("https://gitlab.com/{}/-/raw/main", project);
  std::string_view rest = path.substr(end + 3);
  (void)next_step(rest);
  return fmt::format("https://gitlab.com/{}/-/raw/{}", project, rest);
}

}  // namespace

std::optional<CatalogFunction> catalog_function(std::string_view called) {
  const std::size_t at = called.find('@');
  const std::size_t colon = called.find(':');
  if (at == std::string_view::npos || colon == std::string_view::npos || colon > at) return std::nullopt;
  return CatalogFunction{called.substr(0, colon), called.substr(colon + 1, at - colon - 1), called.substr(at + 1)};
}

std::string raw_address(std::string_view address) {
  constexpr std::string_view github_pages = "https://github.com/";
  constexpr std::string_view gitlab_pages = "https://gitlab.com/";
  while (address.ends_with('/')) address.remove_suffix(1);
  if (address.starts_with(github_pages)) return github(address, address.substr(github_pages.size()));
  if (address.starts_with(gitlab_pages)) return gitlab(address.substr(gitlab_pages.size()));
  return std::string(address);
}

base::Result<std::string> function_address(std::string_view endpoint, const CatalogFunction& function) {
  if (!is_step(function.name) || !is_step(function.version)) {
    return base::fail(base::ErrorCode::invalid,
                      fmt::format("'{}:{}' does not name a function of a catalog; write <name>:<version>@<catalog>, "
                                  "for example log:1.0.0@{}",
                                  function.name, function.version, function.catalog));
  }
  if (endpoint.find_first_of("?#") != std::string_view::npos) {
    return base::fail(base::ErrorCode::invalid,
                      fmt::format("the endpoint '{}' of the catalog '{}' has a query or a fragment; write the address "
                                  "of the folder that has 'functions'",
                                  endpoint, function.catalog));
  }
  return fmt::format("{}/functions/{}/{}/function.yaml", raw_address(endpoint), function.name, function.version);
}

}  // namespace trv::definition
