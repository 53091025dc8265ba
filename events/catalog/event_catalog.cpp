#include "events/catalog/event_catalog.hpp"

#include <flatbuffers/reflection.h>
#include <fmt/format.h>

#include <array>

#include "events/schema/effect_schema.h"
#include "events/schema/ingest_schema.h"
#include "events/schema/plugin_schema.h"
#include "events/schema/tenancy_schema.h"
#include "events/schema/workflow_schema.h"
#include "sdk/base/contract.hpp"

namespace trv::catalog {
namespace {

using base::ErrorCode;
using base::fail;

void write_text(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  out += '"';
}

bool has_attribute(const reflection::Field& field, const char* name) {
  return field.attributes() != nullptr && field.attributes()->LookupByKey(name) != nullptr;
}

// What the schema marks `secret` stays in the record and is in no view of it; what it marks `unset_is_absent` is not
// shown as an empty text or zero.
bool is_shown(const reflection::Field& field, const flatbuffers::Table& table) {
  if (has_attribute(field, "secret")) return false;
  const reflection::BaseType type = field.type()->base_type();
  const bool is_number = type > reflection::Bool && type <= reflection::Double;
  if (!is_number && !table.CheckField(field.offset())) return false;
  if (!has_attribute(field, "unset_is_absent")) return true;
  if (type == reflection::String) return flatbuffers::GetFieldS(table, field)->size() > 0;
  return !is_number || flatbuffers::GetAnyFieldI(table, field) != 0;
}

void write_table(std::string& out, const reflection::Schema& schema, const reflection::Object& object,
                 const flatbuffers::Table& table);

// A struct of nothing but bytes (an id, a hash) is hexadecimal text.
void write_struct(std::string& out, const reflection::Object& object, const std::uint8_t* bytes) {
  TRV_EXPECTS(object.is_struct() && object.bytesize() > 0);
  write_text(out, base::to_hex({bytes, static_cast<std::size_t>(object.bytesize())}));
}

void write_scalar(std::string& out, reflection::BaseType type, const flatbuffers::Table& table,
                  const reflection::Field& field) {
  const auto number = flatbuffers::GetAnyFieldI(table, field);
  switch (type) {
    case reflection::Bool: out += number != 0 ? "true" : "false"; return;
    case reflection::Float:
    case reflection::Double: out += fmt::format("{}", flatbuffers::GetAnyFieldF(table, field)); return;
    case reflection::Long: write_text(out, fmt::format("{}", number)); return;
    case reflection::ULong: write_text(out, fmt::format("{}", static_cast<std::uint64_t>(number))); return;
    default: out += fmt::format("{}", number); return;
  }
}

void write_vector(std::string& out, const reflection::Schema& schema, const reflection::Field& field,
                  const flatbuffers::Table& table) {
  const auto* vector = flatbuffers::GetFieldAnyV(table, field);
  const reflection::BaseType element = field.type()->element();
  if (element == reflection::UByte) {
    write_text(out, base::to_hex({vector->Data(), vector->size()}));
    return;
  }
  out += '[';
  for (flatbuffers::uoffset_t i = 0; i < vector->size(); ++i) {
    if (i > 0) out += ',';
    if (element == reflection::String) {
      write_text(out, flatbuffers::GetAnyVectorElemPointer<const flatbuffers::String>(vector, i)->string_view());
    } else if (element == reflection::Obj) {
      const auto* object = schema.objects()->Get(static_cast<flatbuffers::uoffset_t>(field.type()->index()));
      if (object->is_struct()) {
        write_struct(out, *object,
                     vector->Data() + static_cast<std::size_t>(i) * static_cast<std::size_t>(object->bytesize()));
      } else {
        write_table(out, schema, *object, *flatbuffers::GetAnyVectorElemPointer<const flatbuffers::Table>(vector, i));
      }
    } else {
      out += fmt::format("{}", flatbuffers::GetAnyVectorElemI(vector, element, i));
    }
  }
  out += ']';
}

void write_field(std::string& out, const reflection::Schema& schema, const reflection::Field& field,
                 const flatbuffers::Table& table) {
  const reflection::BaseType type = field.type()->base_type();
  if (type == reflection::String) {
    const std::string_view text = flatbuffers::GetFieldS(table, field)->string_view();
    if (has_attribute(field, "json") && !text.empty()) {
      out += text;
    } else {
      write_text(out, text);
    }
  } else if (type == reflection::Vector) {
    write_vector(out, schema, field, table);
  } else if (type == reflection::Obj) {
    const auto* object = schema.objects()->Get(static_cast<flatbuffers::uoffset_t>(field.type()->index()));
    if (object->is_struct()) {
      write_struct(out, *object, table.GetAddressOf(field.offset()));
    } else {
      write_table(out, schema, *object, *flatbuffers::GetFieldT(table, field));
    }
  } else {
    write_scalar(out, type, table, field);
  }
}

void write_table(std::string& out, const reflection::Schema& schema, const reflection::Object& object,
                 const flatbuffers::Table& table) {
  out += '{';
  bool first = true;
  // The schema keeps its fields by name; people expect them in the order of their ids.
  std::vector<const reflection::Field*> fields(object.fields()->size());
  for (const reflection::Field* field : *object.fields()) {
    TRV_ASSERT(field->id() < fields.size());
    fields[field->id()] = field;
  }
  for (const reflection::Field* field : fields) {
    if (!is_shown(*field, table)) continue;
    if (!first) out += ',';
    first = false;
    write_text(out, field->name()->string_view());
    out += ':';
    write_field(out, schema, *field, table);
  }
  out += '}';
}

// The library's own Verify trusts the offset of the root.
bool fits(const reflection::Schema& schema, const reflection::Object& object, base::BytesView payload) {
  constexpr std::size_t word = sizeof(flatbuffers::uoffset_t);
  if (payload.size() < 2 * word) return false;
  const auto root = flatbuffers::ReadScalar<flatbuffers::uoffset_t>(payload.data());
  if (root < word || root > payload.size() - word || root % word != 0) return false;
  return flatbuffers::Verify(schema, object, payload.data(), payload.size());
}

}  // namespace

EventCatalog EventCatalog::make() {
  EventCatalog catalog;
  const std::array<base::BytesView, 5> schemas = {base::BytesView(effect_schema), base::BytesView(ingest_schema),
                                                  base::BytesView(plugin_schema), base::BytesView(tenancy_schema),
                                                  base::BytesView(workflow_schema)};
  for (const base::BytesView bytes : schemas) {
    flatbuffers::Verifier verifier(bytes.data(), bytes.size());
    TRV_ASSERT(reflection::VerifySchemaBuffer(verifier));
    const reflection::Schema* schema = reflection::GetSchema(bytes.data());
    for (const reflection::Object* object : *schema->objects()) {
      const auto* attribute =
          object->attributes() == nullptr ? nullptr : object->attributes()->LookupByKey("record_type");
      if (attribute != nullptr) catalog.tables_[attribute->value()->string_view()] = {schema, object};
    }
  }
  TRV_ENSURES(!catalog.tables_.empty());
  return catalog;
}

std::vector<std::string_view> EventCatalog::types() const {
  std::vector<std::string_view> types;
  for (const auto& [type, table] : tables_) types.push_back(type);
  return types;
}

base::Result<std::string> EventCatalog::to_json(std::string_view type, base::BytesView payload) const {
  const auto at = tables_.find(type);
  if (at == tables_.end()) return fmt::format("{{\"payload_base64\":\"{}\"}}", base::to_base64(payload));
  const auto& [schema, object] = at->second;
  if (!fits(*schema, *object, payload)) {
    return fail(ErrorCode::corrupt, fmt::format("payload of a {} event does not fit its schema", type));
  }
  std::string out;
  out.reserve(payload.size() * 2);
  write_table(out, *schema, *object, *flatbuffers::GetAnyRoot(payload.data()));
  return out;
}

}  // namespace trv::catalog
