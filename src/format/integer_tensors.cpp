#include "format/integer_tensors.hpp"

#include <cstring>
#include <memory>

#include "core/error.hpp"
#include "format/check_integer_layer.hpp"
#include "format/index_packing.hpp"
#include "format/integer_schemes.hpp"
#include "format/layer_in_turn.hpp"

namespace tessera::format {
namespace {

using solver::IntegerLayer;
using Bytes = std::span<std::byte>;
using Shape = std::vector<std::size_t>;

std::size_t words_of(std::size_t count, const IntegerLayer& l) {
  return packed_words(count, static_cast<int>(l.bits));
}

template <class T>
void put(Bytes out, std::size_t position, T value) {
  std::memcpy(out.data() + position * sizeof(T), &value, sizeof(T));
}

/// The layer whose tensors are being written.
class CurrentLayer {
 public:
  CurrentLayer(LoadIntegerLayer load, IntegerFormat format)
      : current_(std::move(load)), format_(format) {}

  const IntegerLayer& get(const std::string& name, const IntegerLayer& sizes) {
    return current_.get(
        name, [&](const IntegerLayer& layer) { check_integer_layer(name, layer, sizes, format_); });
  }

 private:
  LayerInTurn<IntegerLayer> current_;
  IntegerFormat format_;
};

void fill_int8(const IntegerLayer& l, Bytes out) {
  const auto codes = l.codes.span();
  for (std::size_t i = 0; i < codes.size(); ++i) {
    put(out, i, static_cast<std::int8_t>(static_cast<int>(codes[i]) - 128));
  }
}

void fill_floats(StoredType type, std::span<const float> values, Bytes out) {
  require(out.size() == values.size() * size_of(dtype_of(type)), "as many as announced");
  convert_from_float(dtype_of(type), values, out.data());
}

void fill_packed_rows(const IntegerLayer& l, Bytes out) {
  std::vector<std::uint16_t> row(l.in_features);
  std::vector<std::uint32_t> words(words_of(l.in_features, l));
  for (std::size_t i = 0; i < l.out_features; ++i) {
    row.assign(l.codes.row(i), l.codes.row(i) + l.in_features);
    pack_indices(row, {}, static_cast<int>(l.bits), 0, words);
    std::memcpy(out.data() + i * words.size() * 4, words.data(), words.size() * 4);
  }
}

/// As fill_packed_rows, with a row of words for each output turned into a column.
void fill_qweight(const IntegerLayer& l, Bytes out) {
  std::vector<std::uint16_t> row(l.in_features);
  std::vector<std::uint32_t> words(words_of(l.in_features, l));
  for (std::size_t i = 0; i < l.out_features; ++i) {
    row.assign(l.codes.row(i), l.codes.row(i) + l.in_features);
    pack_indices(row, {}, static_cast<int>(l.bits), 0, words);
    for (std::size_t w = 0; w < words.size(); ++w) put(out, w * l.out_features + i, words[w]);
  }
}

void fill_qzeros(const IntegerLayer& l, Bytes out) {
  const int less = stores_whole_zero_points(l.bits, l.is_symmetric) ? 0 : 1;
  std::vector<std::uint16_t> zeros(l.out_features);
  std::vector<std::uint32_t> words(words_of(l.out_features, l));
  for (std::size_t g = 0; g < l.num_groups(); ++g) {
    for (std::size_t i = 0; i < zeros.size(); ++i) {
      zeros[i] = static_cast<std::uint16_t>(l.zero_point(i, g) - less);
    }
    pack_indices(zeros, {}, static_cast<int>(l.bits), 0, words);
    std::memcpy(out.data() + g * words.size() * 4, words.data(), words.size() * 4);
  }
}

void fill_gptq_scales(const IntegerLayer& l, Bytes out) {
  std::vector<float> transposed(l.scale.size());
  for (std::size_t i = 0; i < l.scale.rows(); ++i) {
    for (std::size_t g = 0; g < l.scale.cols(); ++g) {
      transposed[g * l.out_features + i] = l.scale(i, g);
    }
  }
  fill_floats(l.scale_type, transposed, out);
}

void fill_g_idx(const IntegerLayer& l, Bytes out) {
  for (std::size_t j = 0; j < l.in_features; ++j) {
    put(out, j, static_cast<std::int32_t>(j / l.group_size));
  }
}

/// Collects the tensors of one layer.
class TensorList {
 public:
  TensorList(const std::string& layer, const IntegerLayer& sizes,
             std::shared_ptr<CurrentLayer> current)
      : layer_(layer),
        sizes_(std::make_shared<const IntegerLayer>(sizes_of(sizes))),
        current_(std::move(current)) {}

  void add(const char* part, DType type, Shape shape,
           std::function<void(const IntegerLayer&, Bytes)> fill) {
    tensors_.push_back({layer_ + "." + part,
                        {type, std::move(shape)},
                        [layer = layer_, sizes = sizes_, current = current_, fill](Bytes out) {
                          fill(current->get(layer, *sizes), out);
                        }});
  }
  void add_bias() {
    if (!sizes_->has_bias) return;
    add("bias", dtype_of(sizes_->scale_type), {sizes_->out_features},
        [](const IntegerLayer& l, Bytes out) { fill_floats(l.scale_type, l.bias, out); });
  }
  std::vector<model::TensorToWrite> take() { return std::move(tensors_); }

 private:
  std::string layer_;
  std::shared_ptr<const IntegerLayer> sizes_;
  std::shared_ptr<CurrentLayer> current_;
  std::vector<model::TensorToWrite> tensors_;
};

void add_row_scales(TensorList& list, const IntegerLayer& s) {
  list.add(
      "weight_scale", dtype_of(s.scale_type), {s.out_features, s.num_groups()},
      [](const IntegerLayer& l, Bytes out) { fill_floats(l.scale_type, l.scale.span(), out); });
}

void add_int_quantized(TensorList& list, const IntegerLayer& s, const IntegerScheme& scheme) {
  list.add("weight", DType::i8, {s.out_features, s.in_features}, fill_int8);
  add_row_scales(list, s);
  if (s.input->is_dynamic) return;
  list.add("input_scale", dtype_of(s.scale_type), {1}, [](const IntegerLayer& l, Bytes out) {
    fill_floats(l.scale_type, std::span(&l.input->scale, 1), out);
  });
  if (scheme.input_is_symmetric) return;
  list.add("input_zero_point", DType::i8, {1}, [](const IntegerLayer& l, Bytes out) {
    put(out, 0, static_cast<std::int8_t>(l.input->zero_point));
  });
}

void add_pack_quantized(TensorList& list, const IntegerLayer& s) {
  list.add("weight_packed", DType::i32, {s.out_features, words_of(s.in_features, s)},
           fill_packed_rows);
  add_row_scales(list, s);
  list.add("weight_shape", DType::i64, {2}, [](const IntegerLayer& l, Bytes out) {
    put(out, 0, static_cast<std::int64_t>(l.out_features));
    put(out, 1, static_cast<std::int64_t>(l.in_features));
  });
}

void add_gptq(TensorList& list, const IntegerLayer& s) {
  list.add("qweight", DType::i32, {words_of(s.in_features, s), s.out_features}, fill_qweight);
  list.add("qzeros", DType::i32, {s.num_groups(), words_of(s.out_features, s)}, fill_qzeros);
  list.add("scales", DType::f16, {s.num_groups(), s.out_features}, fill_gptq_scales);
  list.add("g_idx", DType::i32, {s.in_features}, fill_g_idx);
}

}  // namespace

std::map<std::string, std::vector<model::TensorToWrite>> integer_tensors(
    const IntegerSizes& sizes, const LoadIntegerLayer& load, IntegerFormat format) {
  std::map<std::string, std::vector<model::TensorToWrite>> tensors;
  if (sizes.empty()) return tensors;
  // Where inputs are quantized there is one scheme; elsewhere nothing of it is asked.
  const IntegerScheme scheme = schemes_of(sizes, format).front().scheme;
  const auto current = std::make_shared<CurrentLayer>(load, format);
  for (const auto& [layer, size] : sizes) {
    TensorList list(layer, size, current);
    if (format == IntegerFormat::gptq) {
      add_gptq(list, size);
    } else if (size.input) {
      add_int_quantized(list, size, scheme);
    } else {
      add_pack_quantized(list, size);
    }
    list.add_bias();
    tensors[layer] = list.take();
  }
  return tensors;
}

}  // namespace tessera::format
