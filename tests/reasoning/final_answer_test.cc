#include "core/reasoning/final_answer.h"

#include <gtest/gtest.h>

namespace raison {
namespace {

TEST(FinalAnswer, TheModelsOwnForms) {
  struct Case {
    const char* text;
    const char* want;
  };
  const Case cases[] = {
      {"The answer is 3.", "3"},
      {"The answer is Ana, Ben, Cleo.", "Ana, Ben, Cleo"},
      {"So $\\boxed{42}$ it is.", "42"},
      {"\\boxed{1} no, \\boxed{ \\frac{a}{b} } yes", "\\frac{a}{b}"},
      {"\\boxed{\\{1, 2\\}}", "\\{1, 2\\}"},
      {"\\boxed{\\{1}", "\\{1"},
      {"\\boxed{7} then \\boxed{8", "7"},
      {"\\boxed {5}", "5"},
      {"\\boxed", "\\boxed"},
      {"The answer is 2. \\boxed{3}", "3"},
      {"The answer is 2. No: the final answer is **4**.", "4"},
      {"**Answer:** 3.5 km", "3.5 km"},
      {"**Final Answer**: 12", "12"},
      {"The answer is:\n\n$x = 2$\n", "x = 2"},
      {"ANSWER IS YES! Good.", "YES"},
      {"The answer is 3.14. It is pi.", "3.14"},
      {"I have no answer island.\nLine two", "Line two"},
      {"Nonanswer: 5", "Nonanswer: 5"},
      {"First\n\n  last line  \n\n", "last line"},
      {"one", "one"},
      {"", ""},
      {" \n \n", ""},
      {"The answer is", "The answer is"},
      {"Final answer: \"Paris\".", "Paris"},
  };
  for (const Case& c : cases) EXPECT_EQ(ExtractFinalAnswer(c.text), c.want) << c.text;
}

TEST(FinalAnswer, FirstStepThatStatesIt) {
  EXPECT_EQ(FirstStepStating({"Ana has 3 apples.", "7 - 4 = 3.", "So x is 3."}, "3"), 1);
  EXPECT_EQ(FirstStepStating({"13 and 3.5 and x3 and 0.3", "only 3 here"}, "3"), 1);
  EXPECT_EQ(FirstStepStating({"= 13", "= 3.5", "= 3"}, "3"), 2);
  EXPECT_EQ(FirstStepStating({"1,300 is not it", "it is 300."}, "300"), 1);
  EXPECT_EQ(FirstStepStating({"a", "The order is: ANA, Ben.", "b"}, "Ana, Ben"), 1);
  EXPECT_EQ(FirstStepStating({"$\\boxed{3}$"}, "3"), 0);
  EXPECT_EQ(FirstStepStating({"= $x+1$"}, "x+1"), 0);
  EXPECT_EQ(FirstStepStating({"nothing"}, "3"), -1);
  EXPECT_EQ(FirstStepStating({"nothing"}, "  "), -1);
  EXPECT_EQ(FirstStepStating({}, "3"), -1);
  EXPECT_EQ(FirstStepStating({"答案是3"}, "3"), 0);
}

}  // namespace
}  // namespace raison
