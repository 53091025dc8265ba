#include "kernel/plugin_run/local_services.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/tenancy/plugin_blobs.hpp"
#include "kernel/tenancy/plugin_data.hpp"
#include "sdk/base/contract.hpp"

namespace trv::plugin_run {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;
using plugin_host::KeptBlobs;
using plugin_host::ServiceAnswer;
using plugin_host::StoredValues;

}  // namespace

Result<StoreValues> read_store(std::string_view text) {
  TRV_TRY_ASSIGN(const json::Value object, json::parse(text, {.bytes_max = store_text_bytes_max, .depth_max = 512}));
  if (!object.is_object()) return fail(ErrorCode::invalid, "a store must be a JSON object: each member is an entry");
  StoreValues values;
  for (const json::Entry& entry : object.entries()) {
    std::string value = json::serialize(entry.value);
    const std::string key(entry.name());
    TRV_TRY(plugin_host::check_request(plugin_host::PutValue{.key = key, .value = value}));
    values.emplace(key, std::move(value));
  }
  return values;
}

std::string to_text(const StoreValues& values) {
  std::string text;
  for (const auto& [key, value] : values) {
    text += fmt::format("{}  {}: {}", text.empty() ? "" : ",\n", json::serialize(json::Value(key)), value);
  }
  return text.empty() ? "{}\n" : "{\n" + text + "\n}\n";
}

Result<Secrets> read_secrets(std::string_view text) {
  const auto object = json::parse(text, {.bytes_max = secrets_text_bytes_max});
  const bool are_texts =
      object && object->is_object() &&
      std::ranges::all_of(object->entries(), [](const json::Entry& entry) { return entry.value.is_string(); });
  // The reader's own words may quote what is there.
  if (!are_texts) return fail(ErrorCode::invalid, R"(must be a JSON object of texts, such as {"name": "secret"})");
  Secrets secrets;
  for (const json::Entry& entry : object->entries()) secrets.emplace(entry.name(), entry.value.as_string());
  return secrets;
}

LocalServices::LocalServices(LocalOffer offer) : secrets_(std::move(offer.secrets)), named_(std::move(offer.named)) {
  for (auto& [key, value] : offer.store) {
    store_bytes_ += key.size() + value.size();
    store_.emplace(key, Kept{.value = std::move(value), .revision = ++last_revision_});
  }
}

base::Status LocalServices::check_revision(const std::string& key, std::uint64_t expected) const {
  const auto found = store_.find(key);
  const std::uint64_t revision = found == store_.end() ? 0 : found->second.revision;
  if (expected == plugin_host::any_revision || expected == revision) return {};
  return fail(ErrorCode::conflict,
              fmt::format("\"{}\" of the store has revision {}, and {} was expected", key, revision, expected));
}

/// One request; the lock is held.
struct LocalServices::Visitor {
  LocalServices& services;
  const plugin_host::ServiceCall& call;

  Result<ServiceAnswer> operator()(const plugin_host::GetValue& get) const {
    StoredValues values;
    if (const auto found = services.store_.find(get.key); found != services.store_.end()) {
      values.entries.push_back({found->first, found->second.value, found->second.revision});
    }
    return values;
  }

  Result<ServiceAnswer> operator()(const plugin_host::PutValue& put) const {
    TRV_TRY(services.check_revision(put.key, put.expected));
    const auto found = services.store_.find(put.key);
    const bool is_new = found == services.store_.end();
    const std::size_t before = is_new ? 0 : put.key.size() + found->second.value.size();
    const std::size_t bytes = services.store_bytes_ - before + put.key.size() + put.value.size();
    if (bytes > tenancy::plugin_data_bytes_max ||
        (is_new && services.store_.size() >= tenancy::plugin_data_entries_max)) {
      return fail(ErrorCode::exhausted, fmt::format("the store is full: it has at most {} bytes in {} entries",
                                                    tenancy::plugin_data_bytes_max, tenancy::plugin_data_entries_max));
    }
    services.store_bytes_ = bytes;
    services.store_[put.key] = {.value = put.value, .revision = ++services.last_revision_};
    return StoredValues{.entries = {{.key = put.key, .value = {}, .revision = services.last_revision_}}};
  }

  Result<ServiceAnswer> operator()(const plugin_host::EraseValue& erase) const {
    TRV_TRY(services.check_revision(erase.key, erase.expected));
    if (const auto found = services.store_.find(erase.key); found != services.store_.end()) {
      services.store_bytes_ -= found->first.size() + found->second.value.size();
      services.store_.erase(found);
    }
    return StoredValues{};
  }

  Result<ServiceAnswer> operator()(const plugin_host::ListValues& list) const {
    StoredValues values;
    std::size_t bytes = 0;
    for (auto next = services.store_.upper_bound(list.after); next != services.store_.end(); ++next) {
      if (!next->first.starts_with(list.prefix)) continue;
      bytes += next->first.size() + next->second.value.size();
      values.has_more = values.entries.size() == list.count_max || bytes > plugin_host::store_answer_bytes_max;
      if (values.has_more) break;
      values.entries.push_back({next->first, next->second.value, next->second.revision});
    }
    return values;
  }

  Result<ServiceAnswer> operator()(const plugin_host::SignData& sign) const {
    if (std::ranges::find(services.named_, sign.secret) == services.named_.end()) {
      return fail(ErrorCode::denied,
                  fmt::format("the configuration names no secret '{}'; the manifest marks the field with \"secret\": "
                              "true, and --configuration FILE sets it",
                              sign.secret));
    }
    const auto secret = services.secrets_.find(sign.secret);
    if (secret == services.secrets_.end()) {
      return fail(
          ErrorCode::denied,
          fmt::format("no secret '{}' was given: --secrets FILE, a JSON object of names and secrets", sign.secret));
    }
    auto made = egress::sign(sign.kind, secret->second, sign.data);
    if (!made) return fail(std::move(made).error().in(fmt::format("secret '{}'", sign.secret)));
    return plugin_host::Signature{*std::move(made)};
  }

  Result<ServiceAnswer> operator()(const plugin_host::EmitEvent& event) const {
    const std::string id = fmt::format("{}/{}", call.key, call.emitted);
    services.events_.push_back({id, event.type, event.subject, event.data});
    return plugin_host::EmittedEvent{id};
  }

  Result<ServiceAnswer> operator()(const plugin_host::WriteBlob& write) const {
    TRV_TRY_ASSIGN(blob::BlobWriter* const writer, writer_of_call());
    TRV_TRY(writer->add(base::as_bytes(write.part)));
    return KeptBlobs{};
  }

  Result<ServiceAnswer> operator()(const plugin_host::StoreBlob& store) const {
    TRV_TRY_ASSIGN(blob::BlobWriter* const writer, writer_of_call());
    const std::string digest = base::to_hex(writer->digest());
    const bool is_new = !services.kept_blobs_.contains(digest);
    const std::uint64_t bytes = services.blob_bytes_ + (is_new ? writer->byte_count() : 0);
    if (bytes > tenancy::plugin_blobs_bytes_max ||
        services.kept_blobs_.size() + (is_new ? 1 : 0) > tenancy::plugin_blobs_max) {
      return fail(ErrorCode::exhausted,
                  fmt::format("there is no room for the blob: a plugin keeps at most {} bytes in {} blobs",
                              tenancy::plugin_blobs_bytes_max, tenancy::plugin_blobs_max));
    }
    TRV_TRY(writer->finish());
    services.blob_bytes_ = bytes;
    plugin_host::KeptBlob& kept = services.kept_blobs_[digest];
    kept = {.digest = digest, .byte_count = writer->byte_count(), .media_type = store.media_type, .name = store.name};
    return KeptBlobs{.entries = {kept}};
  }

  Result<ServiceAnswer> operator()(const plugin_host::DropBlob& /*drop*/) const { return KeptBlobs{}; }

  Result<ServiceAnswer> operator()(const plugin_host::ReadBlob& read) const {
    const auto found = services.kept_blobs_.find(read.digest);
    if (found == services.kept_blobs_.end()) {
      return fail(ErrorCode::not_found, fmt::format("plugin '{}' keeps no blob {} in tenant '{}'", call.plugin,
                                                    read.digest, call.tenant.value()));
    }
    KeptBlobs answer{.entries = {found->second}};
    if (read.length == 0) return answer;
    TRV_TRY_ASSIGN(const base::Digest digest, plugin_host::blob_digest(read.digest));
    TRV_TRY_ASSIGN(const base::Bytes part, services.blobs_.read(digest, read.offset, read.length));
    const std::uint64_t bytes = found->second.byte_count;
    answer.part = base::as_text(part);
    answer.has_more = read.offset < bytes && part.size() < bytes - read.offset;
    return answer;
  }

  Result<ServiceAnswer> operator()(const plugin_host::EraseBlob& erase) const {
    const auto found = services.kept_blobs_.find(erase.digest);
    if (found == services.kept_blobs_.end()) return KeptBlobs{};
    TRV_TRY_ASSIGN(const base::Digest digest, plugin_host::blob_digest(erase.digest));
    services.blob_bytes_ -= found->second.byte_count;
    services.kept_blobs_.erase(found);
    TRV_TRY(services.blobs_.remove(digest));
    return KeptBlobs{};
  }

  Result<ServiceAnswer> operator()(const plugin_host::ListBlobs& list) const {
    KeptBlobs page;
    for (auto next = services.kept_blobs_.upper_bound(list.after); next != services.kept_blobs_.end(); ++next) {
      page.has_more = page.entries.size() == list.count_max;
      if (page.has_more) break;
      page.entries.push_back(next->second);
    }
    return page;
  }

 private:
  [[nodiscard]] Result<blob::BlobWriter*> writer_of_call() const {
    TRV_EXPECTS(call.writing != nullptr);
    if (call.writing->writer == nullptr) {
      TRV_TRY_ASSIGN(call.writing->writer, services.blobs_.begin());
    }
    return call.writing->writer.get();
  }
};

Result<ServiceAnswer> LocalServices::answer(const plugin_host::ServiceCall& call) {
  TRV_EXPECTS(plugin_host::check_request(call.request));
  const std::lock_guard lock(mutex_);
  return std::visit(Visitor{*this, call}, call.request);
}

StoreValues LocalServices::stored() const {
  const std::lock_guard lock(mutex_);
  StoreValues values;
  for (const auto& [key, kept] : store_) values.emplace(key, kept.value);
  return values;
}

std::vector<LocalEvent> LocalServices::events() const {
  const std::lock_guard lock(mutex_);
  return events_;
}

}  // namespace trv::plugin_run
