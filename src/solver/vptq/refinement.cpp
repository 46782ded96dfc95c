#include "solver/vptq/refinement.hpp"

#include "solver/vptq/centroid_reestimation.hpp"
#include "solver/vptq/vector_assigner.hpp"
#include "solver/vptq/vector_columns.hpp"

namespace tessera::solver {
namespace {

/// Calls update(tile) for every tile and returns the sum of what it gives, in order.
template <class Update>
double total(Threads& threads, std::vector<RowTile>& tiles, Update update) {
  std::vector<double> part(tiles.size());
  threads.for_each(tiles.size(), [&](std::size_t t) { part[t] = update(tiles[t]); });
  double sum = 0;
  for (const double value : part) sum += value;
  return sum;
}

/// Puts the codebook's values where its indices stand, and everything that depends on them; returns
/// the loss.
double use_codebook(Threads& threads, const Matrix<float>& square, std::vector<RowTile>& tiles,
                    const Codebook& codebook) {
  const VectorAssigner assigner(codebook, 1);
  const Segment& segment = codebook.segment;
  return total(threads, tiles, [&](RowTile& tile) {
    for (std::size_t p = segment.begin; p < segment.end; ++p) {
      assigner.look_up(main_of(tile, segment, p), residual_of(tile, segment, p),
                       {tile.quantized.row(p), tile.rows.size()});
    }
    return refresh_gradient(square, tile);
  });
}

double sweep(Threads& threads, const Matrix<float>& square, const std::vector<Segment>& segments,
             std::vector<RowTile>& tiles, const std::vector<Codebook>& codebooks, int candidates) {
  std::vector<VectorAssigner> assigners;
  for (const Codebook& codebook : codebooks)
    assigners.emplace_back(codebook, static_cast<std::size_t>(candidates));
  return total(threads, tiles, [&](RowTile& tile) {
    sweep_columns(square, segments, assigners, tile);
    return loss_of(tile);
  });
}

}  // namespace

double refine(Threads& threads, const Matrix<float>& square, const std::vector<Segment>& segments,
              std::vector<RowTile>& tiles, std::vector<Codebook>& codebooks,
              const VptqSettings& settings, StoredType type) {
  double loss =
      total(threads, tiles, [&](RowTile& tile) { return refresh_gradient(square, tile); });
  for (int round = 0; round < settings.refine_rounds; ++round) {
    const double before = loss;
    for (Codebook& codebook : codebooks) {
      Codebook improved = reestimate_centroids(threads, square, tiles, codebook, type);
      const double improved_loss = use_codebook(threads, square, tiles, improved);
      if (improved_loss <= loss) {
        codebook = std::move(improved);
        loss = improved_loss;
      } else {
        loss = use_codebook(threads, square, tiles, codebook);
      }
    }
    loss = sweep(threads, square, segments, tiles, codebooks, settings.residual_candidates);
    if (before - loss < kEnoughGain * before) break;
  }
  return loss;
}

}  // namespace tessera::solver
