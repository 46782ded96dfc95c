#include <algorithm>
#include <limits>

#include <Eigen/Core>

#include "linalg/vector_math.hpp"

namespace tessera::linalg {
namespace {

// Arrays of a fixed size: Eigen then neither peels elements off until an address is aligned nor
// treats the last ones with scalar functions, both of which would make bits depend on the address.
constexpr std::size_t kLanes = 16;
using Lanes = Eigen::Array<float, kLanes, 1>;

Lanes load(const float* x) {
  return Eigen::Map<const Lanes>(x);
}

Lanes load_part(const float* x, std::size_t count, float fill) {
  Lanes lanes = Lanes::Constant(fill);
  std::copy(x, x + count, lanes.data());
  return lanes;
}

void store(const Lanes& lanes, float* out) {
  Eigen::Map<Lanes>{out} = lanes;
}

void store_part(const Lanes& lanes, float* out, std::size_t count) {
  std::copy(lanes.data(), lanes.data() + count, out);
}

/// Calls step(load, store, i) for whole groups of lanes and for the rest, padded with @p fill.
template <class Step>
void for_lanes(std::size_t count, float fill, Step&& step) {
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    step([i](std::span<const float> x) { return load(x.data() + i); },
         [i](const Lanes& lanes, std::span<float> out) { store(lanes, out.data() + i); });
  }
  if (const std::size_t rest = count - i; rest > 0) {
    step(
        [=](std::span<const float> x) { return load_part(x.data() + i, rest, fill); },
        [=](const Lanes& lanes, std::span<float> out) { store_part(lanes, out.data() + i, rest); });
  }
}

double sum_of(const Lanes& lanes) {
  double sum = 0;
  for (std::size_t i = 0; i < kLanes; ++i) sum += static_cast<double>(lanes.data()[i]);
  return sum;
}

}  // namespace

double sum(std::span<const float> x) {
  Lanes sums = Lanes::Zero();
  for_lanes(x.size(), 0, [&](auto&& read, auto&&) { sums += read(x); });
  return sum_of(sums);
}

double sum_of_squares(std::span<const float> x) {
  Lanes sums = Lanes::Zero();
  for_lanes(x.size(), 0, [&](auto&& read, auto&&) { sums += read(x).square(); });
  return sum_of(sums);
}

float largest(std::span<const float> x) {
  const float lowest = -std::numeric_limits<float>::infinity();
  Lanes best = Lanes::Constant(lowest);
  for_lanes(x.size(), lowest, [&](auto&& read, auto&&) { best = best.max(read(x)); });
  return *std::max_element(best.data(), best.data() + kLanes);
}

float largest_magnitude(std::span<const float> x) {
  Lanes best = Lanes::Zero();
  for_lanes(x.size(), 0, [&](auto&& read, auto&&) { best = best.max(read(x).abs()); });
  return *std::max_element(best.data(), best.data() + kLanes);
}

double exp_and_sum(std::span<float> x, float shift) {
  Lanes sums = Lanes::Zero();
  std::size_t i = 0;
  for (; i + kLanes <= x.size(); i += kLanes) {
    const Lanes e = (load(x.data() + i) - shift).exp();
    sums += e;
    store(e, x.data() + i);
  }
  if (const std::size_t rest = x.size() - i; rest > 0) {
    const Lanes e = (load_part(x.data() + i, rest, shift) - shift).exp();
    store_part(e, x.data() + i, rest);
    sums += load_part(x.data() + i, rest, 0);
  }
  return sum_of(sums);
}

void silu_times(std::span<const float> gate, std::span<const float> up, std::span<float> out) {
  for_lanes(out.size(), 0, [&](auto&& read, auto&& write) {
    const Lanes g = read(gate);
    write(g / ((-g).exp() + 1.0F) * read(up), out);
  });
}

void relu(std::span<float> x) {
  for_lanes(x.size(), 0, [&](auto&& read, auto&& write) { write(read(x).max(0.0F), x); });
}

void scale_by(std::span<const float> x, float factor, std::span<const float> weight,
              std::span<float> out) {
  for_lanes(out.size(), 0,
            [&](auto&& read, auto&& write) { write((read(x) * factor) * read(weight), out); });
}

void scale(std::span<float> x, float factor) {
  for_lanes(x.size(), 0, [&](auto&& read, auto&& write) { write(read(x) * factor, x); });
}

void subtract(std::span<const float> x, float value, std::span<float> out) {
  for_lanes(out.size(), 0, [&](auto&& read, auto&& write) { write(read(x) - value, out); });
}

void round_to_steps(std::span<float> x, float scale, float zero) {
  if (scale == 0) {
    std::ranges::fill(x, 0.0F);
    return;
  }
  for_lanes(x.size(), 0, [&](auto&& read, auto&& write) {
    const Lanes steps = (read(x) / scale).rint() + zero;
    write((steps.max(-128.0F).min(127.0F) - zero) * scale, x);
  });
}

void add(std::span<const float> x, std::span<float> y) {
  for_lanes(y.size(), 0, [&](auto&& read, auto&& write) { write(read(x) + read(y), y); });
}

void rotate_halves(std::span<float> x, std::span<const float> cos, std::span<const float> sin) {
  const std::size_t half = cos.size();
  const auto first = x.first(half);
  const auto second = x.subspan(half);
  for_lanes(half, 0, [&](auto&& read, auto&& write) {
    const Lanes a = read(first), b = read(second), c = read(cos), s = read(sin);
    write(a * c - b * s, first);
    write(b * c + a * s, second);
  });
}

}  // namespace tessera::linalg
