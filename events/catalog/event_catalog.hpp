#pragma once
// Which event types there are, and what an event says as JSON: read from the binary schemas that this build carries, so
// that a new event type needs a schema and nothing else.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/base/bytes.hpp"
#include "sdk/base/result.hpp"

namespace reflection {
struct Object;
struct Schema;
}  // namespace reflection

namespace trv::catalog {

/// Immutable after make(). Any thread.
class EventCatalog {
 public:
  [[nodiscard]] static EventCatalog make();

  /// Types in order, for example "trv.tenant.created".
  [[nodiscard]] std::vector<std::string_view> types() const;
  [[nodiscard]] bool knows(std::string_view type) const { return tables_.contains(type); }

  /// The payload as a JSON object on one line. Absent fields are left out; byte vectors are hexadecimal text; 64-bit
  /// integers are text, because many readers keep only 53 bits; fields that hold JSON text are given as that JSON.
  /// Fields that the schema marks `secret` are left out; so are those marked `unset_is_absent` that are empty or 0. A
  /// type that is not known gives {"payload_base64":"…"}. Error: corrupt where the payload does not fit its schema.
  [[nodiscard]] base::Result<std::string> to_json(std::string_view type, base::BytesView payload) const;

 private:
  struct Table {
    const reflection::Schema* schema;
    const reflection::Object* object;
  };
  std::map<std::string_view, Table> tables_;
};

}  // namespace trv::catalog
