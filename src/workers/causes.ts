import type { Cause } from "./cause.ts";
import { commonCauses, seenCauses } from "./causes-common.ts";
import { limitCauses } from "./causes-limits.ts";
import { nodeCauses, nodeRest } from "./causes-node.ts";
import { compiledCauses, phpCauses, rubyCauses } from "./causes-others.ts";
import { pipCauses } from "./causes-pip.ts";
import { pythonCauses, pythonRest } from "./causes-python.ts";

/**
 * The mistakes that a log can show, of all languages: an app without a manifest may be written in
 * any. What is exact comes first; what only repeats an error comes last.
 */
export const causes: readonly Cause[] = [
  ...limitCauses,
  ...pipCauses,
  ...pythonCauses,
  ...nodeCauses,
  ...rubyCauses,
  ...phpCauses,
  ...commonCauses,
  ...compiledCauses,
  ...pythonRest,
  ...nodeRest,
  ...seenCauses,
];
