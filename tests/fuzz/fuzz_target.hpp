#pragma once
#include <cstddef>
#include <cstdint>

/// What libFuzzer and our own driver call. Defined once in each fuzz_*.cpp. An InputError is a good
/// answer to a bad input and is caught there; whatever else escapes ends the process.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
