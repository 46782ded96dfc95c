#include "format/residual_file.hpp"

#include <cstring>
#include <functional>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "tests/format/packed_fixtures.hpp"
#include "tests/format/random_residual.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::format {
namespace {

namespace fs = std::filesystem;
using test::random_residual;
using test::Residuals;
using test::write_residuals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kUp = "model.layers.0.mlp.up_proj", kDown = "model.layers.0.mlp.down_proj";

std::string refusal_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

class ResidualFileTest : public testing::Test {
 protected:
  std::string refusal(const fs::path& path) const {
    return refusal_of([&] {
      const ResidualFile file(path);
      for (const std::string& layer : file.layers()) file.read(layer);
    });
  }
  test::TemporaryFolder folder_;
};

struct Shape {
  std::uint64_t outputs, inputs, bits;
};
class ResidualShapes : public ResidualFileTest, public testing::WithParamInterface<Shape> {};

TEST_P(ResidualShapes, ReadBackAsTheyWereWritten) {
  const auto [outputs, inputs, bits] = GetParam();
  Residuals residuals;
  residuals["b"] = random_residual(outputs, inputs, bits, 1);
  residuals["a.b"] = random_residual(2 * outputs, 1, bits, 2);
  write_residuals(folder_.path(), residuals, test::residual_info(bits));
  const ResidualFile file(folder_.path());
  EXPECT_EQ(file.info(), test::residual_info(bits));
  EXPECT_THAT(file.layers(), ElementsAre("a.b", "b"));
  for (const auto& [layer, wanted] : residuals) test::expect_same(file.read(layer), wanted);
}

INSTANTIATE_TEST_SUITE_P(AwkwardShapes, ResidualShapes,
                         testing::Values(Shape{16, 1, 2}, Shape{48, 7, 2}, Shape{32, 1, 3},
                                         Shape{96, 33, 3}, Shape{8, 1, 4}, Shape{24, 1025, 4},
                                         Shape{4, 1, 8}, Shape{20, 9, 8}));

TEST_F(ResidualFileTest, OpensByFolderFileAndIndex) {
  Residuals residuals;
  residuals[kUp] = random_residual(8, 3, 4, 1);
  residuals[kDown] = random_residual(16, 5, 4, 2);
  write_residuals(folder_ / "one", residuals, test::residual_info(4));
  write_residuals(folder_ / "many", residuals, test::residual_info(4), 70);
  EXPECT_TRUE(fs::exists(folder_ / "many" / "decdec_residual-00001-of-00004.safetensors"));
  EXPECT_FALSE(fs::exists(folder_ / "many" / kResidualFileName));
  for (const fs::path& path :
       {folder_ / "one", folder_ / "one" / kResidualFileName, folder_ / "many",
        folder_ / "many" / "decdec_residual.safetensors.index.json"}) {
    const ResidualFile file(path);
    EXPECT_TRUE(file.contains(kUp));
    EXPECT_FALSE(file.contains("model.layers.0.mlp"));
    EXPECT_EQ(file.sizes(kDown).out_features, 16u);
    for (const auto& [layer, wanted] : residuals) test::expect_same(file.read(layer), wanted);
  }
  // 3 channels of 4 bytes and 5 of 8; 24 scales; 8 magnitudes, norms and places.
  EXPECT_EQ(ResidualFile(folder_ / "one").num_bytes(), 3 * 4 + 5 * 8 + 24 * 2 + 8 * (4 + 2 + 4));
  EXPECT_THAT(refusal_of([&] { ResidualFile(folder_ / "one").read("lm_head"); }),
              AllOf(HasSubstr("no residual of 'lm_head'"), HasSubstr("layer's name")));
}

TEST_F(ResidualFileTest, AFileMayHaveAnotherName) {
  Residuals residuals;
  residuals["a"] = random_residual(8, 3, 4);
  write_residuals(folder_.path(), residuals, test::residual_info(4));
  fs::rename(folder_ / kResidualFileName, folder_ / "mine.safetensors");
  test::expect_same(ResidualFile(folder_ / "mine.safetensors").read("a"), residuals["a"]);
}

TEST_F(ResidualFileTest, IsToldFromOtherFiles) {
  Residuals residuals;
  residuals["a"] = random_residual(8, 3, 4);
  write_residuals(folder_ / "one", residuals, test::residual_info(4));
  write_residuals(folder_ / "many", residuals, test::residual_info(4), 1);
  test::write_tiny_model(folder_ / "model");
  for (const char* path : {"one", "one/decdec_residual.safetensors", "many",
                           "many/decdec_residual.safetensors.index.json"}) {
    EXPECT_TRUE(holds_residuals(folder_ / path)) << path;
  }
  for (const char* path : {"absent", "model", "model/model.safetensors", "model/config.json",
                           "many/decdec_residual-00001-of-00005.safetensors"}) {
    EXPECT_FALSE(holds_residuals(folder_ / path)) << path;
  }
}

TEST_F(ResidualFileTest, PathsThatNameNoResiduals) {
  EXPECT_THAT(refusal(folder_.path()),
              AllOf(HasSubstr("holds neither decdec_residual.safetensors nor"),
                    HasSubstr("Quantize with residual.bits")));
  EXPECT_THAT(refusal(folder_ / "absent.safetensors"), HasSubstr("does not exist"));
  write_file_atomically(folder_ / "text.txt", "x");
  EXPECT_THAT(refusal(folder_ / "text.txt"), HasSubstr("ends neither in"));
  Residuals residuals;
  residuals["a"] = random_residual(8, 3, 4);
  write_residuals(folder_.path(), residuals, test::residual_info(4), 1);
  EXPECT_THAT(refusal(folder_ / "decdec_residual-00001-of-00005.safetensors"),
              HasSubstr("one of several files"));
  write_residuals(folder_.path(), residuals, test::residual_info(4));
  EXPECT_THAT(refusal(folder_.path()), HasSubstr("one of them is left over"));
  test::write_tiny_model(folder_ / "model");
  EXPECT_THAT(refusal(folder_ / "model" / "model.safetensors"),
              HasSubstr("the header has no residual_version"));
}

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

/// Residuals beside the weights they belong to.
class ResidualsOfABase : public ResidualFileTest {
 protected:
  ResidualsOfABase() {
    test::write_tiny_model(base());
    config_ = model::read_model_config(base());
    info_.base_digest = base_digest_of(base());
  }
  fs::path base() const { return folder_ / "base"; }

  std::string refusal_for(const std::string& layer, std::uint64_t outputs, std::uint64_t inputs) {
    Residuals residuals;
    residuals[layer] = random_residual(outputs, inputs, 4);
    write_residuals(folder_ / "residuals", residuals, info_);
    return refusal_of([&] { ResidualFile(folder_ / "residuals").require_base(base(), config_); });
  }

  model::ModelConfig config_;
  ResidualInfo info_ = test::residual_info(4);
};

TEST_F(ResidualsOfABase, FitTheLayersThere) {
  EXPECT_EQ(refusal_for("model.layers.0.mlp.down_proj", 40, 52), "");
}

TEST_F(ResidualsOfABase, AnotherBaseIsRefusedWithBothDigests) {
  info_.base_digest = "0123456789abcdef" + std::string(48, '0');
  EXPECT_THAT(refusal_for("model.layers.0.mlp.down_proj", 40, 52),
              AllOf(HasSubstr("begins with 0123456789ab,"),
                    HasSubstr("begins with " + base_digest_of(base()).substr(0, 12) + " "),
                    HasSubstr("the folder it was made with")));
}

TEST_F(ResidualsOfABase, LayersOfOtherNamesAndShapesAreRefused) {
  EXPECT_THAT(refusal_for("model.layers.1.mlp.down_proj", 40, 52), HasSubstr("no linear layer"));
  EXPECT_THAT(refusal_for("lm_head", 40, 40), HasSubstr("'lm_head', which is no linear layer"));
  EXPECT_THAT(refusal_for("model.layers.0.mlp.down_proj", 40, 51),
              HasSubstr("that is [40, 51], but the layer in"));
  EXPECT_THAT(refusal_for("model.layers.0.mlp.down_proj", 48, 52), HasSubstr("is [40, 52]"));
}

}  // namespace
}  // namespace tessera::format
