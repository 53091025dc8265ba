#include "kernel/recovery/manifest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>

#include "audit/note/note.hpp"
#include "sdk/base/bytes.hpp"

namespace trv::recovery {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;

constexpr std::string_view first_line = "travertine backup 1";
constexpr std::string_view contents_first_line = "travertine backup contents 1";

/// The words of a text, line by line. What does not fit is remembered and asked for once, at the end.
class Words {
 public:
  explicit Words(std::string_view text) : rest_(text) {}

  /// The next line; false at the end.
  bool next_line() {
    if (rest_.empty()) return false;
    const std::size_t end = rest_.find('\n');
    if (end == std::string_view::npos) is_good_ = false;
    line_ = rest_.substr(0, end);
    rest_.remove_prefix(std::min(rest_.size(), end == std::string_view::npos ? rest_.size() : end + 1));
    ++number_;
    return true;
  }
  [[nodiscard]] bool line_is(std::string_view text) { return next_line() && line_ == text; }
  [[nodiscard]] bool begins_with(std::string_view word) const {
    return line_.starts_with(word) && line_.size() > word.size() && line_[word.size()] == ' ';
  }
  [[nodiscard]] bool next_begins_with(std::string_view word) const {
    return rest_.starts_with(word) && rest_.size() > word.size() && rest_[word.size()] == ' ';
  }

  std::string_view word() {
    const std::size_t end = line_.find(' ');
    const std::string_view word = line_.substr(0, end);
    line_.remove_prefix(end == std::string_view::npos ? line_.size() : end + 1);
    if (word.empty()) is_good_ = false;
    return word;
  }
  void expect(std::string_view wanted) {
    if (word() != wanted) is_good_ = false;
  }
  std::string_view rest_of_line() {
    if (line_.empty()) is_good_ = false;
    return std::exchange(line_, {});
  }
  template <typename Number>
  Number number(int base = 10) {
    const std::string_view text = word();
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc() || end != text.data() + text.size()) is_good_ = false;
    return value;
  }
  base::Digest digest() {
    base::Digest digest{};
    const auto bytes = base::from_hex(word());
    if (bytes && bytes->size() == digest.size()) {
      std::ranges::copy(*bytes, digest.begin());
    } else {
      is_good_ = false;
    }
    return digest;
  }
  Object object() {
    Object object;
    object.bytes = number<std::uint64_t>();
    object.sha256 = digest();
    return object;
  }

  [[nodiscard]] bool is_good() const { return is_good_; }
  [[nodiscard]] int line_number() const { return number_; }
  [[nodiscard]] bool is_line_done() const { return line_.empty(); }

 private:
  std::string_view rest_;
  std::string_view line_;
  bool is_good_ = true;
  int number_ = 0;
};

std::string text_of(const Object& object) {
  return fmt::format("{} {}", object.bytes, base::to_hex(object.sha256));
}

std::string text_of(const Segment& segment) {
  std::string text = fmt::format(
      "{}\nnumber {}\nbase {}\nprevious {}\nkey {}\ntaken {}\ncut {}\nrecords {}\nbytes {}\ncontents {}\n", first_line,
      segment.number, segment.base, base::to_hex(segment.previous), segment.key, segment.cut.to_rfc3339(),
      segment.cut.ns(), segment.records, segment.bytes, text_of(segment.contents));
  for (const ShardSpan& one : segment.shards) {
    text += fmt::format("shard {} from {} to {} epoch {} time {} hash {}\n", one.shard.value(), one.first.value(),
                        one.last.value(), one.epoch.value(), one.time.ns(), base::to_hex(one.last_hash));
  }
  for (const StateDigest& one : segment.states) {
    text +=
        fmt::format("state {} {} {} {}\n", one.shard.value(), one.lsn.value(), base::to_hex(one.sha256), one.layout);
  }
  return text;
}

Segment segment_of(Words& words) {
  Segment segment;
  const auto line = [&](std::string_view name) {
    static_cast<void>(words.next_line());
    words.expect(name);
  };
  line("number");
  segment.number = words.number<std::uint64_t>();
  line("base");
  segment.base = words.number<std::uint64_t>();
  line("previous");
  segment.previous = words.digest();
  line("key");
  segment.key = words.rest_of_line();
  line("taken");
  static_cast<void>(words.word());  // that of the cut: the text is compared below
  line("cut");
  segment.cut = base::Timestamp(words.number<std::int64_t>());
  line("records");
  segment.records = words.number<std::uint64_t>();
  line("bytes");
  segment.bytes = words.number<std::uint64_t>();
  line("contents");
  segment.contents = words.object();
  while (words.is_good() && words.next_line()) {
    if (words.begins_with("shard")) {
      ShardSpan span;
      words.expect("shard");
      span.shard = ShardId(words.number<std::uint64_t>());
      words.expect("from");
      span.first = Lsn(words.number<std::uint64_t>());
      words.expect("to");
      span.last = Lsn(words.number<std::uint64_t>());
      words.expect("epoch");
      span.epoch = Epoch(words.number<std::uint64_t>());
      words.expect("time");
      span.time = base::Timestamp(words.number<std::int64_t>());
      words.expect("hash");
      span.last_hash = words.digest();
      segment.shards.push_back(span);
    } else {
      StateDigest state;
      words.expect("state");
      state.shard = ShardId(words.number<std::uint64_t>());
      state.lsn = Lsn(words.number<std::uint64_t>());
      state.sha256 = words.digest();
      state.layout = words.rest_of_line();
      segment.states.push_back(std::move(state));
    }
  }
  return segment;
}

bool is_sound(const Segment& segment) {
  if (segment.number == 0 || segment.base == 0 || segment.base > segment.number || segment.shards.empty()) return false;
  for (std::size_t i = 0; i < segment.shards.size(); ++i) {
    const ShardSpan& one = segment.shards[i];
    if (one.shard != ShardId(i) || one.first == Lsn(0) || one.first > one.last.next()) return false;
  }
  return segment.contents.bytes <= contents_bytes_max;
}

/// Below the data folder, and nothing that a restore makes itself.
bool is_path_inside(std::string_view text) {
  const std::filesystem::path path(text);
  if (text.empty() || path.is_absolute() || text.find('\0') != std::string_view::npos) return false;
  if (path.lexically_normal().generic_string() != text) return false;
  const auto first = path.begin()->string();
  if (first == "log" || first == "lock" || first.starts_with("projection")) return false;
  return std::ranges::none_of(path, [](const std::filesystem::path& part) { return part == ".." || part == "."; });
}

}  // namespace

Result<std::string> sign(const Segment& segment, const note::SigningKey& key) {
  return note::sign(text_of(segment), key);
}

Result<Segment> open_manifest(base::BytesView stored, const std::optional<note::VerifierKey>& trusted) {
  const std::string_view note = base::as_text(stored);
  Words words(note.substr(0, note.find("\n\n") + 1));
  if (!words.line_is(first_line)) {
    return fail(ErrorCode::corrupt, fmt::format("its first line is not '{}'", first_line));
  }
  Segment segment = segment_of(words);
  if (!words.is_good() || !is_sound(segment)) {
    return fail(ErrorCode::corrupt, fmt::format("line {} is not one of a manifest", words.line_number()));
  }
  Result<note::VerifierKey> named = note::VerifierKey::parse(segment.key);
  if (!named) return fail(ErrorCode::corrupt, "its line 'key' has no key");
  if (trusted && *named != *trusted) {
    return fail(ErrorCode::corrupt,
                fmt::format("it is signed by {}, and not by {}", named->format(), trusted->format()));
  }
  const std::array keys{*named};
  const auto opened = note::open(note, keys);
  if (!opened) {
    return fail(ErrorCode::corrupt,
                fmt::format("its signature by {} does not hold: {}", named->name(), opened.error().message()));
  }
  if (opened->text != text_of(segment)) return fail(ErrorCode::corrupt, "it is not written as a manifest is");
  return segment;
}

std::string to_text(const Contents& contents) {
  std::string text = fmt::format("{}\n", contents_first_line);
  for (const RecordsEntry& one : contents.records) {
    text += fmt::format("records {} {} {} {}\n", one.shard.value(), one.first.value(), one.last.value(),
                        text_of(one.object));
  }
  for (const FileEntry& one : contents.files) {
    text += fmt::format("file {:o} {} {}\n", one.mode, text_of(one.whole), one.path);
    for (const Object& part : one.parts) text += fmt::format("part {}\n", text_of(part));
  }
  return text;
}

Result<Contents> parse_contents(std::string_view text) {
  Words words(text);
  Contents contents;
  const auto damaged = [&] {
    return fail(ErrorCode::corrupt, fmt::format("line {} is not one of a list of contents", words.line_number()));
  };
  if (!words.line_is(contents_first_line)) return damaged();
  while (words.next_line()) {
    if (words.begins_with("records")) {
      words.expect("records");
      RecordsEntry one;
      one.shard = ShardId(words.number<std::uint64_t>());
      one.first = Lsn(words.number<std::uint64_t>());
      one.last = Lsn(words.number<std::uint64_t>());
      one.object = words.object();
      if (one.first == Lsn(0) || one.first > one.last || one.object.bytes > object_bytes_max) return damaged();
      contents.records.push_back(one);
    } else if (words.begins_with("file")) {
      words.expect("file");
      FileEntry one;
      one.mode = words.number<std::uint32_t>(8);
      one.whole = words.object();
      one.path = words.rest_of_line();
      if (one.mode > 0777 || !is_path_inside(one.path)) return damaged();
      std::uint64_t bytes = 0;
      while (words.next_begins_with("part")) {
        static_cast<void>(words.next_line());
        words.expect("part");
        one.parts.push_back(words.object());
        if (one.parts.back().bytes > object_bytes_max) return damaged();
        bytes += one.parts.back().bytes;
      }
      const bool is_whole = one.parts.empty() ? one.whole.bytes <= object_bytes_max : bytes == one.whole.bytes;
      if (!is_whole) return damaged();
      contents.files.push_back(std::move(one));
    } else {
      return damaged();
    }
    if (!words.is_good() || !words.is_line_done()) return damaged();
  }
  return contents;
}

}  // namespace trv::recovery
