#include "format/open_weights.hpp"

#include <gmock/gmock.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "format/vptq_folder.hpp"
#include "tests/format/integer_fixtures.hpp"
#include "tests/format/packed_fixtures.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::format {
namespace {

template <class Source>
bool opens_as(const std::filesystem::path& folder) {
  return dynamic_cast<const Source*>(open_weights(folder).get()) != nullptr;
}

TEST(OpenWeights, LooksAtTheConfig) {
  const test::TemporaryFolder folder;
  const auto model = folder / "model", packed = folder / "packed";
  test::write_small_model(model);
  EXPECT_TRUE(opens_as<model::SafetensorsFolder>(model));
  for (const auto format : {IntegerFormat::gptq, IntegerFormat::compressed_tensors}) {
    test::pack_integer_model(model, packed, format,
                             [](const std::string&, test::RandomIntegers&) { return true; });
    EXPECT_TRUE(opens_as<IntegerFolder>(packed));
  }
  test::write_tiny_model(folder / "tiny");
  test::pack_tiny_model(folder / "tiny", folder / "vptq");
  EXPECT_TRUE(opens_as<VptqFolder>(folder / "vptq"));
}

TEST(OpenWeights, RefusesOtherMethods) {
  const test::TemporaryFolder folder;
  write_file_atomically(folder / "config.json",
                        R"({"quantization_config": {"quant_method": "awq"}})");
  try {
    open_weights(folder.path());
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(),
                ::testing::HasSubstr("quant_method is 'awq' (this program reads plain "
                                     "models, 'vptq', 'compressed-tensors' and"));
  }
}

}  // namespace
}  // namespace tessera::format
