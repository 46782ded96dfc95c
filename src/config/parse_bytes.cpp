#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "config/scalar_reader.hpp"

namespace tessera::config {
namespace {

struct Unit {
  std::string_view name;
  double bytes;
};
constexpr double kKilo = 1000;
constexpr double kKibi = 1024;
constexpr std::array<Unit, 12> kUnits = {{{"", 1},
                                          {"B", 1},
                                          {"kB", kKilo},
                                          {"KB", kKilo},
                                          {"MB", kKilo* kKilo},
                                          {"GB", kKilo* kKilo* kKilo},
                                          {"TB", kKilo* kKilo* kKilo* kKilo},
                                          {"KiB", kKibi},
                                          {"kiB", kKibi},
                                          {"MiB", kKibi* kKibi},
                                          {"GiB", kKibi* kKibi* kKibi},
                                          {"TiB", kKibi* kKibi* kKibi* kKibi}}};

std::optional<double> unit_bytes(std::string_view name) {
  for (const Unit& unit : kUnits) {
    if (unit.name == name) return unit.bytes;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  const auto end_of_number = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string_view number = text.substr(0, end_of_number);
  std::string_view name = text.substr(end_of_number);
  while (name.starts_with(' ')) name.remove_prefix(1);
  const auto unit = unit_bytes(name);
  if (!unit || number.empty()) return std::nullopt;

  const char* const last = number.data() + number.size();
  std::uint64_t whole = 0;
  if (const auto [end, error] = std::from_chars(number.data(), last, whole);
      error == std::errc{} && end == last) {
    const auto factor = static_cast<std::uint64_t>(*unit);
    if (whole > std::numeric_limits<std::uint64_t>::max() / factor) return std::nullopt;
    return whole * factor;
  }
  double fraction = 0;
  const auto [end, error] = std::from_chars(number.data(), last, fraction);
  const double bytes = std::round(fraction * *unit);
  if (error != std::errc{} || end != last || !(bytes < 0x1p64)) return std::nullopt;
  return static_cast<std::uint64_t>(bytes);
}

}  // namespace tessera::config
