// Signed notes, verifier keys and checkpoints from hostile bytes. What is accepted must come out again as it went in.

#include <span>
#include <string_view>

#include "audit/note/checkpoint.hpp"
#include "audit/note/note.hpp"
#include "sdk/base/contract.hpp"

using namespace trv;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = base::as_text({data, size});
  static const note::SigningKey key = note::SigningKey::from_seed("log.example/1", {1}).value();

  if (const auto opened = note::open(text, std::span(&key.verifier(), 1))) {
    TRV_ASSERT(!opened->verified.empty());
    TRV_ASSERT(text.starts_with(opened->text));
    TRV_ASSERT(opened->text.ends_with('\n'));
  }
  if (const auto parsed = note::VerifierKey::parse(text)) {
    const auto again = note::VerifierKey::parse(parsed->format());
    TRV_ASSERT(again && *again == *parsed);
  }
  if (const auto checkpoint = note::Checkpoint::parse(text)) {
    TRV_ASSERT(text.starts_with(checkpoint->format()));
  }
  // Whatever can be signed can be opened.
  if (const auto note = note::sign(text, key)) {
    const auto opened = note::open(*note, std::span(&key.verifier(), 1));
    TRV_ASSERT(opened && opened->text == text);
  }
  return 0;
}
