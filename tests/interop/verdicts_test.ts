/** Our verdicts beside those of a real QEMU, on streams that were changed in one place. */

import { assert, assertEquals } from "@std/assert";
import { interopTest } from "./qemu.ts";
import { collectVerdicts, describeTrial, explain, outcomeOf, tabulate } from "./verdicts.ts";

/** Changes, and what they follow from: every run makes the same ones. */
const TRIALS = 200;
const SEED = 2026;

interopTest("verdicts: no disagreement without a reason", {}, async () => {
  const trials = await collectVerdicts(TRIALS, SEED);
  console.log(tabulate(trials));
  assertEquals(trials.length, TRIALS);
  const unexplained = trials.filter((trial) => explain(trial) === undefined).map(describeTrial);
  assertEquals(unexplained, []);
  // Most changes are seen by both, and some by neither, or the changes would show nothing.
  const counted = Map.groupBy(trials, outcomeOf);
  assert((counted.get("both reject")?.length ?? 0) > TRIALS / 2);
  assert((counted.get("both accept")?.length ?? 0) > 0);
});
