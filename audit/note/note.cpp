#include "audit/note/note.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "audit/note/text.hpp"

namespace trv::note {
namespace {

using base::ErrorCode;

constexpr std::string_view line_start = "\xE2\x80\x94 ";  // U+2014 and a space

struct SignatureLine {
  std::string_view name;
  std::uint32_t id;
  Bytes signature;
};

std::unexpected<base::Error> refuse(std::string_view why) {
  return base::fail(ErrorCode::invalid, fmt::format("signed note: {}", why));
}

Result<SignatureLine> parse_line(std::string_view line, std::size_t number) {
  const auto refuse_line = [&](std::string_view why) {
    return base::fail(ErrorCode::invalid, fmt::format("signed note: signature line {}: {}", number, why));
  };
  if (!line.starts_with(line_start)) {
    return refuse_line("does not start with U+2014 and a space");
  }
  line.remove_prefix(line_start.size());
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) {
    return refuse_line("has no signature behind the key name");
  }
  const std::string_view name = line.substr(0, space);
  if (const Status valid = check_name(name); !valid) {
    return refuse_line(valid.error().message());
  }
  auto bytes = base::from_base64(line.substr(space + 1));
  if (!bytes || bytes->size() < 5) {
    return refuse_line("the signature is not base64 of a key id and a signature");
  }
  const auto& b = *bytes;
  const std::uint32_t id =
      std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | std::uint32_t{b[3]};
  return SignatureLine{.name = name, .id = id, .signature = Bytes(b.begin() + 4, b.end())};
}

// The verifier of a line, or null where nobody knows its key.
Result<const VerifierKey*> verifier_of(const SignatureLine& line, std::span<const VerifierKey> verifiers) {
  const VerifierKey* found = nullptr;
  for (const VerifierKey& verifier : verifiers) {
    if (verifier.name() != line.name || verifier.id() != line.id) {
      continue;
    }
    if (found != nullptr && *found != verifier) {
      return refuse(fmt::format("two different trusted keys are named {} with id {:08x}", line.name, line.id));
    }
    found = &verifier;
  }
  return found;
}

}  // namespace

Result<std::string> sign(std::string_view text, const SigningKey& key) {
  if (text.empty() || text.back() != '\n') {
    return refuse("the text does not end with a line feed");
  }
  TRV_TRY(check_text(text));
  const Signature signature = key.sign(text);
  const std::uint32_t id = key.id();
  Bytes stamped{static_cast<std::uint8_t>(id >> 24), static_cast<std::uint8_t>(id >> 16),
                static_cast<std::uint8_t>(id >> 8), static_cast<std::uint8_t>(id)};
  stamped.insert(stamped.end(), signature.begin(), signature.end());
  std::string note = fmt::format("{}\n{}{} {}\n", text, line_start, key.name(), base::to_base64(stamped));
  if (note.size() > note_bytes_max) {
    return base::fail(ErrorCode::too_large,
                      fmt::format("signed note: {} bytes; at most {} are accepted", note.size(), note_bytes_max));
  }
  return note;
}

Result<Opened> open(std::string_view note, std::span<const VerifierKey> verifiers) {
  if (note.size() > note_bytes_max) {
    return base::fail(ErrorCode::too_large,
                      fmt::format("signed note: {} bytes; at most {} are accepted", note.size(), note_bytes_max));
  }
  if (const Status valid = check_text(note); !valid) {
    return base::fail(base::Error(valid.error()).in("signed note"));
  }
  const std::size_t split = note.rfind("\n\n");
  if (split == std::string_view::npos) {
    return refuse("no empty line between text and signatures");
  }
  const std::string_view text = note.substr(0, split + 1);
  std::string_view rest = note.substr(split + 2);
  if (rest.empty() || rest.back() != '\n') {
    return refuse("the last signature line is missing or has no line feed");
  }
  if (static_cast<std::size_t>(std::ranges::count(rest, '\n')) > signatures_max) {
    return base::fail(ErrorCode::too_large, fmt::format("signed note: more than {} signature lines", signatures_max));
  }
  Opened opened{.text = std::string(text), .verified = {}};
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = rest.find('\n');
    TRV_TRY_ASSIGN(const SignatureLine line, parse_line(rest.substr(0, end), number));
    rest.remove_prefix(end + 1);
    TRV_TRY_ASSIGN(const VerifierKey* verifier, verifier_of(line, verifiers));
    if (verifier == nullptr) {
      continue;
    }
    if (!verifier->verifies(text, line.signature)) {
      return base::fail(
          ErrorCode::unauthenticated,
          fmt::format("signed note: the signature of {}+{:08x} does not match the text", line.name, line.id));
    }
    if (std::ranges::find(opened.verified, line.name) == opened.verified.end()) {
      opened.verified.emplace_back(line.name);
    }
  }
  if (opened.verified.empty()) {
    std::string known;
    for (const VerifierKey& verifier : verifiers) {
      known += fmt::format("{}{}+{:08x}", known.empty() ? "" : ", ", verifier.name(), verifier.id());
    }
    return base::fail(ErrorCode::unauthenticated, fmt::format("signed note: no signature of a trusted key ({})",
                                                              known.empty() ? "none given" : known));
  }
  return opened;
}

}  // namespace trv::note
