// What the invocations of a subgroup know together. A maximum may be NaN or infinite in a spoilt row alone, and is no matter
// there; whether it is spoilt is no arithmetic of floats.

fn fold_subgroup(running: Running) -> Running {
  let maximum = subgroupMax(running.maximum);
  let sum = subgroupAdd(running.sum * factor(running, maximum));
  return Running(maximum, sum, subgroupAny(running.spoilt));
}
