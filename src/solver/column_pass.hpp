#pragma once
#include <functional>
#include <span>

#include "core/matrix.hpp"
#include "solver/column_tile.hpp"

namespace tessera::solver {

/// Chooses what stands for column @p position, given where it ought to be: x and chosen are (rows).
using RoundColumn =
    std::function<void(std::size_t position, std::span<const float> x, std::span<float> chosen)>;

/// Quantizes a tile column by column, each column's error pushed onto the columns not yet done
/// (Frantar et al. 2022, GPTQ; vptq.md 1.7): for position q
///
///     x_q = w_q - sum_{k < q} U_kq e_k      e_q = (x_q - quantized_q) / U_qq
///
/// Fills tile.quantized. Columns go in panels of kPanel: what earlier panels left is subtracted by
/// one matrix product, inside a panel it is subtracted at once.
/// @param inverse_upper (N, N): U
void quantize_columns(const Matrix<float>& inverse_upper, const RoundColumn& round,
                      ColumnTile& tile);

/// The recursion as it stands above, in double precision, column by column; the oracle of the
/// other.
void quantize_columns_reference(const Matrix<float>& inverse_upper, const RoundColumn& round,
                                ColumnTile& tile);

inline constexpr std::size_t kPanel = 64;

}  // namespace tessera::solver
