#include "kernel/json/value.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <new>

#include "kernel/json/memory_meter.hpp"
#include "sdk/base/contract.hpp"

namespace trv::json {

constinit thread_local MemoryMeter* MemoryMeter::current_ = nullptr;

namespace {
constexpr std::uint32_t index_from_size = 12;  // below, scanning the entries is faster than hashing
constexpr std::uint32_t no_position = 0xffff'ffff;

std::uint64_t hash_text(std::string_view text) noexcept {
  return std::hash<std::string_view>()(text);
}
std::uint32_t index_slots(std::uint32_t capacity) noexcept {
  std::uint32_t slots = 32;
  while (slots < capacity + capacity / 2) slots *= 2;
  return slots;
}
}  // namespace

std::string_view to_string(Kind kind) noexcept {
  switch (kind) {
    case Kind::null: return "null";
    case Kind::boolean: return "boolean";
    case Kind::number: return "number";
    case Kind::string: return "string";
    case Kind::array: return "array";
    case Kind::object: return "object";
  }
  return "null";
}

Value::Value(double real) noexcept : Value() {
  constexpr double exact_max = 9007199254740992.0;
  if (real >= -exact_max && real <= exact_max) {
    const auto integer = static_cast<std::int64_t>(real);
    if (static_cast<double>(integer) == real && (integer != 0 || !std::signbit(real))) {
      word_ = {Tag::integer, {}, {.integer = integer}};
      return;
    }
  }
  word_ = {Tag::real, {}, {.real = real}};
}

Value::Value(std::string_view text) : Value() {
  if (text.size() <= sizeof(Short::text)) {
    Short small{Tag::short_string, static_cast<std::uint8_t>(text.size()), {}};
    std::ranges::copy(text, small.text);  // an empty text may have no address
    short_ = small;
    return;
  }
  Node* fresh = allocate(Tag::long_string, text.size());
  std::memcpy(fresh->text(), text.data(), text.size());
  fresh->size = static_cast<std::uint32_t>(text.size());
  word_ = {Tag::long_string, {}, {.node = fresh}};
}

Value Value::array(std::vector<Value> items) {
  Value result = make_array(items.size());
  Node* node = result.node();
  for (Value& item : items) new (&node->items()[node->size++]) Value(std::move(item));
  return result;
}

Value Value::array(std::initializer_list<Value> items) {
  return array(std::vector<Value>(items));
}

Value::Value(std::initializer_list<Member> members) : Value(make_object(members.size())) {
  for (const Member& member : members) set(member.name, member.value);
}

Value Value::make_array(std::size_t capacity) {
  return Value(allocate(Tag::array, capacity));
}

Value Value::make_object(std::size_t capacity) {
  return Value(allocate(Tag::object, capacity));
}

Kind Value::kind() const noexcept {
  switch (tag()) {
    case Tag::null: return Kind::null;
    case Tag::false_:
    case Tag::true_: return Kind::boolean;
    case Tag::integer:
    case Tag::real: return Kind::number;
    case Tag::short_string:
    case Tag::long_string: return Kind::string;
    case Tag::array: return Kind::array;
    case Tag::object: return Kind::object;
  }
  return Kind::null;
}

std::size_t Value::element_bytes(Tag tag) noexcept {
  return tag == Tag::long_string ? 1 : tag == Tag::array ? sizeof(Value) : sizeof(Entry);
}

Value::Node* Value::allocate(Tag tag, std::size_t capacity) {
  TRV_EXPECTS(capacity <= size_max);
  const std::size_t bytes = sizeof(Node) + capacity * element_bytes(tag);
  void* memory = std::malloc(bytes);
  if (memory == nullptr) throw std::bad_alloc();
  if (MemoryMeter* meter = MemoryMeter::current()) {
    meter->add(bytes);
    // The entries of a large object are hashed besides being copied.
    meter->add_work(bytes / (tag == Tag::object && capacity > index_from_size ? 16 : 64));
  }
  Node* node = new (memory) Node{};
  node->references.store(1, std::memory_order_relaxed);
  node->size = 0;
  node->capacity = static_cast<std::uint32_t>(capacity);
  node->tag = tag;
  node->index = nullptr;
  return node;
}

void Value::free_node(Node* node) noexcept {
  if (MemoryMeter* meter = MemoryMeter::current()) {
    meter->subtract(sizeof(Node) + node->capacity * element_bytes(node->tag));
  }
  std::free(node);
}

void Value::drop_child(Value& child, Node*& dead) noexcept {
  if (!child.on_heap()) return;
  Node* node = child.node();
  if (node->references.load(std::memory_order_acquire) != 1 &&
      node->references.fetch_sub(1, std::memory_order_acq_rel) != 1) {
    return;
  }
  if (node->tag == Tag::long_string) {
    free_node(node);
    return;
  }
  if (node->tag == Tag::object) std::free(node->index);
  node->next_dead = dead;
  dead = node;
}

// A list of dead nodes instead of recursion: nesting is as deep as an attacker likes.
void Value::destroy(Node* first) noexcept {
  if (first->tag == Tag::long_string) {
    free_node(first);
    return;
  }
  if (first->tag == Tag::object) std::free(first->index);
  first->next_dead = nullptr;
  Node* dead = first;
  while (dead != nullptr) {
    Node* node = dead;
    dead = node->next_dead;
    if (node->tag == Tag::array) {
      for (std::uint32_t i = 0; i < node->size; ++i) drop_child(node->items()[i], dead);
    } else {
      for (std::uint32_t i = 0; i < node->size; ++i) {
        drop_child(node->entries()[i].key, dead);
        drop_child(node->entries()[i].value, dead);
      }
    }
    free_node(node);
  }
}

// Makes this value the only owner of a node with at least this capacity.
void Value::make_unique(std::size_t capacity) {
  Node* old = node();
  const bool owned = unique();
  if (owned && capacity <= old->capacity) return;
  TRV_EXPECTS(capacity <= size_max);
  if (capacity > old->size && capacity > old->capacity) capacity = std::max(capacity, std::size_t{old->size} * 2);
  capacity = std::clamp<std::size_t>(capacity, old->size, size_max);
  Node* fresh = allocate(old->tag, capacity);
  fresh->size = old->size;
  if (old->tag == Tag::long_string) {
    std::memcpy(fresh->text(), old->text(), old->size);
  } else if (owned) {
    // Values are trivially relocatable: the bytes move and the old node forgets them.
    std::memcpy(static_cast<void*>(fresh + 1), old + 1, old->size * element_bytes(old->tag));
    old->size = 0;
  } else if (old->tag == Tag::array) {
    for (std::uint32_t i = 0; i < old->size; ++i) new (&fresh->items()[i]) Value(old->items()[i]);
  } else {
    for (std::uint32_t i = 0; i < old->size; ++i) new (&fresh->entries()[i]) Entry(old->entries()[i]);
  }
  if (fresh->tag == Tag::object && fresh->capacity > index_from_size) build_index(fresh);
  TRV_ENSURES(fresh->size <= fresh->capacity);
  release();
  word_.payload.node = fresh;
}

void Value::build_index(Node* node) {
  TRV_EXPECTS(node->tag == Tag::object);
  std::free(node->index);
  const std::uint32_t slots = index_slots(node->capacity);
  TRV_ASSERT(slots > node->capacity);  // so that every search ends at an empty slot
  node->index = static_cast<std::uint32_t*>(std::malloc(slots * sizeof(std::uint32_t)));
  if (node->index == nullptr) throw std::bad_alloc();
  std::fill_n(node->index, slots, no_position);
  for (std::uint32_t i = 0; i < node->size; ++i) {
    std::uint64_t slot = hash_text(node->entries()[i].name()) & (slots - 1);
    while (node->index[slot] != no_position) slot = (slot + 1) & (slots - 1);
    node->index[slot] = i;
  }
}

std::uint32_t Value::find_position(const Node* constant_node, const Value& key) noexcept {
  Node* node = const_cast<Node*>(constant_node);
  const Entry* entries = node->entries();
  if (node->index != nullptr) {
    const std::uint32_t slots = index_slots(node->capacity);
    const std::string_view name = key.as_string();
    std::uint64_t slot = hash_text(name) & (slots - 1);
    while (node->index[slot] != no_position) {
      if (entries[node->index[slot]].name() == name) return node->index[slot];
      slot = (slot + 1) & (slots - 1);
    }
    return no_position;
  }
  if (key.tag() == Tag::short_string) {
    for (std::uint32_t i = 0; i < node->size; ++i) {
      if (entries[i].key.identical(key)) return i;
    }
    return no_position;
  }
  const std::string_view name = key.as_string();
  for (std::uint32_t i = 0; i < node->size; ++i) {
    if (entries[i].key.tag() == Tag::long_string && entries[i].name() == name) return i;
  }
  return no_position;
}

const Value* Value::find_key(const Value& key) const noexcept {
  if (!is_object() || !key.is_string()) return nullptr;
  const std::uint32_t position = find_position(node(), key);
  return position == no_position ? nullptr : &node()->entries()[position].value;
}

const Value* Value::find(std::string_view key) const noexcept {
  if (!is_object()) return nullptr;
  if (key.size() <= sizeof(Short::text)) return find_key(Value(key));
  Node* object = node();
  if (object->index != nullptr) {
    const std::uint32_t slots = index_slots(object->capacity);
    std::uint64_t slot = hash_text(key) & (slots - 1);
    for (; object->index[slot] != no_position; slot = (slot + 1) & (slots - 1)) {
      const Entry& entry = object->entries()[object->index[slot]];
      if (entry.name() == key) return &entry.value;
    }
    return nullptr;
  }
  for (const Entry& entry : entries()) {
    if (entry.name() == key) return &entry.value;
  }
  return nullptr;
}

Value Value::with(std::string_view key, Value value) const {
  TRV_EXPECTS(is_object() || is_null());
  Value copy = is_null() ? object() : *this;
  copy.set(key, std::move(value));
  return copy;
}

void Value::push_back(Value item) {
  TRV_EXPECTS(is_array());
  make_unique(std::size_t{node()->size} + 1);
  new (&node()->items()[node()->size]) Value(std::move(item));
  ++node()->size;
}

void Value::set_key(const Value& key, Value value) {
  TRV_EXPECTS(is_object() && key.is_string());
  const std::uint32_t position = find_position(node(), key);
  if (position != no_position) {
    make_unique(node()->size);
    node()->entries()[position].value = std::move(value);
    return;
  }
  make_unique(std::size_t{node()->size} + 1);
  Node* object = node();
  if (object->index == nullptr && object->capacity > index_from_size) build_index(object);
  new (&object->entries()[object->size]) Entry{key, std::move(value)};
  if (object->index != nullptr) {
    const std::uint32_t slots = index_slots(object->capacity);
    std::uint64_t slot = hash_text(key.as_string()) & (slots - 1);
    while (object->index[slot] != no_position) slot = (slot + 1) & (slots - 1);
    object->index[slot] = object->size;
  }
  ++object->size;
}

void Value::set_at(std::size_t index, Value value) {
  TRV_EXPECTS(is_array() && index < node()->size);
  make_unique(node()->size);
  node()->items()[index] = std::move(value);
}

void Value::resize(std::size_t size) {
  TRV_EXPECTS(is_array());
  if (size < node()->size) {
    erase_range(size, node()->size);
    return;
  }
  make_unique(size);
  while (node()->size < size) new (&node()->items()[node()->size++]) Value();
}

bool Value::erase(std::string_view key) {
  TRV_EXPECTS(is_object());
  const std::uint32_t position = find_position(node(), Value(key));
  if (position == no_position) return false;
  make_unique(node()->size);
  Node* object = node();
  TRV_ASSERT(position < object->size);
  object->entries()[position].~Entry();
  std::memmove(static_cast<void*>(&object->entries()[position]), &object->entries()[position + 1],
               (object->size - position - 1) * sizeof(Entry));
  --object->size;
  if (object->index != nullptr) build_index(object);
  return true;
}

void Value::erase_range(std::size_t first, std::size_t last) {
  TRV_EXPECTS(is_array() && first <= last && last <= node()->size);
  if (first == last) return;
  make_unique(node()->size);
  Node* array = node();
  for (std::size_t i = first; i < last; ++i) array->items()[i].~Value();
  std::memmove(static_cast<void*>(&array->items()[first]), &array->items()[last], (array->size - last) * sizeof(Value));
  array->size -= static_cast<std::uint32_t>(last - first);
}

void Value::append(std::string_view text) {
  TRV_EXPECTS(is_string());
  const std::size_t size = as_string().size() + text.size();
  TRV_EXPECTS(size <= size_max);
  if (tag() == Tag::short_string) {
    if (size <= sizeof(Short::text)) {
      std::memcpy(short_.text + short_.length, text.data(), text.size());
      short_.length = static_cast<std::uint8_t>(size);
      return;
    }
    Node* fresh = allocate(Tag::long_string, size);
    std::memcpy(fresh->text(), short_.text, short_.length);
    std::memcpy(fresh->text() + short_.length, text.data(), text.size());
    fresh->size = static_cast<std::uint32_t>(size);
    word_ = {Tag::long_string, {}, {.node = fresh}};
    return;
  }
  // `text` may be our own: keep the old node until it is copied.
  const Value keep = unique() && size <= node()->capacity ? Value() : *this;
  make_unique(size);
  std::memcpy(node()->text() + node()->size, text.data(), text.size());
  node()->size = static_cast<std::uint32_t>(size);
}

Value Value::take(const Value& key) {
  TRV_EXPECTS(is_object());
  const std::uint32_t position = find_position(node(), key);
  if (position == no_position) return {};
  make_unique(node()->size);
  return std::move(node()->entries()[position].value);
}

Value Value::take_at(std::size_t index) {
  TRV_EXPECTS(is_array() && index < node()->size);
  make_unique(node()->size);
  return std::move(node()->items()[index]);
}

}  // namespace trv::json
