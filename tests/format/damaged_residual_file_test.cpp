#include <cstring>
#include <functional>
#include <limits>
#include <map>

#include <gmock/gmock.h>

#include "model/safetensors_file.hpp"
#include "model/safetensors_writer.hpp"
#include "tests/format/random_residual.hpp"
#include "tests/format/residual_file_fixture.hpp"

// Residual files that something went wrong with after they were written.
namespace tessera::format {
namespace {

namespace fs = std::filesystem;
using test::random_residual;
using test::Residuals;
using test::write_residuals;
using testing::HasSubstr;

const std::string kUp = "model.layers.0.mlp.up_proj", kDown = "model.layers.0.mlp.down_proj";

/// A residual file with something changed after the writer was done.
class DamagedResiduals : public ResidualFileTest {
 protected:
  using Tensor = std::pair<model::TensorInfo, std::vector<std::byte>>;
  using Tensors = std::map<std::string, Tensor>;

  DamagedResiduals() {
    residuals_[kUp] = random_residual(32, 6, 4, 1);
    residuals_[kDown] = random_residual(8, 5, 4, 2);
    write_residuals(folder_ / "good", residuals_, test::residual_info(4));
    const model::SafetensorsFolder files(folder_ / "good", kResidualStem);
    for (const std::string& name : files.names()) {
      const auto bytes = files.bytes(name);
      tensors_[name] = {files.info(name), {bytes.begin(), bytes.end()}};
    }
  }

  /// Writes them again after @p spoil and says what the reader says.
  std::string after(
      const std::function<void(Tensors&)>& spoil,
      std::map<std::string, std::string> metadata = metadata_of(test::residual_info(4))) const {
    Tensors spoiled = tensors_;
    spoil(spoiled);
    std::vector<model::TensorToWrite> tensors;
    for (const auto& [name, tensor] : spoiled) {
      tensors.push_back({name, tensor.first, [&bytes = tensor.second](std::span<std::byte> out) {
                           std::ranges::copy(bytes, out.begin());
                         }});
    }
    const auto files = model::plan_files(tensors, std::size_t{1} << 30, kResidualStem);
    fs::create_directories(damaged());
    model::write_safetensors_file(damaged() / kResidualFileName, tensors, files.members[0],
                                  metadata);
    return refusal(damaged());
  }
  template <class T>
  std::string with_element(const std::string& tensor, std::size_t position, T value) const {
    return after([&](Tensors& tensors) {
      std::memcpy(tensors.at(tensor).second.data() + position * sizeof(T), &value, sizeof(T));
    });
  }
  std::string with_info(const std::string& tensor, DType type,
                        std::vector<std::size_t> shape) const {
    return after([&](Tensors& tensors) {
      tensors.at(tensor).first = {type, shape};
      tensors.at(tensor).second.resize(tensors.at(tensor).first.count() * size_of(type));
    });
  }
  fs::path damaged() const { return folder_ / "damaged"; }

  Residuals residuals_;
  Tensors tensors_;
};

TEST_F(DamagedResiduals, NothingChangedIsFine) {
  EXPECT_EQ(after([](Tensors&) {}), "");
}

TEST_F(DamagedResiduals, MissingTensors) {
  for (const char* part : {kResidualScale, kTopMagnitude}) {
    EXPECT_THAT(after([&](Tensors& t) { t.erase(kUp + part); }),
                AllOf(HasSubstr(kUp + part), HasSubstr("is missing")));
  }
  EXPECT_THAT(after([&](Tensors& t) { t.erase(kUp + kResidualCodes); }),
              AllOf(HasSubstr(kUp), HasSubstr("belongs to no residual")));
  EXPECT_THAT(after([](Tensors& t) {
                t = {{"x.residual", {{DType::u8, {1}}, {std::byte{1}}}}};
              }),
              HasSubstr("'x.residual' belongs to no residual"));
}

TEST_F(DamagedResiduals, TensorsOfNoResidual) {
  for (const char* name : {"model.norm.weight", "lm_head.residual_scale", ".residual_q"}) {
    EXPECT_THAT(after([&](Tensors& t) { t[name] = t.at(kUp + kResidualScale); }),
                AllOf(HasSubstr(name), HasSubstr("belongs to")));
  }
}

TEST_F(DamagedResiduals, WrongTypesAndShapes) {
  EXPECT_THAT(with_info(kUp + kResidualCodes, DType::i64, {6, 4}),
              HasSubstr("is I64 [6, 4] (its layer makes it I32 [6, 4])"));
  EXPECT_THAT(with_info(kUp + kResidualCodes, DType::i32, {4, 6}),
              HasSubstr("makes it I32 [4, 4]"));
  EXPECT_THAT(with_info(kUp + kResidualCodes, DType::i32, {24}), HasSubstr("I32 [24]"));
  EXPECT_THAT(with_info(kUp + kResidualCodes, DType::i32, {0, 4}), HasSubstr("I32 [0, 4]"));
  EXPECT_THAT(with_info(kUp + kResidualScale, DType::bf16, {32}), HasSubstr("makes it F16 [32]"));
  EXPECT_THAT(with_info(kUp + kResidualScale, DType::f16, {31}), HasSubstr("F16 [31]"));
  EXPECT_THAT(with_info(kUp + kResidualScale, DType::f16, {28}),
              HasSubstr("its 28 outputs of 4 bits do not make such a shape"));
  EXPECT_THAT(with_info(kUp + kResidualScale, DType::f16, {32, 1}), HasSubstr("F16 [32, 1]"));
  EXPECT_THAT(with_info(kUp + kResidualScale, DType::f16, {0}), HasSubstr("F16 [0]"));
  EXPECT_THAT(with_info(kUp + kTopMagnitude, DType::f16, {6}), HasSubstr("makes it F32 [6]"));
  EXPECT_THAT(with_info(kUp + kTopMagnitude, DType::f32, {7}), HasSubstr("makes it F32 [6]"));
  EXPECT_THAT(with_info(kUp + kColumnNorm, DType::f16, {5}), HasSubstr("makes it F16 [6]"));
  EXPECT_THAT(with_info(kUp + kStaticOrder, DType::i64, {6}), HasSubstr("makes it I32 [6]"));
  EXPECT_THAT(after([](Tensors&) {}, metadata_of(test::residual_info(8))),
              HasSubstr("makes it I32"));
}

TEST_F(DamagedResiduals, ContentsThatCannotBe) {
  const auto half = [](float value) { return f16_from_float(value); };
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(with_element<std::uint32_t>(kUp + kResidualCodes, 4 * 3 + 2, 0x11110111),
              HasSubstr("the code of channel 3, output 19 is 0 (1 to 15 are used)"));
  for (const float bad : {kInfinity, kNaN, -1.0F}) {
    EXPECT_THAT(with_element(kUp + kResidualScale, 31, half(bad)), HasSubstr("element 31 is"));
    EXPECT_THAT(with_element(kUp + kColumnNorm, 5, half(bad)), HasSubstr("element 5 is"));
    EXPECT_THAT(with_element(kUp + kTopMagnitude, 5, bad), HasSubstr("element 5 is"));
  }
  EXPECT_THAT(with_element(kUp + kTopMagnitude, 2, 1000.0F),
              HasSubstr("element 2 is 1000, above the one before it"));
  EXPECT_THAT(with_element(kUp + kStaticOrder, 4, std::int32_t{6}),
              HasSubstr("element 4 is 6 (none of the 6 channels)"));
  EXPECT_THAT(with_element(kUp + kStaticOrder, 4, std::int32_t{-1}), HasSubstr("is -1"));
  const auto first = static_cast<std::int32_t>(residuals_.at(kUp).static_order[0]);
  EXPECT_THAT(with_element(kUp + kStaticOrder, 4, first), HasSubstr("named twice"));
}

TEST_F(DamagedResiduals, AFileThatIsCutShort) {
  after([](Tensors&) {});
  fs::resize_file(damaged() / kResidualFileName, fs::file_size(damaged() / kResidualFileName) - 1);
  EXPECT_THAT(refusal(damaged()), HasSubstr("cut short"));
}

TEST_F(DamagedResiduals, ABudgetForALayerThatIsNotThere) {
  ResidualInfo info = test::residual_info(4);
  info.budget = "bytes_per_token 5";
  info.k_chunk_of = {{kUp, 3}, {"lm_head", 1}};
  EXPECT_THAT(after([](Tensors&) {}, metadata_of(info)), HasSubstr("names 'lm_head'"));
}

// Foreign files need neither norms nor a static order.
TEST_F(DamagedResiduals, OptionalTensorsMayBeMissing) {
  EXPECT_EQ(after([&](Tensors& t) {
              for (const std::string& layer : {kUp, kDown}) {
                t.erase(layer + kColumnNorm);
                t.erase(layer + kStaticOrder);
              }
            }),
            "");
  const auto found = ResidualFile(damaged()).read(kUp);
  EXPECT_TRUE(found.static_order.empty());
  EXPECT_EQ(found.column_norm, residuals_.at(kUp).column_norm);
}

TEST_F(DamagedResiduals, ShardsOfDifferentQuantizations) {
  write_residuals(damaged(), residuals_, test::residual_info(4), 200);
  ResidualInfo other = test::residual_info(4);
  other.k_chunk = 17;
  write_residuals(folder_ / "other", residuals_, other, 200);
  const char* shard = "decdec_residual-00002-of-00002.safetensors";
  ASSERT_EQ(refusal(damaged()), "");
  fs::copy_file(folder_ / "other" / shard, damaged() / shard, fs::copy_options::overwrite_existing);
  EXPECT_THAT(refusal(damaged()), HasSubstr("have different headers"));
  fs::remove(damaged() / shard);
  EXPECT_THAT(refusal(damaged()), HasSubstr("which is not there"));
}

}  // namespace
}  // namespace tessera::format
