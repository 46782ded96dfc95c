#include "jobs/corrected_layers.hpp"

#include <algorithm>

#include "model/architecture.hpp"

namespace tessera::jobs {
namespace {

using model::LinearRole;

const LayerUnit* unit_named(const PreparedRun& prepared, const std::string& name) {
  const auto found = std::ranges::find_if(
      prepared.units, [&](const LayerUnit& unit) { return unit.layer.name == name; });
  return found == prepared.units.end() ? nullptr : &*found;
}

const LayerUnit* attention_unit(const PreparedRun& prepared, std::size_t block, LinearRole role) {
  return unit_named(prepared, model::linear_layer(prepared.config, block, role).name);
}

/// Whether moving is wanted and exact, as far as settings tell.
bool may_move(const PreparedRun& prepared, std::size_t block) {
  const LayerUnit* v = attention_unit(prepared, block, LinearRole::v);
  const LayerUnit* o = attention_unit(prepared, block, LinearRole::o);
  return v != nullptr && o != nullptr && v->makes_integers() && o->makes_integers() &&
         v->layer.parts.size() == 1 && !v->layer.has_bias &&
         model::may_have_bias(prepared.config, LinearRole::o) &&
         !o->aweq().integers.quantizes_input() && !prepared.job.residual.is_wanted();
}

/// What is to be added to the layer's outputs, and what that removes; empty: nothing.
std::vector<float> own_change(const PreparedRun& prepared, const WorkFolder& work,
                              const model::LinearLayer& layer, SolvedLayer& solved) {
  if (solved.is_kept || !std::holds_alternative<solver::IntegerLayer>(solved.layer)) return {};
  const LayerUnit* unit = unit_named(prepared, layer.name);
  if (!is_corrected_in_order(prepared.config, *unit)) return solved.bias_change;
  BlockCorrection stored;
  work.load(corrected_file(layer.block), "corrected", stored);
  const auto found = stored.of_module.find(layer.module);
  if (found == stored.of_module.end()) return {};
  solved.report.bias_gain = found->second.gain;
  return found->second.change;
}

void add_to_bias(solver::IntegerLayer& layer, std::span<const float> change) {
  if (change.empty()) return;
  layer.bias.resize(layer.out_features);
  for (std::size_t i = 0; i < change.size(); ++i) layer.bias[i] += change[i];
  layer.has_bias = true;
}

}  // namespace

bool is_corrected_in_order(const model::ModelConfig& config, const LayerUnit& unit) {
  return unit.makes_integers() && !unit.layer.expert &&
         unit.aweq().bias_correction == solver::BiasCorrection::empirical &&
         model::may_have_bias(config, unit.layer.role);
}

bool corrects_in_order(const std::vector<LayerUnit>& units) {
  return std::ranges::any_of(units, [](const LayerUnit& unit) {
    return unit.makes_integers() &&
           unit.aweq().bias_correction == solver::BiasCorrection::empirical;
  });
}

bool moves_into_o(const PreparedRun& prepared, const WorkFolder& work, std::size_t block) {
  if (!may_move(prepared, block)) return false;
  return !load_solved(work, attention_unit(prepared, block, LinearRole::o)->layer).is_kept;
}

std::vector<float> passed_through_attention(const model::ModelConfig& config,
                                            MatrixView<const float> o_weight,
                                            std::span<const float> of_values) {
  require(of_values.size() == config.kv_size() && o_weight.cols == config.q_size(),
          "a constant for each dimension of each value head");
  const std::size_t share = config.num_heads / config.num_kv_heads;
  std::vector<float> added(o_weight.rows);
  for (std::size_t i = 0; i < o_weight.rows; ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < o_weight.cols; ++j) {
      const std::size_t head = j / config.head_dim, dim = j % config.head_dim;
      sum += static_cast<double>(o_weight(i, j)) *
             static_cast<double>(of_values[head / share * config.head_dim + dim]);
    }
    added[i] = static_cast<float>(sum);
  }
  return added;
}

SolvedLayer load_corrected(const PreparedRun& prepared, const WorkFolder& work,
                           const model::LinearLayer& layer) {
  SolvedLayer solved = load_solved(work, layer);
  const std::vector<float> own = own_change(prepared, work, layer, solved);
  const bool is_v = layer.role == LinearRole::v, is_o = layer.role == LinearRole::o;
  const bool moves = (is_v || is_o) && moves_into_o(prepared, work, layer.block);
  if (!own.empty() && !(is_v && moves)) {
    add_to_bias(std::get<solver::IntegerLayer>(solved.layer), own);
  }
  if (!is_o || !moves) return solved;
  const model::LinearLayer& v = attention_unit(prepared, layer.block, LinearRole::v)->layer;
  SolvedLayer of_v = load_solved(work, v);
  const std::vector<float> moved = own_change(prepared, work, v, of_v);
  if (moved.empty()) return solved;
  auto& integers = std::get<solver::IntegerLayer>(solved.layer);
  add_to_bias(integers,
              passed_through_attention(prepared.config, solver::dequantize(integers), moved));
  return solved;
}

std::vector<std::string> files_of(const PreparedRun& prepared, const model::LinearLayer& layer) {
  std::vector<std::string> files = {solved_file(layer)};
  const LayerUnit* unit = unit_named(prepared, layer.name);
  if (unit == nullptr || !unit->makes_integers()) return files;
  if (corrects_in_order(prepared.units)) files.push_back(corrected_file(layer.block));
  if (layer.role == LinearRole::o && may_move(prepared, layer.block)) {
    files.push_back(solved_file(attention_unit(prepared, layer.block, LinearRole::v)->layer));
  }
  return files;
}

}  // namespace tessera::jobs
