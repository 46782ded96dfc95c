#pragma once
#include <vector>

#include "jobs/packed_layers.hpp"

// A solved layer and what its bias takes away of its output's error, put together.
namespace tessera::jobs {

/// True when some layer's bias is corrected by what calibration samples show (stages/correct.hpp).
bool corrects_in_order(const std::vector<LayerUnit>& units);
/// The same of one layer: its settings ask for it, it makes integers, and the architecture has a
/// place for its bias.
bool is_corrected_in_order(const model::ModelConfig& config, const LayerUnit& unit);

/// Whether what is to be added to v's outputs in block @p block is added to o's bias in its stead.
/// Weights of attention sum to one, so a constant c added to v passes through and adds
/// W_o repeat(c) to o's output, each value head repeated for its query heads (formats.md section
/// 4). Exact where o's input is neither rounded nor compensated; done where o may have a bias and v
/// has none of its own.
bool moves_into_o(const PreparedRun& prepared, const WorkFolder& work, std::size_t block);

/// W_o repeat(c): what a constant @p of_values (kv_size) added to v does to o's output.
std::vector<float> passed_through_attention(const model::ModelConfig& config,
                                            MatrixView<const float> o_weight,
                                            std::span<const float> of_values);

/// The layer as it is packed: as it was solved, with its corrected bias.
SolvedLayer load_corrected(const PreparedRun& prepared, const WorkFolder& work,
                           const model::LinearLayer& layer);

/// The commits that decide the bytes of the packed layer.
std::vector<std::string> files_of(const PreparedRun& prepared, const model::LinearLayer& layer);

}  // namespace tessera::jobs
