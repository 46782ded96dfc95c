#include "jobs/planned_model.hpp"

#include <fmt/core.h>

#include "core/error.hpp"
#include "jobs/open_config.hpp"
#include "model/architecture.hpp"
#include "model/check_tensors.hpp"
#include "model/safetensors_index.hpp"

namespace fs = std::filesystem;

namespace tessera::jobs {
namespace {

const std::string kDigest(64, '0');

bool has_weights(const Path& folder) {
  return fs::exists(folder / model::shard_file_name(0, 1)) ||
         fs::exists(folder / model::index_file_name());
}

/// What config.json says of the type of the weights; newer ones call it dtype.
DType stated_type(const model::ModelConfig& config, std::vector<std::string>& remarks) {
  const JsonValue json = JsonValue::parse(config.json, "config.json");
  for (const char* key : {"torch_dtype", "dtype"}) {
    if (!json.contains(key) || !json.at(key).is_text()) continue;
    const std::string& name = json.at(key).text();
    if (name == "float32") return DType::f32;
    if (name == "bfloat16") return DType::bf16;
    if (name == "float16") return DType::f16;
  }
  remarks.emplace_back("config.json says no torch_dtype; bfloat16 is assumed");
  return DType::bf16;
}

format::OriginalTensors announced(const model::ModelConfig& config, DType type) {
  format::OriginalTensors::Announced tensors;
  for (auto& tensor : model::expected_tensors(config)) {
    tensors[tensor.name] = {type, std::move(tensor.shape)};
  }
  return format::OriginalTensors(std::move(tensors));
}

std::uint64_t bytes_of(const format::OriginalTensors& tensors) {
  std::uint64_t bytes = 0;
  for (const std::string& name : tensors.names()) {
    const model::TensorInfo info = tensors.info(name);
    bytes += info.count() * size_of(info.dtype);
  }
  return bytes;
}

/// What papers quote at a fixed length.
void put_stand_ins(PreparedRun& prepared) {
  prepared.input_digests["config.json"] = kDigest;
  prepared.calibration_tokens.text_digest = kDigest;
  prepared.calibration_tokens.tokenizer_digest = kDigest;
  if (!prepared.job.evaluation.is_wanted()) return;
  prepared.evaluation_tokens.emplace();
  prepared.evaluation_tokens->text_digest = kDigest;
}

PlannedModel open_announced(PreparedRun prepared) {
  std::vector<std::string> remarks;
  const Path& folder = prepared.job.model.path;
  const DType type = stated_type(prepared.config, remarks);
  remarks.insert(remarks.begin(),
                 fmt::format("{} has no weights yet: sizes are those of config.json, in {}",
                             folder.string(), name_of(type)));
  auto tensors = announced(prepared.config, type);
  const std::uint64_t bytes = bytes_of(tensors);
  return {std::move(prepared), std::move(tensors), false, bytes, std::move(remarks)};
}

}  // namespace

PlannedModel open_planned(const QuantizeJob& job, Log& log) {
  PreparedRun prepared = open_config(job);
  check_format(log, prepared);
  put_stand_ins(prepared);
  if (!has_weights(job.model.path)) return open_announced(std::move(prepared));
  prepared.weights = std::make_unique<model::SafetensorsFolder>(job.model.path);
  const model::SafetensorsFolder& weights = *prepared.weights;
  model::check_tensors(weights, prepared.config);
  std::uint64_t bytes = 0;
  for (const auto& file : weights.files()) {
    bytes += fs::file_size(file.path());
    prepared.input_digests[file.path().filename().string()] = kDigest;
  }
  return {std::move(prepared), format::OriginalTensors(weights), true, bytes, {}};
}

}  // namespace tessera::jobs
