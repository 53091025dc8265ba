#include "kernel/effects/http_memory.hpp"

#include <openssl/crypto.h>

#include <algorithm>

#include "kernel/json/serialize.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/digest.hpp"

namespace trv::effects {
namespace {

std::string document_name(const base::TenantId& tenant, std::string_view address) {
  return tenant.value() + ' ' + std::string(address);
}

}  // namespace

std::string HttpMemory::token_name(const base::TenantId& tenant, const json::Value& policy) {
  std::string text = tenant.value() + ' ' + json::serialize(policy);
  std::string name = base::to_hex(base::sha256(base::as_bytes(text)));
  OPENSSL_cleanse(text.data(), text.size());
  return name;
}

std::optional<std::string> HttpMemory::token(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto found = tokens_.find(name);
  if (found == tokens_.end() || found->second.ends <= clock_.monotonic()) return std::nullopt;
  return found->second.text;
}

void HttpMemory::keep_token(const std::string& name, std::string token, base::Duration lifetime) {
  if (lifetime <= base::Duration::zero()) return;
  const base::Duration now = clock_.monotonic();
  const std::lock_guard lock(mutex_);
  if (tokens_.size() >= tokens_max) {
    std::erase_if(tokens_, [now](const auto& one) { return one.second.ends <= now; });
  }
  if (tokens_.size() >= tokens_max) tokens_.clear();
  tokens_[name] = {std::move(token), now + lifetime};
}

void HttpMemory::forget_token(const std::string& name) {
  const std::lock_guard lock(mutex_);
  tokens_.erase(name);
}

std::shared_ptr<const json::Value> HttpMemory::document(const base::TenantId& tenant, std::string_view address) {
  const std::string name = document_name(tenant, address);
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(documents_, name, &KeptDocument::name);
  if (found == documents_.end() || found->ends <= clock_.monotonic()) return nullptr;
  return found->document;
}

void HttpMemory::keep_document(const base::TenantId& tenant, std::string_view address,
                               std::shared_ptr<const json::Value> document, std::size_t bytes) {
  TRV_EXPECTS(document != nullptr);
  if (bytes > document_bytes_max) return;
  std::string name = document_name(tenant, address);
  const std::lock_guard lock(mutex_);
  const auto drop = [this](const auto& place) {
    document_bytes_ -= place->bytes;
    documents_.erase(place);
  };
  const auto known = std::ranges::find(documents_, name, &KeptDocument::name);
  if (known != documents_.end()) drop(known);
  while (!documents_.empty() && (documents_.size() >= documents_max || document_bytes_ + bytes > document_bytes_max)) {
    drop(documents_.begin());
  }
  documents_.push_back({std::move(name), std::move(document), bytes, clock_.monotonic() + document_lifetime});
  document_bytes_ += bytes;
  TRV_ENSURES(document_bytes_ <= document_bytes_max && documents_.size() <= documents_max);
}

}  // namespace trv::effects
