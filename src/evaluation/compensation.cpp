#include "evaluation/compensation.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/core.h>

#include "core/error.hpp"
#include "linalg/packed_weight.hpp"
#include "model/architecture.hpp"
#include "residual/residual_layer.hpp"

namespace tessera::evaluation {
namespace {

using residual::ChannelSelector;
using residual::ResidualLayer;

constexpr std::size_t kCountEvery = 16;

/// What tokens are told apart by when channels are drawn: where they stand, and what they are.
std::uint64_t number_of(std::span<const float> x, std::size_t position) {
  std::uint32_t bits[2] = {};
  std::memcpy(bits, x.data(), std::min(sizeof bits, x.size_bytes()));
  return (std::uint64_t{bits[0]} << 32 | bits[1]) + position;
}

/// Keeps a token's chosen channels.
class ChosenChannels final : public forward::InputSelection {
 public:
  ChosenChannels(const CompensationSettings& settings, std::uint64_t k_chunk, ResidualLayer facts,
                 const std::string& name, std::shared_ptr<SelectionCount> count)
      : first_position_(settings.first_position),
        facts_(std::move(facts)),
        selector_(settings.rule, facts_.in_features, k_chunk,
                  {facts_.top_magnitude, facts_.column_norm, facts_.static_order}, name),
        largest_(residual::SelectionRule::global, facts_.in_features, k_chunk, {}),
        count_(std::move(count)) {}

  void keep(std::span<const float> x, std::size_t position, std::span<float> kept) const override {
    if (position < first_position_) {
      std::ranges::fill(kept, 0.0F);
      return;
    }
    thread_local std::vector<std::uint8_t> chosen;
    chosen.resize(x.size());
    selector_.select(x, number_of(x, position), chosen);
    for (std::size_t j = 0; j < x.size(); ++j) kept[j] = chosen[j] != 0 ? x[j] : 0.0F;
    if (position % kCountEvery == 0) count(x, chosen);
  }

 private:
  void count(std::span<const float> x, std::span<const std::uint8_t> chosen) const {
    std::vector<std::uint8_t> largest(x.size());
    largest_.select(x, 0, largest);
    std::uint64_t found = 0;
    for (std::size_t j = 0; j < x.size(); ++j) found += chosen[j] & largest[j];
    count_->num_chosen += found;
    count_->num_largest += largest_.num_selected();
  }

  std::size_t first_position_;
  ResidualLayer facts_;  // without codes
  ChannelSelector selector_, largest_;
  std::shared_ptr<SelectionCount> count_;
};

class DenseResidual final : public forward::ResidualProduct {
 public:
  explicit DenseResidual(MatrixView<const float> residual) : residual_(residual) {}
  void add(MatrixView<const float> kept, MatrixView<float> y) const override {
    residual_.multiply(kept, y, linalg::Accumulate::yes);
  }

 private:
  linalg::PackedWeight residual_;
};

/// Codes of some outputs; a token's product reads those of its chosen channels and no others.
class FetchedResidual final : public forward::ResidualProduct {
 public:
  FetchedResidual(std::shared_ptr<const ResidualLayer> layer, model::RoleRows rows)
      : layer_(std::move(layer)), rows_(rows) {}

  void add(MatrixView<const float> kept, MatrixView<float> y) const override {
    std::vector<float> sums(rows_.count);
    const auto zero = static_cast<float>(layer_->zero_code());
    for (std::size_t t = 0; t < kept.rows; ++t) {
      std::ranges::fill(sums, 0.0F);
      for (std::size_t j = 0; j < kept.cols; ++j) {
        if (kept(t, j) != 0.0F) fetch(j, kept(t, j), zero, sums);
      }
      const float* scale = layer_->scale.data() + rows_.begin;
      for (std::size_t i = 0; i < rows_.count; ++i) y(t, i) += scale[i] * sums[i];
    }
  }

 private:
  void fetch(std::size_t channel, float x, float zero, std::span<float> sums) const {
    const std::uint8_t* codes = layer_->codes.row(channel) + rows_.begin;
    for (std::size_t i = 0; i < sums.size(); ++i) {
      sums[i] += x * (static_cast<float>(codes[i]) - zero);
    }
  }

  std::shared_ptr<const ResidualLayer> layer_;
  model::RoleRows rows_;
};

forward::Compensation& compensation_of(forward::BlockWeights& weights,
                                       const model::LinearLayer& layer, model::LinearRole role) {
  if (layer.expert) return weights.mixture.experts.at(*layer.expert).compensation_of(role);
  return weights.compensation[static_cast<std::size_t>(role)];
}

ResidualLayer without_codes(const ResidualLayer& layer) {
  ResidualLayer facts;
  facts.in_features = layer.in_features;
  facts.top_magnitude = layer.top_magnitude;
  facts.column_norm = layer.column_norm;
  facts.static_order = layer.static_order;
  return facts;
}

}  // namespace

double SelectionCount::recall() const {
  if (num_largest == 0) return 1;
  return static_cast<double>(num_chosen) / static_cast<double>(num_largest);
}

Compensator::Compensator(const residual::ResidualSource& residuals, CompensationSettings settings,
                         ResidualForm form)
    : residuals_(residuals),
      settings_(std::move(settings)),
      form_(form),
      count_(std::make_shared<SelectionCount>()) {}

std::uint64_t Compensator::k_chunk_of(const std::string& layer) const {
  const auto found = settings_.k_chunk_of.find(layer);
  return found == settings_.k_chunk_of.end() ? settings_.k_chunk : found->second;
}

void Compensator::add_to(const model::ModelConfig& config, std::size_t block,
                         forward::BlockWeights& weights) const {
  // Layers that read one input choose the same channels, unless the rule looks at their residuals.
  std::map<std::pair<model::InputKey, std::uint64_t>, std::shared_ptr<const ChosenChannels>> shared;
  for (const model::LinearLayer& layer : model::linear_layers(config, block)) {
    const std::uint64_t k_chunk = k_chunk_of(layer.name);
    if (residual::num_selected(layer.in_features, k_chunk) == 0) continue;
    if (!residuals_.contains(layer.name)) continue;
    auto residual = std::make_shared<const ResidualLayer>(residuals_.read(layer.name));
    require_input(
        residual->in_features == layer.in_features && residual->out_features == layer.out_features,
        fmt::format("{}: the residual is {} x {} (the layer is {} x {}). Use the residual "
                    "file that was made with this model.",
                    layer.name, residual->out_features, residual->in_features, layer.out_features,
                    layer.in_features));
    auto& selection = shared[{layer.input(), k_chunk}];
    if (!selection || settings_.rule == residual::SelectionRule::scaled) {
      selection = std::make_shared<ChosenChannels>(settings_, k_chunk, without_codes(*residual),
                                                   layer.name, count_);
    }
    const Matrix<float> decoded =
        form_ == ResidualForm::dense ? residual::dequantize(*residual) : Matrix<float>();
    for (const model::RoleRows& rows : layer.parts) {
      forward::Compensation& compensation = compensation_of(weights, layer, rows.role);
      compensation.selection = selection;
      if (form_ == ResidualForm::dense) {
        compensation.residual =
            std::make_shared<DenseResidual>(decoded.view().middle_rows(rows.begin, rows.count));
      } else {
        compensation.residual = std::make_shared<FetchedResidual>(residual, rows);
      }
    }
  }
}

std::uint64_t Compensator::bytes_per_token(const model::ModelConfig& config) const {
  std::uint64_t bytes = 0, of_experts = 0;
  for (std::size_t block = 0; block < config.num_blocks; ++block) {
    for (const model::LinearLayer& layer : model::linear_layers(config, block)) {
      const std::size_t chosen = residual::num_selected(layer.in_features, k_chunk_of(layer.name));
      if (chosen == 0 || !residuals_.contains(layer.name)) continue;
      const std::uint64_t scales = 2 * layer.out_features;
      const std::uint64_t all =
          chosen * ((layer.out_features * residuals_.bits() + 7) / 8) + scales;
      (layer.expert ? of_experts : bytes) += all;
    }
  }
  if (of_experts > 0) bytes += of_experts * config.experts_per_token / config.num_experts;
  return bytes;
}

}  // namespace tessera::evaluation
