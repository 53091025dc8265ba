#include "kernel/daemon/plugin_blob_service.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "kernel/gateway/receive.hpp"
#include "kernel/tenancy/plugin_blobs.hpp"
#include "sdk/base/contract.hpp"

namespace trv::daemon {
namespace {

static_assert(plugin_host::blob_bytes_max >= gateway::event_body_bytes_max, "one store has both");

using base::ErrorCode;
using plugin_host::KeptBlob;
using plugin_host::KeptBlobs;
using plugin_host::ServiceAnswer;
using plugin_host::ServiceCall;
using plugin_host::ServiceDone;

KeptBlob kept(const tenancy::PluginBlob& blob) {
  return {
      .digest = base::to_hex(blob.sha256), .byte_count = blob.bytes, .media_type = blob.media_type, .name = blob.name};
}

/// One request and all that it needs until it is answered.
struct Request {
  BlobSources sources;
  node::Shard& shard;
  ServiceCall call;
  ServiceDone done;

  [[nodiscard]] shard::Command command() const {
    shard::Command command;
    command.tenant = call.tenant;
    command.actor = "plugin:" + call.plugin;
    command.traceparent = call.traceparent;
    return command;
  }

  /// The error of the disk, as a plugin may see it.
  [[nodiscard]] base::Error of_disk(const base::Error& error, std::string_view doing) const {
    if (error.code() != ErrorCode::unavailable && error.code() != ErrorCode::corrupt &&
        error.code() != ErrorCode::not_found) {
      return error;
    }
    sources.logger->warn("a blob of plugin {} {} (tenant {}, {}) cannot be {}: {}", call.plugin, call.version,
                         call.tenant.value(), call.key, doing, error.message());
    return {ErrorCode::unavailable, fmt::format("the blob cannot be {} now: the disk of this installation is full or "
                                                "fails; its operator finds the reason in the log of travd",
                                                doing)};
  }

  [[nodiscard]] base::Result<std::unique_ptr<blob::BlobWriter>*> writer() const {
    TRV_EXPECTS(call.writing != nullptr);
    auto& writer = call.writing->writer;
    if (writer == nullptr) {
      auto begun = sources.store.begin();
      if (!begun) return base::fail(of_disk(begun.error(), "written"));
      writer = *std::move(begun);
    }
    return &writer;
  }

  [[nodiscard]] base::Result<ServiceAnswer> write(const plugin_host::WriteBlob& part) const {
    TRV_TRY_ASSIGN(auto* const to, writer());
    const std::uint64_t bytes = (*to)->byte_count() + part.part.size();
    if (bytes > plugin_host::blob_bytes_max) {
      return base::fail(ErrorCode::too_large, fmt::format("the blob has {} bytes with this part, at most {} are kept",
                                                          bytes, plugin_host::blob_bytes_max));
    }
    if (const auto added = (*to)->add(base::as_bytes(part.part)); !added) {
      to->reset();  // it takes no more
      return base::fail(of_disk(added.error(), "written"));
    }
    return KeptBlobs{};
  }

  /// The blob, durable and not named yet.
  [[nodiscard]] base::Result<tenancy::PluginBlob> finish(const plugin_host::StoreBlob& store) const {
    TRV_TRY_ASSIGN(auto* const from, writer());
    tenancy::PluginBlob blob{.sha256 = (*from)->digest(),
                             .bytes = (*from)->byte_count(),
                             .media_type = store.media_type,
                             .name = store.name};
    {
      // Before it is in its place: what is refused leaves nothing.
      TRV_TRY_ASSIGN(const auto txn, shard.begin_read());
      TRV_TRY(tenancy::check_room(shard.plugin_blobs(), txn, call.tenant, call.plugin, blob, sources.clock.now()));
    }
    const auto digest = (*from)->finish();
    if (!digest) return base::fail(of_disk(digest.error(), "stored"));
    TRV_ENSURES(*digest == blob.sha256);
    from->reset();
    return blob;
  }

  [[nodiscard]] base::Result<ServiceAnswer> read(const plugin_host::ReadBlob& read) const {
    TRV_TRY_ASSIGN(const base::Digest digest, plugin_host::blob_digest(read.digest));
    std::optional<tenancy::PluginBlob> blob;
    {
      TRV_TRY_ASSIGN(const auto txn, shard.begin_read());
      TRV_TRY_ASSIGN(blob, shard.plugin_blobs().get(txn, call.tenant, call.plugin, digest));
    }
    if (!blob) {
      return base::fail(ErrorCode::not_found, fmt::format("plugin '{}' keeps no blob {} in tenant '{}'", call.plugin,
                                                          read.digest, call.tenant.value()));
    }
    KeptBlobs answer{.entries = {kept(*blob)}};
    if (read.length == 0) return answer;
    auto part = sources.store.read(digest, read.offset, read.length);
    if (!part) return base::fail(of_disk(part.error(), "read"));
    answer.part = base::as_text(*part);
    answer.has_more = read.offset < blob->bytes && part->size() < blob->bytes - read.offset;
    return answer;
  }

  [[nodiscard]] base::Result<ServiceAnswer> list(const plugin_host::ListBlobs& list) const {
    std::optional<base::Digest> after;
    if (!list.after.empty()) {
      TRV_TRY_ASSIGN(after, plugin_host::blob_digest(list.after));
    }
    TRV_TRY_ASSIGN(const auto txn, shard.begin_read());
    TRV_TRY_ASSIGN(const auto page, shard.plugin_blobs().list(txn, call.tenant, call.plugin, after, list.count_max));
    KeptBlobs answer{.has_more = page.has_more};
    for (const tenancy::PluginBlob& blob : page.blobs) answer.entries.push_back(kept(blob));
    return answer;
  }
};

void store(Request request, const plugin_host::StoreBlob& asked) {
  base::Result<tenancy::PluginBlob> blob = request.finish(asked);
  if (!blob) return request.done(base::fail(std::move(blob).error()));
  shard::Command command = request.command();
  command.decide = [&blobs = request.shard.plugin_blobs(),
                    store = tenancy::StorePluginBlob{request.call.plugin, *blob, request.call.key}](
                       const lmdb::Txn& state, shard::DecisionContext& context) {
    return tenancy::decide(blobs, state, context, store);
  };
  command.done = [blob = kept(*blob),
                  done = std::move(request.done)](const base::Result<shard::Applied>& applied) mutable {
    if (!applied) return done(base::fail(applied.error()));
    done(KeptBlobs{.entries = {std::move(blob)}});
  };
  request.shard.submit(std::move(command));
}

void erase(Request request, const plugin_host::EraseBlob& asked) {
  auto digest = plugin_host::blob_digest(asked.digest);
  if (!digest) return request.done(base::fail(std::move(digest).error()));
  shard::Command command = request.command();
  command.frees_room = true;
  command.decide = [&blobs = request.shard.plugin_blobs(),
                    erase = tenancy::ErasePluginBlob{request.call.plugin, *digest, request.call.key}](
                       const lmdb::Txn& state, shard::DecisionContext& context) {
    return tenancy::decide(blobs, state, context, erase);
  };
  command.done = [done = std::move(request.done)](const base::Result<shard::Applied>& applied) mutable {
    if (!applied) return done(base::fail(applied.error()));
    done(KeptBlobs{});
  };
  request.shard.submit(std::move(command));
}

/// On a worker.
void serve_file(Request request) {
  // Moved out: the request goes on with its answer.
  const plugin_host::ServiceRequest asked = std::exchange(request.call.request, plugin_host::DropBlob{});
  if (const auto* part = std::get_if<plugin_host::WriteBlob>(&asked)) return request.done(request.write(*part));
  if (const auto* whole = std::get_if<plugin_host::StoreBlob>(&asked)) return store(std::move(request), *whole);
  request.done(request.read(std::get<plugin_host::ReadBlob>(asked)));
}

}  // namespace

void serve_blob(const BlobSources& sources, node::Shard& shard, ServiceCall call, ServiceDone done) {
  const auto& asked = call.request;
  TRV_EXPECTS(plugin_host::service_of(asked) == plugin_host::Service::blob);
  Request request{.sources = sources, .shard = shard, .call = std::move(call), .done = std::move(done)};
  if (std::holds_alternative<plugin_host::DropBlob>(request.call.request)) return request.done(KeptBlobs{});
  if (const auto* list = std::get_if<plugin_host::ListBlobs>(&request.call.request)) {
    return request.done(request.list(*list));
  }
  if (const auto* gone = std::get_if<plugin_host::EraseBlob>(&request.call.request)) {
    const plugin_host::EraseBlob erased = *gone;
    return erase(std::move(request), erased);
  }
  auto waiting = std::make_shared<Request>(std::move(request));
  if (sources.workers.run([waiting] { serve_file(std::move(*waiting)); })) return;
  waiting->done(base::fail(ErrorCode::exhausted, "too many blobs are written and read at once; try again"));
}

}  // namespace trv::daemon
