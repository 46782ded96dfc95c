#include <utility>

#include <oneapi/dnnl/dnnl.hpp>

#include "linalg/gemm_shape.hpp"
#include "linalg/packed_weight.hpp"

namespace tessera::linalg {
namespace {

using Memory = dnnl::memory;

dnnl::engine& cpu() {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

Memory::dim dim(std::size_t extent) {
  return static_cast<Memory::dim>(extent);
}

Memory::desc plain(std::size_t rows, std::size_t cols) {
  return {{dim(rows), dim(cols)}, Memory::data_type::f32, Memory::format_tag::ab};
}

Memory borrowed(const Memory::desc& desc, const float* data) {
  return Memory(desc, cpu(), const_cast<float*>(data));  // oneDNN knows no constant memory
}

// The height for which oneDNN chooses the order of the weight; products of other heights use that
// order too.
constexpr std::size_t kTypicalRows = 256;

}  // namespace

struct PackedWeight::Layout {
  Memory weight;
};

void PackedWeight::pack(MatrixView<const float> weight, Transposed transposed) {
  const Memory::desc any_order({dim(in_features_), dim(out_features_)}, Memory::data_type::f32,
                               Memory::format_tag::any);
  const dnnl::matmul::primitive_desc typical(
      dnnl::matmul::desc(plain(kTypicalRows, in_features_), any_order,
                         plain(kTypicalRows, out_features_)),
      cpu());
  auto layout = std::make_shared<Layout>(Layout{Memory(typical.weights_desc(), cpu())});
  const Memory::dims strides = transposed == Transposed::no ? Memory::dims{1, dim(weight.ld)}
                                                            : Memory::dims{dim(weight.ld), 1};
  Memory given = borrowed(
      {{dim(in_features_), dim(out_features_)}, Memory::data_type::f32, strides}, weight.data);
  dnnl::stream stream(cpu());
  dnnl::reorder(given, layout->weight).execute(stream, given, layout->weight);
  stream.wait();
  layout_ = std::move(layout);
}

void PackedWeight::multiply_packed(MatrixView<const float> x, MatrixView<float> y,
                                   Accumulate accumulate) const {
  if (x.rows == 0 || y.cols == 0) return;
  if (x.cols == 0) return scale_in_place(accumulate == Accumulate::yes ? 1.0F : 0.0F, y);
  dnnl::primitive_attr attributes;
  if (accumulate == Accumulate::yes) {
    dnnl::post_ops sum;
    sum.append_sum(1.0F);
    attributes.set_post_ops(sum);
  }
  // Compiled kernels stay in oneDNN's own cache: from the second time on this costs microseconds.
  const auto x_desc = plain(x.rows, x.cols);
  const auto y_desc = plain(y.rows, y.cols);
  const dnnl::matmul product(dnnl::matmul::primitive_desc(
      dnnl::matmul::desc(x_desc, layout_->weight.get_desc(), y_desc), attributes, cpu()));
  dnnl::stream stream(cpu());
  product.execute(stream, {{DNNL_ARG_SRC, borrowed(x_desc, x.data)},
                           {DNNL_ARG_WEIGHTS, layout_->weight},
                           {DNNL_ARG_DST, borrowed(y_desc, y.data)}});
  stream.wait();
}

}  // namespace tessera::linalg
