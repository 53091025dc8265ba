#pragma once
// What an editor is offered and shown where a task calls an operation of a plugin. Pure; any thread.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/cli/commands/block_yaml.hpp"
#include "kernel/cli/commands/operations.hpp"

namespace trv::cli {

struct Offer {
  std::string label;
  std::string detail = {};         ///< a few words beside the label
  std::string documentation = {};  ///< a sentence or more
  std::string inserted = {};       ///< empty: the label
};

/// The operations, for `call:`.
[[nodiscard]] std::vector<Offer> calls_offered(const Operations& operations);

/// The operation that the task around a place calls, where the place is within the task's `with`, and the schema there.
struct InputPlace {
  const KnownOperation* operation = nullptr;  ///< borrowed
  json::Value schema;                         ///< of the object around the place; null where it is not known
};
/// `keys`: what is around the place, as around() gives it.
[[nodiscard]] std::optional<InputPlace> input_place(const Operations& operations, std::string_view text,
                                                    const std::vector<Key>& keys);

/// The members of the object at the place, those that must be there first.
[[nodiscard]] std::vector<Offer> members_offered(const InputPlace& place);
/// The values of a member that a schema lists: of `enum` and `const`, and of a boolean.
[[nodiscard]] std::vector<Offer> values_offered(const InputPlace& place, std::string_view member);

/// An operation with its input, a line for each member.
[[nodiscard]] std::string shown(const KnownOperation& operation);
/// A member of the input: what it takes and what it is for; empty where the schema does not have it.
[[nodiscard]] std::string shown(const InputPlace& place, std::string_view member);

/// The operation of this name; for a line of versions ("chat.post:1@default") that of the highest one. Or nullptr.
[[nodiscard]] const KnownOperation* find_operation(const Operations& operations, std::string_view call);

}  // namespace trv::cli
