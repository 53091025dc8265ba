// Made by `trav plugin generate` from manifest.json: change that, and make this again.
// clang-format off
#pragma once
// What the operations of hostile-names take and give. Values, for any thread; sdk/cpp_json/typed.hpp reads and writes them.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sdk/cpp_json/typed.hpp"

namespace hostile_names_types {

struct NamesInput {
  std::string class_ = {};
  std::int64_t int_ = {};
  std::optional<std::string> namespace_ = {};
  std::string a_b = {};
  std::string a_b_2 = {};
  std::optional<std::string> a_b_2_2 = {};
  std::optional<std::string> a_b_3 = {};
  std::optional<std::string> member = {};
  std::optional<std::string> member_2 = {};
  std::optional<std::int64_t> member_3 = {};
  std::optional<std::string> quoted = {};
  std::optional<std::string> new_line = {};
  std::optional<std::string> nul_byte = {};
  std::optional<std::string> trigraph = {};
  std::optional<std::string> emoji = {};
  std::optional<std::string> _2nd = {};
  std::optional<std::string> describe_ = {};
  std::optional<std::string> members = {};
  std::optional<std::string> std_ = {};
  std::optional<std::string> trv_ = {};
  std::optional<std::string> boost_ = {};
  std::optional<std::string> errno_ = {};
  std::optional<std::string> proto = {};
  std::optional<std::string> self = {};
  std::optional<std::string> none = {};
  std::optional<std::string> html_url = {};
  std::optional<std::string> value = {};
  /// turns the text * / and ends // with a backslash
  std::optional<std::string> right = {};
  std::optional<std::string> constructor = {};
  std::optional<std::string> default_ = {};
  std::optional<std::string> operator_ = {};
  std::optional<std::string> type = {};
  std::optional<std::string> pass = {};
  std::optional<std::string> member_4 = {};

  template <typename Members>
  static void describe(Members& members_) {
    members_.required("class", &NamesInput::class_);
    members_.required("int", &NamesInput::int_);
    members_.optional("namespace", &NamesInput::namespace_);
    members_.required("a-b", &NamesInput::a_b);
    members_.required("a_b", &NamesInput::a_b_2);
    members_.optional("a_b_2", &NamesInput::a_b_2_2);
    members_.optional("aB", &NamesInput::a_b_3);
    members_.optional("", &NamesInput::member);
    members_.optional("\346\227\245\346\234\254", &NamesInput::member_2);
    members_.optional("\320\272\320\273\321\216\321\207", &NamesInput::member_3);
    members_.optional("\"quoted\\", &NamesInput::quoted);
    members_.optional("new\012line", &NamesInput::new_line);
    members_.optional("nul\000byte", &NamesInput::nul_byte);
    members_.optional("\?\?/trigraph", &NamesInput::trigraph);
    members_.optional("emoji \360\237\230\200", &NamesInput::emoji);
    members_.optional("2nd", &NamesInput::_2nd);
    members_.optional("describe", &NamesInput::describe_);
    members_.optional("members", &NamesInput::members);
    members_.optional("std", &NamesInput::std_);
    members_.optional("trv", &NamesInput::trv_);
    members_.optional("boost", &NamesInput::boost_);
    members_.optional("errno", &NamesInput::errno_);
    members_.optional("__proto__", &NamesInput::proto);
    members_.optional("self", &NamesInput::self);
    members_.optional("None", &NamesInput::none);
    members_.optional("HTMLUrl", &NamesInput::html_url);
    members_.optional("value", &NamesInput::value);
    members_.optional("\342\200\256right", &NamesInput::right);
    members_.optional("constructor", &NamesInput::constructor);
    members_.optional("default", &NamesInput::default_);
    members_.optional("operator", &NamesInput::operator_);
    members_.optional("type", &NamesInput::type);
    members_.optional("pass", &NamesInput::pass);
    members_.optional("*/", &NamesInput::member_4);
    members_.no_others();
  }
};

struct ShapesInputNestedDeep {
  std::optional<std::string> deeper = {};

  template <typename Members>
  static void describe(Members& members_) {
    members_.optional("deeper", &ShapesInputNestedDeep::deeper);
  }
};

struct ShapesInputNested {
  ShapesInputNestedDeep deep = {};

  template <typename Members>
  static void describe(Members& members_) {
    members_.required("deep", &ShapesInputNested::deep);
    members_.no_others();
  }
};

enum class ShapesInputRowsItemTagsItem {
  red,
  green,
};
template <typename Values>
void describe(Values& values_, ShapesInputRowsItemTagsItem) {
  values_.add(ShapesInputRowsItemTagsItem::red, "red");
  values_.add(ShapesInputRowsItemTagsItem::green, "green");
}

struct ShapesInputRowsItem {
  std::int64_t id = {};
  std::optional<std::vector<ShapesInputRowsItemTagsItem>> tags = {};

  template <typename Members>
  static void describe(Members& members_) {
    members_.required("id", &ShapesInputRowsItem::id);
    members_.optional("tags", &ShapesInputRowsItem::tags);
  }
};

enum class ShapesInputLevel : std::int64_t {
  value_3 = 3,
  minus_1 = -1,
  value_7 = 7,
};
template <typename Values>
void describe(Values& values_, ShapesInputLevel) {
  values_.add(ShapesInputLevel::value_3, 3);
  values_.add(ShapesInputLevel::minus_1, -1);
  values_.add(ShapesInputLevel::value_7, 7);
}

enum class ShapesInputFixed {
  v1,
};
template <typename Values>
void describe(Values& values_, ShapesInputFixed) {
  values_.add(ShapesInputFixed::v1, "v1");
}

enum class ShapesInputState {
  open,
  closed,
  in_progress,
  empty,
  int_,
  other,
  open_2,
};
template <typename Values>
void describe(Values& values_, ShapesInputState) {
  values_.add(ShapesInputState::open, "open");
  values_.add(ShapesInputState::closed, "closed");
  values_.add(ShapesInputState::in_progress, "in progress");
  values_.add(ShapesInputState::empty, "");
  values_.add(ShapesInputState::int_, "int");
  values_.add(ShapesInputState::other, "\346\227\245\346\234\254");
  values_.add(ShapesInputState::open_2, "Open");
}

struct Node {
  std::string name = {};
  std::optional<std::vector<Node>> children = {};
  std::optional<std::map<std::string, Node>> by_name = {};

  template <typename Members>
  static void describe(Members& members_) {
    members_.required("name", &Node::name);
    members_.optional("children", &Node::children);
    members_.optional("by-name", &Node::by_name);
    members_.no_others();
  }
};

enum class ShapesInputMaybeChoice {
  a,
};
template <typename Values>
void describe(Values& values_, ShapesInputMaybeChoice) {
  values_.add(ShapesInputMaybeChoice::a, "a");
}

struct ShapesInputOpen {
  std::string known = {};
  std::int64_t unlisted = {};
  /// Members of other names.
  std::map<std::string, std::int64_t> others = {};

  template <typename Members>
  static void describe(Members& members_) {
    members_.required("known", &ShapesInputOpen::known);
    members_.required("unlisted", &ShapesInputOpen::unlisted);
    members_.others(&ShapesInputOpen::others);
  }
};

/// Every shape.
struct ShapesInput {
  /// A text.
  std::string text = {};
  std::int64_t count = {};
  double ratio = {};
  bool on = {};
  std::nullptr_t nothing = {};
  boost::json::value any = {};
  std::vector<std::string> list = {};
  std::optional<std::vector<bool>> flags = {};
  std::optional<std::vector<std::vector<double>>> matrix = {};
  std::map<std::string, std::int64_t> map = {};
  std::optional<std::map<std::string, boost::json::value>> bag = {};
  ShapesInputNested nested = {};
  std::vector<ShapesInputRowsItem> rows = {};
  ShapesInputLevel level = ShapesInputLevel::value_3;
  ShapesInputFixed fixed = ShapesInputFixed::v1;
  std::optional<ShapesInputState> state = {};
  std::optional<bool> flag = {};
  ::trv::sdk::Nullable<std::string> maybe = {};
  std::optional<::trv::sdk::Nullable<Node>> maybe_absent = {};
  std::optional<::trv::sdk::Nullable<ShapesInputMaybeChoice>> maybe_choice = {};
  Node node = {};
  std::optional<std::map<std::string, Node>> nodes = {};
  std::optional<ShapesInputOpen> open = {};

  template <typename Members>
  static void describe(Members& members_) {
    members_.required("text", &ShapesInput::text);
    members_.required("count", &ShapesInput::count);
    members_.required("ratio", &ShapesInput::ratio);
    members_.required("on", &ShapesInput::on);
    members_.required("nothing", &ShapesInput::nothing);
    members_.required("any", &ShapesInput::any);
    members_.required("list", &ShapesInput::list);
    members_.optional("flags", &ShapesInput::flags);
    members_.optional("matrix", &ShapesInput::matrix);
    members_.required("map", &ShapesInput::map);
    members_.optional("bag", &ShapesInput::bag);
    members_.required("nested", &ShapesInput::nested);
    members_.required("rows", &ShapesInput::rows);
    members_.required("level", &ShapesInput::level);
    members_.required("fixed", &ShapesInput::fixed);
    members_.optional("state", &ShapesInput::state);
    members_.optional("flag", &ShapesInput::flag);
    members_.required("maybe", &ShapesInput::maybe);
    members_.optional("maybe_absent", &ShapesInput::maybe_absent);
    members_.optional("maybe_choice", &ShapesInput::maybe_choice);
    members_.required("node", &ShapesInput::node);
    members_.optional("nodes", &ShapesInput::nodes);
    members_.optional("open", &ShapesInput::open);
  }
};

struct ShapesOutputItem {
  std::optional<std::int64_t> id = {};

  template <typename Members>
  static void describe(Members& members_) {
    members_.optional("id", &ShapesOutputItem::id);
  }
};

struct Linked {
  /// JSON itself: it contains itself.
  std::optional<boost::json::value> next = {};

  template <typename Members>
  static void describe(Members& members_) {
    members_.optional("next", &Linked::next);
  }
};

struct JsonItselfInputEither {
  std::optional<std::string> a = {};
  std::optional<std::string> b = {};

  template <typename Members>
  static void describe(Members& members_) {
    members_.optional("a", &JsonItselfInputEither::a);
    members_.optional("b", &JsonItselfInputEither::b);
  }
};

struct JsonItselfInput {
  /// JSON itself: several types.
  std::optional<boost::json::value> several = {};
  /// JSON itself: oneOf.
  std::optional<boost::json::value> one = {};
  /// JSON itself: prefixItems.
  std::optional<boost::json::value> tuple = {};
  /// JSON itself: patternProperties.
  std::optional<boost::json::value> patterns = {};
  /// JSON itself: an enum of several types.
  std::optional<boost::json::value> mixed = {};
  /// JSON itself: allOf.
  std::optional<boost::json::value> merged = {};
  /// JSON itself: $ref https://example.com/schema.
  std::optional<boost::json::value> elsewhere = {};
  /// JSON itself: $ref #/$defs/missing.
  std::optional<boost::json::value> lost = {};
  std::optional<Linked> linked = {};
  /// JSON itself: oneOf.
  std::optional<std::vector<boost::json::value>> list = {};
  std::optional<JsonItselfInputEither> either = {};

  template <typename Members>
  static void describe(Members& members_) {
    members_.optional("several", &JsonItselfInput::several);
    members_.optional("one", &JsonItselfInput::one);
    members_.optional("tuple", &JsonItselfInput::tuple);
    members_.optional("patterns", &JsonItselfInput::patterns);
    members_.optional("mixed", &JsonItselfInput::mixed);
    members_.optional("merged", &JsonItselfInput::merged);
    members_.optional("elsewhere", &JsonItselfInput::elsewhere);
    members_.optional("lost", &JsonItselfInput::lost);
    members_.optional("linked", &JsonItselfInput::linked);
    members_.optional("list", &JsonItselfInput::list);
    members_.optional("either", &JsonItselfInput::either);
  }
};

struct OptionInput {
  template <typename Members>
  static void describe(Members& members_) {
    members_.no_others();
  }
};

struct JsonItselfInput_2 {
  std::optional<std::string> type = {};

  template <typename Members>
  static void describe(Members& members_) {
    members_.optional("type_", &JsonItselfInput_2::type);
  }
};

struct Record_ {
  std::string x = {};

  template <typename Members>
  static void describe(Members& members_) {
    members_.required("x", &Record_::x);
  }
};

struct Record_2 {
  std::string y = {};

  template <typename Members>
  static void describe(Members& members_) {
    members_.required("y", &Record_2::y);
  }
};

struct Type {
  std::string z = {};

  template <typename Members>
  static void describe(Members& members_) {
    members_.required("z", &Type::z);
  }
};

enum class Any_ {
  only,
};
template <typename Values>
void describe(Values& values_, Any_) {
  values_.add(Any_::only, "only");
}

struct TypeNamesInput {
  std::optional<Record_> a = {};
  std::optional<Record_2> b = {};
  std::optional<Type> c = {};
  std::optional<Any_> d = {};

  template <typename Members>
  static void describe(Members& members_) {
    members_.optional("a", &TypeNamesInput::a);
    members_.optional("b", &TypeNamesInput::b);
    members_.optional("c", &TypeNamesInput::c);
    members_.optional("d", &TypeNamesInput::d);
  }
};

enum class TypeNamesOutput {
  yes,
  no,
};
template <typename Values>
void describe(Values& values_, TypeNamesOutput) {
  values_.add(TypeNamesOutput::yes, "yes");
  values_.add(TypeNamesOutput::no, "no");
}

using NamesOutput = boost::json::value;

using ShapesOutput = std::vector<ShapesOutputItem>;

using JsonItselfOutput = ::trv::sdk::Nullable<std::string>;

}  // namespace hostile_names_types
