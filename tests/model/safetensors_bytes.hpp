#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace tessera::test {

/// A safetensors file as text: 8 bytes of length, @p header, then @p data. @p length replaces the
/// true one.
std::string safetensors_bytes(std::string_view header, std::string_view data,
                              std::optional<std::uint64_t> length = std::nullopt);

/// What the InputError of @p action says; fails the test when it throws none.
std::string input_error_of(const std::function<void()>& action);

}  // namespace tessera::test
