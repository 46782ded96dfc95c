#include "cli/document_text.hpp"

#include <gtest/gtest.h>

namespace tessera::cli {
namespace {

TEST(DocumentText, EmptyDocumentsAndTables) {
  EXPECT_EQ(document_text(JsonValue::object()), "");
  EXPECT_EQ(document_text(JsonValue::object().set("layers", JsonValue::list())), "layers  -\n");
}

TEST(DocumentText, FactsAreAlignedAndBytesHaveAUnit) {
  JsonValue document = JsonValue::object();
  document.set("kind", "model").set("bytes", 1'500'000).set("gone", JsonValue());
  document.set("config", JsonValue::object().set("tied", true).set("ratio", 2.0312345));
  EXPECT_EQ(document_text(document),
            "kind   model\nbytes  1.5 MB\ngone   -\ntied   true\nratio  2.031\n");
}

TEST(DocumentText, TablesPutNumbersRightAndTextsLeft) {
  JsonValue rows = JsonValue::list();
  rows.append(JsonValue::object()
                  .set("name", "a")
                  .set("shape", JsonValue::list().append(4).append(16))
                  .set("error", 0.5));
  rows.append(JsonValue::object()
                  .set("name", "longer")
                  .set("shape", JsonValue::list())
                  .set("error", JsonValue()));
  EXPECT_EQ(document_text(JsonValue::object().set("tensors", rows)),
            "\ntensors (2)\n"
            "  name    shape   error\n"
            "  a       4 x 16    0.5\n"
            "  longer  -           -\n");
}

}  // namespace
}  // namespace tessera::cli
