#pragma once
// Functions that a definition calls and that its text does not have: those of catalogs and those named by their
// address. Who applies the definition fetches them and puts them into the text. Pure; any thread.

#include <optional>
#include <string>
#include <string_view>

#include "kernel/json/value.hpp"
#include "kernel/workflow/definition/node.hpp"
#include "sdk/base/result.hpp"

namespace trv::definition {

/// A function to fetch before the definition can be executed.
struct UnfetchedFunction {
  std::string name;            ///< as it is called, and its name in `use.functions` once it is there
  std::string address;         ///< of its text, http or https
  json::Value authentication;  ///< as HTTP calls have it; null: none
  std::string caller;          ///< the function whose text calls it; empty: the workflow's own
  Position position;           ///< of its name, where it is called first
};

/// Name, version and catalog of "<name>:<version>@<catalog>"; borrowed. nullopt: not of this form.
struct CatalogFunction {
  std::string_view name;
  std::string_view version;
  std::string_view catalog;
};
[[nodiscard]] std::optional<CatalogFunction> catalog_function(std::string_view called);

/// <endpoint>/functions/<name>/<version>/function.yaml. A page of a repository, at one of the hosts that the
/// specification names, becomes the address of the file's text, of the branch `main` where the page names none. Error:
/// invalid, for an endpoint with a query or fragment and for a name or version that could lead elsewhere.
[[nodiscard]] base::Result<std::string> function_address(std::string_view endpoint, const CatalogFunction& function);
/// The same of the address of a function itself.
[[nodiscard]] std::string raw_address(std::string_view address);

}  // namespace trv::definition
