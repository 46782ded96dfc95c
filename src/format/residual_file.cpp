#include "format/residual_file.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "core/error.hpp"
#include "format/unpack_residual.hpp"
#include "model/architecture.hpp"
#include "model/quoted_name.hpp"

namespace fs = std::filesystem;

namespace tessera::format {
namespace {

using model::TensorInfo;

constexpr std::string_view kFileEnding = ".safetensors";
constexpr std::string_view kIndexEnding = ".safetensors.index.json";
constexpr const char* kParts[] = {kResidualCodes, kResidualScale, kTopMagnitude, kColumnNorm,
                                  kStaticOrder};

/// "...-00001-of-00003"
bool is_shard_stem(std::string_view stem) {
  constexpr std::string_view kPattern = "-00000-of-00000";
  if (stem.size() <= kPattern.size()) return false;
  return std::ranges::equal(stem.substr(stem.size() - kPattern.size()), kPattern,
                            [](char found, char wanted) {
                              return wanted == '0' ? found >= '0' && found <= '9' : found == wanted;
                            });
}

/// What a file of residuals, or the index of several, is called without its ending.
std::string stem_of_file(const fs::path& file) {
  const std::string name = file.filename().string();
  if (!fs::exists(file)) {
    throw InputError(
        fmt::format("{} does not exist (a residual file, or the folder of one, is "
                    "expected). Check the path.",
                    file.string()));
  }
  std::string stem;
  if (name.ends_with(kIndexEnding)) {
    stem = name.substr(0, name.size() - kIndexEnding.size());
  } else if (name.ends_with(kFileEnding)) {
    stem = name.substr(0, name.size() - kFileEnding.size());
  } else {
    throw InputError(
        fmt::format("{} is no residual file (its name ends neither in {} nor in {}). "
                    "Name the {} that the quantization wrote.",
                    file.string(), kFileEnding, kIndexEnding, kResidualFileName));
  }
  if (is_shard_stem(stem)) {
    throw InputError(
        fmt::format("{} is one of several files that belong together. Name their index "
                    "({}), or the folder.",
                    file.string(), kIndexEnding));
  }
  return stem;
}

model::SafetensorsFolder open(const fs::path& path) {
  const bool is_folder = fs::is_directory(path);
  const fs::path folder = is_folder ? path : path.parent_path();
  const std::string stem = is_folder ? std::string(kResidualStem) : stem_of_file(path);
  const std::string file = model::shard_file_name(0, 1, stem), index = model::index_file_name(stem);
  const bool has_file = fs::exists(folder / file), has_index = fs::exists(folder / index);
  if (has_file && has_index) {
    throw InputError(
        fmt::format("{} holds {} and {} (one of them is left over). Remove the one "
                    "that does not belong to the model.",
                    folder.string(), file, index));
  }
  if (!has_file && !has_index) {
    throw InputError(
        fmt::format("{} holds neither {} nor {} (the residuals of a packed model). "
                    "Quantize with residual.bits, or name the file.",
                    folder.string(), file, index));
  }
  return model::SafetensorsFolder(folder.empty() ? "." : folder, stem);
}

[[noreturn]] void fail(const fs::path& path, std::string_view tensor, const std::string& problem) {
  throw InputError(fmt::format("{}: tensor {} {}. The file is damaged; make it again.",
                               path.string(), model::quote_name(tensor), problem));
}

/// The layer whose part @p tensor is; empty when it is none of a residual.
std::string_view layer_of(std::string_view tensor) {
  for (const std::string_view part : kParts) {
    if (tensor.ends_with(part)) return tensor.substr(0, tensor.size() - part.size());
  }
  return {};
}

}  // namespace

bool holds_residuals(const fs::path& path) {
  const std::string name = path.filename().string();
  if (fs::is_directory(path)) {
    return fs::exists(path / kResidualFileName) ||
           fs::exists(path / model::index_file_name(kResidualStem));
  }
  if (!fs::exists(path)) return false;
  if (name.ends_with(kIndexEnding)) return name.starts_with(kResidualStem);
  if (!name.ends_with(kFileEnding)) return false;
  return !is_shard_stem(name.substr(0, name.size() - kFileEnding.size())) &&
         says_residuals(model::SafetensorsFile(path).metadata());
}

ResidualFile::ResidualFile(const fs::path& path) : path_(path), files_(open(path)) {
  const auto& first = files_.files().front();
  info_ = residual_info_from(first.metadata(), first.path().string());
  for (const auto& file : files_.files()) {
    if (file.metadata() == first.metadata()) continue;
    throw InputError(
        fmt::format("{} and {} have different headers (they are not of one "
                    "quantization). Make the residuals again.",
                    first.path().string(), file.path().string()));
  }
  find_layers();
  check_budget();
}

void ResidualFile::find_layers() {
  const std::vector<std::string> names = files_.names();
  for (const std::string& name : names) {
    if (name.ends_with(kResidualCodes)) check_tensors(std::string(layer_of(name)));
  }
  for (const std::string& name : names) {
    if (!layers_.contains(layer_of(name))) fail(path_, name, "belongs to no residual");
  }
  if (layers_.empty()) {
    throw InputError(fmt::format("{} holds no residuals. Make it again.", path_.string()));
  }
}

void ResidualFile::check_tensors(const std::string& layer) {
  if (layer.empty()) fail(path_, kResidualCodes, "belongs to a layer without a name");
  for (const char* part : {kResidualScale, kTopMagnitude}) {
    if (!files_.contains(layer + part)) fail(path_, layer + part, "is missing");
  }
  const TensorInfo codes = files_.info(layer + kResidualCodes);
  const TensorInfo scale = files_.info(layer + kResidualScale);
  const std::size_t outputs = scale.shape.size() == 1 ? scale.shape[0] : 0;
  const std::size_t inputs = codes.shape.size() == 2 ? codes.shape[0] : 0;
  if (outputs == 0 || outputs % 4 != 0) {  // whole words, whatever the bits
    fail(path_, layer + kResidualScale,
         fmt::format("is {} (F16, one for each output, is expected)", scale.to_text()));
  }
  const auto expect = [&](const char* part, DType type, std::vector<std::size_t> shape) {
    const TensorInfo found = files_.info(layer + part), wanted{type, std::move(shape)};
    if (found.dtype == wanted.dtype && found.shape == wanted.shape) return;
    fail(path_, layer + part,
         fmt::format("is {} (its layer makes it {})", found.to_text(), wanted.to_text()));
  };
  if (inputs == 0 || outputs / 4 * info_.bits % 8 != 0) {
    fail(path_, layer + kResidualCodes,
         fmt::format("is {} (its {} outputs of {} bits do not make such a shape)", codes.to_text(),
                     outputs, info_.bits));
  }
  expect(kResidualCodes, DType::i32, {inputs, outputs / 4 * info_.bits / 8});
  expect(kResidualScale, DType::f16, {outputs});
  expect(kTopMagnitude, DType::f32, {inputs});
  if (files_.contains(layer + kColumnNorm)) expect(kColumnNorm, DType::f16, {inputs});
  if (files_.contains(layer + kStaticOrder)) expect(kStaticOrder, DType::i32, {inputs});
  layers_.emplace(layer, ResidualSizes{outputs, inputs, info_.bits});
}

void ResidualFile::check_budget() const {
  for (const auto& [layer, k_chunk] : info_.k_chunk_of) {
    if (contains(layer)) continue;
    throw InputError(
        fmt::format("{}: k_chunk_of in the header names {}, which has no residual here. "
                    "The file is damaged; make it again.",
                    path_.string(), model::quote_name(layer)));
  }
}

std::vector<std::string> ResidualFile::layers() const {
  std::vector<std::string> names;
  for (const auto& [layer, sizes] : layers_) names.push_back(layer);
  return names;
}

const ResidualSizes& ResidualFile::sizes(std::string_view layer) const {
  const auto found = layers_.find(layer);
  if (found != layers_.end()) return found->second;
  throw InputError(fmt::format("{} holds no residual of {}. Check the layer's name.",
                               path_.string(), model::quote_name(layer)));
}

std::uint64_t ResidualFile::num_bytes() const {
  std::uint64_t sum = 0;
  for (const std::string& name : files_.names()) sum += files_.bytes(name).size();
  return sum;
}

residual::ResidualLayer ResidualFile::read(std::string_view layer) const {
  return unpack_residual(files_, std::string(layer), sizes(layer));
}

void ResidualFile::require_base(const fs::path& base, const model::ModelConfig& config) const {
  const std::string digest = base_digest_of(base);
  if (digest != info_.base_digest) {
    throw InputError(fmt::format(
        "{} completes weights whose digest begins with {}, but that of the weights in {} begins "
        "with "
        "{} (they are of another quantization). Use it with the folder it was made with.",
        path_.string(), info_.base_digest.substr(0, 12), base.string(), digest.substr(0, 12)));
  }
  std::map<std::string, ResidualSizes> linears;
  for (std::size_t block = 0; block < config.num_blocks; ++block) {
    for (const auto& linear : model::linear_layers(config, block)) {
      linears[linear.name] = {linear.out_features, linear.in_features, info_.bits};
    }
  }
  for (const auto& [layer, s] : layers_) {
    const auto found = linears.find(layer);
    if (found == linears.end()) {
      throw InputError(
          fmt::format("{} holds a residual of {}, which is no linear layer of the "
                      "blocks in {}. Use it with the folder it was made with.",
                      path_.string(), model::quote_name(layer), base.string()));
    }
    if (found->second.out_features == s.out_features && found->second.in_features == s.in_features)
      continue;
    throw InputError(fmt::format(
        "{} holds a residual of {} that is [{}, {}], but the layer in {} is [{}, {}]. Use it with "
        "the folder it was made with.",
        path_.string(), model::quote_name(layer), s.out_features, s.in_features, base.string(),
        found->second.out_features, found->second.in_features));
  }
}

}  // namespace tessera::format
