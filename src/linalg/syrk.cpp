#include "linalg/syrk.hpp"

#include <algorithm>
#include <vector>

#include "linalg/packed_weight.hpp"
#include "linalg/scratch_pool.hpp"
#include "linalg/transpose.hpp"

namespace tessera::linalg {
namespace {

constexpr std::size_t kPanelCols = 128;  // columns of sum whose operand is packed as a whole
constexpr std::size_t kBlockRows = 512;  // rows of sum, from the diagonal down, that are one task

/// A block of sum that holds entries of the lower triangle.
struct Block {
  Tile rows, cols;
  std::size_t panel;  // number of cols
};

std::vector<Block> lower_blocks(std::size_t n) {
  std::vector<Block> blocks;
  for (std::size_t panel = 0; panel < num_tiles(n, kPanelCols); ++panel) {
    const Tile cols = tile_at(panel, kPanelCols, n);
    for (std::size_t row = cols.begin; row < n; row += kBlockRows) {
      blocks.push_back({{row, std::min(n, row + kBlockRows)}, cols, panel});
    }
  }
  return blocks;
}

/// A tile of tokens as both operands of its products: channels as rows, and those rows packed by
/// panels.
class TokenTile {
 public:
  TokenTile(std::size_t num_channels, std::size_t max_tokens)
      : by_channel_(num_channels, max_tokens), packed_(num_tiles(num_channels, kPanelCols)) {}

  void load(Threads& threads, MatrixView<const float> x) {
    rows_ = {by_channel_.data(), x.cols, x.rows};
    threads.for_each(packed_.size(), [&](std::size_t panel) {
      const Tile channels = tile_at(panel, kPanelCols, x.cols);
      const auto columns = x.block(0, channels.begin, x.rows, channels.size());
      transpose(columns, rows_.middle_rows(channels.begin, channels.size()));
      packed_[panel] = PackedWeight(columns, Transposed::yes);
    });
  }

  /// sum += products of the tile's tokens, in one block.
  void add_block(const Block& block, MatrixView<float> scratch, Matrix<double>& sum) const {
    const MatrixView<float> products(scratch.data, block.rows.size(), block.cols.size());
    packed_[block.panel].multiply(rows_.middle_rows(block.rows.begin, block.rows.size()), products);
    for (std::size_t row = block.rows.begin; row < block.rows.end; ++row) {
      const std::size_t end = std::min(block.cols.end, row + 1);  // to the diagonal
      const float* from = products.row(row - block.rows.begin);
      double* to = sum.row(row) + block.cols.begin;
      for (std::size_t j = 0; j < end - block.cols.begin; ++j)
        to[j] += static_cast<double>(from[j]);
    }
  }

 private:
  Matrix<float> by_channel_;
  MatrixView<float> rows_;  // (channels, tokens of this tile)
  std::vector<PackedWeight> packed_;
};

}  // namespace

void add_outer_products(Threads& threads, MatrixView<const float> x, Matrix<double>& sum) {
  require(sum.rows() == x.cols && sum.cols() == x.cols, "add_outer_products: sum is not (n, n)");
  const std::vector<Block> blocks = lower_blocks(x.cols);
  ScratchPool scratch(std::min(x.cols, kBlockRows), std::min(x.cols, kPanelCols));
  TokenTile tile(x.cols, std::min(x.rows, kSyrkTileRows));
  for (std::size_t t = 0; t < num_tiles(x.rows, kSyrkTileRows); ++t) {
    const Tile tokens = tile_at(t, kSyrkTileRows, x.rows);
    tile.load(threads, x.middle_rows(tokens.begin, tokens.size()));
    threads.for_each(blocks.size(), [&](std::size_t i) {
      ScratchPool::Lease products(scratch);
      tile.add_block(blocks[i], products.view(), sum);
    });
  }
}

void mirror_lower(Matrix<double>& a) {
  require(a.rows() == a.cols(), "mirror_lower: the matrix is not square");
  for (std::size_t i = 0; i < a.rows(); ++i) {
    for (std::size_t j = 0; j < i; ++j) a(j, i) = a(i, j);
  }
}

}  // namespace tessera::linalg
