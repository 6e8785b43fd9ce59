/**
 * Writes the pages of this folder that are made from tables of the program.
 *
 * @module
 */

import { rulesMarkdown } from "../analyze/validate/markdown.ts";

await Deno.writeTextFile(new URL("rules.md", import.meta.url), rulesMarkdown());
