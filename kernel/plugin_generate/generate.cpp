#include "kernel/plugin_generate/generate.hpp"

#include <fmt/format.h>

#include "sdk/base/contract.hpp"

namespace trv::plugin_generate {

base::Result<Language> language_named(std::string_view name) {
  if (name == "c++") return Language::cpp;
  if (name == "python") return Language::python;
  if (name == "rust") return Language::rust;
  if (name == "typescript") return Language::typescript;
  return base::fail(
      base::ErrorCode::invalid,
      fmt::format("no types are made for '{}': the languages are c++, python, rust and typescript", name));
}

std::filesystem::path default_file(Language language) {
  switch (language) {
    case Language::cpp: return "operations.hpp";
    case Language::python: return "program/operations.py";
    case Language::rust: return "src/operations.rs";
    case Language::typescript: return "program/operations.d.mts";
  }
  TRV_ASSERT(false);
  return {};
}

base::Result<std::string> generate(const package::Manifest& manifest, Language language) {
  TRV_TRY_ASSIGN(const Model model, model_of(manifest));
  TRV_ENSURES(model.operations.size() == manifest.operations.size());
  switch (language) {
    case Language::cpp: return write_cpp(model);
    case Language::python: return write_python(model);
    case Language::rust: return write_rust(model);
    case Language::typescript: return write_typescript(model);
  }
  TRV_ASSERT(false);
  return {};
}

}  // namespace trv::plugin_generate
