#pragma once
#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <type_traits>

#include "core/error.hpp"

namespace tessera {

/// A row-major matrix somebody else owns: element (i, j) is data[i * ld + j].
template <class T>
struct MatrixView {
  T* data = nullptr;
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t ld = 0;  ///< distance between rows, in elements; at least cols

  MatrixView() = default;
  MatrixView(T* d, std::size_t r, std::size_t c) : MatrixView(d, r, c, c) {}
  MatrixView(T* d, std::size_t r, std::size_t c, std::size_t leading)
      : data(d), rows(r), cols(c), ld(leading) {}

  /// A view of mutable elements is also a view of constant ones.
  operator MatrixView<const T>() const requires(!std::is_const_v<T>) {
    return {data, rows, cols, ld};
  }

  T& operator()(std::size_t i, std::size_t j) const {
    debug_require(i < rows && j < cols, "matrix index out of range");
    return data[i * ld + j];
  }
  T* row(std::size_t i) const {
    debug_require(i < rows, "matrix row out of range");
    return data + i * ld;
  }
  std::span<T> row_span(std::size_t i) const { return {row(i), cols}; }

  MatrixView block(std::size_t row0, std::size_t col0, std::size_t num_rows,
                   std::size_t num_cols) const {
    debug_require(row0 + num_rows <= rows && col0 + num_cols <= cols, "block out of range");
    return {data + row0 * ld + col0, num_rows, num_cols, ld};
  }
  MatrixView middle_rows(std::size_t row0, std::size_t num_rows) const {
    return block(row0, 0, num_rows, cols);
  }
  bool is_contiguous() const { return ld == cols; }
};

/// A row-major matrix that owns its elements, aligned to 64 bytes, zero at first. Moves, never
/// copies by accident.
template <class T>
class Matrix {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  static constexpr std::align_val_t kAlignment{64};

  Matrix() = default;
  Matrix(std::size_t rows, std::size_t cols) : rows_(rows), cols_(cols) {
    if (size() == 0) return;
    data_.reset(static_cast<T*>(::operator new(size() * sizeof(T), kAlignment)));
    for (T& value : span()) value = T{};
  }

  Matrix copy() const {
    Matrix other(rows_, cols_);
    for (std::size_t k = 0; k < size(); ++k) other.data_.get()[k] = data_.get()[k];
    return other;
  }

  std::size_t rows() const { return rows_; }
  std::size_t cols() const { return cols_; }
  std::size_t size() const { return rows_ * cols_; }
  bool empty() const { return size() == 0; }
  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  std::span<T> span() { return {data(), size()}; }
  std::span<const T> span() const { return {data(), size()}; }

  T& operator()(std::size_t i, std::size_t j) { return view()(i, j); }
  const T& operator()(std::size_t i, std::size_t j) const { return view()(i, j); }
  T* row(std::size_t i) { return view().row(i); }
  const T* row(std::size_t i) const { return view().row(i); }

  MatrixView<T> view() { return {data(), rows_, cols_}; }
  MatrixView<const T> view() const { return {data(), rows_, cols_}; }
  operator MatrixView<T>() { return view(); }
  operator MatrixView<const T>() const { return view(); }

 private:
  struct Free {
    void operator()(T* p) const { ::operator delete(p, kAlignment); }
  };
  std::unique_ptr<T, Free> data_;
  std::size_t rows_ = 0;
  std::size_t cols_ = 0;
};

}  // namespace tessera
