#include "kernel/plugin_run/fuzz_input.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

#include "kernel/plugin_generate/schema_shape.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::plugin_run {
namespace {

using json::Value;

constexpr int depth_max = 6;
constexpr std::size_t text_characters_max = 100'000;
constexpr std::uint64_t items_max = 200;
constexpr int values_max = 20'000;  // of one input

constexpr std::array<std::string_view, 36> odd_texts = {"",
                                                        " ",
                                                        "a",
                                                        "0",
                                                        "-1",
                                                        "1e999",
                                                        "null",
                                                        "true",
                                                        "NaN",
                                                        "../../../etc/passwd",
                                                        "a/b",
                                                        "a%2fb",
                                                        "%00",
                                                        "%s%n%x%d",
                                                        "'\";--",
                                                        "<b>",
                                                        "\\",
                                                        "\"",
                                                        "{",
                                                        "[[[[[[",
                                                        "${x}",
                                                        "{{x}}",
                                                        "\n",
                                                        "\r\nX-Header: 1",
                                                        "\t",
                                                        std::string_view("\0", 1),
                                                        "\x7f",
                                                        "\u00e9",
                                                        "e\u0301",
                                                        "\u202e",
                                                        "\ufeff",
                                                        "\u65e5\u672c\u8a9e",
                                                        "\U0001f600",
                                                        "https://user:word@host:1/p?q#f",
                                                        "2026-02-30T25:61:61Z",
                                                        "00000000-0000-0000-0000-000000000000"};
constexpr std::array<std::size_t, 12> odd_lengths = {1, 2, 63, 64, 255, 256, 257, 1'023, 1'024, 4'096, 65'535, 65'537};
constexpr std::array<double, 16> odd_numbers = {0,
                                                -0.0,
                                                1,
                                                -1,
                                                0.1,
                                                -0.5,
                                                255,
                                                256,
                                                2147483647,
                                                2147483648,
                                                -2147483649,
                                                9007199254740991,
                                                9007199254740994,
                                                1e308,
                                                -1e308,
                                                5e-324};
constexpr std::array<std::int64_t, 14> odd_integers = {0,
                                                       1,
                                                       -1,
                                                       2,
                                                       100,
                                                       255,
                                                       256,
                                                       65'536,
                                                       std::numeric_limits<std::int32_t>::max(),
                                                       std::numeric_limits<std::int32_t>::min(),
                                                       9'007'199'254'740'991,
                                                       9'007'199'254'740'993,
                                                       std::numeric_limits<std::int64_t>::max(),
                                                       std::numeric_limits<std::int64_t>::min()};

std::optional<double> bound_of(const Value& schema, std::string_view keyword) {
  const Value* bound = schema.find(keyword);
  return bound != nullptr && bound->is_number() ? std::optional(bound->as_double()) : std::nullopt;
}

std::uint64_t count_of(const Value& schema, std::string_view keyword, std::uint64_t otherwise) {
  const auto bound = bound_of(schema, keyword);
  return bound && *bound >= 0 && *bound < 1e9 ? static_cast<std::uint64_t>(*bound) : otherwise;
}

const Value& part_of(const Value& schema, std::string_view keyword) {
  static const Value anything(true);
  const Value* found = schema.find(keyword);
  return found == nullptr ? anything : *found;
}

}  // namespace

std::string odd_text(base::Random& random) {
  std::string text(odd_texts[random.below(odd_texts.size())]);
  const std::uint64_t choice = random.below(8);
  if (choice == 0) text = std::string(odd_lengths[random.below(odd_lengths.size())], 'x');
  if (choice == 1) text += odd_texts[random.below(odd_texts.size())];
  return text;
}

Value odd_json(base::Random& random, const std::vector<std::string>& names, int depth) {
  switch (random.below(depth > 0 ? 8 : 6)) {
    case 0: return nullptr;
    case 1: return random.below(2) == 0;
    case 2: return odd_integers[random.below(odd_integers.size())];
    case 3: return odd_numbers[random.below(odd_numbers.size())];
    case 4:
    case 5: return odd_text(random);
    case 6: {
      Value array = Value::array();
      for (std::uint64_t left = random.below(5); left > 0; --left) array.push_back(odd_json(random, names, depth - 1));
      return array;
    }
    default: {
      Value object = Value::object();
      for (std::uint64_t left = random.below(6); left > 0; --left) {
        const bool is_known = !names.empty() && random.below(4) != 0;
        object.set(is_known ? names[random.below(names.size())] : odd_text(random), odd_json(random, names, depth - 1));
      }
      return object;
    }
  }
}

InputMaker::InputMaker(const Value& schema, base::Random& random) : schema_(schema), random_(random) {
  const Value* examples = schema.find("examples");
  if (examples != nullptr && examples->is_array()) examples_.assign(examples->items().begin(), examples->items().end());
}

Value InputMaker::make() {
  values_left_ = values_max;
  if (examples_.empty() || happens_in(2)) return value(schema_, 0);
  Value input = one_of(examples_);
  for (std::uint64_t changes = random_.below(4); changes > 0; --changes) input = changed(input, schema_, 0);
  return input;
}

Value InputMaker::anything(int depth) {
  static const std::vector<std::string> names = {"id", "name", "value", "items", "__proto__"};
  return odd_json(random_, names, std::max(0, 3 - depth));
}

Value InputMaker::value(const Value& schema, int depth) {
  if (--values_left_ < 0) return nullptr;
  if (!schema.is_object() || depth > depth_max) return anything(depth);
  if (const Value* reference = schema.find("$ref"); reference != nullptr && reference->is_string()) {
    const auto target = plugin_generate::find_reference(schema_, reference->as_string());
    return target ? value(*target->schema, depth + 1) : anything(depth);
  }
  if (const Value* constant = schema.find("const")) return *constant;
  if (const Value* values = schema.find("enum"); values != nullptr && values->is_array() && values->size() > 0) {
    return one_of(values->items());
  }
  const Value* examples = schema.find("examples");
  if (depth > 0 && examples != nullptr && examples->is_array() && examples->size() > 0 && happens_in(4)) {
    return one_of(examples->items());
  }
  const Value* type = schema.find("type");
  if (type != nullptr && type->is_string()) return of_type(schema, type->as_string(), depth);
  if (type != nullptr && type->is_array() && type->size() > 0) {
    const Value& one = one_of(type->items());
    return one.is_string() ? of_type(schema, one.as_string(), depth) : anything(depth);
  }
  for (const char* keyword : {"anyOf", "oneOf", "allOf"}) {
    const Value* parts = schema.find(keyword);
    if (parts != nullptr && parts->is_array() && parts->size() > 0) return value(one_of(parts->items()), depth + 1);
  }
  if (schema.find("properties") != nullptr) return object(schema, depth);
  return anything(depth);
}

Value InputMaker::of_type(const Value& schema, std::string_view type, int depth) {
  if (type == "string") return text(schema);
  if (type == "integer") return number(schema, true);
  if (type == "number") return number(schema, happens_in(2));
  if (type == "boolean") return happens_in(2);
  if (type == "array") return array(schema, depth);
  if (type == "object") return object(schema, depth);
  return nullptr;
}

Value InputMaker::text(const Value& schema) {
  const std::uint64_t least = std::min<std::uint64_t>(count_of(schema, "minLength", 0), text_characters_max);
  const std::uint64_t most = std::max(least, count_of(schema, "maxLength", text_characters_max));
  std::string made = odd_text(random_);
  // At its bounds a length is most likely to be wrong.
  const std::uint64_t choice = random_.below(6);
  if (choice == 0) made = std::string(least, 'a');
  if (choice == 1 && most <= text_characters_max) made = std::string(most, 'z');
  if (choice == 2 && most <= 1'000) {
    made.clear();
    for (std::uint64_t left = most; left > 0; --left) made += "\U0001f600";
  }
  while (base::count_code_points(made) < least) made += 'x';
  if (base::count_code_points(made) > most) made.resize(base::code_point_offset(made, most));
  return made;
}

Value InputMaker::number(const Value& schema, bool is_integer) {
  const auto least = bound_of(schema, "minimum");
  const auto most = bound_of(schema, "maximum");
  const std::uint64_t choice = random_.below(5);
  if (choice == 0 && least) return is_integer ? std::ceil(*least) : *least;
  if (choice == 1 && most) return is_integer ? std::floor(*most) : *most;
  if (is_integer && choice == 2) return static_cast<std::int64_t>(random_.next());
  Value made = is_integer ? Value(one_of(odd_integers)) : Value(one_of(odd_numbers));
  if (least && made.as_double() < *least) return is_integer ? std::ceil(*least) : *least;
  if (most && made.as_double() > *most) return is_integer ? std::floor(*most) : *most;
  return made;
}

Value InputMaker::array(const Value& schema, int depth) {
  const std::uint64_t least = std::min(count_of(schema, "minItems", 0), items_max);
  const std::uint64_t most = std::max(least, std::min(count_of(schema, "maxItems", items_max), items_max));
  std::uint64_t count = least;
  const std::uint64_t choice = random_.below(8);
  if (choice < 5) count = std::min(most, least + random_.below(4));
  if (choice == 5 && depth < 3) count = most;
  Value made = Value::array();
  for (; count > 0; --count) made.push_back(value(part_of(schema, "items"), depth + 1));
  return made;
}

Value InputMaker::object(const Value& schema, int depth) {
  Value made = Value::object();
  const std::vector<std::string> required = plugin_generate::required_of(schema);
  const std::uint64_t often = 1 + random_.below(3);
  const Value& properties = part_of(schema, "properties");
  const Value& additional = part_of(schema, "additionalProperties");
  if (properties.is_object()) {
    for (const json::Entry& property : properties.entries()) {
      const bool is_required = std::ranges::find(required, property.name()) != required.end();
      if (is_required || happens_in(often)) made.set(property.name(), value(property.value, depth + 1));
    }
  }
  for (const std::string& name : required) {
    if (made.find(name) == nullptr) made.set(name, value(additional, depth + 1));
  }
  const bool is_closed = additional.is_bool() && !additional.as_bool();
  if (!is_closed && happens_in(3)) {
    for (std::uint64_t more = random_.below(4); more > 0; --more) {
      made.set(odd_text(random_), value(additional, depth + 1));
    }
  }
  return made;
}

Value InputMaker::changed(const Value& example, const Value& schema, int depth) {
  if (depth > depth_max || !schema.is_object() || happens_in(6)) return value(schema, depth);
  if (const Value* reference = schema.find("$ref"); reference != nullptr && reference->is_string()) {
    const auto target = plugin_generate::find_reference(schema_, reference->as_string());
    return target ? changed(example, *target->schema, depth + 1) : example;
  }
  if (example.is_object() && example.size() > 0) {
    const std::string name(one_of(example.entries()).name());
    const std::vector<std::string> required = plugin_generate::required_of(schema);
    Value copy = example;
    if (std::ranges::find(required, name) == required.end() && happens_in(4)) {
      copy.erase(name);
      return copy;
    }
    const Value* of = part_of(schema, "properties").find(name);
    copy.set(name,
             changed(*example.find(name), of == nullptr ? part_of(schema, "additionalProperties") : *of, depth + 1));
    return copy;
  }
  if (example.is_array() && example.size() > 0) {
    Value copy = example;
    const std::size_t index = random_.below(example.size());
    if (happens_in(4)) {
      copy.push_back(example.at(index));
    } else {
      copy.set_at(index, changed(example.at(index), part_of(schema, "items"), depth + 1));
    }
    return copy;
  }
  return value(schema, depth);
}

}  // namespace trv::plugin_run
