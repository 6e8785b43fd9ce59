/**
 * All checks.
 *
 * @module
 */

import type { MakeCheck } from "../check.ts";
import { sectionOrderCheck } from "./section_order.ts";

/** The checks that every validation makes. */
export const CHECKS: readonly MakeCheck[] = [
  sectionOrderCheck,
];
