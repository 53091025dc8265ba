// Any bytes: read() answers or refuses; what it accepts, it accepts again with the same digest.

#include "sdk/base/contract.hpp"
#include "sdk/package/package.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const trv::base::BytesView bytes(data, size);
  if (const auto package = trv::package::read(bytes)) {
    TRV_ASSERT(package->digest == trv::base::sha256(bytes));
    TRV_ASSERT(package->files.size() == package->manifest.files.size());
    TRV_ASSERT(trv::package::read(bytes).has_value());
    if (package->signatures != trv::package::Signatures()) {
      const auto content = trv::package::with_signatures(bytes, {});
      TRV_ASSERT(content && trv::base::sha256(*content) == package->content);
    }
  }
  (void)trv::package::parse_manifest(trv::base::as_text(bytes), trv::package::ManifestForm::source);
  return 0;
}
