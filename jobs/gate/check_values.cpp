#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "format/open_weights.hpp"
#include "jobs/gate/checks.hpp"
#include "model/architecture.hpp"
#include "model/quoted_name.hpp"

namespace tessera::jobs {
namespace {

using model::quote_name;

bool is_floating(DType type) {
  return type == DType::f32 || type == DType::f16 || type == DType::bf16 || type == DType::f64;
}

void check_finite(const std::string& tensor, const model::TensorInfo& info,
                  std::span<const std::byte> bytes, Verdict& verdict) {
  std::array<float, 4096> piece;
  for (std::size_t begin = 0; begin < info.count(); begin += piece.size()) {
    const std::span<float> values(piece.data(), std::min(piece.size(), info.count() - begin));
    convert_to_float(info.dtype, bytes.data() + begin * size_of(info.dtype), values);
    const std::size_t bad = model::first_not_finite(values);
    if (bad == values.size()) continue;
    const std::size_t at = begin + bad, cols = info.shape.empty() ? 1 : info.shape.back();
    verdict.add("values", tensor,
                fmt::format("tensor {} holds {} at row {}, column {} (weights must be finite).",
                            quote_name(tensor), values[bad], at / cols, at % cols));
    return;
  }
}

/// Returns the digest; empty where the tensor is of a type nobody can read.
std::string check_tensor(const model::SafetensorsFile& file, const std::string& tensor,
                         const format::Manifest& manifest, Verdict& verdict) {
  const auto readable = file.entries().find(tensor);
  if (readable == file.entries().end()) return "";
  std::vector<std::byte> bytes(readable->second.bytes);
  file.read_bytes(tensor, bytes);
  ++verdict.check("values").num_looked_at;
  const model::TensorInfo& info = readable->second.info;
  if (is_floating(info.dtype)) check_finite(tensor, info, bytes, verdict);
  const std::string digest = digest_of_bytes(bytes);
  const auto record = manifest.tensors.find(tensor);
  if (record == manifest.tensors.end() || record->second.sha256.empty()) return digest;
  ++verdict.check("contents").num_looked_at;
  if (digest != record->second.sha256) {
    verdict.add("contents", tensor,
                fmt::format("tensor {} was changed (its sha256 is {}, the manifest says {}).",
                            quote_name(tensor), digest, record->second.sha256));
  }
  return digest;
}

/// Layers whose weight has no name of its own in the files: their reader checks what is in them.
void unpack_layers(const OutputFiles& files, Share share, Verdict& verdict) {
  const model::ModelConfig config = model::read_model_config(files.folder());
  const auto weights = format::open_weights(files.folder());
  std::size_t i = 0;
  for (const model::NamedShape& tensor : model::expected_tensors(config)) {
    const auto stored = files.tensors().find(tensor.name);
    if (!weights->contains(tensor.name) || tensor.shape.size() != 2) continue;
    if (stored != files.tensors().end() &&
        is_floating(stored->second.front()->content->entry(tensor.name).info.dtype)) {
      continue;
    }
    if (!share.has(i++)) continue;
    try {
      weights->read_matrix(tensor.name, tensor.shape[0], tensor.shape[1]);
    } catch (const InputError& error) {
      verdict.add("values", tensor.name, error.what());
    }
  }
}

}  // namespace

std::map<std::string, std::string> check_values(const OutputFiles& files,
                                                const format::Manifest& manifest, Share share,
                                                Verdict& verdict) {
  verdict.check("values");
  verdict.check("contents");
  std::map<std::string, std::string> digests;
  std::size_t i = 0;
  for (const auto& [tensor, holders] : files.tensors()) {
    if (!share.has(i++)) continue;
    digests[tensor] = check_tensor(*holders.front()->content, tensor, manifest, verdict);
  }
  try {
    unpack_layers(files, share, verdict);
  } catch (const InputError&) {
    // "reader" has said why
  }
  return digests;
}

}  // namespace tessera::jobs
