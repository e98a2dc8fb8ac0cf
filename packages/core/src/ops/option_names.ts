/** What other libraries call the options of reductions, sorts and norms: `checkNames` then says what to use here. */

/** Of ops along dims (NumPy, JAX, TensorFlow.js). */
export const FOREIGN_DIM_OPTIONS: Readonly<Record<string, string>> = {
  axis: "dim",
  axes: "dim",
  dims: "dim",
  keepdims: "keepdim",
  keepDims: "keepdim",
  keepDim: "keepdim",
  reverse: "descending",
  sorted: "nothing: values come in order",
  unbiased: "correction: 1 (unbiased) or 0",
  ddof: "correction",
  ord: "p",
};

/** Of norms. */
export const FOREIGN_NORM_OPTIONS: Readonly<Record<string, string>> = {
  ...FOREIGN_DIM_OPTIONS,
  epsilon: "eps",
  normalized_shape: "normalizedShape",
};
