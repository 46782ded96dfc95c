#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "forward/block.hpp"

namespace tessera::forward {
namespace {

using Vector = std::vector<double>;
using model::LinearRole;

Vector to_double(const std::vector<float>& x) {
  return {x.begin(), x.end()};
}

/// RMSNorm.
Vector normalized(const Vector& x, const Vector& weight, double epsilon) {
  double squares = 0;
  for (const double value : x) squares += value * value;
  const double size = std::sqrt(squares / static_cast<double>(x.size()) + epsilon);
  Vector out(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) out[i] = x[i] / size * weight[i];
  return out;
}

/// The first step of LayerNorm, whose rest is an RMSNorm and a bias.
Vector without_mean(const Vector& x) {
  double sum = 0;
  for (const double value : x) sum += value;
  Vector out(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) out[i] = x[i] - sum / static_cast<double>(x.size());
  return out;
}

/// What an engine that quantizes its inputs reads (core/input_quantization.hpp).
Vector rounded(Vector x, const InputQuantization& how) {
  double scale = static_cast<double>(how.scale);
  if (how.is_dynamic) {
    scale = 0;
    for (const double value : x) scale = std::max(scale, std::abs(value));
    scale /= static_cast<double>(how.levels);
  }
  if (scale == 0) return x;  // zeros
  const double zero = how.is_dynamic ? 0 : how.zero_point;
  for (double& value : x) {
    value = scale * (std::clamp(std::nearbyint(value / scale) + zero, -128.0, 127.0) - zero);
  }
  return x;
}

/// The block's tensors and what they do to one token's channels.
struct PlainBlock {
  const model::ModelConfig& config;
  const model::TensorSource& source;
  std::size_t block;

  Vector linear(LinearRole role, const Vector& input,
                std::optional<std::size_t> expert = std::nullopt) const {
    const model::LinearLayer layer = expert ? model::expert_layer(config, block, *expert, role)
                                            : model::linear_layer(config, block, role);
    const auto quantization = source.input_quantization(layer.name);
    const Vector x = quantization ? rounded(input, *quantization) : input;
    const model::RoleRows rows = layer.rows_of(role);
    const Matrix<float>& weight = matrix(layer);
    Vector bias(layer.out_features), y(rows.count);
    if (layer.has_bias) bias = to_double(source.read_vector(layer.name + ".bias", bias.size()));
    for (std::size_t i = 0; i < y.size(); ++i) {
      const std::size_t row = rows.begin + i;
      y[i] = bias[row];
      for (std::size_t j = 0; j < x.size(); ++j) y[i] += static_cast<double>(weight(row, j)) * x[j];
    }
    return y;
  }

  Vector rms_norm(const std::string& name, const Vector& x) const {
    return normalized(x, to_double(source.read_vector(name, x.size())), config.norm_epsilon);
  }

  Vector norm(const model::NormNames& names, const Vector& x) const {
    if (config.norm == model::NormKind::rms) return rms_norm(names.weight, x);
    Vector out = rms_norm(names.weight, without_mean(x));
    const std::vector<float> bias = source.read_vector(names.bias, x.size());
    for (std::size_t i = 0; i < x.size(); ++i) out[i] += static_cast<double>(bias[i]);
    return out;
  }

  /// Each head's norm, then its rotation.
  void prepare_heads(Vector& x, const std::string& norm_name, std::size_t position) const {
    if (config.positions == model::Positions::learned) return;
    const std::size_t dim = config.head_dim;
    const std::vector<double> frequencies = rotary_frequencies(config);
    for (std::size_t begin = 0; begin < x.size(); begin += dim) {
      Vector head(x.begin() + static_cast<std::ptrdiff_t>(begin),
                  x.begin() + static_cast<std::ptrdiff_t>(begin + dim));
      if (config.qk_norm) head = rms_norm(norm_name, head);
      for (std::size_t i = 0; i < dim / 2; ++i) {
        const double angle = static_cast<double>(position) * frequencies[i];
        const double a = head[i], b = head[i + dim / 2];
        x[begin + i] = a * std::cos(angle) - b * std::sin(angle);
        x[begin + i + dim / 2] = b * std::cos(angle) + a * std::sin(angle);
      }
    }
  }

  Vector mlp(const Vector& x, std::optional<std::size_t> expert = std::nullopt) const {
    Vector inner = linear(LinearRole::up, x, expert);
    if (config.activation == model::Activation::relu) {
      for (double& value : inner) value = std::max(value, 0.0);
    } else {
      const Vector gate = linear(LinearRole::gate, x, expert);
      for (std::size_t i = 0; i < inner.size(); ++i) inner[i] *= gate[i] / (1 + std::exp(-gate[i]));
    }
    return linear(LinearRole::down, inner, expert);
  }

  /// A router's or a shared expert's gate's products.
  Vector steer(const model::SteeringLayer& layer, const Vector& x) const {
    const auto weight = source.read_matrix(layer.name + ".weight", layer.out_features, x.size());
    Vector y(layer.out_features);
    for (std::size_t i = 0; i < y.size(); ++i) {
      for (std::size_t j = 0; j < x.size(); ++j) y[i] += static_cast<double>(weight(i, j)) * x[j];
    }
    return y;
  }

  /// The experts with the largest logits, each weighed by its part of the softmax.
  Vector mixture(const Vector& x) const {
    const auto steering = model::steering_layers(config, block);
    Vector parts = steer(steering[0], x);
    for (double& part : parts) part = std::exp(part);
    const double all = std::accumulate(parts.begin(), parts.end(), 0.0);
    for (double& part : parts) part /= all;
    Vector chosen(parts.size());
    for (std::size_t n = 0; n < config.experts_per_token; ++n) {
      const auto best = std::ranges::max_element(parts);  // the first of equal ones
      chosen[static_cast<std::size_t>(best - parts.begin())] = *best;
      *best = -1;
    }
    double total = 1;
    if (config.normalizes_expert_weights)
      total = std::accumulate(chosen.begin(), chosen.end(), 0.0);
    Vector out(x.size());
    const auto add = [&](double weight, const Vector& y) {
      for (std::size_t i = 0; i < y.size(); ++i) out[i] += weight * y[i];
    };
    for (std::size_t e = 0; e < chosen.size(); ++e) {
      if (chosen[e] > 0) add(chosen[e] / total, mlp(x, e));
    }
    if (steering.size() > 1) add(1 / (1 + std::exp(-steer(steering[1], x)[0])), mlp(x));
    return out;
  }

  /// One query token's mixture of the values it may see.
  Vector attention(const Vector& q, const std::vector<Vector>& k, const std::vector<Vector>& v,
                   std::size_t position) const {
    const std::size_t dim = config.head_dim, share = config.num_heads / config.num_kv_heads;
    Vector out(q.size());
    for (std::size_t head = 0; head < config.num_heads; ++head) {
      const std::size_t at = head * dim, kv_at = head / share * dim;
      double total = 0;
      for (std::size_t t = 0; t <= position; ++t) {
        if (config.sliding_window && position - t >= *config.sliding_window) continue;
        double score = 0;
        for (std::size_t i = 0; i < dim; ++i) score += q[at + i] * k[t][kv_at + i];
        const double weight = std::exp(score / std::sqrt(static_cast<double>(dim)));
        total += weight;
        for (std::size_t i = 0; i < dim; ++i) out[at + i] += weight * v[t][kv_at + i];
      }
      for (std::size_t i = 0; i < dim; ++i) out[at + i] /= total;
    }
    return out;
  }

  const Matrix<float>& matrix(const model::LinearLayer& layer) const {
    Matrix<float>& kept = weights[layer.name];
    if (kept.empty()) {
      kept = source.read_matrix(layer.name + ".weight", layer.out_features, layer.in_features);
    }
    return kept;
  }
  mutable std::map<std::string, Matrix<float>> weights;
};

void run_sequence(const PlainBlock& b, MatrixView<float> hidden) {
  std::vector<Vector> q, k, v;
  for (std::size_t t = 0; t < hidden.rows; ++t) {
    const Vector x(hidden.row(t), hidden.row(t) + hidden.cols);
    const Vector normed = b.norm(model::attention_norm(b.config, b.block), x);
    q.push_back(b.linear(LinearRole::q, normed));
    k.push_back(b.linear(LinearRole::k, normed));
    v.push_back(b.linear(LinearRole::v, normed));
    b.prepare_heads(q[t], model::q_norm_name(b.config, b.block), t);
    b.prepare_heads(k[t], model::k_norm_name(b.config, b.block), t);
  }
  for (std::size_t t = 0; t < hidden.rows; ++t) {
    Vector x(hidden.row(t), hidden.row(t) + hidden.cols);
    const Vector mixed = b.linear(LinearRole::o, b.attention(q[t], k, v, t));
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += mixed[i];
    const Vector normed = b.norm(model::mlp_norm(b.config, b.block), x);
    const Vector down = b.config.num_experts > 0 ? b.mixture(normed) : b.mlp(normed);
    for (std::size_t i = 0; i < x.size(); ++i) hidden(t, i) = static_cast<float>(x[i] + down[i]);
  }
}

}  // namespace

void block_reference(const model::ModelConfig& config, const model::TensorSource& source,
                     std::size_t block, BatchShape shape, MatrixView<float> hidden) {
  const PlainBlock plain{config, source, block, {}};
  for (std::size_t s = 0; s < shape.num_sequences; ++s) {
    run_sequence(plain, hidden.middle_rows(s * shape.length, shape.length));
  }
}

}  // namespace tessera::forward
