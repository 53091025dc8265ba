#pragma once
// JSON Schema: a schema is compiled once and then holds any number of values.
//
// Dialects: 2020-12 (https://json-schema.org/draft/2020-12), draft 7, draft 4, and the schema object of OpenAPI 3.0.
// `$ref` and `$dynamicRef` reach the schema itself, the documents that were handed over with it, and the meta-schemas
// of the dialects, which are built in as checks; nothing is ever fetched. `format` is an annotation unless it is asked
// for.
//
// Ownership: a Schema shares what was compiled; copies cost a counter. Threads: a Schema is immutable, any thread may
// validate with it at any time; compile is a pure function. Failure: schemas and values are hostile text: bounded in
// time (steps), depth and memory.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/json/value.hpp"
#include "sdk/base/result.hpp"

namespace trv::json_schema {

enum class Dialect : std::uint8_t {
  draft_2020_12,
  draft_7,
  draft_4,
  openapi_3_0,  ///< OpenAPI 3.0.3 "Schema Object": draft 4 without ids, with `nullable`
};
/// "2020-12", "draft 7", "draft 4", "OpenAPI 3.0".
[[nodiscard]] std::string_view to_string(Dialect dialect) noexcept;

/// A document that `$ref` may name. It needs not be a schema itself: `file.json#/components/schemas/Pet` works.
struct Document {
  std::string uri;  ///< absolute, without fragment
  json::Value content;
};

enum class Formats : std::uint8_t {
  annotations,  ///< no `format` refuses anything, as 2020-12 has it
  /// date-time, date, time, duration, email, hostname, ipv4, ipv6, uri, uri-reference, uuid, json-pointer,
  /// relative-json-pointer and regex are checked; other names stay annotations
  asserted,
};

struct CompileOptions {
  Dialect dialect = Dialect::draft_2020_12;  ///< where `$schema` says nothing
  Formats formats = Formats::annotations;
  std::string_view base_uri;                        ///< what relative references are relative to; empty: none
  std::span<const Document> documents;              ///< needed during compile only
  std::size_t schemas_max = 50'000;                 ///< schemas within each other, all documents together
  std::size_t pattern_bytes_max = 4 * 1024 * 1024;  ///< of the compiled regular expressions together
};

/// Why a schema was refused.
struct Refusal {
  base::ErrorCode code;  ///< invalid; too_large over a limit
  std::string pointer;   ///< JSON Pointer of the place in the document that was compiled; empty: its root
  std::string document;  ///< URI of the document where that is another one; empty: the schema itself
  std::string sentence;  ///< what was wrong, with the value, and what was expected

  /// "#/properties/age/minimum: …" as an error.
  [[nodiscard]] base::Error to_error() const;
};

struct ValidateLimits {
  std::size_t problems_max = 20;
  std::uint64_t steps_max = 2'000'000;   ///< about 20 ns each; twice as many where the value is wrong
  std::size_t depth_max = 1'500;         ///< schemas and values within each other
  std::uint64_t* steps_spent = nullptr;  ///< where it is set, the steps that were taken are added to it
  bool shows_values = true;              ///< false: sentences do not quote what was validated, as it may be secret
};

/// One thing that is wrong with a value.
struct Problem {
  std::string instance_path;  ///< JSON Pointer of the part of the value; empty: all of it
  std::string schema_path;    ///< of the keyword that refuses it, as "#/properties/age/minimum"
  std::string sentence;       ///< what was found, what was expected, and a word that was probably meant
};
/// "/age: -1 is less than 0, the minimum", one line each.
[[nodiscard]] std::string to_text(std::span<const Problem> problems);

struct CompiledSchema;

class Schema {
 public:
  /// Checks a value. No problems: it is valid. Error: too_large where the check needs more steps or depth than `limits`
  /// allow, so that nothing is known.
  [[nodiscard]] base::Result<std::vector<Problem>> validate(const json::Value& instance,
                                                            const ValidateLimits& limits = {}) const;

  /// Memory that its regular expressions take.
  [[nodiscard]] std::size_t pattern_bytes() const noexcept;

 private:
  explicit Schema(std::shared_ptr<const CompiledSchema> compiled) noexcept : compiled_(std::move(compiled)) {}
  friend std::expected<Schema, Refusal> compile(const json::Value& schema, const CompileOptions& options);

  std::shared_ptr<const CompiledSchema> compiled_;
};

/// Refused are schemas that their dialect's meta-schema refuses, patterns that are not regular expressions, references
/// to what is not there, references that lead back to themselves without a step into the value, dialects that are not
/// known, and schemas over a limit.
[[nodiscard]] std::expected<Schema, Refusal> compile(const json::Value& schema, const CompileOptions& options = {});

}  // namespace trv::json_schema
