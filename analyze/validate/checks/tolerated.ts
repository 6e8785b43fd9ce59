/**
 * What decoders find wrong and pass over, because QEMU does, or because the bytes around tell how to go on.
 *
 * @module
 */

import type { FormatError } from "../../../format/error.ts";
import type { Check, CheckContext } from "../check.ts";
import { ruleOfError } from "../rule_of_error.ts";

/** Reports it by the rule that the decoder names. */
export function toleratedCheck(context: CheckContext): Check {
  return {
    visitor: {
      problem: (error: FormatError) => {
        const { offset, path, message, expected, found } = error;
        context.report(ruleOfError(error), { offset, path, message, expected, found });
      },
    },
  };
}
