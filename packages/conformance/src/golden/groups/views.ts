/** Group `views`: chains of view operations; the runner also checks the resulting layout. */
import type { OpTable } from "../call.ts";
import { applyViews } from "../views.ts";

/** Mappings of group `views`. */
export const VIEW_OPS: OpTable = {
  views: (c) => ({ output: applyViews(c.tensor("base"), c.attrs.raw("chain")) }),
};
