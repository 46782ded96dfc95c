#include "jobs/packed_layers.hpp"

#include <algorithm>
#include <set>

#include "core/error.hpp"
#include "format/integer_schemes.hpp"
#include "format/vptq_config.hpp"
#include "format/vptq_tensors.hpp"
#include "jobs/corrected_layers.hpp"
#include "jobs/plan.hpp"
#include "model/architecture.hpp"

namespace tessera::jobs {
namespace {

format::IntegerFormat integer_format(OutputFormat format) {
  require(format != OutputFormat::vptq, "integers have formats of their own");
  return format == OutputFormat::gptq ? format::IntegerFormat::gptq
                                      : format::IntegerFormat::compressed_tensors;
}

bool is_declared(const format::DeclaredBiases& biases, model::LinearRole role) {
  return model::is_in_mlp(role) ? biases.mlp : biases.attention;
}

}  // namespace

void PackedSizes::add(const model::LinearLayer& layer, const solver::QuantizedLayer& solved) {
  if (const auto* codebooks = std::get_if<solver::VptqLayer>(&solved)) {
    vptq.emplace(layer.name, format::sizes_of(*codebooks));
    return;
  }
  const auto& integer = std::get<solver::IntegerLayer>(solved);
  integers.emplace(layer.name, solver::sizes_of(integer));
  if (integer.has_bias && !layer.has_bias)
    (model::is_in_mlp(layer.role) ? biases.mlp : biases.attention) = true;
}

void PackedSizes::declare_biases(const model::ModelConfig& config) {
  for (std::size_t block = 0; block < config.num_blocks; ++block) {
    for (const model::LinearLayer& layer : model::linear_layers(config, block)) {
      const auto found = integers.find(layer.name);
      if (found == integers.end()) continue;
      found->second.has_bias = layer.has_bias || (is_declared(biases, layer.role) &&
                                                  model::may_have_bias(config, layer.role));
    }
  }
}

std::vector<std::string> format_problems(OutputFormat format, const solver::QuantizedLayer& sizes) {
  if (const auto* codebooks = std::get_if<solver::VptqLayer>(&sizes))
    return format::format_problems(*codebooks);
  return format::integer_format_problems(std::get<solver::IntegerLayer>(sizes),
                                         integer_format(format));
}

const model::LinearLayer& layer_named(const PreparedRun& prepared, const std::string& name) {
  const auto found = std::ranges::find_if(
      prepared.units, [&](const LayerUnit& unit) { return unit.layer.name == name; });
  if (found == prepared.units.end()) throw Bug(name + " was never solved");
  return found->layer;
}

void require_one_scheme(OutputFormat format, const PackedSizes& sizes) {
  if (!sizes.integers.empty()) format::schemes_of(sizes.integers, integer_format(format));
}

SolvedLayer load_solved(const WorkFolder& work, const model::LinearLayer& layer) {
  SolvedLayer solved;
  work.load(solved_file(layer), "solved", solved);
  return solved;
}

std::uint64_t packed_bits(OutputFormat format, const model::LinearLayer& layer,
                          const solver::QuantizedLayer& sizes) {
  PackedSizes alone;
  alone.add(layer, sizes);
  const auto tensors =
      format == OutputFormat::vptq
          ? format::vptq_tensors(alone.vptq, nullptr)
          : format::integer_tensors(alone.integers, nullptr, integer_format(format));
  std::uint64_t bits = 0;
  for (const model::TensorToWrite& tensor : tensors.at(layer.name)) {
    if (tensor.name != layer.name + ".bias") bits += 8 * tensor.bytes();
  }
  return bits;
}

double stored_bits_per_weight(const solver::QuantizedLayer& layer) {
  if (const auto* integers = std::get_if<solver::IntegerLayer>(&layer)) {
    return static_cast<double>(solver::stored_bits(*integers)) /
           static_cast<double>(integers->out_features * integers->in_features);
  }
  solver::VptqLayer sizes = format::sizes_of(std::get<solver::VptqLayer>(layer));
  if (!format::writes_permutation(sizes, format::Permutation::absorbed)) sizes.perm.clear();
  return static_cast<double>(solver::stored_bits(sizes).total()) /
         static_cast<double>(sizes.out_features * sizes.in_features);
}

std::map<std::string, std::vector<model::TensorToWrite>> packed_tensors(const PreparedRun& prepared,
                                                                        const PackedSizes& sizes,
                                                                        const WorkFolder& work) {
  if (prepared.job.output.format == OutputFormat::vptq) {
    return format::vptq_tensors(sizes.vptq, [&prepared, &work](const std::string& name) {
      return std::get<solver::VptqLayer>(load_solved(work, layer_named(prepared, name)).layer);
    });
  }
  const auto load = [&prepared, &sizes, &work](const std::string& name) {
    auto solved = load_corrected(prepared, work, layer_named(prepared, name));
    auto layer = std::get<solver::IntegerLayer>(std::move(solved.layer));
    layer.has_bias = sizes.integers.at(name).has_bias;
    if (layer.has_bias)
      layer.bias.resize(layer.out_features);  // zeros where only its class has one
    return layer;
  };
  return format::integer_tensors(sizes.integers, load, integer_format(prepared.job.output.format));
}

std::map<std::string, format::ChangedTensor> changed_tensors(const PreparedRun& prepared,
                                                             const PackedSizes& sizes,
                                                             const EqualizedWeights& weights) {
  std::map<std::string, format::ChangedTensor> changed;
  for (const std::string& name : weights.changed_tensors()) {
    const std::string layer = name.substr(0, name.rfind('.'));
    if (sizes.integers.contains(layer)) continue;  // its bias is among its own tensors
    if (sizes.vptq.contains(layer) && name.ends_with(".weight")) continue;
    changed[name] = {weights.info(name).shape,
                     [&weights, name](std::span<float> out) { weights.read(name, out); }};
  }
  for (std::size_t block = 0; block < prepared.config.num_blocks; ++block) {
    for (const model::LinearLayer& layer : model::linear_layers(prepared.config, block)) {
      if (layer.has_bias || sizes.integers.contains(layer.name) ||
          !is_declared(sizes.biases, layer.role))
        continue;
      changed[layer.name + ".bias"] = {{layer.out_features},
                                       [](std::span<float> out) { std::ranges::fill(out, 0.0f); }};
    }
  }
  return changed;
}

format::FormatText format_text(const PreparedRun& prepared, const PackedSizes& sizes) {
  const OutputSettings& output = prepared.job.output;
  if (output.format == OutputFormat::vptq) {
    return format::vptq_text(prepared.config.tied_embeddings, output.store_tied_head);
  }
  const auto format = integer_format(output.format);
  return format::integer_text(format, format::schemes_of(sizes.integers, format));
}

std::map<std::string, std::string> config_files(const PreparedRun& prepared,
                                                const PackedSizes& sizes) {
  const OutputSettings& output = prepared.job.output;
  if (output.format == OutputFormat::vptq) {
    return {{"config.json", format::vptq_config_json(prepared.config, sizes.vptq, output.dtype)}};
  }
  const auto format = integer_format(output.format);
  std::map<std::string, std::string> files;
  files["config.json"] = format::integer_config_json(prepared.config, sizes.integers, output.dtype,
                                                     format, sizes.biases);
  if (format == format::IntegerFormat::gptq) {
    files["quantize_config.json"] =
        format::gptq_quantize_config_json(prepared.config, sizes.integers);
  }
  return files;
}

}  // namespace tessera::jobs
