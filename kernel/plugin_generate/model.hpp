#pragma once
// What the operations of a manifest take and give, as types that any language can write. Pure; any thread.
//
// A schema says what is allowed, and a type says what there is: what only restricts (lengths, bounds, patterns, what
// goes together) is left to the host, which holds every input and output against the schema. What cannot be said by
// these types is the JSON value itself, with the reason.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "kernel/json/value.hpp"
#include "sdk/base/result.hpp"
#include "sdk/package/manifest.hpp"

namespace trv::plugin_generate {

enum class Shape {
  any,   ///< JSON itself
  null,  ///< null alone
  boolean,
  integer,  ///< of 64 bits
  number,
  text,
  choice,  ///< one of some texts, or of some integers
  array,
  map,  ///< an object whose members have any name and one type
  object,
};

using TypeIndex = std::size_t;

/// Where a type is used.
struct Use {
  TypeIndex type = 0;
  bool is_nullable = false;
};

struct Member {
  std::string name;  ///< as in JSON: any text
  Use use;
  bool is_required = false;
  std::string comment;  ///< of the schema; one line, may be empty
};

/// What becomes of members that an object's schema does not name.
enum class Others { ignored, refused, kept };

struct Type {
  Shape shape = Shape::any;
  std::string name = {};                      ///< HtmlUrl; of a choice and of an object
  std::string comment = {};                   ///< of the schema; one line, may be empty
  std::string reason = {};                    ///< why it is JSON itself; may be empty
  std::vector<Member> members = {};           ///< of an object, in the order of the schema
  Others others = Others::ignored;            ///< of an object
  std::vector<json::Value> values = {};       ///< of a choice: texts, or integers; at least one
  std::optional<Use> element = std::nullopt;  ///< of an array, a map, and of the members that an object keeps
};

/// The types of one operation; where one has no name of its own, it is to be called by this.
struct OperationTypes {
  std::string operation;
  Use input = {};
  std::string input_name = {};
  Use output = {};
  std::string output_name = {};
};

struct Model {
  std::string plugin;  ///< its id
  std::vector<Type> types = {};
  std::vector<TypeIndex> named = {};  ///< each after those that it is made of, but for itself
  std::vector<OperationTypes> operations = {};
};

/// Why a value of this type, or what it is a list of, is JSON itself; empty where it is not, or may be anything.
[[nodiscard]] std::string reason_of(const Model& model, const Use& use);

/// Error: invalid where a schema cannot be read as JSON.
[[nodiscard]] base::Result<Model> model_of(const package::Manifest& manifest);

}  // namespace trv::plugin_generate
