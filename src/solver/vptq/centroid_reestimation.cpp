#include "solver/vptq/centroid_reestimation.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "linalg/cholesky.hpp"
#include "linalg/gemm.hpp"
#include "linalg/transpose.hpp"
#include "solver/vptq/vector_columns.hpp"

namespace tessera::solver {
namespace {

constexpr std::size_t kMaxChunks =
    16;  // partial sums in memory; fixed, so that the order of addition is
constexpr std::size_t kColumnBlock =
    64;  // columns of H that stay in cache while all vector rows use them
constexpr int kIterations = 10;

std::size_t num_unknowns(const Codebook& codebook) {
  return codebook.main.rows() + codebook.residual.rows();
}

/// Calls visit(tile, chunk's partial) for every tile, chunks of tiles in parallel, and adds the
/// partials in order.
template <class Partial, class Visit>
Partial sum_over_tiles(Threads& threads, std::vector<RowTile>& tiles, const Partial& zero,
                       Visit visit) {
  const std::size_t chunk = num_tiles(tiles.size(), std::min(kMaxChunks, tiles.size()));
  std::vector<Partial> partials(num_tiles(tiles.size(), chunk));
  threads.for_each(partials.size(), [&](std::size_t c) {
    partials[c] = zero.copy();
    const Tile range = tile_at(c, chunk, tiles.size());
    for (std::size_t t = range.begin; t < range.end; ++t) visit(tiles[t], partials[c]);
  });
  for (std::size_t c = 1; c < partials.size(); ++c) {
    for (std::size_t k = 0; k < zero.size(); ++k) partials[0].data()[k] += partials[c].data()[k];
  }
  return std::move(partials[0]);
}

/// The unknowns that vector i of column p is the sum of: one main entry, and perhaps one residual
/// entry.
struct Entries {
  std::array<std::size_t, 2> entry{};
  std::size_t count = 0;
};
Entries entries_of(RowTile& tile, const Codebook& codebook, std::size_t p, std::size_t i) {
  Entries entries;
  entries.entry[entries.count++] = tile.main(p, i);
  if (codebook.has_residual())
    entries.entry[entries.count++] = codebook.main.rows() + tile.residual(p, i);
  return entries;
}

/// out[entry, t] += values (n, rows) of the segment's full vectors.
void scatter(RowTile& tile, const Codebook& codebook, MatrixView<const float> values,
             Matrix<double>& out) {
  const Segment& segment = codebook.segment;
  const std::size_t v = segment.vector_len;
  for (std::size_t j = 0; j < segment.size(); ++j) {
    const float* row = values.row(j);
    for (std::size_t i = 0; i < tile.num_full_vectors(v); ++i) {
      const Entries entries = entries_of(tile, codebook, segment.begin + j, i);
      for (std::size_t e = 0; e < entries.count; ++e) {
        double* sum = out.row(entries.entry[e]);
        for (std::size_t t = 0; t < v; ++t) sum[t] += row[i * v + t];
      }
    }
  }
}

Matrix<double> gradient_of_entries(Threads& threads, std::vector<RowTile>& tiles,
                                   const Codebook& codebook) {
  const Segment& segment = codebook.segment;
  const Matrix<double> zero(num_unknowns(codebook), segment.vector_len);
  return sum_over_tiles(threads, tiles, zero, [&](RowTile& tile, Matrix<double>& partial) {
    scatter(tile, codebook, tile.gradient.view().middle_rows(segment.begin, segment.size()),
            partial);
  });
}

/// The entries of all full vectors of a tile, (vector rows, columns); residual empty without
/// residual codebook.
struct EntryTable {
  Matrix<std::uint32_t> main, residual;
};
EntryTable tabulate_entries(RowTile& tile, const Codebook& codebook) {
  const std::size_t n = codebook.segment.size(),
                    rows = tile.num_full_vectors(codebook.segment.vector_len);
  EntryTable table{Matrix<std::uint32_t>(rows, n), {}};
  if (codebook.has_residual()) table.residual = Matrix<std::uint32_t>(rows, n);
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t i = 0; i < rows; ++i) {
      const Entries entries = entries_of(tile, codebook, codebook.segment.begin + j, i);
      table.main(i, j) = static_cast<std::uint32_t>(entries.entry[0]);
      if (entries.count > 1) table.residual(i, j) = static_cast<std::uint32_t>(entries.entry[1]);
    }
  }
  return table;
}

/// to[entry of row k] += from[k], rows of kColumnBlock numbers.
void add_rows_by_entry(MatrixView<const float> from, const std::uint32_t* entry,
                       MatrixView<float> to) {
  for (std::size_t k = 0; k < from.rows; ++k) {
    float* sum = to.data + entry[k] * to.ld;
    const float* row = from.data + k * from.ld;
    for (std::size_t c = 0; c < from.cols; ++c) sum[c] += row[c];
  }
}

/// A += sum over the tile's vector rows of Z^T H Z, Z the 0/1 matrix (columns, U) of a row's
/// entries: rows of H are folded by entry, and then the columns of the result. Block by block of
/// columns, so that a block of H serves all rows from the cache.
void add_normal_matrix(MatrixView<const float> hessian, const EntryTable& entries,
                       Matrix<float>& a) {
  const std::size_t n = hessian.rows, unknowns = a.rows();
  Matrix<float> folded(unknowns, kColumnBlock), transposed(kColumnBlock, unknowns);
  for (std::size_t begin = 0; begin < n; begin += kColumnBlock) {
    const std::size_t width = std::min(kColumnBlock, n - begin);
    const auto columns = hessian.block(0, begin, n, width);
    const auto fold = folded.view().block(0, 0, unknowns, width);
    const auto turned = transposed.view().middle_rows(0, width);
    for (std::size_t i = 0; i < entries.main.rows(); ++i) {
      std::fill_n(folded.data(), folded.size(), 0.0f);
      add_rows_by_entry(columns, entries.main.row(i), fold);
      if (!entries.residual.empty()) add_rows_by_entry(columns, entries.residual.row(i), fold);
      linalg::transpose(fold, turned);
      add_rows_by_entry(turned, entries.main.row(i) + begin, a);
      if (!entries.residual.empty()) add_rows_by_entry(turned, entries.residual.row(i) + begin, a);
    }
  }
}

Matrix<double> normal_matrix(Threads& threads, MatrixView<const float> hessian,
                             std::vector<RowTile>& tiles, const Codebook& codebook) {
  const std::size_t unknowns = num_unknowns(codebook);
  const Matrix<float> zero(unknowns, unknowns);
  const Matrix<float> sum =
      sum_over_tiles(threads, tiles, zero, [&](RowTile& tile, Matrix<float>& partial) {
        add_normal_matrix(hessian, tabulate_entries(tile, codebook), partial);
      });
  Matrix<double> a(unknowns, unknowns);
  double trace = 0;
  for (std::size_t u = 0; u < unknowns; ++u) trace += sum(u, u);
  // Main and residual entries can trade a constant, and entries without vectors have empty rows:
  // both need a ridge.
  const double ridge = std::fmax(1e-5 * trace / static_cast<double>(unknowns), 1e-30);
  for (std::size_t u = 0; u < unknowns; ++u) {
    for (std::size_t w = 0; w <= u; ++w) a(u, w) = sum(u, w);
    a(u, u) += ridge;
  }
  return a;
}

double dot(const Matrix<double>& a, const Matrix<double>& b) {
  double sum = 0;
  for (std::size_t k = 0; k < a.size(); ++k) sum += a.data()[k] * b.data()[k];
  return sum;
}

/// A times @p direction without A.
Matrix<double> normal_product(Threads& threads, MatrixView<const float> hessian,
                              std::vector<RowTile>& tiles, const Codebook& codebook,
                              const Matrix<double>& direction) {
  const Segment& segment = codebook.segment;
  const std::size_t v = segment.vector_len;
  const Matrix<double> zero(direction.rows(), direction.cols());
  return sum_over_tiles(threads, tiles, zero, [&](RowTile& tile, Matrix<double>& partial) {
    Matrix<float> change(segment.size(), tile.rows.size()),
        product(segment.size(), tile.rows.size());
    for (std::size_t j = 0; j < segment.size(); ++j) {
      for (std::size_t i = 0; i < tile.num_full_vectors(v); ++i) {
        const Entries entries = entries_of(tile, codebook, segment.begin + j, i);
        for (std::size_t e = 0; e < entries.count; ++e) {
          for (std::size_t t = 0; t < v; ++t) {
            change(j, i * v + t) += static_cast<float>(direction(entries.entry[e], t));
          }
        }
      }
    }
    linalg::gemm(1, hessian, linalg::Transposed::no, change, linalg::Transposed::no, 0, product);
    scatter(tile, codebook, product, partial);
  });
}

MatrixView<const float> own_block(const Matrix<float>& square, const Segment& s) {
  return square.view().block(s.begin, s.begin, s.size(), s.size());
}

}  // namespace

Matrix<double> centroid_change_dense(Threads& threads, const Matrix<float>& square,
                                     std::vector<RowTile>& tiles, const Codebook& codebook) {
  Matrix<double> change = gradient_of_entries(threads, tiles, codebook);
  const Matrix<double> a =
      normal_matrix(threads, own_block(square, codebook.segment), tiles, codebook);
  if (!linalg::solve_positive_definite(a, change))
    return Matrix<double>(change.rows(), change.cols());
  return change;
}

Matrix<double> centroid_change_iterative(Threads& threads, const Matrix<float>& square,
                                         std::vector<RowTile>& tiles, const Codebook& codebook,
                                         int num_iterations) {
  const Segment& segment = codebook.segment;
  const auto hessian = own_block(square, segment);
  Matrix<double> rest = gradient_of_entries(threads, tiles, codebook);
  Matrix<double> diagonal(rest.rows(), 1);
  for (RowTile& tile : tiles) {
    for (std::size_t j = 0; j < segment.size(); ++j) {
      for (std::size_t i = 0; i < tile.num_full_vectors(segment.vector_len); ++i) {
        const Entries entries = entries_of(tile, codebook, segment.begin + j, i);
        for (std::size_t e = 0; e < entries.count; ++e)
          diagonal(entries.entry[e], 0) += hessian(j, j);
      }
    }
  }
  const auto precondition = [&](const Matrix<double>& r) {
    Matrix<double> z(r.rows(), r.cols());
    for (std::size_t u = 0; u < r.rows(); ++u) {
      for (std::size_t t = 0; t < r.cols(); ++t)
        z(u, t) = diagonal(u, 0) > 0 ? r(u, t) / diagonal(u, 0) : 0.0;
    }
    return z;
  };
  Matrix<double> change(rest.rows(), rest.cols());
  Matrix<double> z = precondition(rest), direction = z.copy();
  double size = dot(rest, z);
  for (int step = 0; step < num_iterations && size > 0; ++step) {
    const Matrix<double> product = normal_product(threads, hessian, tiles, codebook, direction);
    const double curvature = dot(direction, product);
    if (!(curvature > 0)) break;
    const double alpha = size / curvature;
    for (std::size_t k = 0; k < change.size(); ++k) {
      change.data()[k] += alpha * direction.data()[k];
      rest.data()[k] -= alpha * product.data()[k];
    }
    z = precondition(rest);
    const double next = dot(rest, z);
    for (std::size_t k = 0; k < change.size(); ++k) {
      direction.data()[k] = z.data()[k] + next / size * direction.data()[k];
    }
    size = next;
  }
  return change;
}

Codebook reestimate_centroids(Threads& threads, const Matrix<float>& square,
                              std::vector<RowTile>& tiles, const Codebook& codebook,
                              StoredType type) {
  const Matrix<double> change =
      num_unknowns(codebook) <= kDenseLimit
          ? centroid_change_dense(threads, square, tiles, codebook)
          : centroid_change_iterative(threads, square, tiles, codebook, kIterations);
  Codebook improved = codebook.copy();
  const auto apply = [&](Matrix<float>& entries, std::size_t first) {
    for (std::size_t u = 0; u < entries.rows(); ++u) {
      for (std::size_t t = 0; t < entries.cols(); ++t) {
        entries(u, t) = rounded_to(type, static_cast<float>(entries(u, t) + change(first + u, t)));
      }
    }
  };
  apply(improved.main, 0);
  if (improved.has_residual()) apply(improved.residual, improved.main.rows());
  return improved;
}

}  // namespace tessera::solver
