#include "kernel/tenancy/package_signatures.hpp"

#include "events/record/payload.hpp"
#include "events/schema/plugin_generated.h"

namespace trv::tenancy {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;
using record::digest_of;
using record::text_of;

Offset<flatbuffers::Vector<std::uint8_t>> vector_of(FlatBufferBuilder& builder,
                                                    const std::optional<base::Digest>& digest) {
  return digest ? builder.CreateVector(digest->data(), digest->size()) : 0;
}

/// Absent where it is empty.
Offset<flatbuffers::String> string_of(FlatBufferBuilder& builder, const std::string& text) {
  return text.empty() ? 0 : builder.CreateString(text);
}

}  // namespace

PackageSignatures signatures_of(const trust::Applicant& applicant, base::Timestamp now) {
  PackageSignatures signatures{.content = applicant.content};
  if (!applicant.signers.publisher) return signatures;
  const trust::Standing standing = trust::standing_of(applicant, now);
  signatures.publisher_key = applicant.signers.publisher->format();
  signatures.publisher_trusted = standing.publisher_trusted;
  if (!applicant.signers.certificate) return signatures;
  const trust::Certificate& certificate = *applicant.signers.certificate;
  signatures.certifier_key = certificate.key.format();
  signatures.certifier_trusted = standing.certifier_trusted;
  signatures.level = to_string(certificate.finding.level);
  signatures.report = certificate.finding.report;
  signatures.expires = certificate.finding.expires;
  return signatures;
}

PackageSignatures signatures_of(const schema::plugin::PluginRequested& event) {
  PackageSignatures signatures;
  if (event.content_sha256() != nullptr) signatures.content = digest_of(event.content_sha256());
  signatures.publisher_key = text_of(event.publisher_key());
  signatures.publisher_trusted = event.publisher_trusted();
  signatures.certifier_key = text_of(event.certifier_key());
  signatures.certifier_trusted = event.certifier_trusted();
  signatures.level = text_of(event.level());
  if (event.report_sha256() != nullptr) signatures.report = digest_of(event.report_sha256());
  if (event.expires_ns() != 0) signatures.expires = base::Timestamp(event.expires_ns());
  return signatures;
}

base::Bytes requested_payload(const Package& package) {
  const PackageSignatures& signatures = package.signatures;
  FlatBufferBuilder builder(package.manifest.size() + 1024);
  const auto plugin = builder.CreateString(package.plugin);
  const auto version = builder.CreateString(package.version);
  const auto package_sha256 = vector_of(builder, package.package_sha256);
  const auto library_sha256 = vector_of(builder, package.library_sha256);
  const auto manifest = builder.CreateString(package.manifest);
  const auto content = vector_of(builder, signatures.content);
  const auto publisher = string_of(builder, signatures.publisher_key);
  const auto certifier = string_of(builder, signatures.certifier_key);
  const auto level = string_of(builder, signatures.level);
  const auto report = vector_of(builder, signatures.report);
  return record::finish(
      builder, schema::plugin::CreatePluginRequested(
                   builder, plugin, version, package_sha256, package.package_bytes, library_sha256, manifest, content,
                   publisher, signatures.publisher_trusted, certifier, signatures.certifier_trusted, level, report,
                   signatures.expires ? signatures.expires->ns() : 0));
}

}  // namespace trv::tenancy
