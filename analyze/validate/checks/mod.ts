/**
 * All checks.
 *
 * @module
 */

import type { MakeCheck } from "../check.ts";
import { commandsCheck } from "./commands.ts";
import { configurationCheck } from "./configuration.ts";
import { descriptionCheck } from "./description.ts";
import { fieldsCheck } from "./fields.ts";
import { globalStateCheck } from "./global_state.ts";
import { sectionsCheck } from "./sections.ts";
import { streamEndCheck } from "./stream_end.ts";
import { channelFilesCheck } from "./channel_files.ts";
import { containersCheck } from "./containers.ts";
import { multifdCheck } from "./multifd.ts";
import { sectionOrderCheck } from "./section_order.ts";
import { dirtyBitmapsCheck, storageAttributesCheck } from "./chunked_payloads.ts";
import { mappedRamCheck } from "./mapped_ram.ts";
import { ramCompressedCheck } from "./ram_compressed.ts";
import { ramPagesCheck } from "./ram_pages.ts";
import { ramPostcopyCheck } from "./ram_postcopy.ts";
import { ramWordsCheck } from "./ram_words.ts";
import { toleratedCheck } from "./tolerated.ts";

/** The checks that every validation makes. */
export const CHECKS: readonly MakeCheck[] = [
  commandsCheck,
  configurationCheck,
  descriptionCheck,
  fieldsCheck,
  globalStateCheck,
  sectionsCheck,
  streamEndCheck,
  sectionOrderCheck,
  multifdCheck,
  channelFilesCheck,
  containersCheck,
  toleratedCheck,
  ramWordsCheck,
  ramPagesCheck,
  ramPostcopyCheck,
  ramCompressedCheck,
  mappedRamCheck,
  dirtyBitmapsCheck,
  storageAttributesCheck,
];
