#include "format/packed_layer_file.hpp"

#include <fmt/core.h>

#include "core/error.hpp"
#include "core/threads.hpp"
#include "format/unpack_layer.hpp"
#include "model/quoted_name.hpp"

namespace tessera::format {
namespace {

using model::SafetensorsFolder;
using solver::VptqLayer;

StoredType stored_type_of(DType type, const std::string& place) {
  if (type == DType::f16) return StoredType::float16;
  if (type == DType::bf16) return StoredType::bfloat16;
  if (type == DType::f32) return StoredType::float32;
  throw InputError(
      fmt::format("{} is {} (a codebook or scale is F16, BF16 or F32). The folder is "
                  "damaged.",
                  place, name_of(type)));
}

}  // namespace

PackedLayerFile::PackedLayerFile(const SafetensorsFolder& files, const std::string& name,
                                 const VptqLayerConfig& config)
    : name_(name), config_(config.copy()) {
  const VptqLayer& s = config.sizes;
  const auto bits = static_cast<std::size_t>(main_bits(s) + residual_bits(s));
  config_.sizes.stored_type =
      stored_type_of(files.info(name + ".centroids.weight").dtype,
                     files.origin() + ": " + model::quote_name(name + ".centroids.weight"));
  expect_float(files, "centroids.weight", {s.num_groups, s.num_centroids * s.vector_len});
  expect(
      files, "indices", DType::i32,
      {s.num_groups, num_tiles(s.out_features, s.vector_len), num_tiles(s.group_size * bits, 32)});
  if (s.num_res_centroids > 0) {
    expect_float(files, "res_centroids.weight", {s.num_groups, s.num_res_centroids * s.vector_len});
  }
  if (s.outlier_size > 0) {
    expect_float(files, "outlier_centroids.weight",
                 {1, s.num_outlier_centroids * s.outlier_vector_len});
    expect(files, "outlier_indices", DType::i16,
           {1, num_tiles(s.out_features, s.outlier_vector_len), s.outlier_size});
  }
  if (config.has_perm) expect(files, "perm", DType::i16, {s.in_features});
  if (config.has_norm) {
    expect_float(files, "weight_scale", {s.in_features});
    expect_float(files, "weight_bias", {s.in_features});
  }
  if (config.has_bias) {
    expect_float(files, "bias", {s.out_features});
    tensors_.pop_back();  // a tensor with a name of its own
  }
}

void PackedLayerFile::expect_float(const SafetensorsFolder& files, const char* part,
                                   std::vector<std::size_t> shape) {
  expect(files, part, dtype_of(config_.sizes.stored_type), shape);
}

void PackedLayerFile::expect(const SafetensorsFolder& files, const char* part, DType type,
                             const std::vector<std::size_t>& shape) {
  const std::string tensor = name_ + "." + part;
  const model::TensorInfo found = files.info(tensor);
  const model::TensorInfo wanted{type, shape};
  if (found.dtype != type || found.shape != shape) {
    throw InputError(
        fmt::format("{}: {} is {} (its layer object in config.json makes it {}). The "
                    "folder is damaged; make it again.",
                    files.origin(), model::quote_name(tensor), found.to_text(), wanted.to_text()));
  }
  tensors_.push_back(tensor);
}

VptqLayer PackedLayerFile::unpack(const SafetensorsFolder& files) const {
  return unpack_layer(files, name_, config_);
}

}  // namespace tessera::format
