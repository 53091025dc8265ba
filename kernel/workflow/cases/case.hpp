#pragma once
// A file of cases for workflows, docs/guides/workflow-cases.md: what happens to a workflow, and what is expected of it.
// Plain values; reading is pure, any thread.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/json/value.hpp"
#include "kernel/workflow/definition/definition.hpp"
#include "kernel/workflow/definition/problems.hpp"
#include "sdk/base/result.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::cases {

using definition::Node;
using definition::Position;

/// A definition, within the file of cases or in one of its own.
struct Workflow {
  definition::Name name;
  std::string text;
  definition::Format format = definition::Format::yaml;
  std::vector<std::string> refusals;  ///< why it cannot be applied; empty: it can be
};

/// What a client sends to the kernel.
struct Input {
  enum class Kind : std::uint8_t { start, event, cancel };
  Kind kind = Kind::start;
  base::Duration at{};  ///< from the case's beginning
  json::Value value;    ///< of a start its input, or null; of an event its attributes and data
  bool has_value = false;
  bool compensates = false;  ///< of a cancellation
};

/// What a service answers once.
struct Reply {
  bool never = false;
  base::Duration after{};
  std::uint32_t status = 200;  ///< of an HTTP call, as `headers` and `body`
  std::vector<std::pair<std::string, std::string>> headers;
  std::optional<json::Value> body;
  json::Value output;  ///< of an operation
  std::string error;   ///< code of an error; empty: none
  std::string message;
  json::Value detail;
};

/// What is answered to the calls whose name matches, one after the other; the last reply stays.
struct Answer {
  std::string to;
  std::vector<Reply> replies;
};

struct Case {
  std::string name;
  Position position;
  base::Timestamp begins;
  std::optional<base::Duration> until;  ///< not looked at beyond; none: until nothing is left to happen
  std::vector<Workflow> workflows;      ///< the first is the one that is started and looked at
  std::vector<Input> inputs;            ///< in the order of their times
  std::vector<Answer> answers;
  Node expected;  ///< as it is in the file; its members are known ones
};

struct CaseFile {
  std::vector<Case> cases;
  std::vector<definition::Problem> problems;  ///< where there are some, no case is run
};

/// Longer files are refused; the definition of each case has the limits of definitions.
inline constexpr std::size_t file_bytes_max = definition::text_bytes_max;
inline constexpr std::size_t cases_max = 1'000;
/// At most so many replies, inputs or expectations of one kind.
inline constexpr std::size_t items_max = 1'000;

/// The text of a file that a case names, relative to the file of cases.
using ReadFile = std::function<base::Result<std::string>(std::string_view path)>;

[[nodiscard]] CaseFile read_cases(std::string_view text, const ReadFile& read_file);

/// Whether the text is like the pattern, in which `*` is any text, also none.
[[nodiscard]] bool is_like(std::string_view pattern, std::string_view text) noexcept;

}  // namespace trv::cases
