#include "kernel/plugin_generate/model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/plugin_generate/names.hpp"
#include "kernel/plugin_generate/schema_shape.hpp"

namespace trv::plugin_generate {
namespace {

using json::Value;

constexpr std::size_t depth_max = 128;

// Types have one name in every language, other than those that the writers of the languages need.
bool is_reserved_type(std::string_view name) {
  static const std::set<std::string, std::less<>> names = {
      "Any",     "Array",  "Box",   "Dict",   "Err",     "Failure", "False",   "HashMap", "BTreeMap",  "List",
      "Literal", "Map",    "None",  "Ok",     "Option",  "Place",   "Record",  "Result",  "Self",      "Some",
      "String",  "Struct", "True",  "Union",  "Value",   "Vec",     "Date",    "Error",   "TypedDict", "NotRequired",
      "Object",  "Number", "Typed", "Symbol", "Boolean", "Json",    "Optional"};
  return names.contains(name);
}

/// Where a schema is being read.
struct Where {
  std::string name;         ///< for a type that is found here
  bool is_in_list = false;  ///< an array or a map lies between this and the object around it
  std::size_t depth = 0;
};

/// One schema document; `$ref` stays within it.
struct Document {
  const Value& root;
  std::string definitions;  ///< as JSON text: equal texts have equal types
  std::map<std::string, Use, std::less<>> done = {};
  std::vector<std::string> open = {};  ///< places that are being read
};

class Builder {
 public:
  explicit Builder(std::string plugin) { model_.plugin = std::move(plugin); }

  Use read_document(const Value& schema, const std::string& name) {
    Document document{.root = schema, .definitions = definitions_of(schema)};
    return read_place(document, "", schema, {.name = name});
  }
  /// A name that nothing else has.
  std::string take_name(const std::string& wanted) { return names_.take(wanted, "Type"); }
  Model& model() noexcept { return model_; }

 private:
  /// An object whose members are being read.
  struct OpenObject {
    std::string place;
    TypeIndex type;
  };

  static std::string definitions_of(const Value& schema) {
    std::string text;
    for (const char* member : {"$defs", "definitions"}) {
      if (const Value* found = schema.find(member)) text += json::serialize(*found);
    }
    return text;
  }

  Use add(Type type) {
    model_.types.push_back(std::move(type));
    return {.type = model_.types.size() - 1};
  }
  Use any(std::string reason = {}) { return add({.shape = Shape::any, .reason = std::move(reason)}); }

  /// A place that `$ref` can name: read once, and used wherever it is named.
  Use read_place(Document& document, const std::string& place, const Value& schema, const Where& where) {
    if (const auto found = document.done.find(place); found != document.done.end()) return found->second;
    if (std::ranges::find(document.open, place) != document.open.end()) {
      // A list of itself is what a struct can have; itself it cannot.
      if (where.is_in_list && !objects_.empty() && objects_.back().place == place) return {objects_.back().type};
      return any("it contains itself");
    }
    const std::string shared = place + '\n' + document.definitions;
    if (!place.empty()) {
      if (const auto found = shared_.find(shared); found != shared_.end()) return found->second;
    }
    document.open.push_back(place);
    const std::size_t open_objects = objects_.size();
    next_place_ = place;
    const Use use = read(document, schema, where);
    TRV_ENSURES(objects_.size() == open_objects);
    document.open.pop_back();
    document.done.emplace(place, use);
    if (!place.empty()) shared_.emplace(shared, use);
    return use;
  }

  Use read(Document& document, const Value& schema, const Where& where) {
    const std::string place = std::exchange(next_place_, std::string(no_place));
    if (where.depth > depth_max) return any("it is nested too deeply");
    if (!schema.is_object()) return any();
    if (const Value* reference = schema.find("$ref")) return read_reference(document, schema, *reference, where);
    if (const Value* constant = schema.find("const")) return choice({*constant}, where);
    if (const Value* values = schema.find("enum"); values != nullptr && values->is_array()) {
      return choice({values->items().begin(), values->items().end()}, where);
    }
    if (const Value* rest = beside_null(schema)) {
      Use use = read(document, *rest, deeper(where));
      use.is_nullable = true;
      return use;
    }
    const SchemaKind kind = kind_of(schema);
    Use use = [&] {
      switch (kind.shape) {
        case Shape::array: return array(document, schema, where);
        case Shape::object: return object(document, schema, where, place);
        case Shape::any: return any(kind.reason);
        default: return add({.shape = kind.shape});
      }
    }();
    use.is_nullable = use.is_nullable || kind.is_nullable;
    return use;
  }

  Use read_reference(Document& document, const Value& schema, const Value& reference, const Where& where) {
    if (!reference.is_string()) return any("$ref is not a text");
    if (const auto keyword = shaping_keyword_beside_reference(schema)) {
      return any(fmt::format("{} beside $ref", *keyword));
    }
    const auto target = find_reference(document.root, reference.as_string());
    if (!target) return any(fmt::format("$ref {}", comment_text(reference.as_string())));
    const std::string name = target->name.empty() ? where.name : pascal_case(target->name);
    return read_place(document, target->place, *target->schema,
                      {.name = name, .is_in_list = where.is_in_list, .depth = where.depth + 1});
  }

  Use choice(std::vector<Value> values, const Where& where) {
    const bool is_nullable = std::erase_if(values, [](const Value& one) { return one.is_null(); }) > 0;
    const auto all = [&](auto&& is) { return std::ranges::all_of(values, is); };
    Use use;
    if (values.empty()) {
      return add({.shape = Shape::null});
    } else if (all([](const Value& one) { return one.is_string(); }) ||
               all([](const Value& one) { return one.is_int(); })) {
      Type type{.shape = Shape::choice, .name = take_name(where.name)};
      for (Value& one : values) {
        if (std::ranges::find(type.values, one) == type.values.end()) type.values.push_back(std::move(one));
      }
      use = add(std::move(type));
      model_.named.push_back(use.type);
    } else if (all([](const Value& one) { return one.is_bool(); })) {
      use = add({.shape = Shape::boolean});
    } else {
      return any("an enum of several types");
    }
    use.is_nullable = is_nullable;
    return use;
  }

  Use array(Document& document, const Value& schema, const Where& where) {
    if (schema.find("prefixItems") != nullptr) return any("prefixItems");
    const Value* items = schema.find("items");
    if (items != nullptr && items->is_array()) return any("items for each place");
    Type type{.shape = Shape::array};
    type.element = items == nullptr ? any() : read(document, *items, in_list(where, "Item"));
    return add(std::move(type));
  }

  Use object(Document& document, const Value& schema, const Where& where, const std::string& place) {
    if (schema.find("patternProperties") != nullptr) return any("patternProperties");
    if (const auto keyword = combination_that_adds_members(schema)) return any(*keyword);
    const Value none = Value::object();
    const Value* found = schema.find("properties");
    const Value& properties = found != nullptr && found->is_object() ? *found : none;
    const Value* additional = schema.find("additionalProperties");
    const bool is_closed = additional != nullptr && additional->is_bool() && !additional->as_bool();
    const std::vector<std::string> required = required_of(schema);
    if (properties.size() == 0 && required.empty() && !is_closed) {
      Type map{.shape = Shape::map};
      map.element = additional == nullptr ? any() : read(document, *additional, in_list(where, "Value"));
      return add(std::move(map));
    }

    Type type{.shape = Shape::object, .name = take_name(where.name), .comment = comment_of(schema)};
    if (is_closed) type.others = Others::refused;
    const std::string name = type.name;
    const TypeIndex index = add({}).type;
    objects_.push_back({place, index});
    const auto add_member = [&](const std::string& member, const Value* of) {
      const Where inside{.name = name + pascal_case(member), .depth = where.depth + 1};
      type.members.push_back({.name = member,
                              .use = of == nullptr ? any() : read(document, *of, inside),
                              .is_required = std::ranges::find(required, member) != required.end(),
                              .comment = of == nullptr ? std::string() : comment_of(*of)});
    };
    for (const json::Entry& property : properties.entries()) add_member(std::string(property.name()), &property.value);
    for (const std::string& member : required) {
      if (properties.find(member) == nullptr) add_member(member, additional);
    }
    if (additional != nullptr && !is_closed) {
      type.others = Others::kept;
      type.element =
          read(document, *additional, {.name = name + "Other", .is_in_list = true, .depth = where.depth + 1});
    }
    objects_.pop_back();
    model_.types[index] = std::move(type);
    model_.named.push_back(index);
    return {index};
  }

  static Where deeper(Where where) {
    ++where.depth;
    return where;
  }
  static Where in_list(const Where& where, std::string_view suffix) {
    return {.name = where.name + std::string(suffix), .is_in_list = true, .depth = where.depth + 1};
  }
  static std::string comment_of(const Value& schema) {
    for (const char* member : {"description", "title"}) {
      const Value* text = schema.find(member);
      if (text != nullptr && text->is_string()) return comment_text(text->as_string());
    }
    return {};
  }

  static constexpr std::string_view no_place = "\n";

  Model model_;
  UniqueNames names_{is_reserved_type};
  std::vector<OpenObject> objects_;
  std::map<std::string, Use, std::less<>> shared_;
  std::string next_place_ = std::string(no_place);  ///< of the schema that is read next, where `$ref` can name it
};

base::Result<Value> parsed(const std::string& text, const std::string& where) {
  auto value = json::parse(text, {.bytes_max = package::manifest_bytes_max, .depth_max = 512});
  if (!value) return base::fail(std::move(value).error().in(where));
  return *std::move(value);
}

}  // namespace

std::string reason_of(const Model& model, const Use& use) {
  const Type& type = model.types[use.type];
  if (type.element && type.shape != Shape::object) return reason_of(model, *type.element);
  return type.shape == Shape::any ? type.reason : std::string();
}

base::Result<Model> model_of(const package::Manifest& manifest) {
  Builder builder(manifest.id);
  // They come first: an operation's own types have the plain names.
  std::vector<OperationTypes> operations;
  for (const package::Operation& operation : manifest.operations) {
    TRV_TRY_ASSIGN(const Value input, parsed(operation.input, operation.name + ".input"));
    TRV_TRY_ASSIGN(const Value output, parsed(operation.output, operation.name + ".output"));
    const std::string name = pascal_case(operation.name);
    OperationTypes types{.operation = operation.name};
    const auto read = [&](const Value& schema, std::string_view suffix, std::string& type_name) {
      const Use use = builder.read_document(schema, name + std::string(suffix));
      const std::string& own = builder.model().types[use.type].name;
      type_name = own.empty() || use.is_nullable ? builder.take_name(name + std::string(suffix)) : own;
      return use;
    };
    types.input = read(input, "Input", types.input_name);
    types.output = read(output, "Output", types.output_name);
    operations.push_back(std::move(types));
  }
  builder.model().operations = std::move(operations);
  return std::move(builder.model());
}

}  // namespace trv::plugin_generate
