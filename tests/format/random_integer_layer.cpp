#include "tests/format/random_integer_layer.hpp"

#include <cmath>

#include "core/random.hpp"

namespace tessera::test {

solver::IntegerLayer random_sizes(const std::string& name, const RandomIntegers& wanted) {
  solver::IntegerLayer l;
  l.out_features = wanted.out_features;
  l.in_features = wanted.in_features;
  l.bits = wanted.bits;
  l.group_size = wanted.group_size == 0 ? wanted.in_features : wanted.group_size;
  l.is_symmetric = wanted.is_symmetric;
  l.scale_type = wanted.scale_type;
  l.input = wanted.input;
  l.has_bias = wanted.has_bias;
  if (l.input && !l.input->is_dynamic) {
    const CounterRandom random(7, name, "input scale");
    l.input->scale =
        rounded_to(l.scale_type, 0.01f + 0.05f * static_cast<float>(random.uniform(0)));
  }
  return l;
}

solver::IntegerLayer random_integer_layer(const std::string& name, const RandomIntegers& wanted) {
  solver::IntegerLayer l = random_sizes(name, wanted);
  const std::uint64_t num_codes = std::uint64_t{1} << l.bits;
  const CounterRandom codes(7, name, "codes"), scales(7, name, "scales"), zeros(7, name, "zeros");
  l.codes = Matrix<std::uint8_t>(l.out_features, l.in_features);
  for (std::size_t i = 0; i < l.codes.size(); ++i) {
    l.codes.span()[i] = static_cast<std::uint8_t>(codes.below(i, num_codes));
  }
  l.scale = Matrix<float>(l.out_features, l.num_groups());
  l.zero_point = Matrix<std::uint8_t>(l.out_features, l.num_groups());
  for (std::size_t i = 0; i < l.scale.size(); ++i) {
    const double scale = std::exp(0.2 * scales.normal(i)) / (10 * static_cast<double>(num_codes));
    l.scale.span()[i] = rounded_to(l.scale_type, static_cast<float>(scale));
    const std::uint64_t zero = l.is_symmetric ? num_codes / 2 : 1 + zeros.below(i, num_codes - 1);
    l.zero_point.span()[i] = static_cast<std::uint8_t>(zero);
  }
  if (l.has_bias) {
    const CounterRandom biases(7, name, "bias");
    for (std::size_t i = 0; i < l.out_features; ++i) {
      l.bias.push_back(rounded_to(l.scale_type, static_cast<float>(0.1 * biases.normal(i))));
    }
  }
  return l;
}

}  // namespace tessera::test
