#include "format/integer_layer_file.hpp"

#include <cmath>

#include <fmt/core.h>

#include "core/error.hpp"
#include "format/unpack_integer_layer.hpp"
#include "model/quoted_name.hpp"

namespace tessera::format {
namespace {

using Layout = IntegerFileConfig::Layout;
using model::SafetensorsFolder;
using model::TensorInfo;

StoredType stored_type_of(DType type) {
  if (type == DType::f16) return StoredType::float16;
  return type == DType::bf16 ? StoredType::bfloat16 : StoredType::float32;
}

std::size_t words(std::size_t count, std::size_t bits) {
  return (count * bits + 31) / 32;
}

}  // namespace

std::string_view marker_of(Layout layout) {
  switch (layout) {
    case Layout::int_quantized:
      return ".weight_scale";
    case Layout::pack_quantized:
      return ".weight_packed";
    case Layout::gptq:
      return ".qweight";
  }
  throw Bug("a layout without a marker");
}

IntegerLayerFile::IntegerLayerFile(const SafetensorsFolder& files, const model::LinearLayer& layer,
                                   const IntegerFileConfig& config)
    : name_(layer.name),
      layout_(config.layout),
      has_whole_zero_points_(config.has_whole_zero_points),
      input_is_symmetric_(config.scheme.input_is_symmetric) {
  const auto named = config.scheme_of.find(layer.name);
  const IntegerScheme& scheme = named == config.scheme_of.end() ? config.scheme : named->second;
  sizes_.out_features = layer.out_features;
  sizes_.in_features = layer.in_features;
  sizes_.bits = scheme.bits;
  sizes_.group_size = scheme.group_size == 0 ? layer.in_features : scheme.group_size;
  sizes_.is_symmetric = scheme.is_symmetric;
  sizes_.input = scheme.input;
  sizes_.has_bias = layer.has_bias;
  if (layout_ == Layout::int_quantized) expect_int_quantized(files);
  if (layout_ == Layout::pack_quantized) expect_pack_quantized(files);
  if (layout_ == Layout::gptq) expect_gptq(files);
  if (layer.has_bias) {
    expect_float(files, "bias", {layer.out_features});
    tensors_.pop_back();  // a tensor with a name of its own
  }
}

void IntegerLayerFile::expect_int_quantized(const SafetensorsFolder& files) {
  expect(files, "weight", DType::i8, {sizes_.out_features, sizes_.in_features});
  sizes_.scale_type = stored_type_of(expect_float(files, "weight_scale", {sizes_.out_features, 1}));
  if (!sizes_.input->is_dynamic) read_input(files);
}

void IntegerLayerFile::read_input(const SafetensorsFolder& files) {
  expect_float(files, "input_scale", {1});
  float& scale = sizes_.input->scale;
  files.read(name_of_part("input_scale"), std::span(&scale, 1));
  if (!(scale > 0) || !std::isfinite(scale)) {
    fail(files, "input_scale", fmt::format("is {} (a scale is positive)", scale));
  }
  if (input_is_symmetric_) return;
  expect(files, "input_zero_point", DType::i8, {1});
  std::int8_t zero_point = 0;
  files.read_bytes(name_of_part("input_zero_point"),
                   std::as_writable_bytes(std::span(&zero_point, 1)));
  sizes_.input->zero_point = zero_point;
}

void IntegerLayerFile::expect_pack_quantized(const SafetensorsFolder& files) {
  if (sizes_.in_features % sizes_.group_size != 0) {
    fail(files, "weight_packed",
         fmt::format("has {} input columns, which groups of {} do not divide", sizes_.in_features,
                     sizes_.group_size));
  }
  expect(files, "weight_packed", DType::i32,
         {sizes_.out_features, words(sizes_.in_features, sizes_.bits)});
  sizes_.scale_type = stored_type_of(
      expect_float(files, "weight_scale", {sizes_.out_features, sizes_.num_groups()}));
  expect(files, "weight_shape", DType::i64, {2});
  std::int64_t shape[2] = {};
  files.read_bytes(name_of_part("weight_shape"), std::as_writable_bytes(std::span(shape)));
  if (shape[0] != static_cast<std::int64_t>(sizes_.out_features) ||
      shape[1] != static_cast<std::int64_t>(sizes_.in_features)) {
    fail(files, "weight_shape",
         fmt::format("says [{}, {}] (config.json makes it [{}, {}])", shape[0], shape[1],
                     sizes_.out_features, sizes_.in_features));
  }
}

void IntegerLayerFile::expect_gptq(const SafetensorsFolder& files) {
  const auto& [out_features, in_features] = std::pair(sizes_.out_features, sizes_.in_features);
  expect(files, "qweight", DType::i32, {words(in_features, sizes_.bits), out_features});
  expect(files, "qzeros", DType::i32, {sizes_.num_groups(), words(out_features, sizes_.bits)});
  expect(files, "scales", DType::f16, {sizes_.num_groups(), out_features});
  expect(files, "g_idx", DType::i32, {in_features});
}

void IntegerLayerFile::fail(const SafetensorsFolder& files, const char* part,
                            const std::string& problem) const {
  throw InputError(fmt::format("{}: {} {}. The folder is damaged; make it again.", files.origin(),
                               model::quote_name(name_of_part(part)), problem));
}

DType IntegerLayerFile::expect_float(const SafetensorsFolder& files, const char* part,
                                     const Shape& shape) {
  const DType type = files.info(name_of_part(part)).dtype;
  if (type != DType::f16 && type != DType::bf16 && type != DType::f32) {
    fail(files, part, fmt::format("is {} (F16, BF16 or F32 is expected)", name_of(type)));
  }
  expect(files, part, type, shape);
  return type;
}

void IntegerLayerFile::expect(const SafetensorsFolder& files, const char* part, DType type,
                              const Shape& shape) {
  const TensorInfo found = files.info(name_of_part(part));
  const TensorInfo wanted{type, shape};
  if (found.dtype != type || found.shape != shape) {
    fail(files, part,
         fmt::format("is {} (config.json makes it {})", found.to_text(), wanted.to_text()));
  }
  tensors_.push_back(name_of_part(part));
}

solver::IntegerLayer IntegerLayerFile::unpack(const SafetensorsFolder& files) const {
  return unpack_integer_layer(files, name_, sizes_, layout_, has_whole_zero_points_);
}

}  // namespace tessera::format
