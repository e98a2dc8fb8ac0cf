/** All cases of the suite. */
import type { AsyncSuiteCase, SuiteCase } from "../suite_case.ts";
import { withoutFused } from "../unfused.ts";
import { ATTENTION_CASES } from "./attention.ts";
import { ATTENTION_GRADIENT_CASES } from "./attention_gradients.ts";
import { ATTENTION_PROPERTY_CASES } from "./attention_properties.ts";
import { BINARY_CASES } from "./binary.ts";
import { CHOOSE_CAST_CASES } from "./choose_cast.ts";
import { GRADIENT_CASES } from "./gradients.ts";
import { INDEXING_CASES } from "./indexing.ts";
import { MATMUL_CASES } from "./matmul.ts";
import { NUMBER_CASES } from "./numbers.ts";
import { RANDOM_CASES } from "./random.ts";
import { REDUCE_CASES } from "./reduce.ts";
import { ROPE_CASES } from "./rope.ts";
import { ROW_CASES } from "./rows.ts";
import { SPECIAL_CASES } from "./special_values.ts";
import { STATISTIC_CASES } from "./statistics.ts";
import { UNARY_CASES } from "./unary.ts";
import { WRITE_CASES } from "./write.ts";

/** Every case, in the order in which ops build on each other. */
export const SUITE: readonly (SuiteCase | AsyncSuiteCase)[] = [
  ...WRITE_CASES,
  ...CHOOSE_CAST_CASES,
  ...UNARY_CASES,
  ...BINARY_CASES,
  ...NUMBER_CASES,
  ...REDUCE_CASES,
  ...STATISTIC_CASES,
  ...MATMUL_CASES,
  ...INDEXING_CASES,
  ...RANDOM_CASES,
  ...ROW_CASES,
  ...ROPE_CASES,
  ...ATTENTION_CASES,
  ...withoutFused([...ROW_CASES, ...ROPE_CASES, ...ATTENTION_CASES]),
  ...SPECIAL_CASES,
  ...GRADIENT_CASES,
  ...ATTENTION_PROPERTY_CASES,
  ...ATTENTION_GRADIENT_CASES,
];
