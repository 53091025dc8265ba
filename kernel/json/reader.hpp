#pragma once
// JSON text piece by piece (RFC 8259): the one reader behind json::parse and whatever else takes JSON in. Without
// recursion, in one pass. One thread.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/base/result.hpp"

namespace trv::json {

enum class DuplicateKeys : std::uint8_t { last_wins, refused };
/// Numbers beyond the largest double.
enum class LargeNumbers : std::uint8_t {
  refused,
  largest,  ///< become the largest double, as in jq
};

struct ParseLimits {
  std::size_t bytes_max = 1'000'000;
  std::size_t depth_max = 512;  ///< arrays and objects within each other
  DuplicateKeys duplicate_keys = DuplicateKeys::last_wins;
  LargeNumbers large_numbers = LargeNumbers::refused;
};

/// A place in a text: line and column from 1, columns in bytes; offset in bytes from the start.
struct Position {
  int line = 1;
  int column = 1;
  std::size_t offset = 0;
};

enum class Piece : std::uint8_t {
  null,
  boolean,
  number,
  string,
  key,
  array_begin,
  array_end,
  object_begin,
  object_end,
  document_end
};

/// The double next to the text of a JSON number; infinite beyond the largest.
[[nodiscard]] double to_double(std::string_view number);

/// Reads one JSON text with nothing but white space around it and at most a byte order mark before, which counts in no
/// position. The text outlives the reader.
class Reader {
 public:
  explicit Reader(std::string_view text, const ParseLimits& limits = {});

  /// The next piece of a document that is complete and valid up to there; document_end once, at last. Errors, which end
  /// the reading: too_large over a limit; invalid otherwise. Both have line and column in the error and not in its
  /// message, which says what was expected and what was found.
  [[nodiscard]] base::Result<Piece> next();

  /// Of the last piece, until the next one: a number or boolean as written, a string or key without its escapes.
  [[nodiscard]] std::string_view text() const noexcept { return piece_text_; }
  /// Where the last piece begins.
  [[nodiscard]] Position position() const noexcept { return position_; }

 private:
  enum class Expected : std::uint8_t { value, value_or_end, key, key_or_end, comma_or_end, nothing };

  [[nodiscard]] bool at_end() const noexcept { return at_ == text_.size(); }
  [[nodiscard]] char peek() const noexcept { return at_end() ? '\0' : text_[at_]; }
  [[nodiscard]] Position place_of(std::size_t offset) const noexcept;
  // These are false where the text is refused, with the reason in error_: a Result for each would cost more than the
  // reading.
  bool refuse(std::size_t at, std::string message, base::ErrorCode code = base::ErrorCode::invalid);
  bool refuse_found(std::string_view wanted);
  [[nodiscard]] bool read();
  [[nodiscard]] bool value();
  [[nodiscard]] bool key();
  [[nodiscard]] bool open(Piece begin);
  [[nodiscard]] bool close();
  [[nodiscard]] bool word(std::string_view expected, Piece piece);
  [[nodiscard]] bool number();
  [[nodiscard]] bool digits();
  [[nodiscard]] bool string(Piece piece);
  [[nodiscard]] bool escape();
  [[nodiscard]] bool four_digits(char32_t& code);
  void skip_space() noexcept;

  std::string_view text_;
  ParseLimits limits_;
  std::size_t at_ = 0;
  int line_ = 1;
  std::size_t line_start_ = 0;
  Expected expected_ = Expected::value;
  std::string open_;  ///< '[' or '{' for each array and object that is open
  /// The keys of each open object; only where they must differ. Ordered, not hashed: the sender of the keys must not
  /// choose what looking them up costs.
  std::vector<std::set<std::string, std::less<>>> keys_;
  Piece piece_ = Piece::null;
  Position position_;
  std::string_view piece_text_;
  std::string unescaped_;
  std::optional<base::Error> error_;
};

}  // namespace trv::json
