#pragma once
// The JSON value of the whole kernel: immutable to everybody who shares it, 16 bytes, copied in constant time.
//
// Null, booleans, numbers and strings of up to 14 bytes live inside the value; longer strings, arrays and objects are
// reference-counted nodes. The changing members (push_back, set, erase, take) copy the node first unless this value is
// its only owner, so no other holder ever sees a change.
//
// Threads: different Value objects may share nodes between threads (counts are atomic); one Value object is as
// thread-safe as an int. Views (as_string, items, entries, find) live as long as the Value they came from, unchanged
// and unmoved. Nothing here fails for hostile data; a wrong-kind access breaks the caller's contract and aborts.

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sdk/base/contract.hpp"

namespace trv::json {

enum class Kind : std::uint8_t { null, boolean, number, string, array, object };

/// "null", "boolean", "number", "string", "array", "object": as jq's `type` names them.
[[nodiscard]] std::string_view to_string(Kind kind) noexcept;

struct Entry;
struct Member;

class Value {
 public:
  /// Elements of an array, entries of an object, bytes of a string.
  static constexpr std::size_t size_max = 0x7fff'ffff;

  Value() noexcept : word_{Tag::null, {}, {.integer = 0}} {}
  Value(std::nullptr_t) noexcept : Value() {}  // NOLINT(google-explicit-constructor)
  template <std::same_as<bool> T>
  Value(T truth) noexcept : word_{truth ? Tag::true_ : Tag::false_, {}, {.integer = 0}} {}  // NOLINT
  template <std::integral T>
    requires(!std::same_as<T, bool> && !std::same_as<T, char>)
  Value(T integer) noexcept  // NOLINT
      : Value() {
    if (std::in_range<std::int64_t>(integer)) {
      word_ = {Tag::integer, {}, {.integer = static_cast<std::int64_t>(integer)}};
    } else {
      word_ = {Tag::real, {}, {.real = static_cast<double>(integer)}};
    }
  }
  /// A whole number of at most 2^53 becomes an exact integer; -0.0, NaN and infinities stay what they are.
  Value(double real) noexcept;                                       // NOLINT(google-explicit-constructor)
  Value(std::string_view text);                                      // NOLINT(google-explicit-constructor)
  Value(const char* text) : Value(std::string_view(text)) {}         // NOLINT(google-explicit-constructor)
  Value(const std::string& text) : Value(std::string_view(text)) {}  // NOLINT(google-explicit-constructor)
  /// An object: Value{{"a", 1}, {"b", true}}. A later member of the same name wins.
  Value(std::initializer_list<Member> members);  // NOLINT(google-explicit-constructor)

  Value(const Value& other) noexcept : word_(other.word_) {
    if (on_heap()) node()->references.fetch_add(1, std::memory_order_relaxed);
  }
  Value(Value&& other) noexcept : word_(other.word_) { other.word_ = {Tag::null, {}, {.integer = 0}}; }
  Value& operator=(const Value& other) noexcept {
    Value copy(other);
    swap(copy);
    return *this;
  }
  Value& operator=(Value&& other) noexcept {
    Value taken(std::move(other));
    swap(taken);
    return *this;
  }
  ~Value() {
    if (on_heap()) release();
  }
  void swap(Value& other) noexcept { std::swap(word_, other.word_); }

  [[nodiscard]] static Value array() { return make_array(0); }
  [[nodiscard]] static Value array(std::vector<Value> items);
  [[nodiscard]] static Value array(std::initializer_list<Value> items);
  [[nodiscard]] static Value object() { return make_object(0); }
  /// Empty, with room for `capacity` elements or entries.
  [[nodiscard]] static Value make_array(std::size_t capacity);
  [[nodiscard]] static Value make_object(std::size_t capacity);

  [[nodiscard]] Kind kind() const noexcept;
  [[nodiscard]] bool is_null() const noexcept { return tag() == Tag::null; }
  [[nodiscard]] bool is_bool() const noexcept { return tag() == Tag::false_ || tag() == Tag::true_; }
  [[nodiscard]] bool is_number() const noexcept { return tag() == Tag::integer || tag() == Tag::real; }
  /// A number that as_int gives exactly.
  [[nodiscard]] bool is_int() const noexcept { return tag() == Tag::integer; }
  [[nodiscard]] bool is_string() const noexcept { return tag() == Tag::short_string || tag() == Tag::long_string; }
  [[nodiscard]] bool is_array() const noexcept { return tag() == Tag::array; }
  [[nodiscard]] bool is_object() const noexcept { return tag() == Tag::object; }
  /// Everything but null and false, as jq's conditions see it.
  [[nodiscard]] bool is_truthy() const noexcept { return tag() > Tag::false_; }

  [[nodiscard]] bool as_bool() const {
    TRV_EXPECTS(is_bool());
    return tag() == Tag::true_;
  }
  [[nodiscard]] std::int64_t as_int() const {
    TRV_EXPECTS(is_int());
    return word_.payload.integer;
  }
  /// Any number; an integer beyond 2^53 is rounded.
  [[nodiscard]] double as_double() const {
    TRV_EXPECTS(is_number());
    return tag() == Tag::integer ? static_cast<double>(word_.payload.integer) : word_.payload.real;
  }
  [[nodiscard]] std::string_view as_string() const {
    TRV_EXPECTS(is_string());
    return tag() == Tag::short_string ? std::string_view(short_.text, short_.length)
                                      : std::string_view(node()->text(), node()->size);
  }

  /// Elements of an array, entries of an object; 0 for everything else.
  [[nodiscard]] std::size_t size() const noexcept { return tag() >= Tag::array ? node()->size : 0; }
  /// The array's element; index < size().
  [[nodiscard]] const Value& at(std::size_t index) const {
    TRV_EXPECTS(is_array() && index < node()->size);
    return node()->items()[index];
  }
  [[nodiscard]] std::span<const Value> items() const {
    TRV_EXPECTS(is_array());
    return {node()->items(), node()->size};
  }
  /// The object's entries in insertion order.
  [[nodiscard]] std::span<const Entry> entries() const;
  /// The object's value under `key`, or null; null also for every kind but object.
  [[nodiscard]] const Value* find(std::string_view key) const noexcept;
  template <std::same_as<Value> T>
  [[nodiscard]] const Value* find(const T& key) const noexcept {
    return find_key(key);
  }

  /// A copy of the object (or of an empty one, for null) with `key` set.
  [[nodiscard]] Value with(std::string_view key, Value value) const;

  // In-place changes; see the top of the file for what others see.
  void push_back(Value item);
  template <std::same_as<Value> T>
  void set(const T& key, Value value) {
    set_key(key, std::move(value));
  }
  void set(std::string_view key, Value value) { set_key(Value(key), std::move(value)); }
  /// index < size().
  void set_at(std::size_t index, Value value);
  /// Appends nulls or cuts off the end.
  void resize(std::size_t size);
  /// Whether there was such a key. The order of the others stays.
  bool erase(std::string_view key);
  /// Removes elements [first, last) of an array.
  void erase_range(std::size_t first, std::size_t last);
  /// Appends text to a string.
  void append(std::string_view text);
  /// Moves a child out and leaves null in its place, so that a change to it need not copy it.
  [[nodiscard]] Value take(const Value& key);
  [[nodiscard]] Value take_at(std::size_t index);

  /// JSON equality: numbers by value, objects without regard to order; NaN equals nothing.
  friend bool operator==(const Value& a, const Value& b);
  /// jq's total order: null < false < true < numbers < strings < arrays < objects; NaN below all numbers and equal to
  /// itself. Negative, zero or positive.
  [[nodiscard]] static int compare(const Value& a, const Value& b);
  /// The same scalar, or the same node: a constant-time test that implies equality except for NaN.
  [[nodiscard]] bool identical(const Value& other) const noexcept {
    return std::memcmp(&word_, &other.word_, sizeof word_) == 0;
  }

 private:
  enum class Tag : std::uint8_t { null, false_, true_, integer, real, short_string, long_string, array, object };

  struct Node {
    std::atomic<std::uint32_t> references;
    std::uint32_t size;
    std::uint32_t capacity;
    Tag tag;
    union {
      std::uint32_t* index;  // large objects: open-addressed positions of entries
      Node* next_dead;       // while being destroyed
    };
    [[nodiscard]] char* text() noexcept { return reinterpret_cast<char*>(this + 1); }
    [[nodiscard]] Value* items() noexcept { return reinterpret_cast<Value*>(this + 1); }
    [[nodiscard]] Entry* entries() noexcept { return reinterpret_cast<Entry*>(this + 1); }
  };
  struct Short {
    Tag tag;
    std::uint8_t length;
    char text[14];
  };
  union Payload {
    std::int64_t integer;
    double real;
    Node* node;
  };
  struct Word {
    Tag tag;
    std::uint8_t padding[7];
    Payload payload;
  };
  static_assert(sizeof(Short) == 16 && sizeof(Word) == 16);

  explicit Value(Node* node) noexcept : word_{node->tag, {}, {.node = node}} {}
  [[nodiscard]] Tag tag() const noexcept { return word_.tag; }
  [[nodiscard]] bool on_heap() const noexcept { return tag() >= Tag::long_string; }
  [[nodiscard]] Node* node() const noexcept { return word_.payload.node; }
  [[nodiscard]] bool unique() const noexcept { return node()->references.load(std::memory_order_acquire) == 1; }

  void release() noexcept {
    Node* owned = node();
    if (owned->references.load(std::memory_order_acquire) == 1 ||
        owned->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      destroy(owned);
    }
  }
  static std::size_t element_bytes(Tag tag) noexcept;
  static Node* allocate(Tag tag, std::size_t capacity);
  static void free_node(Node* node) noexcept;
  static void destroy(Node* node) noexcept;
  static void drop_child(Value& child, Node*& dead) noexcept;
  static std::uint32_t find_position(const Node* node, const Value& key) noexcept;
  static void build_index(Node* node);
  void make_unique(std::size_t capacity);
  [[nodiscard]] const Value* find_key(const Value& key) const noexcept;
  void set_key(const Value& key, Value value);
  friend bool equal_within(const Value& a, const Value& b, struct Effort& effort);

  union {
    Word word_;
    Short short_;
  };
};

/// One entry of an object. The key is a string.
struct Entry {
  Value key;
  Value value;
  [[nodiscard]] std::string_view name() const { return key.as_string(); }
};

/// What an object is written with.
struct Member {
  std::string_view name;
  Value value;
};

/// What a comparison may spend; hostile values share nodes so that they unfold to any size.
struct Effort {
  std::uint64_t steps = ~0ULL;  ///< counts down; at 0 the comparison stops
  int depth_max = 10'000;       ///< nesting
  bool out_of_steps = false;
  bool too_deep = false;
};
/// As operator== and compare, within `effort`; the answer means nothing when one of its flags is set.
[[nodiscard]] bool equal_within(const Value& a, const Value& b, Effort& effort);
[[nodiscard]] int compare_within(const Value& a, const Value& b, Effort& effort);

/// The object's keys in jq's order (by code point).
[[nodiscard]] std::vector<const Entry*> sorted_entries(const Value& object);

inline std::span<const Entry> Value::entries() const {
  TRV_EXPECTS(is_object());
  return {node()->entries(), node()->size};
}

}  // namespace trv::json
