// Statements, trust files and signatures from hostile bytes. What opens is a statement that its key signs again with
// the same bytes.

#include <string>

#include "kernel/trust/roots.hpp"
#include "kernel/trust/signatures.hpp"
#include "kernel/trust/statement.hpp"
#include "sdk/base/contract.hpp"

using namespace trv;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::BytesView bytes(data, size);
  const std::string_view text = base::as_text(bytes);
  static const note::SigningKey key = note::SigningKey::from_seed("p", {1}).value();

  (void)trust::open_statement(text.substr(0, text.find('\n')), text);
  if (const auto roots = trust::Roots::parse(text)) {
    for (const trust::Root& root : roots->all()) TRV_ASSERT(roots->find(root.key) == &root);
  }
  package::Package package;
  package.manifest.id = "hello";
  package.manifest.version = "1.0.0";
  package.signatures.publisher = text;
  (void)trust::verify(package);
  const std::string signed_by_us =
      trust::sign_statement("travertine package publisher 1",
                            {{"plugin", "hello"}, {"version", "1.0.0"}, {"content", base::to_hex(package.content)}},
                            key)
          .value();
  package.signatures.publisher = signed_by_us;
  package.signatures.certifier = text;
  const auto verified = trust::verify(package);
  TRV_ASSERT(!verified || !verified->certificate || !text.empty());
  if (const auto archive = package::read(bytes)) (void)trust::verify(*archive);
  return 0;
}
