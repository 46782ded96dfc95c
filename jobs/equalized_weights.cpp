#include "jobs/equalized_weights.hpp"

#include <cmath>

#include "core/error.hpp"
#include "jobs/plan.hpp"
#include "model/architecture.hpp"

namespace tessera::jobs {
namespace {

using model::InputKey;
using model::InputRole;
using model::LinearRole;

}  // namespace

bool equalizes(const QuantizeSettings& settings) {
  if (settings.method == Method::vptq) return settings.equalize;
  return settings.method == Method::aweq && settings.aweq.equalize != solver::Equalize::none;
}

std::vector<std::uint32_t> tied_channels(const model::ModelConfig& config, InputRole role) {
  if (role != InputRole::attention_output) return {};
  const std::size_t share = config.num_heads / config.num_kv_heads;
  std::vector<std::uint32_t> owner(config.q_size());
  for (std::size_t j = 0; j < owner.size(); ++j) {
    const std::size_t head = j / config.head_dim, dim = j % config.head_dim;
    owner[j] = static_cast<std::uint32_t>(head / share * config.head_dim + dim);
  }
  return owner;
}

InputKey balanced_as(const InputKey& key) {
  return key.role == InputRole::mlp_input ? InputKey(key.role) : key;
}

EqualizedWeights::EqualizedWeights(const PreparedRun& prepared, const WorkFolder& work)
    : prepared_(prepared), base_(*prepared.weights) {
  if (!equalizes(prepared.job.quantize)) return;
  for (const std::size_t block : blocks_of(prepared.units)) {
    BlockEqualization stored;
    work.load(equalized_file(block), "equalized", stored);
    for (const auto& [role, of_input] : stored.of_role) {
      if (!of_input.scale.empty()) fold(block, role, of_input.scale);
    }
  }
}

void EqualizedWeights::fold(std::size_t block, const InputKey& role, std::span<const float> scale) {
  const model::ModelConfig& config = prepared_.config;
  require(scale.size() == channels_of(config, role), "a scale for each channel of the input");
  switch (role.role) {
    case InputRole::attention_input:
    case InputRole::mlp_input:
      scale_columns(block, role, fold_into_norm(block, role.role, scale));
      return;
    case InputRole::attention_output: {
      const auto owner = tied_channels(config, role.role);
      std::vector<float> by_row(config.kv_size());
      for (std::size_t j = 0; j < owner.size(); ++j) by_row[owner[j]] = scale[j];
      fold_into_rows(model::linear_layer(config, block, LinearRole::v), LinearRole::v, by_row);
      scale_columns(block, role, scale);
      return;
    }
    case InputRole::mlp_hidden:
      fold_into_rows(role.expert ? model::expert_layer(config, block, *role.expert, LinearRole::up)
                                 : model::linear_layer(config, block, LinearRole::up),
                     LinearRole::up, scale);
      scale_columns(block, role, scale);
      return;
  }
  throw Bug("an InputRole without a producer");
}

std::vector<float> EqualizedWeights::fold_into_norm(std::size_t block, InputRole role,
                                                    std::span<const float> scale) {
  const auto names = role == InputRole::attention_input
                         ? model::attention_norm(prepared_.config, block)
                         : model::mlp_norm(prepared_.config, block);
  const StoredType type = prepared_.job.output.dtype;
  std::vector<float> norm = base_.read_vector(names.weight, scale.size());
  std::vector<float> effective(scale.size(), 1.0f);
  for (std::size_t j = 0; j < norm.size(); ++j) {
    const float folded = rounded_to(type, norm[j] / scale[j]);
    const float lost = norm[j] / folded;
    if (folded == 0 || !std::isfinite(folded) || !std::isfinite(lost) || lost <= 0) continue;
    effective[j] = lost;
    norm[j] = folded;
  }
  changes_[names.weight] = {norm.size(), 1, {}, {}, std::move(norm)};
  if (!names.bias.empty()) changes_[names.bias] = {effective.size(), 1, {}, effective, {}};
  return effective;
}

void EqualizedWeights::fold_into_rows(const model::LinearLayer& producer, LinearRole role,
                                      std::span<const float> by_row) {
  const model::RoleRows rows = producer.rows_of(role);
  require(rows.count == by_row.size(), "a scale for each row that makes the input");
  std::vector<float> divisors(producer.out_features, 1.0f);
  std::ranges::copy(by_row, divisors.begin() + static_cast<std::ptrdiff_t>(rows.begin));
  if (producer.has_bias) changes_[producer.name + ".bias"] = {divisors.size(), 1, {}, divisors, {}};
  Change& change = changes_[producer.name + ".weight"];
  change.rows = producer.out_features;
  change.cols = producer.in_features;
  change.row = std::move(divisors);
}

void EqualizedWeights::scale_columns(std::size_t block, const InputKey& role,
                                     std::span<const float> scale) {
  const auto scale_layer = [&](const std::string& name, std::size_t rows) {
    Change& change = changes_[name + ".weight"];
    change.rows = rows;
    change.cols = scale.size();
    change.column.assign(scale.begin(), scale.end());
  };
  for (const model::LinearLayer& layer : model::linear_layers(prepared_.config, block)) {
    if (balanced_as(layer.input()) == role) scale_layer(layer.name, layer.out_features);
  }
  if (role.role == InputRole::mlp_input) {
    for (const auto& layer : model::steering_layers(prepared_.config, block)) {
      scale_layer(layer.name, layer.out_features);
    }
  }
  scales_[{block, role}].assign(scale.begin(), scale.end());
}

void EqualizedWeights::read(std::string_view name, std::span<float> out) const {
  base_.read(name, out);
  const auto found = changes_.find(name);
  if (found == changes_.end()) return;
  const Change& change = found->second;
  require(out.size() == change.rows * change.cols, "a changed tensor has its architecture's shape");
  if (!change.values.empty()) {
    std::ranges::copy(change.values, out.begin());
    return;
  }
  for (std::size_t i = 0; i < change.rows; ++i) {
    const float divisor = change.row.empty() ? 1.0f : change.row[i];
    for (std::size_t j = 0; j < change.cols; ++j) {
      float& value = out[i * change.cols + j];
      value = value * (change.column.empty() ? 1.0f : change.column[j]) / divisor;
    }
  }
}

void EqualizedWeights::read_rows(std::string_view name, Tile rows, std::span<float> out) const {
  if (!changes_.contains(name)) return base_.read_rows(name, rows, out);
  TensorSource::read_rows(name, rows, out);
}

std::vector<std::string> EqualizedWeights::changed_tensors() const {
  std::vector<std::string> names;
  for (const auto& [name, change] : changes_) names.push_back(name);
  return names;
}

std::span<const float> EqualizedWeights::scale_of(std::size_t block, const InputKey& role) const {
  const auto found = scales_.find({block, balanced_as(role)});
  return found == scales_.end() ? std::span<const float>() : std::span<const float>(found->second);
}

}  // namespace tessera::jobs
